//! RSA keys as PEM, and the private key that opens what is sealed to it (CL-41, CL-45).

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKey};
use aws_lc_rs::signature::KeyPair as _;
use zeroize::Zeroizing;

use super::{SigningKey, VerifyingKey, open_oaep};
use crate::ClassicError;
use crate::pem::{self, PUBLIC_KEY};

const PLAIN: &str = "PRIVATE KEY";
const TRADITIONAL: &str = "RSA PRIVATE KEY";

impl SigningKey {
    /// A fresh key of 2,048 bits. It takes a good part of a second.
    ///
    /// # Errors
    /// [`ClassicError::Cryptography`] without randomness.
    pub fn generate() -> Result<Self, ClassicError> {
        Ok(Self::new(KeyPair::generate(KeySize::Rsa2048)?))
    }

    /// The public key as SubjectPublicKeyInfo, PEM.
    ///
    /// # Errors
    /// None in practice.
    pub fn public_pem(&self) -> Result<String, ClassicError> {
        pem::encode(PUBLIC_KEY, &public_der(&self.0)?)
    }
}

impl VerifyingKey {
    /// Reads a SubjectPublicKeyInfo, PEM.
    ///
    /// # Errors
    /// [`ClassicError::Malformed`] for anything but an RSA key of 2,048 to 8,192 bits.
    pub fn from_public_pem(text: &str) -> Result<Self, ClassicError> {
        let (_, der) = pem::decode(text, &[PUBLIC_KEY])?;
        let key = PublicKey::from_der(&der)
            .map_err(|_| ClassicError::malformed("an RSA key that cannot be used"))?;
        Self::from_pkcs1(key.as_ref())
    }
}

/// An RSA key that opens what is sealed to it; cleared when dropped.
pub struct DecryptingKey {
    pkcs8: Zeroizing<Vec<u8>>,
    public: Vec<u8>,
}

impl DecryptingKey {
    /// A fresh key of 2,048 bits. It takes a good part of a second.
    ///
    /// # Errors
    /// [`ClassicError::Cryptography`] without randomness.
    pub fn generate() -> Result<Self, ClassicError> {
        Self::of(&KeyPair::generate(KeySize::Rsa2048)?)
    }

    /// Reads PKCS#8 or traditional PEM, not encrypted, of 2,048 to 8,192 bits.
    ///
    /// # Errors
    /// [`ClassicError::Malformed`] for anything else.
    pub fn from_pem(text: &str) -> Result<Self, ClassicError> {
        let (label, der) = pem::decode(text, &[PLAIN, TRADITIONAL])?;
        let pair = if label == PLAIN { KeyPair::from_pkcs8(&der) } else { KeyPair::from_der(&der) };
        Self::of(&pair.map_err(|_| ClassicError::malformed("an RSA key that cannot be used"))?)
    }

    fn of(pair: &KeyPair) -> Result<Self, ClassicError> {
        let pkcs8 = AsDer::<Pkcs8V1Der<'static>>::as_der(pair)?;
        Ok(Self { pkcs8: Zeroizing::new(pkcs8.as_ref().to_vec()), public: public_der(pair)? })
    }

    /// PKCS#8, PEM.
    ///
    /// # Errors
    /// None in practice.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, ClassicError> {
        pem::encode(PLAIN, &self.pkcs8).map(Zeroizing::new)
    }

    /// The public key as SubjectPublicKeyInfo, DER.
    pub fn public_der(&self) -> &[u8] {
        &self.public
    }

    /// Opens what [`super::seal_oaep`] sealed to the public key.
    ///
    /// # Errors
    /// [`ClassicError::Decryption`].
    pub fn open(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, ClassicError> {
        open_oaep(&self.pkcs8, sealed)
    }
}

fn public_der(pair: &KeyPair) -> Result<Vec<u8>, ClassicError> {
    let der = AsDer::<PublicKeyX509Der<'static>>::as_der(pair.public_key())?;
    Ok(der.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use pkcs8::PrivateKeyInfoRef;

    use super::*;
    use crate::rsa::seal_oaep;

    #[test]
    fn cl45_keys_are_read_as_pkcs8_and_traditional() {
        let key = DecryptingKey::generate().unwrap();
        let sealed = seal_oaep(key.public_der(), b"text").unwrap();
        let info = PrivateKeyInfoRef::try_from(key.pkcs8.as_slice()).unwrap();
        let traditional = pem::encode(TRADITIONAL, info.private_key.as_bytes()).unwrap();
        for text in [key.to_pem().unwrap().as_str(), &traditional] {
            assert_eq!(*DecryptingKey::from_pem(text).unwrap().open(&sealed).unwrap(), b"text");
        }
        let public = pem::encode(PUBLIC_KEY, key.public_der()).unwrap();
        for wrong in ["", "text", public.as_str(), &traditional.replace("RSA PRIVATE", "PRIVATE")] {
            assert!(matches!(DecryptingKey::from_pem(wrong), Err(ClassicError::Malformed(_))));
        }
    }

    #[test]
    fn cl41_the_public_key_verifies_what_its_key_signed() {
        let key = SigningKey::generate().unwrap();
        let public = VerifyingKey::from_public_pem(&key.public_pem().unwrap()).unwrap();
        public.verify_pss(b"blob", &key.sign_pss(b"blob").unwrap()).unwrap();
        let other = pem::encode(PUBLIC_KEY, b"no key").unwrap();
        assert!(VerifyingKey::from_public_pem(&other).is_err());
    }
}
