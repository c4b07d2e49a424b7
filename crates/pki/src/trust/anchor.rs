//! Roots, each trusted for one organisation.

use rustls_pki_types::CertificateDer;

use crate::certificate::view::View;
use crate::certificate::{CertificateError, Chain, MAX_CHAIN};
use crate::fingerprint::Fingerprint;
use crate::name::Organisation;

/// A root certificate, trusted to speak for one organisation and nothing else (ID-17).
#[derive(Debug, Clone)]
pub struct TrustAnchor {
    der: Vec<u8>,
    organisation: Organisation,
    validity_ms: (u64, u64),
    parsed: rustls_pki_types::TrustAnchor<'static>,
}

impl TrustAnchor {
    /// Trusts `root` (DER) for `organisation`, whoever made it.
    ///
    /// # Errors
    /// [`CertificateError`] if it is not an authority's certificate of an accepted kind, or is constrained to
    /// another organisation.
    pub fn new(root: &[u8], organisation: Organisation) -> Result<Self, CertificateError> {
        if root.len() > MAX_CHAIN {
            return Err(CertificateError::TooLong { length: root.len(), limit: MAX_CHAIN });
        }
        let view = View::parse(root)?;
        view.check_authority()?;
        // ID-17
        if view.constrained_to().is_some_and(|constraint| constraint != organisation) {
            return Err(CertificateError::OutsideOrganisation);
        }
        let certificate = CertificateDer::from(root);
        let parsed = webpki::anchor_from_trusted_cert(&certificate)
            .map_err(|_| CertificateError::Malformed)?
            .to_owned();
        Ok(Self { der: root.to_vec(), organisation, validity_ms: view.validity_ms()?, parsed })
    }

    /// Trusts a root that itself names its organisation in a name constraint, as ours do.
    ///
    /// # Errors
    /// [`CertificateError::UnboundRoot`] if it names none, or as [`TrustAnchor::new`].
    pub fn from_root(root: &[u8]) -> Result<Self, CertificateError> {
        let organisation = View::parse(root)?.constrained_to().ok_or(CertificateError::UnboundRoot)?;
        Self::new(root, organisation)
    }

    /// Trusts `root`, and if it names no organisation, binds it to the one to which the authority right below
    /// it in `chain` (leaf first, with or without the root) is constrained (ID-18).
    ///
    /// # Errors
    /// [`CertificateError::UnboundRoot`] if neither names one, or as [`TrustAnchor::new`].
    pub fn for_chain(root: &[u8], chain: &Chain) -> Result<Self, CertificateError> {
        // ID-18
        chain.check_limits()?;
        if let Some(organisation) = View::parse(root)?.constrained_to() {
            return Self::new(root, organisation);
        }
        let below = chain.0.iter().skip(1).rfind(|der| der.as_slice() != root);
        let organisation = below
            .map(|der| View::parse(der))
            .transpose()?
            .and_then(|view| view.constrained_to())
            .ok_or(CertificateError::UnboundRoot)?;
        Self::new(root, organisation)
    }

    /// Trusts the root at the end of `chain` if it has the pinned `fingerprint`: how a joiner starts (ID-18).
    ///
    /// # Errors
    /// [`CertificateError::WrongRoot`] if the fingerprint is another, or as [`TrustAnchor::for_chain`].
    pub fn pinned(fingerprint: &Fingerprint, chain: &Chain) -> Result<Self, CertificateError> {
        // ID-18
        chain.check_limits()?;
        let root = chain.0.last().ok_or(CertificateError::Missing)?;
        if Fingerprint::of(root) != *fingerprint {
            return Err(CertificateError::WrongRoot);
        }
        Self::for_chain(root, chain)
    }

    /// The root's DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The organisation for which the root is trusted.
    pub fn organisation(&self) -> &Organisation {
        &self.organisation
    }

    /// The root's fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.der)
    }

    pub(super) fn validity_ms(&self) -> (u64, u64) {
        self.validity_ms
    }

    pub(super) fn parsed(&self) -> &rustls_pki_types::TrustAnchor<'static> {
        &self.parsed
    }
}
