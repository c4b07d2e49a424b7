//! Messages of the classic protocols, in every framing, and the keys and groups in them. Nothing that was not sealed with
//! the session's key opens under key-transport.

#![no_main]

use std::sync::LazyLock;

use classic::broadcast::{ClientMessage, RoomKey, ServerMessage};
use classic::cianr::{Dialect, Receipt, SignedMessage, kind, line, pkcs1, pss};
use classic::cipher::CipherKey;
use classic::dh::{Group, Number, Parameters, Share};
use classic::frame::Framing;
use classic::key_transport::{KeyDelivery, SealedText, SessionKey, read_server_key};
use classic::rsa::{DecryptingKey, VerifyingKey};
use classic::{json, pem};
use libfuzzer_sys::fuzz_target;

static SERVER: LazyLock<DecryptingKey> = LazyLock::new(|| DecryptingKey::generate().expect("a key"));
static SESSION: LazyLock<SessionKey> = LazyLock::new(|| SessionKey::generate().expect("a key"));
static CHAT: LazyLock<CipherKey> = LazyLock::new(|| CipherKey::aes_128(&[7; 16]));
static ROOM: LazyLock<RoomKey> = LazyLock::new(|| {
    let share = Share::generate(&Group::modp_14().expect("a group")).expect("a share");
    RoomKey::derive(&share.agree(share.public()).expect("a value in range")).expect("a key")
});

fuzz_target!(|bytes: &[u8]| {
    for framing in [Framing::Length, Framing::Line, Framing::BlankLine, Framing::Object] {
        let mut rest = bytes;
        while let Ok(Some(split)) = framing.split(rest) {
            read(split.message);
            rest = &rest[split.taken..];
        }
    }
    read(bytes);
    for label in [pem::PUBLIC_KEY, "DH PARAMETERS", "X9.42 DH PARAMETERS"] {
        keys(&pem::encode(label, bytes).expect("memory does not fail"));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        keys(text);
    }
});

fn read(message: &[u8]) {
    let _ = read_server_key(message);
    cianr(message);
    if let Ok(delivery) = json::read::<KeyDelivery>(message) {
        let _ = delivery.open(&SERVER);
    }
    if let Ok(sealed) = json::read::<SealedText>(message) {
        assert!(SESSION.open(&sealed).is_err());
    }
    if let Ok(ClientMessage::Message { data }) = json::read(message) {
        let _ = ROOM.open(&data);
    }
    if let Ok(ServerMessage::Message { data }) = json::read(message) {
        let _ = ROOM.open(&data);
    }
}

fn cianr(message: &[u8]) {
    let _ = kind(message);
    let _ = json::read::<Receipt>(message);
    let _ = json::read::<pss::message::AuthDhInit>(message);
    let _ = json::read::<pss::message::Credentials>(message);
    let _ = json::read::<pkcs1::message::Credentials>(message);
    let _ = json::read::<line::message::Credentials>(message);
    if let Ok(offer) = json::read::<line::message::ChatParameters>(message) {
        let _ = (Number::from_hex(&offer.p), Number::from_hex(&offer.g), Number::from_hex(&offer.y));
    }
    if let Ok(signed) = json::read::<SignedMessage>(message) {
        for dialect in Dialect::ALL {
            let _ = signed.open(dialect, &CHAT);
        }
    }
}

fn keys(text: &str) {
    let _ = VerifyingKey::from_public_pem(text);
    let _ = DecryptingKey::from_pem(text);
    if let Ok(parameters) = Parameters::from_pem(text) {
        let again = parameters.to_pem().expect("memory does not fail");
        assert_eq!(Parameters::from_pem(&again).expect("what was read"), parameters);
    }
    if let Ok((parameters, value)) = Parameters::public_from_pem(text) {
        let again = parameters.public_to_pem(&value).expect("memory does not fail");
        assert_eq!(Parameters::public_from_pem(&again).expect("what was read"), (parameters, value));
    }
}
