//! Whole recorded connections: the client, given the recorded private values, sends the recorded bytes.

use pki::Fingerprint;

use super::trace::{Inputs, Rekey as RekeyTrace};
use super::*;
use crate::exchange::Initiator;
use crate::handshake::client::AwaitServerHello;
use crate::handshake::message::ClientHello;
use wire::bytes::Reader;

/// What both sides do after the handshake.
const SCRIPT: [(&str, &str); 8] = [
    ("client", "under epoch 0"),
    ("server", "under epoch 0, too"),
    ("rekey", ""),
    ("client", "under epoch 1"),
    ("server", "under epoch 1, too"),
    ("rekey", ""),
    ("client", "under epoch 2"),
    ("server", "under epoch 2, too"),
];

/// The private shares of one exchange and the request they belong to.
struct Shares {
    dh: [u8; 32],
    kem: Vec<u8>,
    request: [u8; 1216],
}

impl Shares {
    fn generate() -> Self {
        let (initiator, request) = Initiator::generate().unwrap();
        let (dh, kem) = initiator.private();
        Self { dh, kem, request }
    }

    fn read(value: &Value, request: [u8; 1216]) -> Self {
        Self { dh: array(&value["x25519_private"]), kem: bytes(&value["ml_kem_768_private"]), request }
    }

    fn initiator(&self) -> Initiator {
        Initiator::from_private(&self.dh, &self.kem)
    }

    /// `ss_kem` and `ss_dh`, given the server's response.
    fn shared(&self, response: &[u8]) -> ([u8; 32], [u8; 32]) {
        let shared = self.initiator().finish(response.try_into().unwrap()).unwrap();
        let (kem, dh) = shared.as_bytes().split_at(32);
        (kem.try_into().unwrap(), dh.try_into().unwrap())
    }

    fn to_json(&self) -> Value {
        json!({ "x25519_private": hex::encode(self.dh), "ml_kem_768_private": hex::encode(&self.kem) })
    }
}

fn client(config: ClientConfig, m1: Vec<u8>, shares: &Shares) -> Connection {
    let state = AwaitServerHello::resume(config, m1, shares.initiator());
    Connection::new(Side::Client, State::AwaitServerHello(Box::new(state)), Vec::new(), NOW)
}

fn start_rekey(client: &mut Connection, shares: &Shares) {
    client.drive(|open, io| open.send_rekey_request(shares.initiator(), &shares.request, io)).unwrap();
}

/// The frames in what a side sends at once.
fn frames(mut sent: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let [_, _, _, _, _, l0, l1, ..] = sent {
        let (frame, rest) = sent.split_at(7 + usize::from(u16::from_be_bytes([*l0, *l1])));
        frames.push(frame.to_vec());
        sent = rest;
    }
    frames
}

/// Notes what a side sends, with the names of its frames.
fn note(log: &mut Vec<Value>, from: &str, names: &[&str], content: &str, sent: &[u8]) {
    let frames = frames(sent);
    assert_eq!(frames.len(), names.len(), "{names:?}");
    for (name, frame) in names.iter().zip(frames) {
        let mut entry = json!({ "from": from, "what": name, "frame": hex::encode(frame) });
        if !content.is_empty() {
            entry["content"] = Value::from(hex::encode(content));
        }
        log.push(entry);
    }
}

/// Opens a handshake message's sealed part with a key of the trace.
fn open_sealed(suite: Suite, secret: &Value, associated: &Value, sealed: &[u8]) -> Vec<u8> {
    let key = crate::schedule::seal::SealKey::derive(suite, &Secret::from_bytes(array(secret))).unwrap();
    let mut buffer = sealed.to_vec();
    key.open(0, &bytes(associated), &mut buffer).unwrap();
    buffer
}

/// Every secret of the handshake, from its frames and the client's private shares.
fn handshake_secrets(suite: Suite, m1: &[u8], m2: &[u8], m3: &[u8], shares: &Shares) -> (Value, Value) {
    let (clear, sealed) = m2.split_at(1154);
    let (ss_kem, ss_dh) = shares.shared(&clear[34..]);
    let mut inputs = Inputs {
        client_hello: m1,
        server_hello_clear: clear,
        server_chain: &[],
        server_signature: &[],
        client_chain: &[],
        client_signature: &[],
        ss_kem: &ss_kem,
        ss_dh: &ss_dh,
    };
    // What is sealed in M2 and M3 is known step by step.
    let known = inputs.secrets();
    let server = open_sealed(suite, &known["s_hs"], &known["th1"], sealed);
    let (chain, rest) = server.split_at(chain_length(&server));
    inputs.server_chain = chain;
    inputs.server_signature = &rest[..64];
    let known = inputs.secrets();
    assert_eq!(bytes(&known["fin_s"]), &rest[64..96]);
    let client = open_sealed(suite, &known["c_hs"], &known["th4"], m3);
    let (chain, rest) = client.split_at(chain_length(&client));
    inputs.client_chain = chain;
    inputs.client_signature = if chain == [0] { &[] } else { &rest[..64] };
    let secrets = inputs.secrets();
    let finished = &rest[inputs.client_signature.len()..];
    assert_eq!(bytes(&secrets["fin_c"]), &finished[..32]);
    (inputs.to_json(), secrets)
}

