//! What can go wrong, by whom it is to be put right.

use std::path::PathBuf;
use std::sync::Arc;

use evidence::refusal::Reason;
use evidence::room::RoomId;
use pki::CertificateError;
use pki::password::WeakPassword;
use session::message::FailureCode;

use crate::connection::ConnectionError;
use crate::vault::VaultError;

/// Why the client did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no home in this folder.
    #[error("there is no home in {}: join an organisation first", .0.display())]
    NoHome(PathBuf),
    /// There is one already.
    #[error("there is a home in {} already; choose another folder, or use that one", .0.display())]
    HomeExists(PathBuf),
    /// What was typed cannot be used.
    #[error("{0}")]
    Input(String),
    /// No such room, user or device, as far as this device knows.
    #[error("{0}")]
    NotFound(String),
    /// The name fits several.
    #[error("{0}")]
    Ambiguous(String),
    /// The name is taken.
    #[error("{0}")]
    Exists(String),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The connection.
    #[error(transparent)]
    Connection(#[from] Arc<ConnectionError>),
    /// The server refused a request.
    #[error("{message}")]
    Failed {
        /// Why, for programs.
        code: FailureCode,
        /// Why, for people.
        message: String,
        /// When another try makes sense, in milliseconds from now.
        retry_ms: Option<u64>,
    },
    /// Wrong password, disabled account, or not the server that this account is on.
    #[error(
        "the server does not accept this login: wrong password, or the account is disabled; try again, or ask an administrator"
    )]
    Login,
    /// The password of an earlier system opens the account, but cannot be kept.
    #[error("this is the password that you had, but it cannot be used any longer: {0}. Choose a new one")]
    NewPassword(WeakPassword),
    /// A certificate is refused.
    #[error("a certificate is refused: {0}")]
    Certificate(#[from] CertificateError),
    /// What the server showed does not stand.
    #[error("what the server shows cannot be trusted: {0}")]
    Untrusted(String),
    /// The server refused a statement for good; the refusal is signed and stored.
    #[error("the server refused the message: {0}")]
    Refused(Reason),
    /// This machine's clock and the server's are too far apart for statements to be taken.
    #[error(
        "this machine's clock is {} s away from the server's; set it, then messages that wait are sent",
        .0 / 1000
    )]
    Clock(
        /// Distance in milliseconds.
        u64,
    ),
    /// The room's log contradicted itself; it is not followed any more.
    #[error(
        "room {0} is stopped: the server showed two histories that contradict each other, and both are kept"
    )]
    Stopped(RoomId),
    /// The room is of content suite 0, which an earlier version made.
    #[error(
        "this room is not encrypted: an earlier version made it. It can be read and exported; create a new room to talk in"
    )]
    Unencrypted,
    /// This device is not a member of the room.
    #[error("you are not a member of this room; somebody who is can add you")]
    NotAMember,
    /// There is no connection now; it is being tried again.
    #[error("not connected to the server now")]
    Offline,
    /// Files cannot be handed in now; it is tried again.
    #[error("{0}; the message waits in your home and goes out by itself")]
    Waits(Arc<ClientError>),
    /// The client has ended.
    #[error(transparent)]
    Ended(#[from] Arc<ClientError>),
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
    /// The keys of an encrypted room.
    #[error("the keys of the room cannot be used: {0}")]
    Keys(#[from] group::GroupError),
    /// The cryptographic library failed.
    #[error("the cryptographic library failed")]
    Cryptography,
    /// A file could not be written.
    #[error("cannot write: {0}")]
    Write(#[from] std::io::Error),
    /// Evidence could not be put together.
    #[error("the evidence cannot be written: {0}")]
    Bundle(String),
}

impl ClientError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoHome(_) => "no-home",
            Self::HomeExists(_) => "home-exists",
            Self::Input(_) => "input",
            Self::NotFound(_) => "not-found",
            Self::Ambiguous(_) => "ambiguous",
            Self::Exists(_) => "exists",
            Self::Vault(VaultError::WrongPassword) => "wrong-password",
            Self::Vault(VaultError::Newer { .. }) => "newer-home",
            Self::Vault(_) => "home",
            Self::Connection(error) if error.heals() => "connection",
            Self::Connection(_) => "not-trusted",
            Self::Failed { code, .. } => code.name(),
            Self::Login => "credentials",
            Self::NewPassword(_) => "new-password",
            Self::Certificate(error) => error.code(),
            Self::Untrusted(_) => "not-trusted",
            Self::Refused(reason) => reason.code(),
            Self::Clock(_) => "clock",
            Self::Stopped(_) => "stopped",
            Self::Unencrypted => "unencrypted",
            Self::NotAMember => "not-a-member",
            Self::Offline => "offline",
            Self::Waits(_) => "queued",
            Self::Ended(cause) => cause.code(),
            Self::Closed => "closed",
            Self::Keys(_) => "keys",
            Self::Cryptography => "cryptography",
            Self::Write(_) => "write",
            Self::Bundle(_) => "bundle",
        }
    }

    /// Whether another try may succeed without anybody doing anything.
    pub fn heals(&self) -> bool {
        match self {
            Self::Connection(error) => error.heals(),
            Self::Failed { code, .. } => {
                matches!(code, FailureCode::RateLimited | FailureCode::Unavailable | FailureCode::Conflict)
            }
            Self::Offline => true,
            _ => false,
        }
    }

    /// Whether it is about this machine and its home, so that it is no better without the server.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Ended(cause) => cause.is_local(),
            error => matches!(error, Self::Vault(_) | Self::Cryptography | Self::Write(_)),
        }
    }

    /// Whether the server refuses this device because its certificate is revoked.
    pub(crate) fn is_revocation(&self) -> bool {
        match self {
            Self::Ended(cause) => cause.is_revocation(),
            Self::Connection(error) => error.is_revocation(),
            _ => false,
        }
    }

    pub(crate) fn unexpected() -> Self {
        Self::Untrusted("an answer that does not fit the request".to_owned())
    }
}

impl From<session::login::LoginError> for ClientError {
    fn from(error: session::login::LoginError) -> Self {
        match error {
            session::login::LoginError::Refused => Self::Login,
            session::login::LoginError::Malformed => Self::unexpected(),
            session::login::LoginError::Local => Self::Cryptography,
        }
    }
}

impl From<pki::ed25519::KeyError> for ClientError {
    fn from(_: pki::ed25519::KeyError) -> Self {
        Self::Cryptography
    }
}
