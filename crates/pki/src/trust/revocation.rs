//! Revocation, as lists and as a question that others answer.

use std::collections::HashMap;

use crate::certificate::CertificateError;
use crate::certificate::view::View;
use crate::fingerprint::{Sha256Hash, sha256};

/// A certificate as revocation lists name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRef {
    /// SHA-256 of the DER.
    pub hash: Sha256Hash,
    /// The issuer's name, DER.
    pub issuer: Vec<u8>,
    /// The serial number's content octets.
    pub serial: Vec<u8>,
}

impl CertificateRef {
    /// Reads issuer and serial number out of a certificate's DER.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`].
    pub fn of(der: &[u8]) -> Result<Self, CertificateError> {
        let view = View::parse(der)?;
        Ok(Self { hash: sha256(der), issuer: view.issuer().to_vec(), serial: view.serial().to_vec() })
    }
}

/// Knows which certificates are revoked.
pub trait Revocations {
    /// Since when the certificate is revoked, Unix milliseconds; `None` if it is not. Any answer but `None` is
    /// a refusal, whatever its date.
    fn revoked_since(&self, certificate: &CertificateRef) -> Option<u64>;
}

/// Nothing is revoked: for times past, where revocation is decided otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRevocations;

impl Revocations for NoRevocations {
    fn revoked_since(&self, _certificate: &CertificateRef) -> Option<u64> {
        None
    }
}

/// Why a certificate was revoked, with the numbers of RFC 5280, section 5.3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not said.
    Unspecified = 0,
    /// Somebody else may have the key.
    KeyCompromise = 1,
    /// The holder left or changed roles.
    AffiliationChanged = 3,
    /// Replaced by another certificate.
    Superseded = 4,
    /// The device is no longer used.
    CessationOfOperation = 5,
}

/// A number or word that names no reason.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error(
    "not a reason: unspecified, key-compromise, affiliation-changed, superseded or cessation-of-operation"
)]
pub struct UnknownReason;

impl Reason {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Unspecified, "unspecified"),
        (Self::KeyCompromise, "key-compromise"),
        (Self::AffiliationChanged, "affiliation-changed"),
        (Self::Superseded, "superseded"),
        (Self::CessationOfOperation, "cessation-of-operation"),
    ];

    /// The number of RFC 5280.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The word for command lines and messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
        }
    }
}

impl TryFrom<u8> for Reason {
    type Error = UnknownReason;

    fn try_from(number: u8) -> Result<Self, UnknownReason> {
        Self::ALL
            .iter()
            .map(|(reason, _)| *reason)
            .find(|reason| reason.number() == number)
            .ok_or(UnknownReason)
    }
}

impl std::str::FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(word: &str) -> Result<Self, UnknownReason> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(reason, _)| *reason).ok_or(UnknownReason)
    }
}

/// One revoked certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The certificate.
    pub certificate: CertificateRef,
    /// Why.
    pub reason: Reason,
    /// When it was revoked, Unix milliseconds.
    pub at_ms: u64,
}

/// A list of revocations to look up in.
#[derive(Debug, Clone, Default)]
pub struct RevocationSet {
    by_hash: HashMap<Sha256Hash, u64>,
    by_issuer_and_serial: HashMap<Vec<u8>, HashMap<Vec<u8>, u64>>,
}

impl RevocationSet {
    /// Adds a revocation; the earlier time stays if the certificate is known.
    pub fn insert(&mut self, revocation: Revocation) {
        let Revocation { certificate: CertificateRef { hash, issuer, serial }, at_ms, .. } = revocation;
        let earliest = |known: &mut u64| *known = at_ms.min(*known);
        self.by_hash.entry(hash).and_modify(earliest).or_insert(at_ms);
        self.by_issuer_and_serial
            .entry(issuer)
            .or_default()
            .entry(serial)
            .and_modify(earliest)
            .or_insert(at_ms);
    }
}

impl FromIterator<Revocation> for RevocationSet {
    fn from_iter<I: IntoIterator<Item = Revocation>>(revocations: I) -> Self {
        let mut set = Self::default();
        revocations.into_iter().for_each(|revocation| set.insert(revocation));
        set
    }
}

impl Revocations for RevocationSet {
    /// By hash, or by issuer and serial number: an ECDSA signature can be rewritten by anybody, which changes
    /// the hash and not the certificate (ID-31).
    fn revoked_since(&self, certificate: &CertificateRef) -> Option<u64> {
        // ID-31
        self.by_hash
            .get(&certificate.hash)
            .or_else(|| self.by_issuer_and_serial.get(&certificate.issuer)?.get(&certificate.serial))
            .copied()
    }
}
