//! RSA private keys in files (CL-87, CL-91).

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::pem::{LineEnding, encode_string};
use pkcs8::der::{Decode, Encode};
use pkcs8::pkcs5::{EncryptionScheme, pbes2};
use pkcs8::{EncryptedPrivateKeyInfoOwned, EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use crate::pem;
use crate::rsa::SigningKey;

/// Largest key file that is read, in bytes.
pub const MAX_KEY_FILE: usize = 16 * 1024;

/// Rounds of PBKDF2 when writing; what OWASP asks of PBKDF2 with HMAC-SHA-256.
const PBKDF2_ROUNDS: u32 = 600_000;
const SALT_LEN: usize = 16;
const IV_LEN: usize = 16;
/// Largest costs that are read: ten million rounds of PBKDF2, 256 MiB of scrypt.
const MAX_PBKDF2_ROUNDS: u32 = 10_000_000;
const MAX_SCRYPT_N: u64 = 1 << 18;
const MAX_SCRYPT_R: u16 = 8;
const MAX_SCRYPT_P: u16 = 16;

const TRADITIONAL: &str = "RSA PRIVATE KEY";
const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// The header of a key under PEM's own encryption (RFC 1421, section 4.6.1.1).
const LEGACY_HEADER: &str = "Proc-Type: 4,ENCRYPTED";

/// The passphrase of a key file; cleared when dropped, never printed.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes the text as it is.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(hidden)")
    }
}

/// An RSA private key, of 2,048 bits or more; cleared when dropped, never printed.
pub struct PrivateKey(KeyPair);

impl PrivateKey {
    pub(super) fn generate(size: KeySize) -> Result<Self, KeyError> {
        KeyPair::generate(size).map(Self).map_err(|_| KeyError::Library)
    }

    /// Reads the first key in PEM text: traditional, PKCS#8, or encrypted PKCS#8 (CL-87). A passphrase for a plain key is not
    /// used.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(text: &str, passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
        // CL-87
        if text.len() > MAX_KEY_FILE {
            return Err(KeyError::TooLarge);
        }
        let block = pem::first(text, &[TRADITIONAL, PLAIN, ENCRYPTED]).ok_or(KeyError::NotPem)?;
        let pair = match block.label {
            _ if block.body.contains(LEGACY_HEADER) => return Err(KeyError::LegacyEncryption),
            TRADITIONAL => KeyPair::from_der(&block.der).map_err(|_| KeyError::Malformed)?,
            PLAIN => KeyPair::from_pkcs8(&block.der).map_err(|_| KeyError::Malformed)?,
            _ => decrypt(&block.der, passphrase.ok_or(KeyError::NeedsPassphrase)?)?,
        };
        Ok(Self(pair))
    }

    /// The public half as RFC 8017's `RSAPublicKey`, DER.
    pub fn public_pkcs1(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// The key, to sign messages with.
    pub fn into_signing_key(self) -> SigningKey {
        SigningKey::new(self.0)
    }

    pub(super) fn pair(&self) -> &KeyPair {
        &self.0
    }

    /// PKCS#1 PEM (CL-91). `openssl rsa -traditional` writes the like.
    pub(super) fn to_traditional_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        // CL-91
        let der = self.pkcs8()?;
        let info = PrivateKeyInfoRef::try_from(der.as_ref()).map_err(|_| KeyError::Library)?;
        encode(TRADITIONAL, info.private_key.as_bytes())
    }

    /// PKCS#8 PEM, encrypted if there is a passphrase (CL-91).
    ///
    /// # Errors
    /// [`KeyError::Library`].
    pub fn to_pkcs8_pem(&self, passphrase: Option<&Passphrase>) -> Result<Zeroizing<String>, KeyError> {
        // CL-91
        let der = self.pkcs8()?;
        let Some(passphrase) = passphrase else { return encode(PLAIN, der.as_ref()) };
        let mut salt = [0; SALT_LEN];
        let mut iv = [0; IV_LEN];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| KeyError::Library)?;
        aws_lc_rs::rand::fill(&mut iv).map_err(|_| KeyError::Library)?;
        let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(PBKDF2_ROUNDS, &salt, iv)
            .map_err(|_| KeyError::Library)?;
        let sealed =
            parameters.encrypt(passphrase.0.as_bytes(), der.as_ref()).map_err(|_| KeyError::Library)?;
        let document = EncryptedPrivateKeyInfoRef {
            encryption_algorithm: EncryptionScheme::Pbes2(parameters),
            encrypted_data: OctetStringRef::new(&sealed).map_err(|_| KeyError::Library)?,
        };
        encode(ENCRYPTED, &document.to_der().map_err(|_| KeyError::Library)?)
    }

    fn pkcs8(&self) -> Result<Pkcs8V1Der<'static>, KeyError> {
        AsDer::<Pkcs8V1Der<'static>>::as_der(&self.0).map_err(|_| KeyError::Library)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(hidden)")
    }
}

fn encode(label: &str, der: &[u8]) -> Result<Zeroizing<String>, KeyError> {
    encode_string(label, LineEnding::LF, der).map(Zeroizing::new).map_err(|_| KeyError::Library)
}

fn decrypt(der: &[u8], passphrase: &Passphrase) -> Result<KeyPair, KeyError> {
    let info = EncryptedPrivateKeyInfoOwned::from_der(der).map_err(|_| KeyError::UnsupportedEncryption)?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(KeyError::UnsupportedEncryption);
    };
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
        return Err(KeyError::UnsupportedEncryption);
    }
    let mut buffer = Zeroizing::new(info.encrypted_data.as_bytes().to_vec());
    let plain = parameters
        .decrypt_in_place(passphrase.0.as_bytes(), &mut buffer)
        .map_err(|_| KeyError::WrongPassphrase)?;
    // CBC carries no authentication: a wrong passphrase may leave valid padding and an unreadable document.
    KeyPair::from_pkcs8(plain).map_err(|_| KeyError::WrongPassphrase)
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// Above [`MAX_KEY_FILE`].
    #[error("the key file is too large: at most {MAX_KEY_FILE} bytes are read (MAX_KEY_FILE)")]
    TooLarge,
    /// There is no PEM block of a key.
    #[error(
        "no RSA key in PEM was found (`-----BEGIN RSA PRIVATE KEY-----` or `-----BEGIN PRIVATE KEY-----` …)"
    )]
    NotPem,
    /// Not an RSA key of 2,048 to 8,192 bits.
    #[error("the key is damaged, or is not an RSA key of 2,048 to 8,192 bits")]
    Malformed,
    /// It is encrypted and no passphrase was given.
    #[error("the key is encrypted and no passphrase was given")]
    NeedsPassphrase,
    /// The passphrase is another, or the file is damaged.
    #[error("the passphrase is wrong, or the key file is damaged")]
    WrongPassphrase,
    /// PEM's own encryption.
    #[error(
        "the key is encrypted in PEM's old way, which is not read; write it anew with `openssl pkcs8 -topk8 -in OLD -out NEW`"
    )]
    LegacyEncryption,
    /// PKCS#8 encrypted in a way that is not read or costs too much.
    #[error(
        "the key is encrypted in a way that is not read (PBES2 with AES or triple DES is, up to 10,000,000 rounds of PBKDF2); write it anew \
         with `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`"
    )]
    UnsupportedEncryption,
    /// The library of primitives refused or has no randomness.
    #[error("a key could not be made or written")]
    Library,
}
