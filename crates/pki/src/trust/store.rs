//! The trust decision.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::algorithm::ACCEPTED;
use super::anchor::TrustAnchor;
use super::cache::VerifiedChains;
use super::revocation::{CertificateRef, NoRevocations, Revocations};
use crate::certificate::view::View;
use crate::certificate::{CertificateError, Chain, Usage};
use crate::ed25519::PublicKey;
use crate::fingerprint::Sha256Hash;
use crate::name::{Identity, Organisation};

const MILLISECONDS: u64 = 1000;

/// A leaf whose chain stood at a named time for a named usage. Only [`TrustStore`] makes one. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCertificate(Arc<Verified>);

#[derive(Debug, PartialEq, Eq)]
struct Verified {
    usage: Usage,
    key: PublicKey,
    identity: Identity,
    leaf: Vec<u8>,
    /// Leaf first, root last.
    path: Vec<CertificateRef>,
    /// Latest start and earliest end of the whole path, root included.
    not_before_ms: u64,
    not_after_ms: u64,
}

impl VerifiedCertificate {
    /// The leaf's key.
    pub fn key(&self) -> &PublicKey {
        &self.0.key
    }

    /// SHA-256 of the leaf's DER.
    pub fn hash(&self) -> Sha256Hash {
        self.0.path.first().map_or([0; 32], |leaf| leaf.hash)
    }

    /// Organisation and holder.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// The usage for which it was verified.
    pub fn usage(&self) -> Usage {
        self.0.usage
    }

    /// The leaf's DER.
    pub fn der(&self) -> &[u8] {
        &self.0.leaf
    }

    /// From when the whole path is valid, Unix milliseconds.
    pub fn not_before_ms(&self) -> u64 {
        self.0.not_before_ms
    }

    /// Until when the whole path is valid, Unix milliseconds.
    pub fn not_after_ms(&self) -> u64 {
        self.0.not_after_ms
    }

    /// Whether the path still stands at another time, with the revocations known then: for long sessions and
    /// remembered chains.
    ///
    /// # Errors
    /// [`CertificateError::Expired`], [`CertificateError::NotYetValid`] or [`CertificateError::Revoked`].
    pub fn recheck(&self, at_unix_ms: u64, revoked: &dyn Revocations) -> Result<(), CertificateError> {
        check_window((self.0.not_before_ms, self.0.not_after_ms), at_unix_ms)?;
        // ID-30
        match self.0.path.iter().find_map(|certificate| revoked.revoked_since(certificate)) {
            Some(since_ms) => Err(CertificateError::Revoked { since_ms }),
            None => Ok(()),
        }
    }
}

/// The roots that are trusted, each for its own organisation.
#[derive(Debug, Default)]
pub struct TrustStore {
    anchors: Vec<TrustAnchor>,
    verified: VerifiedChains,
}

impl TrustStore {
    /// Trusts these anchors.
    pub fn new(anchors: Vec<TrustAnchor>) -> Self {
        Self { anchors, verified: VerifiedChains::default() }
    }

    /// The trusted roots.
    pub fn anchors(&self) -> &[TrustAnchor] {
        &self.anchors
    }

    /// Decides whether `chain` proves, at `at_unix_ms`, a holder of a key certified for `usage` (ID-30).
    ///
    /// # Errors
    /// [`CertificateError`], the most telling that was found.
    pub fn verify(
        &self,
        chain: &Chain,
        usage: Usage,
        at_unix_ms: u64,
        revoked: &dyn Revocations,
    ) -> Result<VerifiedCertificate, CertificateError> {
        chain.check_limits()?;
        let digest = chain.digest(usage.number());
        let certificate = match self.verified.get(&digest) {
            Some(known) => known,
            None => {
                let fresh = self.build(chain, usage, at_unix_ms)?;
                self.verified.insert(digest, fresh.clone());
                fresh
            }
        };
        certificate.recheck(at_unix_ms, revoked)?;
        Ok(certificate)
    }

    /// As [`TrustStore::verify`] at a time past, without revocations: evidence decides those by index.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify_as_of(
        &self,
        chain: &Chain,
        usage: Usage,
        at_unix_ms: u64,
    ) -> Result<VerifiedCertificate, CertificateError> {
        self.verify(chain, usage, at_unix_ms, &NoRevocations)
    }

    fn build(
        &self,
        chain: &Chain,
        usage: Usage,
        at_unix_ms: u64,
    ) -> Result<VerifiedCertificate, CertificateError> {
        let (leaf, above) = chain.0.split_first().ok_or(CertificateError::Missing)?;
        let mut refusal = if View::parse(leaf)?.is_self_issued() {
            CertificateError::SelfSigned
        } else {
            CertificateError::UnknownIssuer
        };
        // A root that nobody here trusts ends the matter; path building would first find fault with its usages.
        if let Some(last) = above.last()
            && View::parse(last)?.is_self_issued()
            && !self.anchors.iter().any(|anchor| anchor.der() == last.as_slice())
        {
            return Err(CertificateError::UnknownIssuer);
        }
        for anchor in &self.anchors {
            match build_to(anchor, leaf, above, usage, at_unix_ms) {
                Ok(verified) => return Ok(VerifiedCertificate(Arc::new(verified))),
                Err(CertificateError::UnknownIssuer) => {}
                Err(other) => refusal = other,
            }
        }
        Err(refusal)
    }
}

