//! Files in a message (EV-6).

use minicbor::encode::Error as EncodeError;
use minicbor::{Decoder, Encoder};
use pki::sha256;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::hash::Hash;
use crate::limits::{MAX_FILE_NAME, MAX_MEDIA_TYPE};

/// The form whose bytes stand in the content, and its items.
const INLINE: u64 = 0;
const INLINE_ITEMS: u64 = 6;
/// The form whose bytes are sealed apart from the content, and its items.
const SEALED: u64 = 1;
const SEALED_ITEMS: u64 = 7;

/// Bytes of the key of a sealed file.
pub const FILE_KEY: usize = 32;

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
pub(crate) fn deceives(c: char) -> bool {
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

/// A file in a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    name: FileName,
    media_type: Option<MediaType>,
    size: u64,
    sha256: Hash,
    bytes: FileBytes,
}

/// Where a file's bytes are.
#[derive(Clone, PartialEq, Eq)]
pub enum FileBytes {
    /// In the content (form 0).
    Inline(Vec<u8>),
    /// Sealed (form 1; group.md, GR-23).
    Sealed(SealedFile),
}

/// How a sealed file is found and opened.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedFile {
    /// The key that it alone is sealed under.
    pub key: Zeroizing<[u8; FILE_KEY]>,
    /// SHA-256 of the ciphertext.
    pub ciphertext: Hash,
}

impl Attachment {
    /// A file whose bytes stand in the content.
    pub fn inline(name: FileName, media_type: Option<MediaType>, bytes: Vec<u8>) -> Self {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self { name, media_type, size, sha256: sha256(&bytes), bytes: FileBytes::Inline(bytes) }
    }

    /// A file of `size` bytes with this SHA-256 that is sealed apart from the content.
    pub fn sealed(
        name: FileName,
        media_type: Option<MediaType>,
        size: u64,
        sha256: Hash,
        sealed: SealedFile,
    ) -> Self {
        Self { name, media_type, size, sha256, bytes: FileBytes::Sealed(sealed) }
    }

    /// Its name.
    pub fn name(&self) -> &FileName {
        &self.name
    }

    /// Size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> &Hash {
        &self.sha256
    }

    /// The file, or where it is.
    pub fn bytes(&self) -> &FileBytes {
        &self.bytes
    }

    /// How the file is found, if it is sealed.
    pub fn as_sealed(&self) -> Option<&SealedFile> {
        match &self.bytes {
            FileBytes::Inline(_) => None,
            FileBytes::Sealed(sealed) => Some(sealed),
        }
    }

    /// What is told of it beside its bytes.
    pub fn info(&self) -> AttachmentInfo {
        AttachmentInfo {
            name: self.name.0.clone(),
            media_type: self.media_type.as_ref().map(|media_type| media_type.0.clone()),
            bytes: self.size,
            sha256: self.sha256,
            inline: matches!(self.bytes, FileBytes::Inline(_)),
        }
    }

    pub(super) fn write(
        &self,
        e: &mut Encoder<Vec<u8>>,
    ) -> Result<(), EncodeError<std::convert::Infallible>> {
        let (items, form) = match self.bytes {
            FileBytes::Inline(_) => (INLINE_ITEMS, INLINE),
            FileBytes::Sealed(_) => (SEALED_ITEMS, SEALED),
        };
        e.array(items)?.u64(form)?.str(&self.name.0)?;
        match &self.media_type {
            Some(media_type) => e.str(&media_type.0)?,
            None => e.null()?,
        };
        e.u64(self.size)?.bytes(&self.sha256)?;
        match &self.bytes {
            FileBytes::Inline(bytes) => e.bytes(bytes)?.ok(),
            FileBytes::Sealed(sealed) => e.bytes(sealed.key.as_slice())?.bytes(&sealed.ciphertext)?.ok(),
        }
    }

    pub(super) fn read(d: &mut Decoder<'_>) -> Option<Self> {
        let form = (d.array().ok()??, d.u64().ok()?);
        let name = FileName::parse(d.str().ok()?).ok()?;
        let media_type = match d.probe().null() {
            Ok(()) => d.null().ok().map(|()| None)?,
            Err(_) => Some(MediaType::parse(d.str().ok()?)?),
        };
        let (size, sha256) = (d.u64().ok()?, d.bytes().ok()?.try_into().ok()?);
        let attachment = match form {
            (INLINE_ITEMS, INLINE) => Self::inline(name, media_type, d.bytes().ok()?.to_vec()),
            (SEALED_ITEMS, SEALED) => {
                let key = Zeroizing::new(d.bytes().ok()?.try_into().ok()?);
                let ciphertext = d.bytes().ok()?.try_into().ok()?;
                Self::sealed(name, media_type, size, sha256, SealedFile { key, ciphertext })
            }
            _ => return None,
        };
        (size == attachment.size && sha256 == attachment.sha256).then_some(attachment)
    }
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attachment({} bytes)", self.size)
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
    /// Whether the file stands in the content, and so in a bundle that shows the content.
    pub inline: bool,
}

fn in_hexadecimal<S: Serializer>(hash: &Hash, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&hex::encode(hash))
}
