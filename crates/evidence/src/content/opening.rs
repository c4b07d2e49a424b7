//! Chosen fields of a message, and of the others their digests only (EV-35).

use minicbor::data::Type;
use minicbor::encode::Error as EncodeError;
use minicbor::{Decoder, Encoder};

use super::field::may_stand_together;
use super::{Binding, Field, Salt};
use crate::hash::Hash;

/// A field in an opening.
#[derive(Debug)]
pub enum OpenField {
    /// Shown.
    Open {
        /// Its salt.
        salt: Salt,
        /// Its number and value.
        field: Field,
    },
    /// Kept back: its digest.
    Closed(Hash),
}

/// The fields of one message in the commitment's order, some of them shown.
#[derive(Debug)]
pub struct Opening {
    fields: Vec<OpenField>,
}

impl Opening {
    pub(super) fn new(fields: Vec<OpenField>) -> Self {
        Self { fields }
    }

    /// The fields that are shown.
    pub fn shown(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter_map(|field| match field {
            OpenField::Open { field, .. } => Some(field),
            OpenField::Closed(_) => None,
        })
    }

    /// Whether at least one field is shown and one is not, the shown ones in ascending order, within limits, and such as
    /// may stand together.
    pub(crate) fn is_proper(&self) -> bool {
        let shown: Vec<&Field> = self.shown().collect();
        let numbers: Vec<u64> = shown.iter().map(|field| field.number()).collect();
        !shown.is_empty()
            && shown.len() < self.fields.len()
            && numbers.is_sorted_by(|a, b| a < b)
            && may_stand_together(&numbers)
            && shown.iter().all(|field| field.check().is_ok())
    }

    /// The commitment that the statement in this place must carry.
    pub fn commitment(&self, binding: &Binding<'_>) -> Hash {
        binding.commit(self.fields.iter().map(|field| match field {
            OpenField::Open { salt, field } => field.digest(salt),
            OpenField::Closed(digest) => *digest,
        }))
    }

    pub(crate) fn write(
        &self,
        e: &mut Encoder<Vec<u8>>,
    ) -> Result<(), EncodeError<std::convert::Infallible>> {
        e.array(u64::try_from(self.fields.len()).unwrap_or(u64::MAX))?;
        for field in &self.fields {
            match field {
                OpenField::Open { salt, field } => {
                    e.array(3)?.u64(field.number())?.bytes(salt.expose())?;
                    field.write(e)?;
                }
                OpenField::Closed(digest) => {
                    e.bytes(digest)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn read(d: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = Vec::new();
        for _ in 0..d.array().ok()?? {
            fields.push(if d.datatype().ok()? == Type::Bytes {
                OpenField::Closed(d.bytes().ok()?.try_into().ok()?)
            } else {
                (d.array().ok()? == Some(3)).then_some(())?;
                let number = d.u64().ok()?;
                let salt = Salt::from_bytes(d.bytes().ok()?.try_into().ok()?);
                OpenField::Open { salt, field: Field::read(number, d)? }
            });
        }
        Some(Self { fields })
    }
}
