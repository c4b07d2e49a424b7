//! Why a transaction did not happen, grouped by whose turn it is.

use crate::Hash;

/// What kept a transaction from happening. Unless said otherwise nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The compare-and-swap of the directory lost: read the head again and repeat.
    #[error("the directory has {actual} entries, not {expected}")]
    Conflict {
        /// Size the caller expected.
        expected: u64,
        /// Size found.
        actual: u64,
    },
    /// Something of that name or key is there already.
    #[error("{0} exists already")]
    Exists(Unique),
    /// The transaction names something that is not there.
    #[error("{0} not found")]
    NotFound(Thing),
    /// A one-time token, an account or a link does not allow it.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// An append to a room that was not possible.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The caller's misuse: a value above its limit.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The caller's misuse: an argument that contradicts another.
    #[error("misused: {0}")]
    Misuse(&'static str),
    /// What is stored contradicts itself. Run `doctor` and restore a backup.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The database was written by a later release; use that release.
    #[error("the database has schema {found}, this program knows up to {supported}; use the newer program")]
    NewerSchema {
        /// Schema version found.
        found: u32,
        /// Newest schema version this program knows.
        supported: u32,
    },
    /// The disk, the database or the connection failed. **Whether the transaction happened is unknown**: read
    /// before repeating, for an append with [`crate::Log::entry_by_seq`].
    #[error("the database is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why one room of a batch was left as it was; the other rooms of the batch are not concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The room moved on: read its head again and repeat.
    #[error("the room has {actual} entries, not {expected}")]
    Conflict {
        /// Size the caller expected.
        expected: u64,
        /// Size found.
        actual: u64,
    },
    /// No such room.
    #[error("no such room")]
    NoRoom,
    /// A sender's sequence number is not its next one.
    #[error("sequence number {found}, the next is {next}")]
    Sequence {
        /// Certificate hash of the sender.
        sender: Hash,
        /// The sender's next sequence number in the room.
        next: u64,
        /// Sequence number found.
        found: u64,
    },
    /// A sender whose certificate is not in the directory, or a member that is no device.
    #[error("unknown certificate")]
    UnknownCertificate(Hash),
    /// A sender whose certificate the directory has revoked, perhaps by another process a moment ago.
    #[error("revoked certificate")]
    RevokedCertificate(Hash),
    /// A device added that is a member, or removed that is none.
    #[error("the member change does not fit the members")]
    Membership(Hash),
    /// A blob that an entry names is not pending and whole for its sender, or named twice.
    #[error("a blob that an entry names is not there")]
    MissingBlob(Hash),
    /// The epoch would go back.
    #[error("epoch {found} after {current}")]
    Epoch {
        /// Epoch of the room.
        current: u64,
        /// Epoch found.
        found: u64,
    },
    /// The caller's misuse: a value above its limit.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The caller's misuse: no entries, or a member change outside the entries of this append.
    #[error("misused: {0}")]
    Misuse(&'static str),
}

/// A value above its limit in [`crate::limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} of {value}, the limit is {limit}")]
pub struct TooLarge {
    /// What is too large.
    pub what: &'static str,
    /// Its size, in bytes or in items.
    pub value: u64,
    /// The limit.
    pub limit: u64,
}

/// What stands at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unique {
    /// An invite or a device link with this token.
    Token,
    /// A user of this name.
    UserName,
    /// A user of a name with this skeleton.
    Skeleton,
    /// A user with this e-mail address.
    Email,
    /// A device of this user that is in force and has this name.
    DeviceName,
    /// A certificate with this hash.
    Certificate,
    /// A room with this id.
    Room,
    /// A direct room of these two.
    DirectRoom,
}

/// What was named and not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// An invite.
    Invite,
    /// An account.
    Account,
    /// A device.
    Device,
    /// A device link.
    DeviceLink,
    /// A certificate.
    Certificate,
    /// A room.
    Room,
}

/// What a token, an account or a link does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The token's time is over.
    Expired,
    /// The token was revoked.
    Revoked,
    /// Every use of the token is spent.
    UsedUp,
    /// The token is for another user name.
    OtherUser,
    /// The token is for another e-mail address.
    OtherEmail,
    /// The account is disabled.
    Disabled,
    /// The device is revoked.
    DeviceRevoked,
    /// The link carries another request already.
    OtherRequest,
    /// The link carries no request yet.
    NotRequested,
    /// The link's request is not approved yet.
    NotApproved,
    /// The user has as many open links as [`crate::limits::MAX_OPEN_DEVICE_LINKS`].
    TooManyLinks,
    /// The user has other recovery keys than were named.
    OtherRecoveries,
}

impl std::fmt::Display for Unique {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token => "the token",
            Self::UserName => "the user name",
            Self::Skeleton => "a user name that looks alike",
            Self::Email => "the e-mail address",
            Self::DeviceName => "the device name",
            Self::Certificate => "the certificate",
            Self::Room => "the room",
            Self::DirectRoom => "the direct room",
        })
    }
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Invite => "invite",
            Self::Account => "account",
            Self::Device => "device",
            Self::DeviceLink => "device link",
            Self::Certificate => "certificate",
            Self::Room => "room",
        })
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::UsedUp => "used up",
            Self::OtherUser => "for another user",
            Self::OtherEmail => "for another e-mail address",
            Self::Disabled => "the account is disabled",
            Self::DeviceRevoked => "the device is revoked",
            Self::OtherRequest => "the link is taken by another request",
            Self::NotRequested => "no request was made",
            Self::NotApproved => "the request is not approved",
            Self::TooManyLinks => "too many open device links",
            Self::OtherRecoveries => "recovery keys were added or revoked meanwhile; try again",
        })
    }
}
