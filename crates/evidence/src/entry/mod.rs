//! Entries of a room's log: statements, membership statements, revocation entries and erasures (EV-12).

mod revocation;

use pki::VerifiedCertificate;
pub use revocation::{Revocation, RevocationClaim};

use crate::cose::{Header, Kind, Malformed, Object, Unsound, Unverified, typ};
use crate::erasure::{Erasure, ErasureClaim};
use crate::hash::Hash;
use crate::log::{TreeHead, leaf_hash};
use crate::membership::{Membership, MembershipClaim};
use crate::room::RoomId;
use crate::statement::{Statement, StatementClaim};

/// The header that all entries have (EV-12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The room.
    pub room: RoomId,
    /// Number among the signer's entries in this room, from 1 without gaps.
    pub seq: u64,
    /// When it was signed, Unix milliseconds.
    pub time_ms: u64,
    /// Epoch of the room before the entry.
    pub epoch: u64,
    /// The last checkpoint that the signer held.
    pub seen: TreeHead,
}

impl Place {
    pub(crate) fn header(&self, certificate: Hash) -> Header {
        Header {
            certificate,
            room: Some(self.room.0),
            seq: Some(self.seq),
            time_ms: Some(self.time_ms),
            epoch: Some(self.epoch),
            checkpoint: Some(self.seen),
            ..Header::default()
        }
    }

    pub(crate) fn from_header(header: &Header) -> Result<Self, Malformed> {
        let read = || {
            Some(Self {
                room: RoomId(header.room?),
                seq: header.seq.filter(|seq| *seq > 0)?,
                time_ms: header.time_ms?,
                epoch: header.epoch?,
                seen: header.checkpoint?,
            })
        };
        read().ok_or(Malformed::Header)
    }
}

/// A verified entry.
#[expect(clippy::large_enum_variant, reason = "an entry lives for one check; most are statements")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Somebody said something.
    Statement(Statement),
    /// The members changed.
    Membership(Membership),
    /// A certificate is no longer good.
    Revocation(Revocation),
    /// What was said is erased.
    Erasure(Erasure),
}

/// A well-formed entry whose signature nobody has checked.
#[expect(clippy::large_enum_variant, reason = "an entry lives for one check; most are statements")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnverifiedEntry {
    /// A statement.
    Statement(Unverified<StatementClaim>),
    /// A membership statement.
    Membership(Unverified<MembershipClaim>),
    /// A revocation entry.
    Revocation(Unverified<RevocationClaim>),
    /// An erasure.
    Erasure(Unverified<ErasureClaim>),
}

impl Entry {
    /// Reads an entry of any kind.
    ///
    /// # Errors
    /// [`Malformed`]; [`Malformed::Type`] if it is none of the four kinds.
    pub fn parse(bytes: &[u8]) -> Result<UnverifiedEntry, Malformed> {
        match typ(bytes) {
            Some(StatementClaim::TYP) => Object::parse(bytes).map(UnverifiedEntry::Statement),
            Some(MembershipClaim::TYP) => Object::parse(bytes).map(UnverifiedEntry::Membership),
            Some(RevocationClaim::TYP) => Object::parse(bytes).map(UnverifiedEntry::Revocation),
            Some(ErasureClaim::TYP) => Object::parse(bytes).map(UnverifiedEntry::Erasure),
            Some(_) => Err(Malformed::Type),
            None => Err(Malformed::NotCose),
        }
    }

    /// Its header.
    pub fn place(&self) -> &Place {
        match self {
            Self::Statement(entry) => &entry.place,
            Self::Membership(entry) => &entry.place,
            Self::Revocation(entry) => &entry.place,
            Self::Erasure(entry) => &entry.place,
        }
    }

    /// SHA-256 of its signer's certificate.
    pub fn certificate(&self) -> Hash {
        match self {
            Self::Statement(entry) => entry.certificate,
            Self::Membership(entry) => entry.certificate,
            Self::Revocation(entry) => entry.certificate,
            Self::Erasure(entry) => entry.certificate,
        }
    }

    /// The exact bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Statement(entry) => entry.bytes(),
            Self::Membership(entry) => entry.bytes(),
            Self::Revocation(entry) => entry.bytes(),
            Self::Erasure(entry) => entry.bytes(),
        }
    }

    /// Leaf hash of the exact bytes.
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(self.bytes())
    }
}

impl UnverifiedEntry {
    /// Hash of the certificate under which it claims to be signed.
    pub fn certificate(&self) -> Hash {
        match self {
            Self::Statement(entry) => entry.certificate(),
            Self::Membership(entry) => entry.certificate(),
            Self::Revocation(entry) => entry.certificate(),
            Self::Erasure(entry) => entry.certificate(),
        }
    }

    /// The header that it claims.
    pub fn place(&self) -> &Place {
        match self {
            Self::Statement(entry) => &entry.claim().place,
            Self::Membership(entry) => &entry.claim().place,
            Self::Revocation(entry) => &entry.claim().place,
            Self::Erasure(entry) => &entry.claim().place,
        }
    }

    /// Checks the signature, strictly, over the received bytes.
    ///
    /// # Errors
    /// [`Unsound`].
    pub fn verify(self, signer: &VerifiedCertificate) -> Result<Entry, Unsound> {
        Ok(match self {
            Self::Statement(entry) => Entry::Statement(entry.verify(signer)?),
            Self::Membership(entry) => Entry::Membership(entry.verify(signer)?),
            Self::Revocation(entry) => Entry::Revocation(entry.verify(signer)?),
            Self::Erasure(entry) => Entry::Erasure(entry.verify(signer)?),
        })
    }
}
