//! Rooms and who is in them.

use crate::Hash;

/// A room to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRoom {
    /// Room id.
    pub id: Hash,
    /// Name; none for a direct room. Names are not unique.
    pub name: Option<String>,
    /// Mode: on the record or off the log, as the caller numbers them.
    pub mode: u8,
    /// Content suite.
    pub suite: u16,
    /// For a direct room a key of the pair, the same whoever begins: two people have one direct room.
    pub direct: Option<Hash>,
    /// When it was made, unix milliseconds.
    pub created_ms: u64,
}

/// A room as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Position in lists of rooms; ascending in order of making.
    pub position: u64,
    /// As it was made.
    pub made: NewRoom,
}

/// A room in a user's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomListing {
    /// The room.
    pub room: Room,
    /// Number of entries.
    pub size: u64,
    /// Whether a device of the user is a member now.
    pub member_now: bool,
}

/// A device's membership, one row for each time it was a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The device's user.
    pub user: String,
    /// Certificate hash of the device.
    pub certificate: Hash,
    /// Index of the entry that added it.
    pub from_index: u64,
    /// Index of the entry that removed it, above `from_index`; none while it is a member.
    pub to_index: Option<u64>,
    /// The checkpoint of the log up to and including that entry; none if the append that removed the device went on
    /// behind it, and of removals by versions that did not keep it.
    pub closing: Option<Vec<u8>>,
}

/// What an entry of an append does to the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberChange {
    /// The device becomes a member.
    Added {
        /// Certificate hash of the device.
        certificate: Hash,
        /// Index of the entry, one of the append's.
        index: u64,
    },
    /// The device is no longer a member.
    Removed {
        /// Certificate hash of the device.
        certificate: Hash,
        /// Index of the entry, one of the append's.
        index: u64,
    },
}

impl MemberChange {
    /// Certificate hash of the device.
    pub fn certificate(&self) -> Hash {
        match self {
            Self::Added { certificate, .. } | Self::Removed { certificate, .. } => *certificate,
        }
    }

    /// Index of the entry.
    pub fn index(&self) -> u64 {
        match self {
            Self::Added { index, .. } | Self::Removed { index, .. } => *index,
        }
    }
}
