//! Users of an earlier system.

use super::account::OpaqueRecord;
use super::device::NewDevice;
use super::directory::DirectoryAppend;
use crate::Hash;

/// A user of an earlier system, to be made or replaced as an account that waits.
#[derive(Debug)]
pub struct NewImport {
    /// Canonical user name.
    pub user: String,
    /// What the name looks like: no two accounts have the same.
    pub skeleton: String,
    /// Canonical e-mail address.
    pub email: Option<String>,
    /// The salt there, 1 to [`crate::limits::MAX_SALT`] bytes.
    pub salt: Vec<u8>,
    /// Password file over the hash of the password there.
    pub opaque_record: OpaqueRecord,
    /// When it was imported, unix milliseconds.
    pub now_ms: u64,
}

/// What is kept of a user of an earlier system until it joins.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    /// The salt there.
    pub salt: Vec<u8>,
    /// Password file over the hash of the password there.
    pub opaque_record: OpaqueRecord,
}

/// The first device of an account that waits, by an invite.
#[derive(Debug)]
pub struct ImportEnrolment {
    /// Hash of the invite's token.
    pub invite: Hash,
    /// The time, unix milliseconds: the invite is checked at it.
    pub now_ms: u64,
    /// Canonical name of the account.
    pub user: String,
    /// Password file from now on.
    pub opaque_record: OpaqueRecord,
    /// The device; its certificate is issued by a leaf of `directory`.
    pub device: NewDevice,
    /// The directory's growth.
    pub directory: DirectoryAppend,
}
