//! What a check of the database finds.

use crate::Hash;

/// How much a check reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Heads against the last entries; time grows with the number of rooms. For each start.
    Quick,
    /// Also counts every entry, sequence number and body, hashes every blob, and looks at the database's own structure.
    Deep,
}

/// What was checked and found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Schema version.
    pub schema: u32,
    /// Leaves of the directory.
    pub directory: u64,
    /// Rooms.
    pub rooms: u64,
    /// Entries of all rooms together.
    pub entries: u64,
    /// What is wrong; empty when all is well.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The directory's size is not that of its leaves.
    DirectorySize {
        /// Size that the head names.
        head: u64,
        /// Size that the leaves make.
        leaves: u64,
    },
    /// The directory has leaves and no checkpoint or frontier.
    DirectoryCheckpoint,
    /// A room's size is not that of its entries.
    RoomSize {
        /// Room id.
        room: Hash,
        /// Size that the head names.
        head: u64,
        /// Size that the entries make.
        entries: u64,
    },
    /// A room has no head, or a head without checkpoint or frontier.
    RoomCheckpoint {
        /// Room id.
        room: Hash,
    },
    /// The sequence numbers of a sender in a room have a gap, or do not end where they should.
    Sequence {
        /// Room id.
        room: Hash,
        /// Certificate hash of the sender.
        sender: Hash,
    },
    /// Entries of a room without their statement.
    Body {
        /// Room id.
        room: Hash,
        /// How many.
        entries: u64,
    },
    /// A blob whose pieces are not those that it has by its size, or whose bytes have another hash.
    Blob {
        /// Certificate hash of the device that handed it in.
        owner: Hash,
        /// SHA-256 that it should have.
        hash: Hash,
    },
    /// A device whose history is not as large as it is said to be.
    History {
        /// Its certificate hash.
        device: Hash,
    },
    /// What the database says of its own structure.
    Structure(String),
}