fn chain_length(plaintext: &[u8]) -> usize {
    let mut reader = Reader::new(plaintext);
    for _ in 0..reader.u8().unwrap() {
        reader.prefixed_u16(8192).unwrap();
    }
    plaintext.len() - reader.rest().len()
}

/// What a record holds, opened with a traffic secret of the trace.
fn content(suite: Suite, traffic: &Value, number: u64, frame: &[u8]) -> Vec<u8> {
    let key = crate::schedule::seal::SealKey::derive(suite, &Secret::from_bytes(array(traffic))).unwrap();
    let mut body = frame[7..].to_vec();
    key.open(number, &frame[..7], &mut body).unwrap();
    let size = u16::from_be_bytes([body[body.len() - 2], body[body.len() - 1]]);
    body.truncate(usize::from(size));
    body
}

fn record(name: &str, suite: Suite, is_certified: bool) {
    let forge = forge();
    let (device_chain, device_key) = forge.issue(&laptop(), &validity());
    let key_pkcs8 = hex::encode(&*device_key.to_pkcs8().unwrap());
    let mut config = forge.anonymous_config();
    config.suites = vec![suite];
    if is_certified {
        config.trust = forge.trust();
        config.identity = Some(Arc::new(ClientIdentity::new(&device_chain, device_key).unwrap()));
    }
    let mut shares = vec![Shares::generate()];
    let m1 = ClientHello::encode(&[suite], &[0x11; 32], &shares[0].request);
    let mut client = client(config, m1.clone(), &shares[0]);
    let mut server = Connection::server(forge.server_config(), NOW);
    let mut log = Vec::new();

    let m1_frame = wire::frame::encode(FrameType::ClientHello, &m1).unwrap();
    note(&mut log, "client", &["M1"], "", &m1_frame);
    server.handle_input(&m1_frame, NOW).unwrap();
    let m2_frame = server.poll_transmit().unwrap();
    note(&mut log, "server", &["M2"], "", &m2_frame);
    client.handle_input(&m2_frame, NOW).unwrap();
    let m3_frame = client.poll_transmit().unwrap();
    note(&mut log, "client", &["M3"], "", &m3_frame);
    server.handle_input(&m3_frame, NOW).unwrap();
    let confirm = server.poll_transmit().unwrap();
    note(&mut log, "server", &["confirm"], "", &confirm);
    client.handle_input(&confirm, NOW).unwrap();
    let (inputs, secrets) = handshake_secrets(suite, &m1, &m2_frame[7..], &m3_frame[7..], &shares[0]);
    assert_eq!(bytes(&secrets["exporter"]), client.exporter().unwrap().as_bytes());

    client.bind_login(password_login()).unwrap();
    server.bind_login(password_login()).unwrap();
    let mut rekeys = Vec::new();
    let mut current =
        (array(&secrets["epoch_0"]), secrets["c_traffic"].clone(), secrets["s_traffic"].clone());
    for (who, text) in SCRIPT {
        if who == "rekey" {
            let fresh = Shares::generate();
            start_rekey(&mut client, &fresh);
            let r1 = client.poll_transmit().unwrap();
            note(&mut log, "client", &["R1"], "", &r1);
            server.handle_input(&r1, NOW).unwrap();
            let r2 = server.poll_transmit().unwrap();
            note(&mut log, "server", &["R2", "confirm"], "", &r2);
            client.handle_input(&r2, NOW).unwrap();
            let r3 = client.poll_transmit().unwrap();
            note(&mut log, "client", &["R3", "confirm"], "", &r3);
            server.handle_input(&r3, NOW).unwrap();
            // In epoch 0 the client has sent one record before R1, later also its confirm; the server two.
            let number = u32::try_from(rekeys.len() + 1).unwrap();
            let client_record = if number == 1 { 1 } else { 2 };
            let request = content(suite, &current.1, client_record, &r1);
            let response = content(suite, &current.2, 2, &frames(&r2)[0]);
            let (ss_kem, ss_dh) = fresh.shared(&response[4..]);
            let session_key = [7; 64];
            let trace = RekeyTrace {
                number,
                epoch: current.0,
                exporter: array(&secrets["exporter"]),
                method: 1,
                user: b"ann",
                device: b"laptop",
                session_key: if number == 1 { &session_key } else { &[] },
                request: &request,
                response: &response,
                ss_kem: &ss_kem,
                ss_dh: &ss_dh,
            };
            let next = trace.secrets();
            current = (array(&next["epoch"]), next["c_traffic"].clone(), next["s_traffic"].clone());
            rekeys.push(json!({ "private": fresh.to_json(), "inputs": trace.to_json(), "secrets": next }));
            shares.push(fresh);
            continue;
        }
        let (from, to) =
            if who == "client" { (&mut client, &mut server) } else { (&mut server, &mut client) };
        from.send(text.as_bytes()).unwrap();
        let sent = from.poll_transmit().unwrap();
        note(&mut log, who, &["data"], text, &sent);
        to.handle_input(&sent, NOW).unwrap();
    }
    client.close().unwrap();
    note(&mut log, "client", &["close"], "", &client.poll_transmit().unwrap());
    server.close().unwrap();
    note(&mut log, "server", &["close"], "", &server.poll_transmit().unwrap());

    let identity = is_certified.then(|| {
        let chain: Vec<String> = device_chain.0.iter().map(hex::encode).collect();
        json!({ "chain": chain, "key_pkcs8": key_pkcs8 })
    });
    write(
        name,
        &json!({
            "description": "A whole connection with every private value of the client",
            "suite": suite.number(),
            "now_ms": NOW,
            "organisation": forge.root.organisation().as_str(),
            "root": hex::encode(forge.root.certificate()),
            "client": identity,
            "private": shares[0].to_json(),
            "inputs": inputs,
            "secrets": secrets,
            "rekeys": rekeys,
            "frames": log,
        }),
    );
}

