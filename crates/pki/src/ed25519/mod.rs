//! Ed25519, strictly (RFC 8032, section 5.1, with the rules of `docs/identity.md`).
//!
//! The one place where signatures are made and checked: the channel's handshake, statements, checkpoints,
//! receipts, certificates and requests all come here. Keys at rest are in [`at_rest`].

pub mod at_rest;

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// Size of a public key in bytes.
pub const PUBLIC_KEY_LEN: usize = 32;
/// Size of a signature in bytes.
pub const SIGNATURE_LEN: usize = 64;
/// Size of a private key's seed in bytes.
const SEED_LEN: usize = 32;

/// 2^255 - 19, little-endian.
const FIELD_PRIME: [u8; 32] = [
    0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
];

/// The y coordinates of the eight points of small order, little-endian: 0 (order 4), 1 (order 1),
/// -1 (order 2) and the two of order 8; either sign of x.
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    [0; 32],
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// A signature that does not stand: wrong, or not in the one strict encoding.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error("the signature does not verify under this key")]
pub struct BadSignature;

/// Bytes that are no usable public key: not 32 of them, not canonical, or of small order.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error("not a usable Ed25519 public key (32 bytes, canonical, not of small order)")]
pub struct BadPublicKey;

/// Why a private key could not be made, read or written.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// The file is not the PEM or PKCS#8 of an Ed25519 key.
    #[error(
        "this is not an Ed25519 private key in PKCS#8; make one with `openssl genpkey -algorithm ed25519`"
    )]
    Malformed,
    /// The key is encrypted and the passphrase does not open it.
    #[error("the passphrase does not open this key; check it and try again")]
    WrongPassword,
    /// The key is encrypted in a way that is not read here, or with costs above the limits.
    #[error(
        "the key's encryption is not supported (PBES2 with scrypt or PBKDF2-SHA256 and AES-256-CBC, within limits); \
         rewrite it with `openssl pkcs8 -topk8 -v2 aes-256-cbc`"
    )]
    Unsupported,
    /// The key is encrypted and no passphrase was given.
    #[error("this key is encrypted; give its passphrase")]
    NeedsPassword,
    /// The system's random number generator failed.
    #[error("the system's random number generator failed; nothing was made")]
    NoRandomness,
}

/// A public key in canonical encoding and not of small order (ID-20).
///
/// That the bytes decode to a point of the curve shows at the first verification, which otherwise fails.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; PUBLIC_KEY_LEN]);

impl PublicKey {
    /// Accepts the 32 bytes of a key.
    ///
    /// # Errors
    /// [`BadPublicKey`] if they are not canonical or of small order.
    pub fn from_bytes(bytes: &[u8; PUBLIC_KEY_LEN]) -> Result<Self, BadPublicKey> {
        // ID-20
        if is_strict_point(bytes) { Ok(Self(*bytes)) } else { Err(BadPublicKey) }
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_KEY_LEN] {
        &self.0
    }

    /// Verifies `signature` over `message`, strictly (ID-21): S below the group order, R canonical and not of
    /// small order, equation without cofactor.
    ///
    /// # Errors
    /// [`BadSignature`], without saying why.
    pub fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> Result<(), BadSignature> {
        // ID-21; aws-lc-rs refuses S >= L and compares R with its one encoding.
        let r = signature.first_chunk::<32>().ok_or(BadSignature)?;
        if !is_strict_point(r) {
            return Err(BadSignature);
        }
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).map_err(|_| BadSignature)
    }
}

impl TryFrom<&[u8]> for PublicKey {
    type Error = BadPublicKey;

    fn try_from(bytes: &[u8]) -> Result<Self, BadPublicKey> {
        Self::from_bytes(bytes.try_into().map_err(|_| BadPublicKey)?)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", crate::fingerprint::Hex(&self.0))
    }
}

