//! Files in a message (EV-6).

use minicbor::encode::Error as EncodeError;
use minicbor::{Decoder, Encoder};
use pki::sha256;
use serde::{Serialize, Serializer};

use crate::hash::Hash;
use crate::limits::{MAX_FILE_NAME, MAX_MEDIA_TYPE};

/// The form whose bytes stand in the content.
const INLINE: u64 = 0;
/// Items of an attachment of this form.
const INLINE_ITEMS: u64 = 6;

/// A name under which a file cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a file's name has 1 to {MAX_FILE_NAME} bytes, is not . or .., and has no / or \\, no control character and none that \
     turns the direction of text"
)]
pub struct BadFileName;

/// The name of a file: the last part of a path, which leads nowhere and looks like what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// A name that follows EV-6.
    ///
    /// # Errors
    /// [`BadFileName`].
    pub fn parse(name: &str) -> Result<Self, BadFileName> {
        let fits = (1..=MAX_FILE_NAME).contains(&name.len()) && name != "." && name != "..";
        let bad = |c: char| matches!(c, '/' | '\\') || deceives(c);
        if fits && !name.contains(bad) { Ok(Self(name.to_owned())) } else { Err(BadFileName) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters, line and paragraph separators, and the controls of the Unicode Bidirectional Algorithm (UAX 9,
/// section 2).
pub(super) fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What kind of file its sender says it is: `type/subtype` (RFC 6838, section 4.2), without parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType(String);

impl MediaType {
    /// A media type that follows EV-6; `None` if it does not.
    pub fn parse(text: &str) -> Option<Self> {
        let word = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&-^_.+".contains(&b))
        };
        let (kind, subtype) = text.split_once('/')?;
        (text.len() <= MAX_MEDIA_TYPE && word(kind) && word(subtype)).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A file in a message, its bytes in the content (form 0).
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    name: FileName,
    media_type: Option<MediaType>,
    sha256: Hash,
    bytes: Vec<u8>,
}

impl Attachment {
    /// A file with these bytes.
    pub fn inline(name: FileName, media_type: Option<MediaType>, bytes: Vec<u8>) -> Self {
        Self { name, media_type, sha256: sha256(&bytes), bytes }
    }

    /// Its name.
    pub fn name(&self) -> &FileName {
        &self.name
    }

    /// The file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is told of it beside its bytes.
    pub fn info(&self) -> AttachmentInfo {
        AttachmentInfo {
            name: self.name.0.clone(),
            media_type: self.media_type.as_ref().map(|media_type| media_type.0.clone()),
            bytes: self.size(),
            sha256: self.sha256,
        }
    }

    fn size(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn write(
        &self,
        e: &mut Encoder<Vec<u8>>,
    ) -> Result<(), EncodeError<std::convert::Infallible>> {
        e.array(INLINE_ITEMS)?.u64(INLINE)?.str(&self.name.0)?;
        match &self.media_type {
            Some(media_type) => e.str(&media_type.0)?,
            None => e.null()?,
        };
        e.u64(self.size())?.bytes(&self.sha256)?.bytes(&self.bytes)?.ok()
    }

    pub(super) fn read(d: &mut Decoder<'_>) -> Option<Self> {
        (d.array().ok()? == Some(INLINE_ITEMS) && d.u64().ok()? == INLINE).then_some(())?;
        let name = FileName::parse(d.str().ok()?).ok()?;
        let media_type = match d.probe().null() {
            Ok(()) => d.null().ok().map(|()| None)?,
            Err(_) => Some(MediaType::parse(d.str().ok()?)?),
        };
        let (size, hash) = (d.u64().ok()?, d.bytes().ok()?);
        let attachment = Self::inline(name, media_type, d.bytes().ok()?.to_vec());
        (size == attachment.size() && hash == attachment.sha256).then_some(attachment)
    }
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attachment({} bytes)", self.bytes.len())
    }
}

/// What is told of an attachment beside its bytes (EV-40).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttachmentInfo {
    /// Its name, which follows EV-6.
    pub name: String,
    /// What its sender says that it is.
    pub media_type: Option<String>,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the file.
    #[serde(serialize_with = "in_hexadecimal")]
    pub sha256: Hash,
}

fn in_hexadecimal<S: Serializer>(hash: &Hash, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&hex::encode(hash))
}
