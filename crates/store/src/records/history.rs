//! What a user's devices keep for each other.

use crate::Hash;

/// A piece of history, handed in by a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHistory {
    /// Certificate hash of the device.
    pub device: Hash,
    /// The room.
    pub room: Hash,
    /// Log index of the first entry that it is about.
    pub first: u64,
    /// Log index after the last one.
    pub end: u64,
    /// The piece; none to ask what is held.
    pub piece: Vec<u8>,
}

/// A piece of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Where it is in the order of all pieces.
    pub position: u64,
    /// Certificate hash of the device.
    pub device: Hash,
    /// Log index of the first entry that it is about.
    pub first: u64,
    /// Log index after the last one.
    pub end: u64,
    /// The piece.
    pub piece: Vec<u8>,
}
