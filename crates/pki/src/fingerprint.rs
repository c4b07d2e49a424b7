//! SHA-256 fingerprints of certificates, and short codes of keys for people to compare.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;

use crate::ed25519::PublicKey;
use crate::name::Name;

/// A SHA-256 digest.
pub type Sha256Hash = [u8; 32];

const PREFIX: &str = "sha256:";
const SHORT_CODE_CONTEXT: &[u8] = b"countersign v1 short code\0";
const SAFETY_CODE_CONTEXT: &[u8] = b"countersign v1 safety code\0";
/// Groups of a safety code for each of its two users.
const SAFETY_GROUPS: usize = 6;

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
    groups(words)
}

/// The safety code of two users of the organisation with this root, each with the key of the first certificate: 12 groups of 5
/// decimal digits, the same whichever of them stands first (ID-52).
pub fn safety_code(root: &Fingerprint, users: [(&Name, &PublicKey); 2]) -> String {
    let mut users = users;
    users.sort_by_key(|(name, _)| *name);
    users.map(|(name, key)| half_of_safety_code(root, name, key)).join(" ")
}

fn half_of_safety_code(root: &Fingerprint, name: &Name, key: &PublicKey) -> String {
    // ID-1: at most 32 characters.
    let length = [u8::try_from(name.as_str().len()).unwrap_or(u8::MAX)];
    let parts: [&[u8]; 5] =
        [SAFETY_CODE_CONTEXT, root.as_bytes(), &length, name.as_str().as_bytes(), key.as_bytes()];
    let hash = sha256_parts(&parts);
    let (words, _) = hash.as_chunks::<5>();
    groups(words.iter().take(SAFETY_GROUPS))
}

/// Big-endian numbers, modulo 100,000, with 5 digits each.
fn groups<'a, const N: usize>(words: impl IntoIterator<Item = &'a [u8; N]>) -> String {
    let number = |word: &[u8; N]| word.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let groups: Vec<String> =
        words.into_iter().map(|word| format!("{:05}", number(word) % 100_000)).collect();
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
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> PublicKey {
        PublicKey::from_bytes(&[byte; 32]).unwrap()
    }

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

    #[test]
    fn safety_codes_are_those_of_the_specification() {
        let (alice, bob) = (Name::canonical("alice").unwrap(), Name::canonical("bob").unwrap());
        let (alice, bob) = ((&alice, &key(0x42)), (&bob, &key(0x24)));
        let code = "34405 70093 76639 77292 89365 38821 38993 89083 40408 81331 77363 36838"; // ID-52
        assert_eq!(safety_code(&Fingerprint([1; 32]), [alice, bob]), code);
        assert_eq!(safety_code(&Fingerprint([1; 32]), [bob, alice]), code);
    }

    proptest! {
        #[test]
        fn both_sides_see_one_safety_code_and_it_changes_with_everything(
            names in ["[a-z][a-z0-9]{0,30}", "[a-z][a-z0-9]{0,30}", "[a-z][a-z0-9]{0,30}"],
            keys in any::<[u8; 3]>(),
            roots in any::<[[u8; 32]; 2]>(),
        ) {
            let names = names.map(|name| Name::canonical(&name));
            let [Ok(one), Ok(two), Ok(three)] = &names else { return Ok(()) };
            let keys = keys.map(|byte| PublicKey::from_bytes(&[byte; 32]));
            let [Ok(first), Ok(second), Ok(other)] = &keys else { return Ok(()) };
            prop_assume!(one != two && two != three && one != three && second != other && roots[0] != roots[1]);
            let roots = roots.map(Fingerprint);
            let code = safety_code(&roots[0], [(one, first), (two, second)]);
            prop_assert_eq!(&code, &safety_code(&roots[0], [(two, second), (one, first)]));
            prop_assert_eq!(code.split(' ').count(), 12);
            prop_assert!(code.split(' ').all(|g| g.len() == 5 && g.bytes().all(|b| b.is_ascii_digit())));
            prop_assert_ne!(&code, &safety_code(&roots[1], [(one, first), (two, second)]));
            prop_assert_ne!(&code, &safety_code(&roots[0], [(one, first), (two, other)]));
            prop_assert_ne!(&code, &safety_code(&roots[0], [(one, first), (three, second)]));
        }
    }
}
