//! Devices, and the links by which further devices join.

use super::directory::{DirectoryAppend, Revocation};
use crate::Hash;

/// A device to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDevice {
    /// Canonical device name, unique among the user's devices in force.
    pub name: String,
    /// Hash of its certificate, which a leaf of the same transaction issues.
    pub certificate: Hash,
    /// Public key, 32 bytes.
    pub key: [u8; 32],
    /// When the certificate was issued, unix milliseconds.
    pub issued_ms: u64,
}

/// A device as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its user.
    pub user: String,
    /// Canonical device name.
    pub name: String,
    /// Hash of its certificate.
    pub certificate: Hash,
    /// Index of the leaf that issued the certificate in the directory.
    pub directory_index: u64,
    /// Public key, 32 bytes.
    pub key: [u8; 32],
    /// When the certificate was issued, unix milliseconds.
    pub issued_ms: u64,
    /// The earlier device's statement that admitted it; none for a user's first device.
    pub vouching: Option<Vec<u8>>,
    /// Its revocation.
    pub revoked: Option<Revocation>,
}

/// A device link to be made by one of the user's devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeviceLink {
    /// Hash of the one-time token.
    pub token_hash: Hash,
    /// The user whose device may join.
    pub user: String,
    /// Certificate hash of the device that made it.
    pub created_by: Hash,
    /// When it was made, unix milliseconds.
    pub created_ms: u64,
    /// From this time on it admits nothing, unix milliseconds.
    pub expires_ms: u64,
}

/// A device link as it stands. It carries one request for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLink {
    /// As it was made.
    pub made: NewDeviceLink,
    /// How far it came.
    pub state: DeviceLinkState,
}

/// How far a device link came: open, requested, approved, enrolled; or revoked before that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceLinkState {
    /// Nobody used it.
    Open,
    /// A new device asks.
    Requested {
        /// Proposed device name.
        name: String,
        /// Certificate request with its proof of possession.
        request: Vec<u8>,
    },
    /// An earlier device vouches for it.
    Approved {
        /// Proposed device name.
        name: String,
        /// Certificate request with its proof of possession.
        request: Vec<u8>,
        /// The vouching statement.
        vouching: Vec<u8>,
        /// Certificate hash of the earlier device.
        approved_by: Hash,
    },
    /// The device is there.
    Enrolled {
        /// Its certificate's hash.
        certificate: Hash,
    },
    /// It was withdrawn.
    Revoked,
}

/// A further device of an existing user, by an approved link.
#[derive(Debug, Clone)]
pub struct DeviceEnrolment {
    /// Hash of the link's token; user, name and vouching statement are the link's.
    pub link: Hash,
    /// The time, unix milliseconds: the link is checked at it.
    pub now_ms: u64,
    /// Hash of its certificate, which a leaf of `directory` issues.
    pub certificate: Hash,
    /// Public key, 32 bytes.
    pub key: [u8; 32],
    /// When the certificate was issued, unix milliseconds.
    pub issued_ms: u64,
    /// The directory's growth.
    pub directory: DirectoryAppend,
}
