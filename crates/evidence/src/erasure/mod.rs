//! Erasures: the server is to drop what was said, and so is whoever else holds it (EV-48).

use pki::Usage;
use wire::cbor;

use crate::content::{Reference, deceives};
use crate::cose::{Header, Kind, Malformed, Object};
use crate::entry::Place;
use crate::hash::{Hash, HashBytes};
use crate::limits::{MAX_ENTRY, MAX_ERASED, MAX_ERASURE_REASON};

/// A verified erasure.
pub type Erasure = Object<ErasureClaim>;

/// What an erasure says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureClaim {
    /// SHA-256 of the signer's certificate.
    pub certificate: Hash,
    /// Where and when.
    pub place: Place,
    /// Which statements.
    pub erased: Erased,
    /// Why.
    pub reason: ErasureReason,
}

/// The statements that an erasure names: 1 to [`MAX_ERASED`], ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased(Vec<Reference>);

/// Why something was erased: plain text, for the server to read too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureReason(String);

/// Statements that one erasure cannot name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one erasure names 1 to {MAX_ERASED} messages, each once")]
pub struct BadErased;

/// A text that cannot be a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the reason of an erasure is a text of 1 to {MAX_ERASURE_REASON} bytes, without control characters, without those that \
     turn the direction of text, and without white space at its ends"
)]
pub struct BadErasureReason;

impl Erased {
    /// These statements, in any order.
    ///
    /// # Errors
    /// [`BadErased`].
    pub fn new(mut statements: Vec<Reference>) -> Result<Self, BadErased> {
        statements.sort_by_key(|statement| statement.index);
        Self::ascending(statements).ok_or(BadErased)
    }

    fn ascending(statements: Vec<Reference>) -> Option<Self> {
        let fits =
            (1..=MAX_ERASED).contains(&statements.len()) && statements.is_sorted_by(|a, b| a.index < b.index);
        fits.then_some(Self(statements))
    }

    /// The statements.
    pub fn iter(&self) -> impl Iterator<Item = &Reference> {
        self.0.iter()
    }

    /// Their log indices, ascending.
    pub fn indices(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|statement| statement.index)
    }
}

impl ErasureReason {
    /// Checks a reason (EV-48).
    ///
    /// # Errors
    /// [`BadErasureReason`].
    pub fn parse(text: &str) -> Result<Self, BadErasureReason> {
        let fits = (1..=MAX_ERASURE_REASON).contains(&text.len());
        if fits && text.trim() == text && !text.contains(deceives) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadErasureReason)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

type Parts<'a> = (Vec<(u64, HashBytes)>, &'a str);

impl Kind for ErasureClaim {
    const TYP: &'static str = "erasure-v1+cose";
    const MAX: usize = MAX_ENTRY;
    const USAGE: Usage = Usage::Device;

    fn encode(&self) -> (Header, Vec<u8>) {
        let erased = self.erased.iter().map(|statement| (statement.index, HashBytes(statement.leaf)));
        let parts: Parts<'_> = (erased.collect(), self.reason.as_str());
        (self.place.header(self.certificate), cbor::to_vec(&parts))
    }

    fn decode(header: &Header, payload: &[u8]) -> Result<Self, Malformed> {
        let wrong = Malformed::Payload("not that of an erasure");
        let (erased, reason) = cbor::from_slice::<Parts<'_>>(payload, MAX_ENTRY).map_err(|_| wrong)?;
        let erased = erased.into_iter().map(|(index, leaf)| Reference { index, leaf: leaf.0 }).collect();
        Ok(Self {
            certificate: header.certificate,
            place: Place::from_header(header)?,
            erased: Erased::ascending(erased).ok_or(Malformed::Payload("the statements erased"))?,
            reason: ErasureReason::parse(reason)
                .map_err(|_| Malformed::Payload("the reason of an erasure"))?,
        })
    }
}
