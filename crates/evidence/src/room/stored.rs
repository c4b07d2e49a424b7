//! The state of a room as servers and clients store it for themselves.

use pki::Name;
use wire::cbor;

use super::creation::CreationParts;
use super::{Creation, Member, RoomName};
use crate::hash::{Hash, HashBytes};

/// Version that stands first in the stored form.
const VERSION: u8 = 1;
/// Longest stored form in bytes: some 100,000 members and signers.
const MAX_STORED: usize = 16 * 1024 * 1024;

/// Everything that a [`super::RoomState`] is made of. It is no evidence: whoever stores it trusts the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// How the room was created.
    pub creation: Creation,
    /// Its name.
    pub name: Option<RoomName>,
    /// Number of entries.
    pub size: u64,
    /// How many of them were not seen.
    pub unseen: u64,
    /// Its epoch.
    pub epoch: u64,
    /// Members by certificate.
    pub members: Vec<(Hash, Member)>,
    /// Certificates revoked in the room.
    pub revoked: Vec<Hash>,
    /// By signer's certificate: the last number, and how many entries had not been seen then.
    pub last: Vec<(Hash, u64, u64)>,
}

/// Bytes that are no stored room of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the stored state of a room of this version")]
pub struct BadStored;

type Last = (HashBytes, u64, u64);
type Parts<'a> = (
    u8,
    CreationParts<'a>,
    Option<&'a str>,
    (u64, u64, u64),
    Vec<(HashBytes, &'a str, u64)>,
    Vec<HashBytes>,
    Vec<Last>,
);

impl Stored {
    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let members =
            self.members.iter().map(|(hash, member)| (HashBytes(*hash), member.user.as_str(), member.since));
        let mut last: Vec<Last> =
            self.last.iter().map(|(hash, seq, unseen)| (HashBytes(*hash), *seq, *unseen)).collect();
        last.sort_by_key(|(hash, ..)| *hash);
        let mut revoked: Vec<HashBytes> = self.revoked.iter().copied().map(HashBytes).collect();
        revoked.sort_unstable();
        let parts: Parts<'_> = (
            VERSION,
            self.creation.parts(),
            self.name.as_ref().map(RoomName::as_str),
            (self.size, self.unseen, self.epoch),
            members.collect(),
            revoked,
            last,
        );
        cbor::to_vec(&parts)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`BadStored`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadStored> {
        let (version, creation, name, (size, unseen, epoch), members, revoked, last) =
            cbor::from_slice::<Parts<'_>>(bytes, MAX_STORED).map_err(|_| BadStored)?;
        if version != VERSION {
            return Err(BadStored);
        }
        let member = |(hash, user, since): (HashBytes, &str, u64)| {
            Some((hash.0, Member { user: Name::canonical(user).ok()?, since }))
        };
        Ok(Self {
            creation: Creation::from_parts(creation).ok_or(BadStored)?,
            name: name.map(RoomName::parse).transpose().map_err(|_| BadStored)?,
            size,
            unseen,
            epoch,
            members: members.into_iter().map(member).collect::<Option<_>>().ok_or(BadStored)?,
            revoked: revoked.into_iter().map(|hash| hash.0).collect(),
            last: last.into_iter().map(|(hash, seq, unseen)| (hash.0, seq, unseen)).collect(),
        })
    }
}
