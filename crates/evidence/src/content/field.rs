//! One field, its salt and its digest.

use minicbor::encode::Error as EncodeError;
use minicbor::{Decoder, Encoder};
use pki::{Name, sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::reference::{read_names, write_names};
use super::{Attachment, BadContent, Reaction, Reference};
use crate::hash::Hash;
use crate::limits::{MAX_ATTACHMENTS, MAX_FILES, MAX_INLINE_ATTACHMENT, MAX_MENTIONS, MAX_TEXT};

const FIELD_CONTEXT: &str = "countersign v1 field";

/// Bytes around a text in what is hashed for its digest, at most.
const AROUND_VALUE: usize = 96;

/// Number of the field with the text.
pub(super) const TEXT: u64 = 1;
const COMPOSED: u64 = 2;
const SCRIPT: u64 = 3;
pub(super) const REPLY: u64 = 4;
pub(super) const EDIT: u64 = 5;
pub(super) const REACTION: u64 = 6;
pub(super) const ATTACHMENTS: u64 = 7;
pub(super) const MENTIONS: u64 = 8;
pub(super) const DELETION: u64 = 9;

/// 32 random bytes that keep a field from being guessed by its digest.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Salt([u8; 32]);

impl Salt {
    /// A fresh salt.
    ///
    /// # Errors
    /// [`BadContent::NoRandomness`].
    pub fn generate() -> Result<Self, BadContent> {
        let mut salt = Self([0; 32]);
        aws_lc_rs::rand::fill(&mut salt.0).map_err(|_| BadContent::NoRandomness)?;
        Ok(salt)
    }

    /// A salt read from content or from an opening.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn duplicate(&self) -> Self {
        Self(self.0)
    }
}

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt(…)")
    }
}

/// One field of a message (EV-6).
#[derive(Clone, PartialEq, Eq)]
pub enum Field {
    /// 1: what was said, at most [`MAX_TEXT`] bytes.
    Text(String),
    /// 2: when it was composed, Unix milliseconds.
    Composed(u64),
    /// 3: time of a script's line, in milliseconds of the script's own clock.
    Script(i64),
    /// 4: what this replies to.
    Reply(Reference),
    /// 5: what has another text from now on, that of field 1.
    Edit(Reference),
    /// 6: a reaction, given or taken back.
    Reaction(Reaction),
    /// 7: files, at most [`MAX_ATTACHMENTS`]: inline ones with [`MAX_INLINE_ATTACHMENT`] bytes together, sealed ones with [`MAX_FILES`].
    Attachments(Vec<Attachment>),
    /// 8: users mentioned in the text, at most [`MAX_MENTIONS`], in ascending order.
    Mentions(Vec<Name>),
    /// 9: what is not to be shown any more.
    Deletion(Reference),
}

