//! Certificate requests: PKCS#10 (RFC 2986) and the proof that its maker is at the other end of the channel.

use rcgen::{CertificateParams, DistinguishedName, PublicKeyData};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::certificate::CertificateError;
use crate::certificate::view::ed25519_key;
use crate::ed25519::{BadSignature, PUBLIC_KEY_LEN, PublicKey, SIGNATURE_LEN, SigningKey};
use crate::fingerprint::{Sha256Hash, sha256};

/// Most bytes of a request.
pub const MAX_REQUEST: usize = 1024;
/// Size of the channel's exporter in bytes.
pub const EXPORTER_LEN: usize = 32;

/// The algorithm Ed25519 (RFC 8410, section 3) and the start of a bit string of 64 octets.
const SIGNATURE_HEADER: [u8; 10] = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x41, 0x00];

const POSSESSION_CONTEXT: &[u8] = b"countersign v1 request\0";

/// Why a certificate request is refused.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum RequestError {
    /// More than [`MAX_REQUEST`] bytes.
    #[error("the certificate request is too long: at most {MAX_REQUEST} bytes")]
    TooLong,
    /// Not a PKCS#10 request.
    #[error("the certificate request cannot be read as PKCS#10")]
    Malformed,
    /// A key other than Ed25519.
    #[error("the certificate request is for a key that is not Ed25519; make an Ed25519 key")]
    NotEd25519,
    /// A key that is not canonical or of small order.
    #[error("the certificate request is for an unsound key; make a new key")]
    UnsoundKey,
    /// Not signed by the key that it asks a certificate for.
    #[error("the certificate request is not signed by its own key")]
    BadSignature,
    /// It could not be made.
    #[error("the certificate request could not be made")]
    NotMade,
}

/// A request whose own signature stands. Only its key is used; names are decided by who issues (ID-22).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    key: PublicKey,
    hash: Sha256Hash,
}

impl CertificateRequest {
    /// Reads a request, DER, and checks its key and signature (ID-22).
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn parse(der: &[u8]) -> Result<Self, RequestError> {
        // ID-22
        if der.len() > MAX_REQUEST {
            return Err(RequestError::TooLong);
        }
        let Ok(([], request)) = X509CertificationRequest::from_der(der) else {
            return Err(RequestError::Malformed);
        };
        let info = &request.certification_request_info;
        let key = ed25519_key(&info.subject_pki).map_err(|error| match error {
            CertificateError::UnsoundKey => RequestError::UnsoundKey,
            _ => RequestError::NotEd25519,
        })?;
        // What follows the signed part is fixed but for the signature, so that nobody makes a second request of one.
        let (before_signature, signature) =
            der.split_last_chunk::<SIGNATURE_LEN>().ok_or(RequestError::Malformed)?;
        let signed = before_signature.strip_suffix(&SIGNATURE_HEADER).ok_or(RequestError::NotEd25519)?;
        if !signed.ends_with(info.raw) {
            return Err(RequestError::Malformed);
        }
        key.verify(info.raw, signature).map_err(|_| RequestError::BadSignature)?;
        Ok(Self { key, hash: sha256(der) })
    }

    /// The key that asks to be certified.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// SHA-256 of the request's DER.
    pub fn hash(&self) -> &Sha256Hash {
        &self.hash
    }

    /// Checks the proof that whoever holds the key is at the other end of the channel with exporter
    /// `exporter` (ID-23).
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn check_possession(
        &self,
        exporter: &[u8; EXPORTER_LEN],
        proof: &[u8; SIGNATURE_LEN],
    ) -> Result<(), BadSignature> {
        // ID-23
        self.key.verify(&possession_message(exporter, &self.hash), proof)
    }
}

/// Makes a request for `key`, DER: empty subject, no attributes.
///
/// # Errors
/// [`RequestError::NotMade`].
pub fn create(key: &SigningKey) -> Result<Vec<u8>, RequestError> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    let request = parameters.serialize_request(key).map_err(|_| RequestError::NotMade)?;
    Ok(request.der().to_vec())
}

/// Proves, over the channel with exporter `exporter`, that the sender of `request` (DER) holds its key (ID-23).
pub fn prove_possession(
    key: &SigningKey,
    exporter: &[u8; EXPORTER_LEN],
    request: &[u8],
) -> [u8; SIGNATURE_LEN] {
    // ID-23
    key.sign(&possession_message(exporter, &sha256(request)))
}

fn possession_message(exporter: &[u8; EXPORTER_LEN], request: &Sha256Hash) -> Vec<u8> {
    [POSSESSION_CONTEXT, exporter, request].concat()
}

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl PublicKeyData for SigningKey {
    fn der_bytes(&self) -> &[u8] {
        let key: &[u8; PUBLIC_KEY_LEN] = self.public().as_bytes();
        key
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for SigningKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(Self::sign(self, message).to_vec())
    }
}
