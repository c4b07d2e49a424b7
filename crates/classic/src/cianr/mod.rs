//! `cianr`: certificates, two Diffie-Hellmans, signed messages, receipts, in three dialects (docs/classic.md, section 2).
//!
//! - [`Dialect`]: what tells the three apart once messages flow.
//! - [`pss`], [`pkcs1`], [`mod@line`]: the handshake of each.
//! - [`Server`], [`Client`]: the two roles, settings and all.
//! - [`SignedMessage`], [`Receipt`], [`Transcript`]: what is signed and kept.

mod account;
mod chat;
mod dialect;
mod error;
pub mod line;
mod message;
pub mod pkcs1;
mod place;
pub mod pss;
mod receipt;
mod role;
mod transcript;
mod wire;

pub use crate::protocol::{Dialect, Role};
pub use message::{SignedMessage, kind};
pub use place::Transcripts;
pub use receipt::{Receipt, ReceiptFile};
pub use role::{Account, Client, Server};
pub use transcript::Transcript;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::ClassicError;
use crate::certificate::{Certificate, CertificateFault};
use crate::dh::Number;
use crate::json::{base64, from_base64};

/// Size of the nonces that are sent and not looked at, in bytes.
const NONCE_LEN: usize = 16;

/// A fresh nonce, base64.
fn nonce() -> Result<String, ClassicError> {
    let mut bytes = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(base64(bytes))
}

/// Reads a certificate out of a message: PEM, or base64 of PEM or DER, in lines or not.
fn certificate(field: &str) -> Result<Certificate, ClassicError> {
    let decoded = from_base64(&field.split_ascii_whitespace().collect::<String>()).ok();
    let certificate = Certificate::parse(decoded.as_deref().unwrap_or(field.as_bytes()));
    certificate.map_err(|error| ClassicError::BadCertificate(CertificateFault::from(error)))
}

/// A number in a message: a JSON integer of any size, or its decimal digits as a string.
fn number(raw: &RawValue) -> Result<Number, ClassicError> {
    Number::from_decimal(unquoted(raw))
}

/// The digits of such a number, not looked at.
fn digits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(|raw| unquoted(&raw).to_owned())
}

fn unquoted(raw: &RawValue) -> &str {
    let text = raw.get();
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}
