//! Messages of the classic protocols (classic.md, CL-21 to CL-50).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use x509_parser::pem::parse_x509_pem;

use super::repeats::Repeats;
use super::{Field, MAX_FIELDS, Readable, octets, shown};
use crate::exhibit::Column;

/// Size of the length in front of a frame of `cianr-pss` and `cianr-pkcs1`, in bytes (CL-3).
const LENGTH: usize = 4;
/// What the one message of `key-transport` that is no JSON begins with (CL-40).
const SERVER_KEY: &[u8] = b"SERVER_PUB\n";

pub(super) fn read(column: Column, bytes: &[u8], repeats: &mut Repeats) -> Readable {
    let message = match (column, bytes.split_at_checked(LENGTH)) {
        (Column::CianrPss | Column::CianrPkcs1, Some((_, message))) => message,
        _ => bytes.trim_ascii_end(),
    };
    if let Ok(raw) = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(message) {
        let object = raw.into_iter().map(|(field, raw)| (field, value_of(&raw))).collect();
        return json(column, &object, repeats);
    }
    if column == Column::KeyTransport && message.starts_with(SERVER_KEY) {
        return bare("SERVER_PUB", message, "the server's key, and that nobody vouches for it");
    }
    if column == Column::CianrPkcs1 {
        // CL-30, message 5.
        let mut readable =
            bare("credentials", message, "about how long name, e-mail and password are together");
        let equal = repeats.equal_blocks(message);
        readable.learnt.extend(equal_blocks(equal));
        return readable;
    }
    Readable { name: "no message of this protocol".to_owned(), ..bare("", message, "") }
}

/// A value; a number of hundreds of digits, which is none for most readers of JSON, as its text.
fn value_of(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| Value::String(raw.get().to_owned()))
}

fn bare(name: &str, message: &[u8], learnt: &str) -> Readable {
    let learnt = if learnt.is_empty() { Vec::new() } else { vec![learnt.to_owned()] };
    let fields = vec![Field { name: "bytes".to_owned(), value: octets(message) }];
    Readable { name: name.to_owned(), fields, learnt }
}

fn json(column: Column, object: &Map<String, Value>, repeats: &mut Repeats) -> Readable {
    let name = match object.get("type").and_then(Value::as_str) {
        Some(kind) => shown(kind),
        None if object.contains_key("enc_session") => "session key".to_owned(),
        None if object.contains_key("cipher") => "message".to_owned(),
        None => "object".to_owned(),
    };
    let mut learnt = Vec::new();
    for (field, value) in object {
        learnt.extend(of_field(field, value));
        let Some(ciphertext) = ciphertext(field, value) else { continue };
        learnt.push(format!(
            "the length of the text, within a block: {} bytes of ciphertext",
            ciphertext.len()
        ));
        if column == Column::CianrPkcs1 {
            learnt.extend(equal_blocks(repeats.equal_blocks(&ciphertext)));
        }
        if column == Column::KeyTransport {
            let equal = repeats.equal_prefix(&ciphertext);
            if equal > 0 {
                learnt.push(format!(
                    "equal prefix: the text begins with the same {equal} bytes as an earlier one (always the same IV)"
                ));
            }
        }
    }
    let fields = object
        .iter()
        .filter(|(field, _)| *field != "type")
        .take(MAX_FIELDS)
        .map(|(field, value)| Field { name: shown(field), value: text_of(value) })
        .collect();
    Readable { name, fields, learnt }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        other => shown(&other.to_string()),
    }
}

/// What a field that is not sealed tells.
fn of_field(field: &str, value: &Value) -> Option<String> {
    let text = text_of(value);
    match field {
        "password" => Some(format!("the password, in clear: {text}")),
        "username" => Some(format!("a user's name, in clear: {text}")),
        "email" => Some(format!("an e-mail address, in clear: {text}")),
        "success" | "status" | "code" | "message" | "msg" => {
            Some(format!("the server's answer, in clear: {text}"))
        }
        "client_cert" | "server_cert" | "cert" => Some(match value.as_str().and_then(common_name) {
            Some(name) => format!("who it is, by a certificate in clear: {}", shown(&name)),
            None => "a certificate, in clear".to_owned(),
        }),
        "seqno" => Some(format!("that this is message {text} of its sender")),
        "peer" => Some(format!("with whom the session was: {text}")),
        _ => None,
    }
}

fn ciphertext(field: &str, value: &Value) -> Option<Vec<u8>> {
    match field {
        "ct" | "cipher" | "payload" | "data" => BASE64_STANDARD.decode(value.as_str()?).ok(),
        _ => None,
    }
}

fn equal_blocks(equal: usize) -> Option<String> {
    match equal {
        0 => None,
        1 => Some("equal blocks (ECB): 1 block of text stood on this connection before".to_owned()),
        _ => Some(format!("equal blocks (ECB): {equal} blocks of text stood on this connection before")),
    }
}

/// The subject of a certificate that is PEM, or base64 of it.
fn common_name(text: &str) -> Option<String> {
    let decoded = BASE64_STANDARD.decode(text).ok();
    let pem = decoded.as_deref().unwrap_or(text.as_bytes());
    let (_, pem) = parse_x509_pem(pem).ok()?;
    let certificate = pem.parse_x509().ok()?;
    let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.to_owned())
}
