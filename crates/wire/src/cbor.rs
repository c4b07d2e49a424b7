//! Deterministic CBOR: one value, one encoding (RFC 8949, section 4.2.1).
//!
//! Types derive `minicbor::Encode` and `minicbor::Decode` with numbered fields in ascending order,
//! which yields the core deterministic encoding. The decoder re-encodes what it read and compares, so
//! that a longer integer, an indefinite length, an unknown or repeated key or a trailing byte is refused.

use minicbor::{Decode, Encode};

/// Why bytes were not accepted as one deterministic CBOR value.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum CborError {
    /// Longer than the limit the caller named, in bytes.
    #[error("{length} bytes of CBOR, the limit is {limit}")]
    TooLong {
        /// Length of the input in bytes.
        length: usize,
        /// The named limit in bytes.
        limit: usize,
    },
    /// Not CBOR, or not of the expected shape.
    #[error("not CBOR of the expected shape")]
    Malformed,
    /// CBOR of the right shape in another than its deterministic encoding, or followed by more bytes.
    #[error("CBOR that is not deterministically encoded")]
    NotDeterministic,
}

/// Most values are at most this long, in bytes: room for it is made at once.
const USUAL_LEN: usize = 256;

/// Encodes `value` deterministically.
#[expect(
    clippy::expect_used,
    reason = "writing to a Vec cannot fail and no type of ours encodes with a custom error"
)]
pub fn to_vec<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_LEN);
    minicbor::encode(value, &mut bytes).expect("encoding to memory");
    bytes
}

/// Decodes one value of at most `limit` bytes and refuses any but its deterministic encoding.
///
/// # Errors
/// [`CborError`], by the first thing found wrong.
pub fn from_slice<'b, T>(bytes: &'b [u8], limit: usize) -> Result<T, CborError>
where
    T: Decode<'b, ()> + Encode<()>,
{
    if bytes.len() > limit {
        return Err(CborError::TooLong { length: bytes.len(), limit });
    }
    let value: T = minicbor::decode(bytes).map_err(|_| CborError::Malformed)?;
    if to_vec(&value) != bytes {
        return Err(CborError::NotDeterministic);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Encode, Decode)]
    #[cbor(map)]
    struct Sample {
        #[n(1)]
        number: u64,
        #[n(2)]
        text: String,
    }

    #[test]
    fn accepts_only_the_deterministic_encoding() {
        let value = Sample { number: 5, text: "a".into() };
        let good = to_vec(&value);
        assert_eq!(good, [0xa2, 1, 5, 2, 0x61, b'a']);
        assert_eq!(from_slice::<Sample>(&good, 64), Ok(value));
        let bad: [&[u8]; 5] = [
            &[0xa2, 1, 0x18, 5, 2, 0x61, b'a'],
            &[0xa2, 2, 0x61, b'a', 1, 5],
            &[0xbf, 1, 5, 2, 0x61, b'a', 0xff],
            &[0xa3, 1, 5, 2, 0x61, b'a', 3, 0],
            &[0xa2, 1, 5, 2, 0x61, b'a', 0],
        ];
        for bytes in bad {
            assert_eq!(from_slice::<Sample>(bytes, 64), Err(CborError::NotDeterministic), "{bytes:x?}");
        }
        assert_eq!(from_slice::<Sample>(&[0xa1, 1, 5], 64), Err(CborError::Malformed));
        assert_eq!(from_slice::<Sample>(&good, 5), Err(CborError::TooLong { length: 6, limit: 5 }));
    }
}
