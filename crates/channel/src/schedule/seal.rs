//! `AEAD(s, n, ad, x)` of CH-5: a key with its IV.

use std::fmt;

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::kdf::{self, Secret};
use crate::{LocalFailure, Suite};

/// Size of the tag behind each ciphertext in bytes.
pub(crate) const TAG_SIZE: usize = 16;

/// An AEAD key and its IV. The library underneath erases the key when it is dropped.
pub(crate) struct SealKey {
    key: LessSafeKey,
    iv: [u8; 12],
}

/// Sealed bytes that do not open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DoesNotOpen;

impl SealKey {
    pub(crate) fn derive(suite: Suite, secret: &Secret) -> Result<Self, LocalFailure> {
        let mut key = Zeroizing::new([0; 32]);
        kdf::expand_into(secret, "key", b"", &mut *key)?;
        let mut iv = [0; 12];
        kdf::expand_into(secret, "iv", b"", &mut iv)?;
        let key = UnboundKey::new(suite.aead(), &*key).map_err(|_| LocalFailure::Cryptography)?;
        Ok(Self { key: LessSafeKey::new(key), iv })
    }

    /// Seals `plaintext` in place and returns its tag. `number` is used once.
    pub(crate) fn seal(
        &self,
        number: u64,
        associated: &[u8],
        plaintext: &mut [u8],
    ) -> Result<[u8; TAG_SIZE], LocalFailure> {
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(number), Aad::from(associated), plaintext)
            .map_err(|_| LocalFailure::Cryptography)?;
        tag.as_ref().try_into().map_err(|_| LocalFailure::Cryptography)
    }

    /// Opens `sealed` in place and cuts it to its plaintext.
    pub(crate) fn open(
        &self,
        number: u64,
        associated: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(), DoesNotOpen> {
        let plaintext = self
            .key
            .open_in_place(self.nonce(number), Aad::from(associated), sealed)
            .map_err(|_| DoesNotOpen)?
            .len();
        sealed.truncate(plaintext);
        Ok(())
    }

    fn nonce(&self, number: u64) -> Nonce {
        let mut nonce = self.iv;
        for (byte, counter) in nonce.iter_mut().rev().zip(number.to_le_bytes()) {
            *byte ^= counter;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(..)")
    }
}
