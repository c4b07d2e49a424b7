//! Invites and accounts.

use super::device::NewDevice;
use super::directory::DirectoryAppend;
use crate::Hash;

/// What a user may do in the organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Talks.
    Member,
    /// Also manages users and invites.
    Admin,
}

/// An OPAQUE password file (RFC 9807, section 4.1.2). With the server's setup it admits guesses at the password,
/// so `Debug` shows its length alone.
#[derive(PartialEq, Eq)]
pub struct OpaqueRecord(pub Vec<u8>);

impl std::fmt::Debug for OpaqueRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpaqueRecord({} bytes)", self.0.len())
    }
}

/// An invite to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvite {
    /// Hash of the one-time token.
    pub token_hash: Hash,
    /// Role of the accounts that it makes.
    pub role: Role,
    /// The only user name it admits.
    pub user: Option<String>,
    /// The only e-mail address it admits; such an account must carry it.
    pub email: Option<String>,
    /// How many accounts it makes, 1 to [`crate::limits::MAX_INVITE_USES`].
    pub uses: u32,
    /// From this time on it admits nobody, unix milliseconds.
    pub expires_ms: u64,
    /// User name of the administrator who made it; none if the server's own console did.
    pub created_by: Option<String>,
    /// When it was made, unix milliseconds.
    pub created_ms: u64,
}

/// An invite as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Position in the list of invites; ascending in order of making.
    pub id: u64,
    /// As it was made.
    pub made: NewInvite,
    /// Uses left, 0 to `made.uses`.
    pub uses_left: u32,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// An account to be made. Its role is the invite's.
#[derive(Debug)]
pub struct NewAccount {
    /// Canonical user name.
    pub user: String,
    /// What the name looks like: no two accounts have the same.
    pub skeleton: String,
    /// Canonical e-mail address.
    pub email: Option<String>,
    /// Password file.
    pub opaque_record: OpaqueRecord,
}

/// A new user with its first device, by an invite.
#[derive(Debug)]
pub struct Enrolment {
    /// Hash of the invite's token.
    pub invite: Hash,
    /// The time, unix milliseconds: the invite is checked at it and the account made at it.
    pub now_ms: u64,
    /// The account.
    pub account: NewAccount,
    /// Its first device; its certificate is issued by a leaf of `directory`.
    pub device: NewDevice,
    /// The directory's growth.
    pub directory: DirectoryAppend,
}

/// An account as it stands.
#[derive(Debug, PartialEq, Eq)]
pub struct Account {
    /// Canonical user name.
    pub user: String,
    /// Canonical e-mail address.
    pub email: Option<String>,
    /// Role.
    pub role: Role,
    /// Whether it may log in.
    pub enabled: bool,
    /// Password file.
    pub opaque_record: OpaqueRecord,
    /// When it was made, unix milliseconds.
    pub created_ms: u64,
    /// When it came from an earlier system, unix milliseconds, if it did.
    pub imported_ms: Option<u64>,
}