impl Field {
    /// Its number.
    pub fn number(&self) -> u64 {
        match self {
            Self::Text(_) => TEXT,
            Self::Composed(_) => COMPOSED,
            Self::Script(_) => SCRIPT,
            Self::Reply(_) => REPLY,
            Self::Edit(_) => EDIT,
            Self::Reaction(_) => REACTION,
            Self::Attachments(_) => ATTACHMENTS,
            Self::Mentions(_) => MENTIONS,
            Self::Deletion(_) => DELETION,
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The files, if it has some.
    pub fn attachments(&self) -> &[Attachment] {
        match self {
            Self::Attachments(attachments) => attachments,
            _ => &[],
        }
    }

    /// Its digest under `salt` (EV-7).
    #[expect(clippy::expect_used, reason = "writing to a Vec cannot fail")]
    pub fn digest(&self, salt: &Salt) -> Hash {
        let text = self.text().map_or(0, str::len);
        let mut e = Encoder::new(Vec::with_capacity(AROUND_VALUE + text));
        e.array(4)
            .and_then(|e| e.str(FIELD_CONTEXT)?.u64(self.number())?.bytes(&salt.0))
            .and_then(|e| self.write(e))
            .expect("encoding to memory");
        sha256(e.writer())
    }

    /// Whether its value is within the limits of EV-2.
    pub(super) fn check(&self) -> Result<(), BadContent> {
        let fits = match self {
            Self::Text(text) => text.len() <= MAX_TEXT,
            Self::Mentions(names) if names.is_empty() => return Err(BadContent::Empty),
            Self::Mentions(names) if !names.is_sorted_by(|a, b| a < b) => return Err(BadContent::Order),
            Self::Mentions(names) => names.len() <= MAX_MENTIONS,
            Self::Composed(_)
            | Self::Script(_)
            | Self::Reply(_)
            | Self::Edit(_)
            | Self::Reaction(_)
            | Self::Deletion(_) => true,
            Self::Attachments(attachments) if attachments.is_empty() => return Err(BadContent::Empty),
            Self::Attachments(attachments) => {
                let (mut inline, mut sealed) = (0_u64, 0_u64);
                for attachment in attachments {
                    let bytes = if attachment.as_sealed().is_some() { &mut sealed } else { &mut inline };
                    *bytes = bytes.saturating_add(attachment.size());
                }
                attachments.len() <= MAX_ATTACHMENTS
                    && inline <= MAX_INLINE_ATTACHMENT as u64
                    && sealed <= MAX_FILES
            }
        };
        if fits { Ok(()) } else { Err(BadContent::TooLong) }
    }

    /// Writes the value.
    pub(super) fn write(
        &self,
        e: &mut Encoder<Vec<u8>>,
    ) -> Result<(), EncodeError<std::convert::Infallible>> {
        match self {
            Self::Text(text) => e.str(text)?.ok(),
            Self::Composed(at) => e.u64(*at)?.ok(),
            Self::Script(at) => e.i64(*at)?.ok(),
            Self::Reply(to) | Self::Edit(to) | Self::Deletion(to) => to.write(e),
            Self::Reaction(reaction) => reaction.write(e),
            Self::Mentions(names) => write_names(names, e),
            Self::Attachments(attachments) => {
                e.array(u64::try_from(attachments.len()).unwrap_or(u64::MAX))?;
                attachments.iter().try_for_each(|attachment| attachment.write(e))
            }
        }
    }

    /// Reads the value of field `number`.
    pub(super) fn read(number: u64, d: &mut Decoder<'_>) -> Option<Self> {
        Some(match number {
            TEXT => Self::Text(d.str().ok()?.to_owned()),
            COMPOSED => Self::Composed(d.u64().ok()?),
            SCRIPT => Self::Script(d.i64().ok()?),
            ATTACHMENTS => {
                let count = d.array().ok()??;
                Self::Attachments((0..count).map(|_| Attachment::read(d)).collect::<Option<_>>()?)
            }
            REPLY => Self::Reply(Reference::read(d)?),
            EDIT => Self::Edit(Reference::read(d)?),
            REACTION => Self::Reaction(Reaction::read(d)?),
            MENTIONS => Self::Mentions(read_names(d)?),
            DELETION => Self::Deletion(Reference::read(d)?),
            _ => return None,
        })
    }
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Field({}, …)", self.number())
    }
}

/// Whether fields with these numbers may stand in one content (EV-6).
pub(super) fn may_stand_together(numbers: &[u64]) -> bool {
    let has = |number| numbers.contains(&number);
    let without = |field, others: &[u64]| !has(field) || !others.iter().any(|other| has(*other));
    without(EDIT, &[REPLY, ATTACHMENTS])
        && without(REACTION, &[TEXT, REPLY, EDIT, ATTACHMENTS, MENTIONS, DELETION])
        && without(DELETION, &[TEXT, REPLY, EDIT, REACTION, ATTACHMENTS, MENTIONS])
}

/// Whether the fields are there that these numbers need (EV-6).
pub(super) fn have_what_they_need(numbers: &[u64]) -> bool {
    let has = |number| numbers.contains(&number);
    (!has(REPLY) || has(TEXT) || has(ATTACHMENTS)) && (!(has(EDIT) || has(MENTIONS)) || has(TEXT))
}

/// Reads a map from number to salt and value, in the order found.
pub(super) fn read_map(bytes: &[u8]) -> Option<Vec<(Salt, Field)>> {
    let d = &mut Decoder::new(bytes);
    let mut fields = Vec::new();
    for _ in 0..d.map().ok()?? {
        let number = d.u64().ok()?;
        (d.array().ok()? == Some(2)).then_some(())?;
        let salt = Salt(d.bytes().ok()?.try_into().ok()?);
        fields.push((salt, Field::read(number, d)?));
    }
    (d.position() == bytes.len()).then_some(fields)
}
