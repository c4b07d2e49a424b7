//! RSA signatures and key transport of the classic protocols (CL-13).

mod salt;
mod text;

pub use text::DecryptingKey;

use std::sync::LazyLock;

use aws_lc_rs::rsa::{KeyPair, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey};
use aws_lc_rs::rsa::{PrivateDecryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{
    self, KeyPair as _, ParsedPublicKey, RsaParameters, RsaPssSaltLength, RsaSignatureEncoding,
};
use zeroize::Zeroizing;

use crate::ClassicError;

static PSS_SIGN: RsaSignatureEncoding = signature::RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Max);
static PSS_LONGEST: RsaParameters =
    signature::RSA_PSS_2048_8192_SHA256.with_pss_salt_length(RsaPssSaltLength::Max);
/// A verification for each salt of up to 1,024 bytes, as the library takes the length as a static parameter.
static PSS_BY_SALT: LazyLock<Vec<RsaParameters>> = LazyLock::new(|| {
    let of = |n| signature::RSA_PSS_2048_8192_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(n));
    (0..1_024).map(of).collect()
});

/// An RSA key that signs.
pub struct SigningKey(KeyPair);

impl SigningKey {
    /// Takes a key pair of at least 2,048 bits.
    pub fn new(pair: KeyPair) -> Self {
        Self(pair)
    }

    /// RSA-PSS with SHA-256, MGF1-SHA-256 and the longest salt (RFC 8017, section 8.1).
    ///
    /// # Errors
    /// [`ClassicError::Cryptography`] if the library refuses.
    pub fn sign_pss(&self, message: &[u8]) -> Result<Vec<u8>, ClassicError> {
        self.sign(&PSS_SIGN, message)
    }

    /// RSA PKCS#1 v1.5 with SHA-256 (RFC 8017, section 8.2).
    ///
    /// # Errors
    /// [`ClassicError::Cryptography`] if the library refuses.
    pub fn sign_pkcs1(&self, message: &[u8]) -> Result<Vec<u8>, ClassicError> {
        self.sign(&signature::RSA_PKCS1_SHA256, message)
    }

    fn sign(&self, encoding: &'static RsaSignatureEncoding, message: &[u8]) -> Result<Vec<u8>, ClassicError> {
        let mut bytes = vec![0; self.0.public_modulus_len()];
        self.0.sign(encoding, &aws_lc_rs::rand::SystemRandom::new(), message, &mut bytes)?;
        Ok(bytes)
    }

    /// The public key as RFC 8017's `RSAPublicKey`, DER.
    pub fn public_pkcs1(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }
}

/// An RSA key that verifies, of 2,048 to 8,192 bits.
#[derive(Clone)]
pub struct VerifyingKey {
    pkcs1: Vec<u8>,
    pss_longest: ParsedPublicKey,
    pkcs1_v15: ParsedPublicKey,
}

impl VerifyingKey {
    /// Reads an `RSAPublicKey`, DER (RFC 8017, appendix A.1.1).
    ///
    /// # Errors
    /// [`ClassicError::Malformed`] for anything else.
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, ClassicError> {
        let unusable = |_| ClassicError::malformed("an RSA key that cannot be used");
        Ok(Self {
            pkcs1: der.to_vec(),
            pss_longest: ParsedPublicKey::new(&PSS_LONGEST, der).map_err(unusable)?,
            pkcs1_v15: ParsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, der).map_err(unusable)?,
        })
    }

    /// RSA-PSS with SHA-256 and a salt of any length.
    ///
    /// # Errors
    /// [`ClassicError::BadSignature`].
    pub fn verify_pss(&self, message: &[u8], signature: &[u8]) -> Result<(), ClassicError> {
        if self.pss_longest.verify_sig(message, signature).is_ok() {
            return Ok(());
        }
        let length = salt::length(&self.pkcs1, signature).ok_or(ClassicError::BadSignature)?;
        let parameters = PSS_BY_SALT.get(length).ok_or(ClassicError::BadSignature)?;
        let key = ParsedPublicKey::new(parameters, &self.pkcs1).map_err(|_| ClassicError::BadSignature)?;
        key.verify_sig(message, signature).map_err(|_| ClassicError::BadSignature)
    }

    /// RSA PKCS#1 v1.5 with SHA-256.
    ///
    /// # Errors
    /// [`ClassicError::BadSignature`].
    pub fn verify_pkcs1(&self, message: &[u8], signature: &[u8]) -> Result<(), ClassicError> {
        self.pkcs1_v15.verify_sig(message, signature).map_err(|_| ClassicError::BadSignature)
    }
}

