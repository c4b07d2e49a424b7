//! AES as the classic protocols use it: CBC and ECB with PKCS#7, none of it authenticated (CL-12).

use aws_lc_rs::cipher::{
    AES_128, AES_256, Algorithm, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use crate::ClassicError;

/// Size of an AES block and of an initialisation vector, in bytes.
pub const BLOCK_LEN: usize = 16;

/// An AES key of 16 or 32 bytes.
pub struct CipherKey {
    bytes: Zeroizing<Vec<u8>>,
    algorithm: &'static Algorithm,
}

impl CipherKey {
    /// A key of AES-128.
    pub fn aes_128(bytes: &[u8; 16]) -> Self {
        Self { bytes: Zeroizing::new(bytes.to_vec()), algorithm: &AES_128 }
    }

    /// A key of AES-256.
    pub fn aes_256(bytes: &[u8; 32]) -> Self {
        Self { bytes: Zeroizing::new(bytes.to_vec()), algorithm: &AES_256 }
    }

    /// The key's bytes, for a peer that takes them apart.
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    fn unbound(&self) -> Result<UnboundCipherKey, ClassicError> {
        Ok(UnboundCipherKey::new(self.algorithm, &self.bytes)?)
    }

    /// CBC under a fresh random vector: `IV | ciphertext`.
    ///
    /// # Errors
    /// [`ClassicError::Cryptography`] without randomness.
    pub fn seal_cbc(&self, text: &[u8]) -> Result<Vec<u8>, ClassicError> {
        let mut iv = [0; BLOCK_LEN];
        aws_lc_rs::rand::fill(&mut iv)?;
        let mut sealed = iv.to_vec();
        sealed.extend(self.cbc(&iv, text)?);
        Ok(sealed)
    }

    /// CBC under a vector that the caller gives; without it in the result.
    ///
    /// # Errors
    /// [`ClassicError::Cryptography`] if the library refuses.
    pub fn cbc(&self, iv: &[u8; BLOCK_LEN], text: &[u8]) -> Result<Vec<u8>, ClassicError> {
        let key = PaddedBlockEncryptingKey::cbc_pkcs7(self.unbound()?)?;
        let mut bytes = text.to_vec();
        key.less_safe_encrypt(&mut bytes, EncryptionContext::Iv128(FixedLength::from(iv)))?;
        Ok(bytes)
    }

    /// Opens `IV | ciphertext`.
    ///
    /// # Errors
    /// [`ClassicError::Decryption`] for a wrong size or padding.
    pub fn open_cbc(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, ClassicError> {
        let (iv, ciphertext) = sealed.split_first_chunk::<BLOCK_LEN>().ok_or(ClassicError::Decryption)?;
        self.open_cbc_under(iv, ciphertext)
    }

    /// Opens a CBC ciphertext under a vector that came by another way.
    ///
    /// # Errors
    /// [`ClassicError::Decryption`] for a wrong size or padding.
    pub fn open_cbc_under(
        &self,
        iv: &[u8; BLOCK_LEN],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, ClassicError> {
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(self.unbound()?)?;
        open(&key, ciphertext, DecryptionContext::Iv128(FixedLength::from(iv)))
    }

    /// ECB: equal blocks of text give equal blocks of ciphertext.
    ///
    /// # Errors
    /// [`ClassicError::Cryptography`] if the library refuses.
    pub fn seal_weak_ecb(&self, text: &[u8]) -> Result<Vec<u8>, ClassicError> {
        let key = PaddedBlockEncryptingKey::ecb_pkcs7(self.unbound()?)?;
        let mut bytes = text.to_vec();
        key.encrypt(&mut bytes)?;
        Ok(bytes)
    }

    /// Opens ECB.
    ///
    /// # Errors
    /// [`ClassicError::Decryption`] for a wrong size or padding.
    pub fn open_weak_ecb(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, ClassicError> {
        let key = PaddedBlockDecryptingKey::ecb_pkcs7(self.unbound()?)?;
        open(&key, ciphertext, DecryptionContext::None)
    }
}

fn open(
    key: &PaddedBlockDecryptingKey,
    ciphertext: &[u8],
    context: DecryptionContext,
) -> Result<Zeroizing<Vec<u8>>, ClassicError> {
    if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(BLOCK_LEN) {
        return Err(ClassicError::Decryption);
    }
    let mut bytes = Zeroizing::new(ciphertext.to_vec());
    let text = key.decrypt(&mut bytes, context).map_err(|_| ClassicError::Decryption)?.len();
    bytes.truncate(text);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_and_sizes_that_cannot_be_are_refused() {
        let key = CipherKey::aes_128(&[7; 16]);
        for size in 0..50 {
            let text = vec![b'x'; size];
            assert_eq!(*key.open_cbc(&key.seal_cbc(&text).unwrap()).unwrap(), text);
            assert_eq!(*key.open_weak_ecb(&key.seal_weak_ecb(&text).unwrap()).unwrap(), text);
            assert!(key.open_cbc(&vec![0; size]).is_err());
            assert!(key.open_weak_ecb(&vec![0; size]).is_err());
        }
    }

    /// NIST SP 800-38A, F.1.1 and F.2.5, first block.
    #[test]
    fn the_first_blocks_are_those_of_sp_800_38a() {
        let text = hex::decode("6bc1bee22e409f96e93d7e117393172a").unwrap();
        let key: [u8; 16] = hex::decode("2b7e151628aed2a6abf7158809cf4f3c").unwrap().try_into().unwrap();
        let ecb = CipherKey::aes_128(&key).seal_weak_ecb(&text).unwrap();
        assert_eq!(hex::encode(&ecb[..16]), "3ad77bb40d7a3660a89ecaf32466ef97");
        let key: [u8; 32] = hex::decode("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
            .unwrap()
            .try_into()
            .unwrap();
        let iv = core::array::from_fn(|n| u8::try_from(n).unwrap());
        let cbc = CipherKey::aes_256(&key).cbc(&iv, &text).unwrap();
        assert_eq!(hex::encode(&cbc[..16]), "f58c4c04d6e5f1ba779eabfb5f7bfbd6");
    }
}
