//! One field, its salt and its digest.

use minicbor::encode::Error as EncodeError;
use minicbor::{Decoder, Encoder};
use pki::sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Attachment, BadContent};
use crate::hash::Hash;
use crate::limits::{MAX_ATTACHMENTS, MAX_INLINE_ATTACHMENT, MAX_TEXT};

const FIELD_CONTEXT: &str = "countersign v1 field";

/// Bytes around a text in what is hashed for its digest, at most.
const AROUND_VALUE: usize = 96;

/// Number of the field with the text.
pub(super) const TEXT: u64 = 1;
const COMPOSED: u64 = 2;
const SCRIPT: u64 = 3;
const ATTACHMENTS: u64 = 7;

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
    /// 7: files, at most [`MAX_ATTACHMENTS`] with [`MAX_INLINE_ATTACHMENT`] bytes together.
    Attachments(Vec<Attachment>),
}

impl Field {
    /// Its number.
    pub fn number(&self) -> u64 {
        match self {
            Self::Text(_) => TEXT,
            Self::Composed(_) => COMPOSED,
            Self::Script(_) => SCRIPT,
            Self::Attachments(_) => ATTACHMENTS,
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Composed(_) | Self::Script(_) | Self::Attachments(_) => None,
        }
    }

    /// The files, if it has some.
    pub fn attachments(&self) -> &[Attachment] {
        match self {
            Self::Attachments(attachments) => attachments,
            Self::Text(_) | Self::Composed(_) | Self::Script(_) => &[],
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
            Self::Composed(_) | Self::Script(_) => true,
            Self::Attachments(attachments) if attachments.is_empty() => return Err(BadContent::Empty),
            Self::Attachments(attachments) => {
                let bytes: usize = attachments.iter().map(|attachment| attachment.bytes().len()).sum();
                attachments.len() <= MAX_ATTACHMENTS && bytes <= MAX_INLINE_ATTACHMENT
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
            _ => return None,
        })
    }
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Field({}, …)", self.number())
    }
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
