//! The issuing CA: certificates for holders, and the revocation list.

use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use rustls_pki_types::CertificateDer;

use super::CaError;
use super::profile::{self, Validity, whole_seconds};
use crate::certificate::view::View;
use crate::certificate::{CertificateError, Chain, MAX_CLIENT_CHAIN, Usage};
use crate::ed25519::{PublicKey, SigningKey};
use crate::name::{Holder, Name, Organisation};
use crate::request::CertificateRequest;
use crate::trust::{CertificateRef, Reason, Revocation, TrustAnchor, TrustStore};

/// The authority that signs every leaf of an organisation, with its key.
#[derive(Debug)]
pub struct IssuingCa {
    key: SigningKey,
    certificate: Vec<u8>,
    root: TrustAnchor,
    validity: Validity,
}

impl IssuingCa {
    /// Takes up an issuing CA: its key, its certificate and the root above it, DER. Everything is checked but
    /// the clock, a trial leaf of each usage included (ID-19).
    ///
    /// # Errors
    /// [`CaError`].
    pub fn load(
        key: SigningKey,
        certificate: &[u8],
        root: &[u8],
        organisation: &Organisation,
    ) -> Result<Self, CaError> {
        // ID-19
        let view = View::parse(certificate)?;
        if view.ed25519_key()? != *key.public() {
            return Err(CaError::WrongKey);
        }
        view.check_authority()?;
        if view.constrained_to().as_ref() != Some(organisation) {
            return Err(CaError::Unconstrained);
        }
        let root = TrustAnchor::new(root, organisation.clone())?;
        let (root_start, root_end) = View::parse(root.der())?.validity_ms()?;
        let (start, end) = view.validity_ms()?;
        let validity = Validity::new(start.max(root_start), end.min(root_end))?;
        let ca = Self { key, certificate: certificate.to_vec(), root, validity };
        ca.try_each_usage()?;
        Ok(ca)
    }

    /// As [`IssuingCa::load`], for a certificate that an operator's root has just signed: it must also be
    /// valid at `now_ms`.
    ///
    /// # Errors
    /// [`CaError`].
    pub fn install(
        key: SigningKey,
        certificate: &[u8],
        root: &[u8],
        organisation: &Organisation,
        now_ms: u64,
    ) -> Result<Self, CaError> {
        let ca = Self::load(key, certificate, root, organisation)?;
        let (not_before_ms, not_after_ms) = (ca.validity.not_before_ms(), ca.validity.not_after_ms());
        if now_ms < not_before_ms {
            return Err(CertificateError::NotYetValid { not_before_ms }.into());
        }
        if now_ms > not_after_ms {
            return Err(CertificateError::Expired { not_after_ms }.into());
        }
        Ok(ca)
    }

    /// Issues a certificate to the key of `request` (ID-22).
    ///
    /// # Errors
    /// [`CaError::OutlivesAuthority`], [`CaError::ChainTooLong`], [`CaError::NoRandomness`] or [`CaError::NotWritten`].
    pub fn issue(
        &self,
        request: &CertificateRequest,
        holder: &Holder,
        validity: &Validity,
    ) -> Result<Chain, CaError> {
        self.issue_to_key(request.key(), holder, validity)
    }

    /// Issues a certificate to a key of the server's own.
    ///
    /// # Errors
    /// As [`IssuingCa::issue`].
    pub fn issue_to_key(
        &self,
        key: &PublicKey,
        holder: &Holder,
        validity: &Validity,
    ) -> Result<Chain, CaError> {
        let (not_before_ms, not_after_ms) = (self.validity.not_before_ms(), self.validity.not_after_ms());
        if validity.not_before_ms() < not_before_ms || validity.not_after_ms() > not_after_ms {
            return Err(CaError::OutlivesAuthority { not_before_ms, not_after_ms });
        }
        let parameters = profile::leaf(self.organisation(), holder, validity)?;
        let leaf = parameters.signed_by(key, &self.issuer()?)?;
        let chain = Chain(vec![leaf.der().to_vec(), self.certificate.clone()]);
        // ID-15
        if chain.total_len() > MAX_CLIENT_CHAIN {
            return Err(CaError::ChainTooLong { length: chain.total_len(), limit: MAX_CLIENT_CHAIN });
        }
        Ok(chain)
    }

