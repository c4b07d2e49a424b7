//! What was said: content, its commitment, and openings of chosen fields (EV-6, EV-7).

mod attachment;
mod field;
mod opening;
mod reference;

use minicbor::Encoder;
use pki::{Name, sha256};
use wire::cbor;

pub(crate) use attachment::deceives;
pub use attachment::{
    Attachment, AttachmentInfo, BadFileName, FILE_KEY, FileBytes, FileName, MediaType, SealedFile,
};
pub use field::{Field, Salt};
pub use opening::{OpenField, Opening};
pub use reference::{BadReaction, Reaction, Reference};

use crate::hash::{Hash, HashBytes};
use crate::limits::{MAX_ATTACHMENTS, MAX_CONTENT, MAX_FILES, MAX_INLINE_ATTACHMENT, MAX_MENTIONS, MAX_TEXT};
use crate::room::RoomId;

/// Bytes of a field, its text aside, at most.
const WITHOUT_TEXT: usize = 64;

const COMMITMENT_CONTEXT: &str = "countersign v1 commitment";

/// Why something is no content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadContent {
    /// No field at all, or one for files without a file, or for names without a name.
    #[error("content without a field, or a field of files or names without one")]
    Empty,
    /// A field or a name twice, or not in ascending order.
    #[error("the fields or names of the content are not in order")]
    Order,
    /// Fields that do not stand together, or one without another that it needs (EV-6).
    #[error(
        "a reply needs a text or files; an edit and mentions need a text; an edit has no files; a reaction and a deletion stand \
         alone"
    )]
    Together,
    /// A text above [`MAX_TEXT`], names above [`MAX_MENTIONS`], files above [`MAX_ATTACHMENTS`], [`MAX_INLINE_ATTACHMENT`] or [`MAX_FILES`], or content above [`MAX_CONTENT`].
    #[error(
        "too long: a message has at most {MAX_TEXT} bytes of text, {MAX_ATTACHMENTS} files of {MAX_INLINE_ATTACHMENT} bytes \
         together or, sealed apart, {MAX_FILES}, {MAX_MENTIONS} mentions, and {MAX_CONTENT} bytes in all; send it in parts"
    )]
    TooLong,
    /// Not encoded as content is, or with a field that this version does not know.
    #[error("not content of this version")]
    Malformed,
    /// The system gave no random bytes for the salts.
    #[error("the system gave no random bytes")]
    NoRandomness,
}

/// Where a commitment belongs: it serves in no other place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The sender.
    pub user: &'a Name,
    /// SHA-256 of the sender's certificate.
    pub certificate: Hash,
    /// The room.
    pub room: RoomId,
    /// The statement's number.
    pub seq: u64,
}

impl Binding<'_> {
    /// The commitment to fields with these digests (EV-7).
    pub(crate) fn commit(&self, digests: impl IntoIterator<Item = Hash>) -> Hash {
        // EV-7
        let digests: Vec<HashBytes> = digests.into_iter().map(HashBytes).collect();
        sha256(&cbor::to_vec(&(
            COMMITMENT_CONTEXT,
            self.user.as_str(),
            HashBytes(self.certificate),
            HashBytes(self.room.0),
            self.seq,
            digests,
        )))
    }
}

/// The fields of a message, each under its own salt. Without the salts nobody can guess a field from its digest,
/// so content is stored sealed and shown only to those who may read it.
pub struct Content {
    fields: Vec<(Salt, Field)>,
}

impl Content {
    /// Content with fresh random salts; fields in ascending order of their numbers.
    ///
    /// # Errors
    /// [`BadContent`].
    pub fn new(fields: Vec<Field>) -> Result<Self, BadContent> {
        let salted = fields.into_iter().map(|field| Salt::generate().map(|salt| (salt, field)));
        Self::with_salts(salted.collect::<Result<_, _>>()?)
    }

    /// Content with given salts, none of which was used before.
    ///
    /// # Errors
    /// [`BadContent`].
    pub fn with_salts(fields: Vec<(Salt, Field)>) -> Result<Self, BadContent> {
        let content = Self::of_good_fields(fields)?;
        if content.to_bytes().len() <= MAX_CONTENT { Ok(content) } else { Err(BadContent::TooLong) }
    }

    fn of_good_fields(fields: Vec<(Salt, Field)>) -> Result<Self, BadContent> {
        if fields.is_empty() {
            return Err(BadContent::Empty);
        }
        if !fields.iter().is_sorted_by(|(_, a), (_, b)| a.number() < b.number()) {
            return Err(BadContent::Order);
        }
        fields.iter().try_for_each(|(_, field)| field.check())?;
        let numbers: Vec<u64> = fields.iter().map(|(_, field)| field.number()).collect();
        if field::may_stand_together(&numbers) && field::have_what_they_need(&numbers) {
            Ok(Self { fields })
        } else {
            Err(BadContent::Together)
        }
    }

    /// The dCBOR map, which suite 0 sends as it is (EV-4).
    #[expect(clippy::expect_used, reason = "writing to a Vec cannot fail")]
    pub fn to_bytes(&self) -> Vec<u8> {
        let text = self.text().map_or(0, str::len);
        let mut e = Encoder::new(Vec::with_capacity(WITHOUT_TEXT * self.fields.len() + text));
        let fields = u64::try_from(self.fields.len()).unwrap_or(u64::MAX);
        e.map(fields).expect("encoding to memory");
        for (salt, field) in &self.fields {
            e.u64(field.number())
                .and_then(|e| e.array(2)?.bytes(salt.expose()))
                .and_then(|e| field.write(e))
                .expect("encoding to memory");
        }
        e.into_writer()
    }

    /// Reads the dCBOR map.
    ///
    /// # Errors
    /// [`BadContent`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadContent> {
        if bytes.len() > MAX_CONTENT {
            return Err(BadContent::TooLong);
        }
        let content = Self::of_good_fields(field::read_map(bytes).ok_or(BadContent::Malformed)?)?;
        // EV-1
        if content.to_bytes() == bytes { Ok(content) } else { Err(BadContent::Malformed) }
    }

    /// The fields in ascending order.
    pub fn fields(&self) -> impl Iterator<Item = &Field> + Clone {
        self.fields.iter().map(|(_, field)| field)
    }

    /// What was said, if the content has a text.
    pub fn text(&self) -> Option<&str> {
        self.fields().find_map(Field::text)
    }

    /// The files.
    pub fn attachments(&self) -> &[Attachment] {
        self.fields().map(Field::attachments).find(|files| !files.is_empty()).unwrap_or_default()
    }

    /// The commitment that the statement in this place carries.
    pub fn commitment(&self, binding: &Binding<'_>) -> Hash {
        binding.commit(self.fields.iter().map(|(salt, field)| field.digest(salt)))
    }

    /// An opening that shows the fields `numbers` and of the others their digests.
    pub fn open(&self, numbers: &[u64]) -> Opening {
        Opening::new(
            self.fields
                .iter()
                .map(|(salt, field)| {
                    if numbers.contains(&field.number()) {
                        OpenField::Open { salt: salt.duplicate(), field: field.clone() }
                    } else {
                        OpenField::Closed(field.digest(salt))
                    }
                })
                .collect(),
        )
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.fields().map(Field::number)).finish()
    }
}

#[cfg(test)]
mod tests;
