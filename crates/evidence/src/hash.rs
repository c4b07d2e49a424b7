//! SHA-256 over several parts, and the encoding of a hash.

use aws_lc_rs::digest;
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

/// A SHA-256 digest, or another value of 32 bytes.
pub type Hash = [u8; 32];

/// SHA-256 of the concatenation of `parts`.
pub(crate) fn hash_parts(parts: &[&[u8]]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    hash
}

/// A hash as a byte string of CBOR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HashBytes(pub(crate) Hash);

impl<C> Encode<C> for HashBytes {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for HashBytes {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        d.bytes()?.try_into().map(Self).map_err(|_| DecodeError::message("not 32 bytes"))
    }
}
