//! Faults as they are named to the other side.

use serde::{Deserialize, Serialize};

use super::Dialect;
use crate::ClassicError;

/// An error as a server sends it: each dialect has keys of its own.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ErrorReply {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    msg: Option<String>,
}

impl ErrorReply {
    /// Names a fault of a chat or a handshake.
    pub(super) fn new(dialect: Dialect, error: &ClassicError) -> Self {
        let text = error.to_string();
        let (code, message, msg) = match dialect {
            Dialect::Pss => (None, Some(text), None),
            Dialect::Pkcs1 => (Some(code(error)), Some(text), None),
            Dialect::Line => (None, None, Some(line_text(error))),
        };
        Self { kind: "error", code, message, msg }
    }
}

fn code(error: &ClassicError) -> &'static str {
    match error {
        ClassicError::Replay | ClassicError::BadSignature | ClassicError::Decryption => "CHAT_ERROR",
        _ => "PROTOCOL_ERROR",
    }
}

fn line_text(error: &ClassicError) -> String {
    match error {
        ClassicError::BadCertificate(_) => "bad cert".to_owned(),
        ClassicError::Replay => "replay/sequence error".to_owned(),
        ClassicError::Decryption => "decrypt failed".to_owned(),
        ClassicError::Malformed(why) if why == "expected enc" => why.clone(),
        other => other.to_string(),
    }
}

/// An error of the other side, whichever keys it has.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorMessage {
    #[serde(default)]
    code: Option<String>,
    #[serde(default, alias = "msg", alias = "error")]
    message: Option<String>,
}

impl ErrorMessage {
    /// Its words; the code before a text that does not begin with it.
    pub(super) fn text(self) -> String {
        match (self.code, self.message) {
            (Some(code), Some(message)) if !message.starts_with(&code) => format!("{code}: {message}"),
            (code, message) => message.or(code).unwrap_or_default(),
        }
    }
}