    /// The revocation list, DER (RFC 5280, section 5; ID-32). `number` grows with each list; entries of other
    /// issuers are left out.
    ///
    /// # Errors
    /// [`CaError::BadValidity`] if it would end before it starts; [`CaError::NotWritten`].
    pub fn crl(
        &self,
        revocations: &[Revocation],
        number: u64,
        this_update_ms: u64,
        next_update_ms: u64,
    ) -> Result<Vec<u8>, CaError> {
        // ID-32
        let times = Validity::new(this_update_ms, next_update_ms)?;
        let epoch = date_time_ymd(1970, 1, 1);
        let own_name = self.own_name()?;
        let key_identifier_method = match View::parse(&self.certificate)?.key_identifier() {
            Some(identifier) => KeyIdMethod::PreSpecified(identifier.to_vec()),
            None => KeyIdMethod::Sha256,
        };
        let revoked_certs = revocations
            .iter()
            .filter(|revocation| revocation.certificate.issuer == own_name)
            .map(|revocation| RevokedCertParams {
                serial_number: SerialNumber::from(revocation.certificate.serial.clone()),
                revocation_time: epoch + whole_seconds(revocation.at_ms),
                reason_code: Some(reason_code(revocation.reason)),
                invalidity_date: None,
            })
            .collect();
        let parameters = CertificateRevocationListParams {
            this_update: epoch + whole_seconds(times.not_before_ms()),
            next_update: epoch + whole_seconds(times.not_after_ms()),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method,
        };
        Ok(parameters.signed_by(&self.issuer()?)?.der().to_vec())
    }

    /// The revocation of one of this authority's leaves, for the directory, the list and the checks.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`]; [`CertificateError::UnknownIssuer`] if it is not this authority's.
    pub fn revoke(&self, leaf: &[u8], reason: Reason, at_ms: u64) -> Result<Revocation, CertificateError> {
        let certificate = CertificateRef::of(leaf)?;
        let own_name = self.own_name()?;
        if certificate.issuer == own_name {
            Ok(Revocation { certificate, reason, at_ms })
        } else {
            Err(CertificateError::UnknownIssuer)
        }
    }

    /// The issuing CA's certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The private key, for storing it.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The root above, as others trust it.
    pub fn root(&self) -> &TrustAnchor {
        &self.root
    }

    /// The organisation.
    pub fn organisation(&self) -> &Organisation {
        self.root.organisation()
    }

    /// When both this authority and its root are valid.
    pub fn validity(&self) -> &Validity {
        &self.validity
    }

    fn own_name(&self) -> Result<Vec<u8>, CertificateError> {
        View::parse(&self.certificate).map(|view| view.subject().to_vec())
    }

    fn issuer(&self) -> Result<Issuer<'static, &SigningKey>, CaError> {
        Ok(Issuer::from_ca_cert_der(&CertificateDer::from(self.certificate.as_slice()), &self.key)?)
    }

    /// Issues a leaf of each usage and verifies it as others will.
    fn try_each_usage(&self) -> Result<(), CaError> {
        let node = Name::suggest("trial");
        let trust = TrustStore::new(vec![self.root.clone()]);
        for usage in Usage::ALL {
            let holder = match usage {
                Usage::Device => Holder::Device { user: node.clone(), device: node.clone() },
                Usage::ServerHandshake => Holder::Server(node.clone()),
                Usage::Log => Holder::Log(node.clone()),
                Usage::Cosigner => Holder::Cosigner(node.clone()),
            };
            let chain = self.issue_to_key(self.key.public(), &holder, &self.validity)?;
            trust.verify_as_of(&chain, usage, self.validity.not_before_ms())?;
        }
        Ok(())
    }
}

fn reason_code(reason: Reason) -> RevocationReason {
    match reason {
        Reason::Unspecified => RevocationReason::Unspecified,
        Reason::KeyCompromise => RevocationReason::KeyCompromise,
        Reason::AffiliationChanged => RevocationReason::AffiliationChanged,
        Reason::Superseded => RevocationReason::Superseded,
        Reason::CessationOfOperation => RevocationReason::CessationOfOperation,
    }
}
