//! Credentials: a leaf is that of one certificate (GR-4).

use openmls::prelude::{Credential, CredentialType, CredentialWithKey, LeafNode, SignaturePublicKey};
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::SignatureScheme;
use pki::ed25519::SigningKey;
use pki::{VerifiedCertificate, sha256};
use tls_codec::{DeserializeBytes, Serialize, VLBytes};

use crate::error::{GroupError, Refusal};
use crate::package::capabilities;

/// This device: its certificate and the key under it.
pub struct Device<'a> {
    /// The certificate.
    pub certificate: &'a VerifiedCertificate,
    /// Its private key.
    pub key: &'a SigningKey,
}

impl Device<'_> {
    pub(crate) fn credential(&self) -> Result<CredentialWithKey, GroupError> {
        Ok(CredentialWithKey {
            credential: encode(self.certificate.der())?,
            signature_key: SignaturePublicKey::from(self.key.public().as_bytes().as_slice()),
        })
    }
}

impl Signer for Device<'_> {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.key.sign(payload).to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// An X.509 credential with the certificate alone (RFC 9420, section 5.3): `Certificate certificates<V>` of one `opaque cert_data<V>`.
fn encode(der: &[u8]) -> Result<Credential, GroupError> {
    let certificate = VLBytes::new(der.to_vec())
        .tls_serialize_detached()
        .map_err(|_| GroupError::Malformed("certificate"))?;
    Ok(Credential::new(CredentialType::X509, certificate))
}

/// The SHA-256 of the certificate in a credential.
pub(crate) fn certificate_hash(credential: &Credential) -> Result<[u8; 32], Refusal> {
    if credential.credential_type() != CredentialType::X509 {
        return Err(Refusal::Leaf);
    }
    let der =
        VLBytes::tls_deserialize_exact_bytes(credential.serialized_content()).map_err(|_| Refusal::Leaf)?;
    Ok(sha256(der.as_slice()))
}

/// Checks that a leaf is that of a certificate, the same bytes, the same key, and that it says what every leaf says (GR-4).
pub(crate) fn check_leaf(leaf: &LeafNode, certificate: &VerifiedCertificate) -> Result<(), Refusal> {
    let same = certificate_hash(leaf.credential())? == certificate.hash()
        && leaf.signature_key().as_slice() == certificate.key().as_bytes();
    let plain = *leaf.capabilities() == capabilities() && leaf.extensions().iter().next().is_none();
    (same && plain).then_some(()).ok_or(Refusal::Leaf)
}
