//! Private keys in files: PKCS#8 PEM, encrypted with PBES2 (RFC 8018) unless the operator chose otherwise.

use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::pem::{self, LineEnding};
use pkcs8::der::{Decode, Encode};
use pkcs8::pkcs5::{EncryptionScheme, pbes2, scrypt};
use pkcs8::{EncryptedPrivateKeyInfoOwned, EncryptedPrivateKeyInfoRef, ObjectIdentifier, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::{KeyError, SigningKey};
use crate::password::Password;

/// Largest key file that is read, in bytes.
pub const MAX_KEY_FILE: usize = 4096;

/// Cost of scrypt when writing: N = 2^14, r = 8, p = 5. The 16 MiB fit under the limit (32 MiB) of OpenSSL's reader; p
/// makes up for it.
const SCRYPT_LOG_N: u8 = 14;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 5;
/// Largest costs that are read: 256 MiB of scrypt, ten million rounds of PBKDF2.
const MAX_SCRYPT_N: u64 = 1 << 18;
const MAX_SCRYPT_R: u16 = 8;
const MAX_SCRYPT_P: u16 = 16;
const MAX_PBKDF2_ROUNDS: u32 = 10_000_000;

const SALT_LEN: usize = 16;
const IV_LEN: usize = 16;

const PLAIN_LABEL: &str = "PRIVATE KEY";
const ENCRYPTED_LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// Ed25519 (RFC 8410, section 3).
const ED25519_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// The octet string around the seed inside PKCS#8's own (RFC 8410, section 7).
const SEED_HEADER: [u8; 2] = [0x04, 0x20];

/// What stands before the 32 bytes of the seed in PKCS#8 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

impl SigningKey {
    /// Reads an unencrypted PKCS#8 document (RFC 8410, or version 2 of RFC 5958), DER.
    ///
    /// # Errors
    /// [`KeyError::Malformed`], trailing bytes and a public half of another key included.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        if der.len() > MAX_KEY_FILE {
            return Err(KeyError::Malformed);
        }
        let info = PrivateKeyInfoRef::try_from(der).map_err(|_| KeyError::Malformed)?;
        if info.algorithm.oid != ED25519_OID || info.algorithm.parameters.is_some() {
            return Err(KeyError::Malformed);
        }
        let seed = info.private_key.as_bytes().strip_prefix(&SEED_HEADER).ok_or(KeyError::Malformed)?;
        let key = Self::from_seed(seed.try_into().map_err(|_| KeyError::Malformed)?)?;
        match info.public_key {
            Some(public) if public.as_bytes() != Some(key.public().as_bytes()) => Err(KeyError::Malformed),
            _ => Ok(key),
        }
    }

    /// The unencrypted PKCS#8 document, DER (RFC 8410, section 7).
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if the library does not give the seed out; it does.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        use aws_lc_rs::encoding::AsBigEndian;
        let seed = self.pair.seed().map_err(|_| KeyError::Malformed)?;
        let seed = seed.as_be_bytes().map_err(|_| KeyError::Malformed)?;
        let mut der = Zeroizing::new(Vec::with_capacity(PKCS8_PREFIX.len() + seed.as_ref().len()));
        der.extend_from_slice(&PKCS8_PREFIX);
        der.extend_from_slice(seed.as_ref());
        Ok(der)
    }

    /// The key as encrypted PEM: PBES2, scrypt, AES-256-CBC (ID-41). `openssl pkey -in` reads it.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn to_encrypted_pem(&self, password: &Password) -> Result<String, KeyError> {
        // ID-41
        let mut salt = [0; SALT_LEN];
        let mut iv = [0; IV_LEN];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| KeyError::NoRandomness)?;
        aws_lc_rs::rand::fill(&mut iv).map_err(|_| KeyError::NoRandomness)?;
        let cost =
            scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P).map_err(|_| KeyError::Unsupported)?;
        let parameters = pbes2::Parameters::generate_scrypt_aes256cbc(cost, &salt, iv)
            .map_err(|_| KeyError::Unsupported)?;
        let sealed = parameters
            .encrypt(password.expose(), &self.to_pkcs8()?[..])
            .map_err(|_| KeyError::Unsupported)?;
        let der = EncryptedPrivateKeyInfoRef {
            encryption_algorithm: EncryptionScheme::Pbes2(parameters),
            encrypted_data: OctetStringRef::new(&sealed).map_err(|_| KeyError::Malformed)?,
        }
        .to_der()
        .map_err(|_| KeyError::Malformed)?;
        pem::encode_string(ENCRYPTED_LABEL, LineEnding::LF, &der).map_err(|_| KeyError::Malformed)
    }

    /// The key as unencrypted PEM, for an operator who chose that (ID-42).
    ///
    /// # Errors
    /// As [`SigningKey::to_pkcs8`].
    pub fn to_plain_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        pem::encode_string(PLAIN_LABEL, LineEnding::LF, &self.to_pkcs8()?)
            .map(Zeroizing::new)
            .map_err(|_| KeyError::Malformed)
    }

    /// Reads what [`SigningKey::to_encrypted_pem`] or OpenSSL wrote.
    ///
    /// # Errors
    /// [`KeyError`]; a file that is not encrypted is [`KeyError::Malformed`].
    pub fn from_encrypted_pem(text: &str, password: &Password) -> Result<Self, KeyError> {
        if !is_encrypted(text) {
            return Err(KeyError::Malformed);
        }
        Self::from_pem(text, Some(password))
    }

    /// Reads a key file, encrypted or not. A password given for a plain file is not used.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(text: &str, password: Option<&Password>) -> Result<Self, KeyError> {
        if text.len() > MAX_KEY_FILE {
            return Err(KeyError::Malformed);
        }
        let (label, der) = pem::decode_vec(text.as_bytes()).map_err(|_| KeyError::Malformed)?;
        let der = Zeroizing::new(der);
        match label {
            PLAIN_LABEL => Self::from_pkcs8(&der),
            ENCRYPTED_LABEL => decrypt(&der, password.ok_or(KeyError::NeedsPassword)?),
            _ => Err(KeyError::Malformed),
        }
    }
}

