//! What a room id is computed from (EV-3).

use pki::{Name, Organisation, sha256};
use wire::cbor;

use super::RoomId;
use crate::hash::{Hash, HashBytes};

const ROOM_CONTEXT: &str = "countersign v1 room";

/// Mode 0: on record. The only one of this version.
pub const MODE_ON_RECORD: u64 = 0;

/// How content travels (EV-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentSuite {
    /// 0: as it is. The server can read it.
    ServerReads = 0,
    /// 1: sealed for the devices in the room.
    EndToEnd = 1,
}

impl ContentSuite {
    const ALL: [Self; 2] = [Self::ServerReads, Self::EndToEnd];

    /// Its number.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// How a room was created, in mode [`MODE_ON_RECORD`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// The organisation.
    pub organisation: Organisation,
    /// SHA-256 of the creator's certificate.
    pub creator: Hash,
    /// The two users of a direct room, in bytewise order.
    pub parties: Option<[Name; 2]>,
    /// The content suite.
    pub suite: ContentSuite,
    /// 32 random bytes.
    pub nonce: Hash,
}

type Parties<'a> = Option<(&'a str, &'a str)>;
/// Organisation, creator, mode, parties, suite, nonce.
pub(crate) type CreationParts<'a> = (&'a str, HashBytes, u64, Parties<'a>, u64, HashBytes);

impl Creation {
    /// The room's id (EV-3).
    pub fn room_id(&self) -> RoomId {
        // EV-3
        let (organisation, creator, mode, parties, suite, nonce) = self.parts();
        let parts = (ROOM_CONTEXT, organisation, creator, mode, parties, suite, nonce);
        RoomId(sha256(&cbor::to_vec(&parts)))
    }

    pub(crate) fn parts(&self) -> CreationParts<'_> {
        let parties = self.parties.as_ref().map(|[a, b]| (a.as_str(), b.as_str()));
        let (creator, nonce) = (HashBytes(self.creator), HashBytes(self.nonce));
        (self.organisation.as_str(), creator, MODE_ON_RECORD, parties, self.suite.number().into(), nonce)
    }

    /// `None` for names that are not canonical, and modes and suites of later versions (EV-4).
    pub(crate) fn from_parts(parts: CreationParts<'_>) -> Option<Self> {
        let (organisation, creator, mode, parties, suite, nonce) = parts;
        // EV-4
        let suite = ContentSuite::ALL.into_iter().find(|known| u64::from(known.number()) == suite)?;
        if mode != MODE_ON_RECORD {
            return None;
        }
        let parties = match parties {
            Some((a, b)) if a < b => Some([Name::canonical(a).ok()?, Name::canonical(b).ok()?]),
            Some(_) => return None,
            None => None,
        };
        let organisation = Organisation::canonical(organisation).ok()?;
        Some(Self { organisation, creator: creator.0, parties, suite, nonce: nonce.0 })
    }
}
