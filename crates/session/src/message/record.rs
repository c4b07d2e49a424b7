//! What answers and events are made of.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use super::Role;

/// One entry of a room's log as sent.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// The exact bytes of the statement.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub statement: Vec<u8>,
    /// The sealed content; null where there is none or this user was not there.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub content: Option<Vec<u8>>,
}

/// A new device that waits.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PendingDevice {
    /// Hash of the link's token.
    #[n(0)]
    pub id: ByteArray<32>,
    /// Name that it asks for.
    #[n(1)]
    pub device: String,
    /// PKCS#10, DER.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub request: Vec<u8>,
}

/// A device of a user.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeviceInfo {
    /// User.
    #[n(0)]
    pub user: String,
    /// Device.
    #[n(1)]
    pub device: String,
    /// SHA-256 of the certificate's DER.
    #[n(2)]
    pub certificate: ByteArray<32>,
    /// Leaf and intermediates, DER.
    #[n(3)]
    pub chain: Vec<ByteVec>,
    /// When it was issued, Unix milliseconds.
    #[n(4)]
    pub issued: u64,
    /// When it was revoked, Unix milliseconds.
    #[n(5)]
    pub revoked: Option<u64>,
    /// Position in the list of devices: its certificate's index in the directory.
    #[n(6)]
    pub position: u64,
}

/// An invite that can still be used.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct InviteInfo {
    /// SHA-256 of its token.
    #[n(0)]
    pub id: ByteArray<32>,
    /// The one name it is good for.
    #[n(1)]
    pub user: Option<String>,
    /// Role it gives.
    #[n(2)]
    pub role: Role,
    /// Uses left.
    #[n(3)]
    pub uses_left: u32,
    /// Unix milliseconds.
    #[n(4)]
    pub expires: u64,
    /// Unix milliseconds.
    #[n(5)]
    pub created: u64,
    /// Position in the list of invites, ascending from 1.
    #[n(6)]
    pub position: u64,
}

/// A user of the organisation.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct UserInfo {
    /// Canonical name.
    #[n(0)]
    pub user: String,
    /// Role.
    #[n(1)]
    pub role: Role,
    /// Whether it may log in.
    #[n(2)]
    pub enabled: bool,
    /// Unix milliseconds.
    #[n(3)]
    pub created: u64,
    /// Devices not revoked.
    #[n(4)]
    pub devices: u64,
    /// When it came from an earlier system, Unix milliseconds, if it waits for its user (SE-28).
    #[n(5)]
    pub imported: Option<u64>,
}

/// A room of the user.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RoomInfo {
    /// Room id.
    #[n(0)]
    pub room: ByteArray<32>,
    /// Name; empty for a direct room.
    #[n(1)]
    pub name: String,
    /// Mode (docs/evidence.md).
    #[n(2)]
    pub mode: u32,
    /// Content suite (docs/evidence.md).
    #[n(3)]
    pub suite: u32,
    /// The other party of a direct room.
    #[n(4)]
    pub direct_with: Option<String>,
    /// Entries in the log.
    #[n(5)]
    pub size: u64,
    /// Whether the user is a member now.
    #[n(6)]
    pub member: bool,
    /// Position in the list of rooms, ascending from 1.
    #[n(7)]
    pub position: u64,
}

/// A stored receipt.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ReceiptItem {
    /// Number in the room's receipts, ascending.
    #[n(0)]
    pub id: u64,
    /// The receipt's bytes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub receipt: Vec<u8>,
    /// The cosignature beside it.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub cosignature: Vec<u8>,
}

/// A certificate known by hash.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct KnownCertificate {
    /// SHA-256 of its DER.
    #[n(0)]
    pub certificate: ByteArray<32>,
    /// Leaf and intermediates, DER.
    #[n(1)]
    pub chain: Vec<ByteVec>,
    /// When it was revoked, Unix milliseconds.
    #[n(2)]
    pub revoked: Option<u64>,
    /// The device statement that vouches for it, if it was not its user's first.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub vouching: Option<Vec<u8>>,
}

/// A directory leaf with its inclusion proof.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ProvenLeaf {
    /// Index in the directory.
    #[n(0)]
    pub index: u64,
    /// The leaf's bytes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub leaf: Vec<u8>,
    /// Inclusion proof.
    #[n(2)]
    pub proof: Vec<ByteArray<32>>,
}

/// History keys that this device gave to another of its user (SE-38).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct HistoryKeysGiven {
    /// SHA-256 of the other's certificate.
    #[n(0)]
    pub certificate: ByteArray<32>,
    /// How many of its own keys are among them.
    #[n(1)]
    pub keys: u32,
}

/// History keys from another device of the user (SE-38).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct HistoryBox {
    /// SHA-256 of the giver's certificate.
    #[n(0)]
    pub giver: ByteArray<32>,
    /// How many of the giver's own keys are in it.
    #[n(1)]
    pub keys: u32,
    /// The box (docs/group.md, GR-27).
    #[cbor(n(2), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

/// A piece of history of another device of the user (SE-39).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct HistoryPiece {
    /// Where it is in the order of all pieces.
    #[n(0)]
    pub position: u64,
    /// SHA-256 of the certificate of the device that handed it in.
    #[n(1)]
    pub certificate: ByteArray<32>,
    /// Log index of the first entry that it is about.
    #[n(2)]
    pub first: u64,
    /// Log index after the last one.
    #[n(3)]
    pub end: u64,
    /// The piece (docs/group.md, GR-28).
    #[cbor(n(4), with = "minicbor::bytes")]
    pub piece: Vec<u8>,
}

/// The record of a recovery key, as its user's password seals it (SE-41).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SealedRecovery {
    /// SHA-256 of the recovery key's certificate.
    #[n(0)]
    pub certificate: ByteArray<32>,
    /// The record (docs/group.md, GR-31).
    #[cbor(n(1), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}
