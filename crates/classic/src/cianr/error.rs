//! Faults as they are named to the other side.

use serde::{Deserialize, Serialize};

use super::Dialect;
use crate::ClassicError;

/// What is said of a fault of our own: the other side could do nothing about it.
const OUR_FAULT: &str = "the server failed; try again later";
/// What `cianr-line` says of anything else that comes where credentials are due (CL-34).
pub(super) const EXPECTED_ENC: &str = "expected enc";

/// Where a fault shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Before messages may be sent.
    Handshake,
    /// After that.
    Chat,
}

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
    /// Names a fault.
    pub(super) fn new(dialect: Dialect, phase: Phase, error: &ClassicError) -> Self {
        let (code, message, msg) = match dialect {
            Dialect::Pss => (None, Some(text(error)), None),
            Dialect::Pkcs1 => (Some(code(phase)), Some(text(error)), None),
            Dialect::Line => (None, None, Some(line_text(error))),
        };
        Self { kind: "error", code, message, msg }
    }
}

fn code(phase: Phase) -> &'static str {
    match phase {
        Phase::Handshake => "PROTOCOL_ERROR",
        Phase::Chat => "CHAT_ERROR",
    }
}

fn text(error: &ClassicError) -> String {
    if error.is_ours() { OUR_FAULT.to_owned() } else { error.to_string() }
}

fn line_text(error: &ClassicError) -> String {
    match error {
        ClassicError::BadCertificate(_) => "bad cert".to_owned(),
        ClassicError::Replay => "replay/sequence error".to_owned(),
        ClassicError::Decryption => "decrypt failed".to_owned(),
        ClassicError::Malformed(why) if why == EXPECTED_ENC => why.clone(),
        other => text(other),
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

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;
    use crate::json;
    use crate::users::UserStoreError;

    /// Regression: paths and databases were named to the other side (CL-20).
    #[test]
    fn a_failure_of_our_own_is_not_described_to_the_other_side() {
        let users = UserStoreError::Io {
            action: "write",
            path: "/srv/users".into(),
            source: ErrorKind::StorageFull.into(),
        };
        let full =
            ClassicError::io("cannot write into /srv/transcripts", Error::from(ErrorKind::StorageFull));
        for error in [
            ClassicError::Users(users),
            full,
            ClassicError::Users(UserStoreError::NoTable("db.local".into())),
        ] {
            for dialect in Dialect::ALL {
                let sent =
                    String::from_utf8(json::write(&ErrorReply::new(dialect, Phase::Chat, &error)).unwrap())
                        .unwrap();
                assert!(
                    sent.contains(OUR_FAULT) && !sent.contains("/srv") && !sent.contains("db.local"),
                    "{sent}"
                );
            }
        }
    }
}
