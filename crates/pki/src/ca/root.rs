//! The organisation's own root.

use rcgen::Issuer;
use rustls_pki_types::CertificateDer;

use super::profile::{self, Validity};
use super::{CaError, IssuingCa};
use crate::certificate::view::View;
use crate::ed25519::{KeyError, SigningKey};
use crate::fingerprint::Fingerprint;
use crate::name::Organisation;
use crate::trust::TrustAnchor;

/// The root with its key. Used at the start and for a new issuing CA, and kept elsewhere in between.
#[derive(Debug)]
pub struct RootCa {
    key: SigningKey,
    anchor: TrustAnchor,
}

impl RootCa {
    /// Makes a root for `organisation` with a fresh Ed25519 key (ID-9).
    ///
    /// # Errors
    /// [`CaError`].
    pub fn generate(organisation: &Organisation, validity: &Validity) -> Result<Self, CaError> {
        let key = SigningKey::generate().map_err(|error| match error {
            KeyError::NoRandomness => CaError::NoRandomness,
            _ => CaError::NotWritten,
        })?;
        let certificate = profile::root(organisation, key.public(), validity)?.self_signed(&key)?;
        Self::load(key, certificate.der())
    }

    /// Takes up a root that was made before.
    ///
    /// # Errors
    /// [`CaError::WrongKey`], or [`CaError::Unusable`] if the certificate is no root of one organisation.
    pub fn load(key: SigningKey, certificate: &[u8]) -> Result<Self, CaError> {
        if View::parse(certificate)?.ed25519_key()? != *key.public() {
            return Err(CaError::WrongKey);
        }
        Ok(Self { key, anchor: TrustAnchor::from_root(certificate)? })
    }

    /// Makes an issuing CA with a fresh key under this root (ID-14).
    ///
    /// # Errors
    /// [`CaError`].
    pub fn new_issuing_ca(&self, validity: &Validity) -> Result<IssuingCa, CaError> {
        let key = SigningKey::generate().map_err(|_| CaError::NoRandomness)?;
        let (not_before_ms, not_after_ms) = View::parse(self.certificate())?.validity_ms()?;
        if validity.not_before_ms() < not_before_ms || validity.not_after_ms() > not_after_ms {
            return Err(CaError::OutlivesAuthority { not_before_ms, not_after_ms });
        }
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(self.certificate()), &self.key)?;
        let organisation = self.organisation();
        let certificate =
            profile::issuing(organisation, key.public(), validity)?.signed_by(key.public(), &issuer)?;
        IssuingCa::load(key, certificate.der(), self.certificate(), organisation)
    }

    /// The certificate's DER.
    pub fn certificate(&self) -> &[u8] {
        self.anchor.der()
    }

    /// The private key, for storing it.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The organisation.
    pub fn organisation(&self) -> &Organisation {
        self.anchor.organisation()
    }

    /// The fingerprint that invites carry.
    pub fn fingerprint(&self) -> Fingerprint {
        self.anchor.fingerprint()
    }

    /// The root as others trust it.
    pub fn anchor(&self) -> &TrustAnchor {
        &self.anchor
    }
}
