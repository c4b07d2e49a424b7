//! A room's log.

use super::room::MemberChange;
use crate::Hash;

/// Growth of one room's log, if its size is still the expected one: all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomAppend {
    /// Room id.
    pub room: Hash,
    /// Size before, and index of the first entry.
    pub expected_size: u64,
    /// The entries in order, at least one.
    pub entries: Vec<NewEntry>,
    /// Compact tree state after them.
    pub frontier: Vec<u8>,
    /// Signed checkpoint after them.
    pub checkpoint: Vec<u8>,
    /// What they do to the members, in order.
    pub members: Vec<MemberChange>,
    /// Epoch after them, not below the room's.
    pub epoch: u64,
}

/// One entry of a log, before its index is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Kind, as the caller numbers them.
    pub kind: u8,
    /// The statement's exact bytes.
    pub statement: Vec<u8>,
    /// What the statement commits to, sealed.
    pub ciphertext: Option<Vec<u8>>,
    /// Certificate hash of the sender; the certificate is in the directory.
    pub sender: Hash,
    /// The sender's sequence number in this room: 1, then one more each time.
    pub seq: u64,
    /// Leaf hash of the statement (RFC 9162, section 2.1.1).
    pub leaf_hash: Hash,
    /// When the server accepted it, unix milliseconds.
    pub received_ms: u64,
    /// Blobs that it names: pending ones of the sender, whole, which become the room's at its index.
    pub blobs: Vec<Hash>,
    /// Indices of entries before it that it erases: their ciphertexts and blobs go, and what pieces of history have of them.
    pub erases: Vec<u64>,
}

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Log index, from 0.
    pub index: u64,
    /// Kind, as the caller numbers them.
    pub kind: u8,
    /// The statement's exact bytes.
    pub statement: Vec<u8>,
    /// What the statement commits to, sealed.
    pub ciphertext: Option<Vec<u8>>,
    /// Certificate hash of the sender.
    pub sender: Hash,
    /// The sender's sequence number in this room.
    pub seq: u64,
    /// Leaf hash of the statement.
    pub leaf_hash: Hash,
    /// When the server accepted it, unix milliseconds.
    pub received_ms: u64,
}

/// A room's newest state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomHead {
    /// Number of entries.
    pub size: u64,
    /// Epoch.
    pub epoch: u64,
    /// Compact tree state.
    pub frontier: Vec<u8>,
    /// Signed checkpoint.
    pub checkpoint: Vec<u8>,
}