/// A private key. The library underneath clears it when it is dropped.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// Makes a fresh key.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn generate() -> Result<Self, KeyError> {
        Self::of_pair(Ed25519KeyPair::generate().map_err(|_| KeyError::NoRandomness)?)
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message`, which starts with the context string of what it is (`docs/evidence.md`).
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        let mut signature = [0; SIGNATURE_LEN];
        for (to, from) in signature.iter_mut().zip(self.pair.sign(message).as_ref()) {
            *to = *from;
        }
        signature
    }

    pub(super) fn from_seed(seed: &[u8; SEED_LEN]) -> Result<Self, KeyError> {
        Self::of_pair(Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Malformed)?)
    }

    fn of_pair(pair: Ed25519KeyPair) -> Result<Self, KeyError> {
        let public = PublicKey::try_from(pair.public_key().as_ref()).map_err(|_| KeyError::Malformed)?;
        Ok(Self { pair, public })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {:?})", self.public)
    }
}

/// Whether `bytes` encode y below the field prime, of a point not of small order.
fn is_strict_point(bytes: &[u8; 32]) -> bool {
    let mut y = *bytes;
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    y.iter().rev().lt(FIELD_PRIME.iter().rev()) && !SMALL_ORDER_Y.contains(&y)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// L, the order of the base point, little-endian.
    const GROUP_ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let digits: Vec<u8> = hex.bytes().map(|b| (b as char).to_digit(16).unwrap() as u8).collect();
        let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        bytes.try_into().unwrap()
    }

    #[test]
    fn verifies_the_vector_of_rfc_8032_section_7_1_test_2() {
        let key =
            PublicKey::from_bytes(&bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"));
        let signature = bytes(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        assert_eq!(key.unwrap().verify(&[0x72], &signature), Ok(()));
        assert_eq!(key.unwrap().verify(&[0x73], &signature), Err(BadSignature));
    }

    #[test]
    fn refuses_small_order_and_non_canonical_points() {
        for y in SMALL_ORDER_Y {
            for sign in [0, 0x80] {
                let mut point = y;
                point[31] |= sign;
                assert_eq!(PublicKey::from_bytes(&point), Err(BadPublicKey), "{point:x?}");
            }
        }
        for above in 0..19 {
            let mut point = FIELD_PRIME;
            point[0] += above;
            assert_eq!(PublicKey::from_bytes(&point), Err(BadPublicKey));
            point[31] |= 0x80;
            assert_eq!(PublicKey::from_bytes(&point), Err(BadPublicKey));
        }
        assert_eq!(PublicKey::try_from(&[9_u8; 31][..]), Err(BadPublicKey));
    }

    #[test]
    fn refuses_a_signature_whose_s_is_not_reduced() {
        let key = SigningKey::generate().unwrap();
        let mut signature = key.sign(b"message");
        key.public().verify(b"message", &signature).unwrap();
        let mut carry = 0;
        for (byte, add) in signature[32..].iter_mut().zip(GROUP_ORDER) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        assert_eq!(key.public().verify(b"message", &signature), Err(BadSignature));
    }

    #[test]
    fn refuses_a_small_order_r_that_satisfies_the_equation() {
        // With A of small order, R the identity and S zero the bare equation holds for every eighth message.
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&identity);
        for key in SMALL_ORDER_Y {
            let bypassing_the_parser = PublicKey(key);
            for message in 0..32_u8 {
                assert_eq!(bypassing_the_parser.verify(&[message], &signature), Err(BadSignature));
            }
        }
    }

    #[test]
    fn refuses_every_changed_bit() {
        let key = SigningKey::generate().unwrap();
        let signature = key.sign(b"message");
        for bit in 0..512 {
            let mut changed = signature;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.public().verify(b"message", &changed), Err(BadSignature), "bit {bit}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = SigningKey::from_pkcs8(&[
            0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20, 7, 7, 7, 7, 7, 7, 7, 7,
            7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
        ])
        .unwrap();
        assert_eq!(
            format!("{key:?}"),
            "SigningKey(of PublicKey(ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c))"
        );
    }
}