/// Encrypts `text` to the key of a SubjectPublicKeyInfo (DER) by RSA-OAEP with SHA-256 and MGF1-SHA-256.
///
/// # Errors
/// [`ClassicError::Malformed`] for a key that is none, or is too short for the text.
pub fn seal_oaep(spki: &[u8], text: &[u8]) -> Result<Vec<u8>, ClassicError> {
    let unusable = |_| ClassicError::malformed("an RSA key that cannot be used");
    let key = PublicEncryptingKey::from_der(spki)
        .map_err(|_| ClassicError::malformed("an RSA key that cannot be used"))?;
    let key = OaepPublicEncryptingKey::new(key).map_err(unusable)?;
    let mut sealed = vec![0; key.ciphertext_size()];
    let size = key.encrypt(&OAEP_SHA256_MGF1SHA256, text, &mut sealed, None).map_err(unusable)?.len();
    sealed.truncate(size);
    Ok(sealed)
}

/// Opens what [`seal_oaep`] made, with a private key in PKCS#8, DER.
///
/// # Errors
/// [`ClassicError::Decryption`] if it does not open; [`ClassicError::Cryptography`] for a key that is none.
pub fn open_oaep(pkcs8: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, ClassicError> {
    let key = PrivateDecryptingKey::from_pkcs8(pkcs8).map_err(|_| ClassicError::Cryptography)?;
    let key = OaepPrivateDecryptingKey::new(key)?;
    let mut text = Zeroizing::new(vec![0; key.min_output_size()]);
    let opened = key.decrypt(&OAEP_SHA256_MGF1SHA256, sealed, &mut text, None);
    let size = opened.map_err(|_| ClassicError::Decryption)?.len();
    text.truncate(size);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::rsa::KeySize;

    use super::*;

    #[test]
    fn salts_of_any_length_verify_and_nothing_else_does() {
        static SHORT: RsaSignatureEncoding =
            signature::RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(20));
        static NONE: RsaSignatureEncoding =
            signature::RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(0));
        let key = SigningKey::new(KeyPair::generate(KeySize::Rsa2048).unwrap());
        let verifying = VerifyingKey::from_pkcs1(key.public_pkcs1()).unwrap();
        for encoding in [&PSS_SIGN, &SHORT, &NONE, &signature::RSA_PSS_SHA256] {
            let mut signature = key.sign(encoding, b"text").unwrap();
            verifying.verify_pss(b"text", &signature).unwrap();
            assert!(verifying.verify_pss(b"test", &signature).is_err());
            assert!(verifying.verify_pkcs1(b"text", &signature).is_err());
            signature[9] ^= 1;
            assert!(verifying.verify_pss(b"text", &signature).is_err());
        }
        let signature = key.sign_pkcs1(b"text").unwrap();
        verifying.verify_pkcs1(b"text", &signature).unwrap();
        assert!(verifying.verify_pss(b"text", &signature).is_err());
        assert!(verifying.verify_pss(b"text", &[0; 256]).is_err());
        assert!(verifying.verify_pss(b"text", &[255; 256]).is_err());
        assert!(verifying.verify_pss(b"text", b"").is_err());
        assert!(VerifyingKey::from_pkcs1(b"no key").is_err());
    }

    #[test]
    fn what_is_sealed_to_a_key_opens_with_it_alone() {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&private).unwrap();
        let spki = AsDer::<PublicKeyX509Der<'_>>::as_der(&private.public_key()).unwrap();
        let sealed = seal_oaep(spki.as_ref(), &[5; 48]).unwrap();
        assert_eq!(*open_oaep(pkcs8.as_ref(), &sealed).unwrap(), [5; 48]);
        assert!(matches!(open_oaep(pkcs8.as_ref(), &sealed[1..]), Err(ClassicError::Decryption)));
        assert!(seal_oaep(b"no key", b"").is_err());
    }
}