fn replay(name: &str) {
    let vector = read(name);
    let root = bytes(&vector["root"]);
    let suite = Suite::from_number(u16::try_from(vector["suite"].as_u64().unwrap()).unwrap()).unwrap();
    let anchor = pki::TrustAnchor::from_root(&root).unwrap();
    let certified = &vector["client"];
    let (trust, identity) = if certified.is_null() {
        (ServerTrust::PinnedRoot(Fingerprint::of(&root)), None)
    } else {
        let chain = Chain(certified["chain"].as_array().unwrap().iter().map(bytes).collect());
        let key = SigningKey::from_pkcs8(&bytes(&certified["key_pkcs8"])).unwrap();
        let trust = ServerTrust::Anchors {
            organisation: anchor.organisation().clone(),
            store: Arc::new(TrustStore::new(vec![anchor])),
            revocations: Arc::new(NoRevocations),
        };
        (trust, Some(Arc::new(ClientIdentity::new(&chain, key).unwrap())))
    };
    let log = vector["frames"].as_array().unwrap();
    let frame = |what: &str| bytes(&log.iter().find(|entry| entry["what"] == what).unwrap()["frame"]);
    let m1 = frame("M1")[7..].to_vec();
    let shares = Shares::read(&vector["private"], m1[50..].try_into().unwrap());
    let (inputs, secrets) = handshake_secrets(suite, &m1, &frame("M2")[7..], &frame("M3")[7..], &shares);
    assert_eq!((&inputs, &secrets), (&vector["inputs"], &vector["secrets"]));

    let mut client = client(ClientConfig { trust, identity, suites: vec![suite] }, m1, &shares);
    let mut rekeys = vector["rekeys"].as_array().unwrap().iter();
    let mut sent = Vec::new();
    for entry in &log[1..] {
        let frame = bytes(&entry["frame"]);
        if entry["from"] == "server" {
            client.handle_input(&frame, NOW).unwrap();
            let expected: Vec<u8> =
                if entry["what"] == "data" { bytes(&entry["content"]) } else { Vec::new() };
            assert_eq!(data(&mut client), expected);
            continue;
        }
        match entry["what"].as_str().unwrap() {
            "data" => client.send(&bytes(&entry["content"])).unwrap(),
            "close" => client.close().unwrap(),
            "R1" => {
                let rekey = rekeys.next().unwrap();
                if rekey["inputs"]["number"] == 1 {
                    assert_eq!(client.exporter().unwrap().as_bytes()[..], bytes(&secrets["exporter"]));
                    client.bind_login(password_login()).unwrap();
                }
                let request = bytes(&rekey["inputs"]["r1"]);
                start_rekey(&mut client, &Shares::read(&rekey["private"], request[4..].try_into().unwrap()));
            }
            _ => {}
        }
        sent.extend(client.poll_transmit().unwrap_or_default());
        let rest = sent.split_off(frame.len());
        assert_eq!(sent, frame, "{}", entry["what"]);
        sent = rest;
    }
    assert_eq!(client.epoch(), Some(2));
    client.handle_eof().unwrap();
}

#[test]
fn recorded_connections_are_made_again_byte_for_byte() {
    let recordings = [
        ("handshake-certified.json", Suite::Aes256Gcm, true),
        ("handshake-anonymous.json", Suite::ChaCha20Poly1305, false),
    ];
    for (name, suite, is_certified) in recordings {
        if is_writing() {
            record(name, suite, is_certified);
        }
        replay(name);
    }
}