/// Builds a path to one anchor and applies our own checks to it.
fn build_to(
    anchor: &TrustAnchor,
    leaf: &[u8],
    above: &[Vec<u8>],
    usage: Usage,
    at_unix_ms: u64,
) -> Result<Verified, CertificateError> {
    let intermediates: Vec<CertificateDer<'_>> = above
        .iter()
        .filter(|der| der.as_slice() != anchor.der())
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let leaf_der = CertificateDer::from(leaf);
    let end_entity = EndEntityCert::try_from(&leaf_der).map_err(|error| refusal(&error, usage))?;
    let path = end_entity
        .verify_for_usage(
            &ACCEPTED,
            std::slice::from_ref(anchor.parsed()),
            &intermediates,
            UnixTime::since_unix_epoch(Duration::from_millis(at_unix_ms)),
            KeyUsage::required(usage.oid()),
            None,
            None,
        )
        .map_err(|error| refusal(&error, usage))?;

    // ID-16
    if !path
        .intermediate_certificates()
        .map(|certificate| certificate.der())
        .eq(intermediates.iter().cloned())
    {
        return Err(CertificateError::NotAPath);
    }
    let view = View::parse(leaf)?;
    let (key, identity) = view.leaf(usage, anchor.organisation())?;
    let mut window = intersect(anchor.validity_ms(), view.validity_ms()?);
    let mut references = vec![CertificateRef::of(leaf)?];
    for authority in path.intermediate_certificates() {
        let der = authority.der();
        let view = View::parse(&der)?;
        view.check_authority()?;
        check_constraint(&view, anchor.organisation())?;
        window = intersect(window, view.validity_ms()?);
        references.push(CertificateRef::of(&der)?);
    }
    references.push(CertificateRef::of(anchor.der())?);
    check_window(window, at_unix_ms)?;
    let (not_before_ms, not_after_ms) = window;
    Ok(Verified { usage, key, identity, leaf: leaf.to_vec(), path: references, not_before_ms, not_after_ms })
}

/// An authority that names one organisation names the anchor's (ID-17).
fn check_constraint(view: &View<'_>, organisation: &Organisation) -> Result<(), CertificateError> {
    match view.constrained_to() {
        Some(constraint) if constraint != *organisation => Err(CertificateError::OutsideOrganisation),
        _ => Ok(()),
    }
}

fn intersect(one: (u64, u64), other: (u64, u64)) -> (u64, u64) {
    (one.0.max(other.0), one.1.min(other.1))
}

fn check_window((not_before_ms, not_after_ms): (u64, u64), at_unix_ms: u64) -> Result<(), CertificateError> {
    if at_unix_ms < not_before_ms {
        Err(CertificateError::NotYetValid { not_before_ms })
    } else if at_unix_ms > not_after_ms {
        Err(CertificateError::Expired { not_after_ms })
    } else {
        Ok(())
    }
}

/// Our word for what path building found; the one place where its errors are read.
fn refusal(error: &webpki::Error, usage: Usage) -> CertificateError {
    use webpki::Error;
    match error {
        Error::CertExpired { not_after, .. } => CertificateError::Expired {
            not_after_ms: not_after.as_secs().saturating_mul(MILLISECONDS).saturating_add(MILLISECONDS - 1),
        },
        Error::CertNotValidYet { not_before, .. } => {
            CertificateError::NotYetValid { not_before_ms: not_before.as_secs().saturating_mul(MILLISECONDS) }
        }
        Error::UnknownIssuer => CertificateError::UnknownIssuer,
        Error::CaUsedAsEndEntity => CertificateError::AuthorityAsLeaf,
        Error::EndEntityUsedAsCa | Error::PathLenConstraintViolated => CertificateError::NotAnAuthority,
        Error::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        Error::NameConstraintViolation => CertificateError::OutsideOrganisation,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => {
            CertificateError::WrongUsage { wanted: usage }
        }
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            CertificateError::UnsupportedAlgorithm
        }
        _ => CertificateError::Malformed,
    }
}
