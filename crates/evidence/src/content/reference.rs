//! What messages say of earlier ones: replies, edits, reactions, deletions; and whom they mention (EV-6).

use minicbor::encode::Error as EncodeError;
use minicbor::{Decoder, Encoder};
use pki::Name;

use super::attachment::deceives;
use crate::hash::Hash;
use crate::limits::MAX_REACTION;

/// Index and leaf hash of an earlier statement of the same room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// Log index.
    pub index: u64,
    /// Leaf hash (EV-21).
    pub leaf: Hash,
}

impl Reference {
    pub(super) fn write(
        &self,
        e: &mut Encoder<Vec<u8>>,
    ) -> Result<(), EncodeError<std::convert::Infallible>> {
        e.array(2)?.u64(self.index)?.bytes(&self.leaf)?.ok()
    }

    pub(super) fn read(d: &mut Decoder<'_>) -> Option<Self> {
        (d.array().ok()? == Some(2)).then_some(())?;
        Self::read_items(d)
    }

    fn read_items(d: &mut Decoder<'_>) -> Option<Self> {
        Some(Self { index: d.u64().ok()?, leaf: d.bytes().ok()?.try_into().ok()? })
    }
}

/// A text that cannot be a reaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a reaction is a text of 1 to {MAX_REACTION} bytes, such as one emoji, without control characters and without those \
     that turn the direction of text"
)]
pub struct BadReaction;

/// A reaction, given or taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    to: Reference,
    text: String,
    given: bool,
}

impl Reaction {
    /// A reaction that follows EV-6.
    ///
    /// # Errors
    /// [`BadReaction`].
    pub fn new(to: Reference, text: &str, given: bool) -> Result<Self, BadReaction> {
        let fits = (1..=MAX_REACTION).contains(&text.len()) && !text.contains(deceives);
        if fits { Ok(Self { to, text: text.to_owned(), given }) } else { Err(BadReaction) }
    }

    /// What it is a reaction to.
    pub fn to(&self) -> &Reference {
        &self.to
    }

    /// An emoji, as a rule.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is given; else it is taken back.
    pub fn given(&self) -> bool {
        self.given
    }

    pub(super) fn write(
        &self,
        e: &mut Encoder<Vec<u8>>,
    ) -> Result<(), EncodeError<std::convert::Infallible>> {
        e.array(4)?.u64(self.to.index)?.bytes(&self.to.leaf)?.str(&self.text)?.bool(self.given)?.ok()
    }

    pub(super) fn read(d: &mut Decoder<'_>) -> Option<Self> {
        (d.array().ok()? == Some(4)).then_some(())?;
        let to = Reference::read_items(d)?;
        Self::new(to, d.str().ok()?, d.bool().ok()?).ok()
    }
}

pub(super) fn write_names(
    names: &[Name],
    e: &mut Encoder<Vec<u8>>,
) -> Result<(), EncodeError<std::convert::Infallible>> {
    e.array(u64::try_from(names.len()).unwrap_or(u64::MAX))?;
    names.iter().try_for_each(|name| e.str(name.as_str())?.ok())
}

pub(super) fn read_names(d: &mut Decoder<'_>) -> Option<Vec<Name>> {
    let count = d.array().ok()??;
    (0..count).map(|_| Name::canonical(d.str().ok()?).ok()).collect()
}
