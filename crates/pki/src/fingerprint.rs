//! SHA-256 fingerprints of certificates, and short codes of keys for people to compare.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;

use crate::ed25519::PublicKey;

/// A SHA-256 digest.
pub type Sha256Hash = [u8; 32];

const PREFIX: &str = "sha256:";
const SHORT_CODE_CONTEXT: &[u8] = b"countersign v1 short code\0";

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> Sha256Hash {
    sha256_parts(&[bytes])
}

/// SHA-256 of the concatenation of `parts`.
pub(crate) fn sha256_parts(parts: &[&[u8]]) -> Sha256Hash {
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

/// Text that is not `sha256:` and 64 hexadecimal digits.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error("not a fingerprint: it is written `sha256:` and 64 hexadecimal digits")]
pub struct BadFingerprint;

/// SHA-256 of a certificate's DER, written `sha256:` and 64 lower-case hexadecimal digits (ID-50).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub Sha256Hash);

impl Fingerprint {
    /// The fingerprint of the certificate with this DER.
    pub fn of(der: &[u8]) -> Self {
        Self(sha256(der))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &Sha256Hash {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", Hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    /// Reads hexadecimal digits of either case (ID-50).
    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        let digits = text.strip_prefix(PREFIX).ok_or(BadFingerprint)?.as_bytes();
        let mut hash = [0; 32];
        let (pairs, []) = digits.as_chunks::<2>() else {
            return Err(BadFingerprint);
        };
        if pairs.len() != hash.len() {
            return Err(BadFingerprint);
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
        }
        Ok(Self(hash))
    }
}

fn hex_digit(digit: u8) -> Result<u8, BadFingerprint> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).ok_or(BadFingerprint)
}

/// The short code of a key: 8 groups of 5 decimal digits (ID-51).
pub fn short_code(key: &PublicKey) -> String {
    // ID-51
    let hash = sha256_parts(&[SHORT_CODE_CONTEXT, key.as_bytes()]);
    let (words, _) = hash.as_chunks::<4>();
    let groups: Vec<String> =
        words.iter().map(|word| format!("{:05}", u32::from_be_bytes(*word) % 100_000)).collect();
    groups.join(" ")
}

/// Prints bytes as lower-case hexadecimal digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_printed_and_read() {
        let print = Fingerprint::of(b"abc");
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(print.to_string(), text);
        assert_eq!(text.parse(), Ok(print));
        assert_eq!(text.replace("ba78", "BA78").parse(), Ok(print));
        for bad in ["", "sha256:", &text[7..], &text[..70], &format!("{text}0"), &text.replace("ba", "+a")] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(BadFingerprint), "{bad}");
        }
    }

    #[test]
    fn short_codes_are_eight_groups_of_five_digits() {
        let key = PublicKey::from_bytes(&[0x42; 32]).unwrap();
        assert_eq!(short_code(&key), "02238 03017 16775 92289 61666 56843 57294 21451"); // ID-51
    }
}
