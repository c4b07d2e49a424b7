//! The directory: the organisation's log of certificates and revocations (EV-28).

use pki::trust::Reason;
use pki::{Holder, Name, VerifiedCertificate};
use wire::cbor;

use crate::hash::{Hash, HashBytes};
use crate::limits::MAX_SMALL;
use crate::log::leaf_hash;

/// A leaf of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaf {
    /// A certificate was issued.
    Issue(Issue),
    /// A certificate was revoked.
    Revoke(Revoke),
}

/// A certificate issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// SHA-256 of the certificate.
    pub certificate: Hash,
    /// SHA-256 of the device statement that vouches for it; none for a user's first device and for the server's own.
    pub vouched: Option<Hash>,
    /// Who holds it.
    pub subject: Subject,
    /// Serial number, content octets.
    pub serial: Vec<u8>,
    /// When it was issued, Unix milliseconds.
    pub time_ms: u64,
}

/// Who a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A device, server, log or cosigner.
    Holder(Holder),
    /// An issuing CA.
    Authority,
}

/// A certificate revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoke {
    /// SHA-256 of the certificate.
    pub certificate: Hash,
    /// Why.
    pub reason: Reason,
    /// When it was revoked, Unix milliseconds.
    pub time_ms: u64,
}

/// Bytes that are no leaf of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a leaf of the directory")]
pub struct BadLeaf;

const ISSUE: u8 = 1;
const REVOKE: u8 = 2;
const SERVER: u8 = 1;
const DEVICE: u8 = 2;
const LOG: u8 = 3;
const COSIGNER: u8 = 4;
const AUTHORITY: u8 = 5;

type IssueParts<'a> = (
    HashBytes,
    Option<HashBytes>,
    Option<&'a str>,
    Option<&'a str>,
    Option<&'a str>,
    u8,
    &'a minicbor::bytes::ByteSlice,
    u64,
);
type RevokeParts = (HashBytes, u8, u64);

impl Leaf {
    /// The leaf's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Issue(issue) => cbor::to_vec(&(ISSUE, issue.parts())),
            Self::Revoke(Revoke { certificate, reason, time_ms }) => {
                cbor::to_vec(&(REVOKE, (HashBytes(*certificate), reason.number(), *time_ms)))
            }
        }
    }

    /// Reads a leaf.
    ///
    /// # Errors
    /// [`BadLeaf`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadLeaf> {
        if let Ok((ISSUE, parts)) = cbor::from_slice::<(u8, IssueParts<'_>)>(bytes, MAX_SMALL) {
            return Issue::from_parts(parts).map(Self::Issue).ok_or(BadLeaf);
        }
        match cbor::from_slice::<(u8, RevokeParts)>(bytes, MAX_SMALL) {
            Ok((REVOKE, (certificate, reason, time_ms))) => {
                let reason = Reason::try_from(reason).map_err(|_| BadLeaf)?;
                Ok(Self::Revoke(Revoke { certificate: certificate.0, reason, time_ms }))
            }
            _ => Err(BadLeaf),
        }
    }

    /// Its leaf hash.
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(&self.to_bytes())
    }

    /// SHA-256 of the certificate it is about.
    pub fn certificate(&self) -> Hash {
        match self {
            Self::Issue(issue) => issue.certificate,
            Self::Revoke(revoke) => revoke.certificate,
        }
    }
}

impl Issue {
    /// Whether this is the issue of `certificate`.
    pub fn is_of(&self, certificate: &VerifiedCertificate) -> bool {
        self.certificate == certificate.hash()
            && self.subject == Subject::Holder(certificate.identity().holder.clone())
    }

    fn parts(&self) -> IssueParts<'_> {
        let (user, device, node, role) = match &self.subject {
            Subject::Holder(Holder::Device { user, device }) => {
                (Some(user.as_str()), Some(device.as_str()), None, DEVICE)
            }
            Subject::Holder(Holder::Server(node)) => (None, None, Some(node.as_str()), SERVER),
            Subject::Holder(Holder::Log(node)) => (None, None, Some(node.as_str()), LOG),
            Subject::Holder(Holder::Cosigner(node)) => (None, None, Some(node.as_str()), COSIGNER),
            Subject::Authority => (None, None, None, AUTHORITY),
        };
        let vouched = self.vouched.map(HashBytes);
        (
            HashBytes(self.certificate),
            vouched,
            user,
            device,
            node,
            role,
            self.serial.as_slice().into(),
            self.time_ms,
        )
    }

    fn from_parts(parts: IssueParts<'_>) -> Option<Self> {
        let (certificate, vouched, user, device, node, role, serial, time_ms) = parts;
        let name = |text: &str| Name::canonical(text).ok();
        let subject = match (user, device, node, role) {
            (Some(user), Some(device), None, DEVICE) => {
                Subject::Holder(Holder::Device { user: name(user)?, device: name(device)? })
            }
            (None, None, Some(node), SERVER) => Subject::Holder(Holder::Server(name(node)?)),
            (None, None, Some(node), LOG) => Subject::Holder(Holder::Log(name(node)?)),
            (None, None, Some(node), COSIGNER) => Subject::Holder(Holder::Cosigner(name(node)?)),
            (None, None, None, AUTHORITY) => Subject::Authority,
            _ => return None,
        };
        let (certificate, vouched) = (certificate.0, vouched.map(|hash| hash.0));
        Some(Self { certificate, vouched, subject, serial: serial.to_vec(), time_ms })
    }
}
