//! Bytes that a receiver refuses, with the class of the error.

use super::*;
use crate::exchange::Initiator;
use crate::handshake::message::ClientHello;

fn class(error: &Error) -> &'static str {
    match error {
        Error::Malformed(_) => "malformed",
        Error::Misbehaved(_) => "misbehaved",
        Error::Incompatible(_) => "incompatible",
        Error::Certificate(_) => "certificate",
        Error::Alert { .. } => "alert",
        Error::TooSlow | Error::Truncated | Error::EpochUsedUp | Error::Misuse(_) | Error::Local(_) => {
            "other"
        }
    }
}

/// Cases for a server that awaits M1. Only the shares come by chance.
fn make() -> Value {
    let (_, shares) = Initiator::generate().unwrap();
    let m1 = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut body = ClientHello::encode(&Suite::ALL, &[1; 32], &shares);
        change(&mut body);
        hex::encode(wire::frame::encode(FrameType::ClientHello, &body).unwrap())
    };
    let header = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = hex::decode(m1(&|_| ())).unwrap();
        change(&mut frame);
        hex::encode(frame)
    };
    let point = |text: &'static str| m1(&|body| body[50..82].copy_from_slice(&hex::decode(text).unwrap()));
    let case =
        |name: &str, error: &str, bytes: String| json!({ "name": name, "error": error, "bytes": bytes });
    json!({
        "description": "What a server that awaits M1 refuses (CH-2, CH-4, CH-8, CH-14, CH-15)",
        "cases": [
            case("another protocol", "malformed", hex::encode(b"GET / HTTP/1.1\r\n\r\n")),
            case("a TLS hello", "malformed", "160301020001".into()),
            case("frame type 0", "malformed", "00".into()),
            case("an epoch in the header", "malformed", header(&|frame| frame[4] = 1)),
            case("M1 with a byte less", "malformed", m1(&|body| body.truncate(1265))),
            case("M1 with a byte more", "malformed", m1(&|body| body.push(0))),
            case("a frame of the largest length", "malformed", "0100000000ffff".into()),
            case("M2 instead", "misbehaved", header(&|frame| frame[0] = 2)),
            case("a record instead", "misbehaved", header(&|frame| frame[0] = 6)),
            case("a clear alert instead", "misbehaved", "0400000000000100".into()),
            case("version 2", "incompatible", m1(&|body| body[1] = 2)),
            case("no suite", "malformed", m1(&|body| body[2..18].fill(0))),
            case("a suite twice", "malformed", m1(&|body| body[5] = 1)),
            case("a suite after a zero", "malformed", m1(&|body| body[9] = 3)),
            case("only unknown suites", "incompatible", m1(&|body| {
                body[2..6].copy_from_slice(&[0x7f, 1, 0x7f, 2]);
            })),
            case("an X25519 share of 0", "misbehaved", point(
                "0000000000000000000000000000000000000000000000000000000000000000")),
            case("an X25519 share of 1", "misbehaved", point(
                "0100000000000000000000000000000000000000000000000000000000000000")),
            case("an X25519 share of order 8", "misbehaved", point(
                "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")),
            case("an X25519 share of order 8, the other", "misbehaved", point(
                "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")),
            case("an X25519 share of p - 1", "misbehaved", point(
                "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")),
            case("an encapsulation key with an unreduced coefficient", "misbehaved",
                m1(&|body| body[82..85].fill(0xff))),
        ],
    })
}

#[test]
fn what_the_vectors_say_is_refused_is_refused() {
    if is_writing() {
        write("refused.json", &make());
    }
    let forge = forge();
    for case in read("refused.json")["cases"].as_array().unwrap() {
        let mut server = Connection::server(forge.server_config(), NOW);
        let refusal = server.handle_input(&bytes(&case["bytes"]), NOW).expect_err("refused");
        assert_eq!(class(&refusal), case["error"], "{}: {refusal:?}", case["name"]);
    }
}