/// Whether a PEM file holds an encrypted key, so that a caller knows to ask for the passphrase.
pub fn is_encrypted(text: &str) -> bool {
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
}

fn decrypt(der: &[u8], password: &Password) -> Result<SigningKey, KeyError> {
    let info = EncryptedPrivateKeyInfoOwned::from_der(der).map_err(|_| KeyError::Malformed)?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(KeyError::Unsupported);
    };
    // ID-43
    let affordable = match &parameters.kdf {
        pbes2::Kdf::Scrypt(cost) => {
            cost.cost_parameter <= MAX_SCRYPT_N
                && cost.block_size <= MAX_SCRYPT_R
                && cost.parallelization <= MAX_SCRYPT_P
        }
        pbes2::Kdf::Pbkdf2(cost) => cost.iteration_count <= MAX_PBKDF2_ROUNDS,
        _ => false,
    };
    if !affordable {
        return Err(KeyError::Unsupported);
    }
    let mut buffer = Zeroizing::new(info.encrypted_data.as_bytes().to_vec());
    let plain =
        parameters.decrypt_in_place(password.expose(), &mut buffer).map_err(|_| KeyError::WrongPassword)?;
    // CBC carries no authentication: a wrong passphrase may leave valid padding and an unreadable document.
    SigningKey::from_pkcs8(plain).map_err(|_| KeyError::WrongPassword)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn password() -> Password {
        Password::new("tape crater lunar".into())
    }

    /// An encrypted key whose DER has `from` replaced by `to`, of the same length.
    fn altered(from: &[u8], to: &[u8]) -> String {
        let text = SigningKey::generate().unwrap().to_encrypted_pem(&password()).unwrap();
        let (_, mut der) = pem::decode_vec(text.as_bytes()).unwrap();
        let at = der.windows(from.len()).position(|window| window == from).unwrap();
        der[at..at + to.len()].copy_from_slice(to);
        pem::encode_string(ENCRYPTED_LABEL, LineEnding::LF, &der).unwrap()
    }

    #[test]
    fn keys_are_read_back() {
        let key = SigningKey::generate().unwrap();
        let sealed = key.to_encrypted_pem(&password()).unwrap();
        assert!(is_encrypted(&sealed));
        let back = SigningKey::from_encrypted_pem(&sealed, &password()).unwrap();
        assert_eq!(back.public(), key.public());
        assert_ne!(key.to_encrypted_pem(&password()).unwrap(), sealed, "fresh salt and vector");
        let plain = key.to_plain_pem().unwrap();
        assert!(!is_encrypted(&plain));
        assert_eq!(SigningKey::from_pem(&plain, None).unwrap().public(), key.public());
        let longer = [&key.to_pkcs8().unwrap()[..], &[0]].concat();
        assert_eq!(SigningKey::from_pkcs8(&longer).unwrap_err(), KeyError::Malformed);
    }

    #[test]
    fn senseless_and_costly_parameters_are_refused() {
        // ID-43: N, r and p in their place behind the salt.
        let good = [2, 2, 0x40, 0, 2, 1, 8, 2, 1, 5];
        for bad in [
            [2, 2, 0x40, 0, 2, 1, 9, 2, 1, 5],
            [2, 2, 0x40, 0, 2, 1, 8, 2, 1, 17],
            [2, 2, 0x40, 0, 2, 1, 0, 2, 1, 5],
            [2, 2, 0x40, 0, 2, 1, 8, 2, 1, 0],
            [2, 2, 0x40, 1, 2, 1, 8, 2, 1, 5],
            [2, 2, 0x00, 0, 2, 1, 8, 2, 1, 5],
            [2, 2, 0xc0, 0, 2, 1, 8, 2, 1, 5],
        ] {
            let read = SigningKey::from_encrypted_pem(&altered(&good, &bad), &password());
            assert!(read.is_err(), "{bad:?}");
        }
        let dear = altered(&good, &[2, 5, 0, 0x80, 0, 0, 0, 2, 1, 8]);
        assert!(SigningKey::from_encrypted_pem(&dear, &password()).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_key_files_never_panic(der in proptest::collection::vec(any::<u8>(), 0..200), text in ".*") {
            for label in [PLAIN_LABEL, ENCRYPTED_LABEL, "CERTIFICATE"] {
                let file = pem::encode_string(label, LineEnding::LF, &der).unwrap();
                prop_assert!(SigningKey::from_pem(&file, Some(&password())).is_err());
            }
            prop_assert!(SigningKey::from_pem(&text, None).is_err());
        }
    }
}
