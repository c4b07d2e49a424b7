//! Another implementation, written in Python from `docs/channel.md` alone, talks to ours over TCP and checks our
//! vectors.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "clippy.toml exempts test functions and not what they call"
)]

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use channel::{Connection, Event, LoginBinding, OpaqueSessionKey, Peer, ServerConfig, ServerIdentity, Suite};
use pki::ca::{RootCa, Validity};
use pki::ed25519::SigningKey;
use pki::{Holder, Name, NoRevocations, Organisation, TrustStore};

/// 2026-01-01T00:00:00Z.
const NOW: u64 = 1_767_225_600_000;
const SESSION_KEY: [u8; 64] = [7; 64];

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn python() -> OsString {
    std::env::var_os("COUNTERSIGN_TEST_PYTHON").expect(
        "COUNTERSIGN_TEST_PYTHON is not set: run `cargo xtask test`, which prepares the tests' Python",
    )
}

fn login() -> LoginBinding {
    LoginBinding {
        method: 1,
        user: b"ann".to_vec(),
        device: b"laptop".to_vec(),
        opaque_session_key: Some(OpaqueSessionKey::new(SESSION_KEY)),
    }
}

/// Echoes data until the client closes; asks for a rekey before it echoes "rekey!".
fn serve(mut stream: TcpStream, config: ServerConfig) -> (Vec<u32>, Peer) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut connection = Connection::server(config, NOW);
    let mut peer = None;
    let mut epochs = Vec::new();
    let mut is_closed = false;
    let mut buffer = [0; 4096];
    while !is_closed {
        let size = stream.read(&mut buffer).unwrap();
        if size == 0 {
            connection.handle_eof().unwrap();
        }
        connection.handle_input(&buffer[..size], NOW).unwrap();
        while let Some(event) = connection.poll_event() {
            match event {
                Event::Established { peer: who, .. } => {
                    peer = Some(who);
                    connection.bind_login(login()).unwrap();
                }
                Event::Data(data) => {
                    if data == b"rekey!" {
                        connection.request_rekey().unwrap();
                    } else {
                        connection.send(&data).unwrap();
                    }
                }
                Event::EpochChanged(number) => {
                    epochs.push(number);
                    if number == 3 {
                        connection.send(b"rekey!").unwrap();
                    }
                }
                Event::PeerClosed => {
                    connection.close().unwrap();
                    is_closed = true;
                }
            }
        }
        if let Some(bytes) = connection.poll_transmit() {
            stream.write_all(&bytes).unwrap();
        }
    }
    (epochs, peer.unwrap())
}

fn talk(suite: Suite, is_certified: bool) -> (Vec<u32>, Peer) {
    let organisation = Organisation::parse("apollo.example").unwrap();
    let validity = Validity::days(NOW, 30).unwrap();
    let root = RootCa::generate(&organisation, &validity).unwrap();
    let issuing = root.new_issuing_ca(&validity).unwrap();
    let server_key = SigningKey::generate().unwrap();
    let node = Holder::Server(Name::parse("node1").unwrap());
    let chain = issuing.issue_to_key(server_key.public(), &node, &validity).unwrap();
    let config = ServerConfig {
        identity: Arc::new(ServerIdentity::new(&chain.with_root(root.certificate()), server_key).unwrap()),
        trust: Arc::new(TrustStore::new(vec![root.anchor().clone()])),
        revocations: Arc::new(NoRevocations),
        suites: Suite::ALL.to_vec(),
    };
    let device_key = SigningKey::generate().unwrap();
    let device = Holder::Device { user: Name::parse("ann").unwrap(), device: Name::parse("laptop").unwrap() };
    let chain = issuing.issue_to_key(device_key.public(), &device, &validity).unwrap();
    let chain: Vec<String> = if is_certified { chain.0.iter().map(hex::encode).collect() } else { vec![] };

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let parameters = serde_json::json!({
        "host": "127.0.0.1",
        "port": listener.local_addr().unwrap().port(),
        "now_ms": NOW,
        "root_sha256": hex::encode(pki::sha256(root.certificate())),
        "suites": [suite.number()],
        "chain": chain,
        "key_pkcs8": hex::encode(&*device_key.to_pkcs8().unwrap()),
        "login": {
            "method": 1, "user": "ann", "device": "laptop", "opaque_session_key": hex::encode(SESSION_KEY),
        },
    });
    let mut client = Command::new(python())
        .arg(repository().join("tests/python/channel_client.py"))
        .arg("connect")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all(parameters.to_string().as_bytes()).unwrap();
    let accepted = std::thread::spawn(move || serve(listener.accept().unwrap().0, config));
    assert!(client.wait().unwrap().success());
    accepted.join().unwrap()
}

#[test]
fn python_client_with_a_certificate() {
    let (epochs, peer) = talk(Suite::Aes256Gcm, true);
    assert_eq!(epochs, [1, 2, 3]);
    let Peer::Certified(certificate) = peer else { panic!("{peer:?}") };
    assert_eq!(certificate.identity().user().map(Name::as_str), Some("ann"));
}

#[test]
fn python_client_without_a_certificate() {
    let (epochs, peer) = talk(Suite::ChaCha20Poly1305, false);
    assert_eq!(epochs, [1, 2, 3]);
    assert!(matches!(peer, Peer::Anonymous));
}

#[test]
fn python_checks_the_vectors() {
    let status = Command::new(python())
        .arg(repository().join("tests/python/channel_client.py"))
        .arg("vectors")
        .arg(repository().join("docs/vectors/channel"))
        .status()
        .unwrap();
    assert!(status.success());
}
