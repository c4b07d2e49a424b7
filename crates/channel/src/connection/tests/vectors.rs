//! The vectors of `docs/vectors/channel/`: the code reads them, and makes them anew when
//! `COUNTERSIGN_WRITE_VECTORS` is set.

mod recorded;
mod refused;
mod trace;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::record::{Opener, Sealer};
use crate::schedule::epoch::EpochSecret;
use crate::schedule::kdf::{self, Secret};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors/channel").join(name)
}

fn is_writing() -> bool {
    std::env::var_os("COUNTERSIGN_WRITE_VECTORS").is_some()
}

fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}

fn write(name: &str, value: &Value) {
    std::fs::create_dir_all(path("")).unwrap();
    std::fs::write(path(name), serde_json::to_string_pretty(value).unwrap() + "\n").unwrap();
}

/// For what does not depend on chance: the file is what the code makes.
fn is_as_made(name: &str, made: &Value) {
    if is_writing() {
        write(name, made);
    }
    assert_eq!(read(name), *made, "{name}");
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("hexadecimal")).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn kind(name: &str) -> Kind {
    match name {
        "data" => Kind::Data,
        "confirm" => Kind::Confirm,
        "close" => Kind::Close,
        "alert" => Kind::Alert,
        other => panic!("{other}"),
    }
}

#[test]
fn the_key_schedule_is_the_one_of_the_vectors() {
    let inputs = trace::Inputs {
        client_hello: b"M1, as it was sent",
        server_hello_clear: b"M2p, as it was sent",
        server_chain: b"chain_S",
        server_signature: &[0x51; 64],
        client_chain: b"chain_C",
        client_signature: &[0x52; 64],
        ss_kem: &[0x61; 32],
        ss_dh: &[0x62; 32],
    };
    let anonymous = trace::Inputs { client_chain: &[0], client_signature: &[], ..inputs };
    let exp = |label: &str, context: &[u8], length: usize| {
        let mut out = vec![0; length];
        kdf::expand_into(&Secret::from_bytes([1; 32]), label, context, &mut out).unwrap();
        json!({
            "secret": hex::encode([1; 32]), "label": label, "context": hex::encode(context), "length": length,
            "out": hex::encode(out),
        })
    };
    let certified_secrets = inputs.secrets();
    let rekey = trace::Rekey {
        number: 1,
        epoch: array(&certified_secrets["epoch_0"]),
        exporter: array(&certified_secrets["exporter"]),
        method: 1,
        user: b"ann",
        device: b"laptop",
        session_key: &[0x71; 64],
        request: b"R1, number included",
        response: b"R2, number included",
        ss_kem: &[0x63; 32],
        ss_dh: &[0x64; 32],
    };
    let first = rekey.secrets();
    let second = trace::Rekey { number: 2, epoch: array(&first["epoch"]), session_key: &[], ..rekey.clone() };
    let made = json!({
        "description": "Ext and Exp of CH-16 to CH-17 and CH-50 on fixed inputs",
        "exp": [exp("key", b"", 32), exp("iv", b"", 12), exp("c hs", &[2; 32], 32), exp("x", b"y", 100)],
        "handshakes": [
            { "inputs": inputs.to_json(), "secrets": certified_secrets },
            { "inputs": anonymous.to_json(), "secrets": anonymous.secrets() },
        ],
        "rekeys": [
            { "inputs": rekey.to_json(), "secrets": first },
            { "inputs": second.to_json(), "secrets": second.secrets() },
        ],
    });
    is_as_made("key-schedule.json", &made);
}

#[test]
fn records_are_those_of_the_vectors() {
    let contents: [(&str, usize); 8] = [
        ("confirm", 32),
        ("data", 1),
        ("data", 64),
        ("data", 65),
        ("data", 96),
        ("data", 1_000),
        ("alert", 1),
        ("close", 0),
    ];
    let directions = Suite::ALL.map(|suite| {
        let secret = EpochSecret::first(Secret::from_bytes([0x31; 32]));
        let mut sealer = Sealer::new(secret.traffic(suite, Side::Server).unwrap(), 7);
        let records = contents.map(|(name, size)| {
            let content: Vec<u8> = (0..size).map(|index| index as u8).collect();
            let mut frame = Vec::new();
            sealer.seal(kind(name), &content, &EpochLimits::DEFAULT, &mut frame).unwrap();
            json!({ "kind": name, "content": hex::encode(content), "frame": hex::encode(frame) })
        });
        json!({
            "suite": suite.number(), "epoch_secret": hex::encode([0x31; 32]), "epoch": 7, "from": "server",
            "records": records,
        })
    });
    let made = json!({
        "description": "Records of one direction, numbers from 0 (CH-40 to CH-42)",
        "directions": directions,
    });
    is_as_made("records.json", &made);
    for direction in read("records.json")["directions"].as_array().unwrap() {
        let suite = Suite::from_number(u16::try_from(direction["suite"].as_u64().unwrap()).unwrap()).unwrap();
        let secret = EpochSecret::first(Secret::from_bytes(array(&direction["epoch_secret"])));
        let mut opener = Opener::new(secret.traffic(suite, Side::Server).unwrap(), 7);
        for record in direction["records"].as_array().unwrap() {
            let frame = bytes(&record["frame"]);
            let frame = FrameReader::default().read(&mut &frame[..], |header| opener.admit(header));
            let frame = frame.unwrap().unwrap();
            let opened = opener.open(&frame.header, frame.body, &EpochLimits::DEFAULT).unwrap();
            assert_eq!(opened.kind, kind(record["kind"].as_str().unwrap()));
            assert_eq!(opened.content, bytes(&record["content"]));
        }
    }
}
