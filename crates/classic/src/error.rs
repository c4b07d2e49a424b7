//! What can go wrong in a classic conversation, by blame.

use crate::certificate::{CertificateFault, FolderError};
use crate::users::UserStoreError;

/// Why a conversation, or the making of one, failed.
#[derive(Debug, thiserror::Error)]
pub enum ClassicError {
    /// The peer sent what is no message of this protocol, or not one for this moment.
    #[error("the other side sent what does not fit the protocol: {0}")]
    Malformed(String),
    /// The peer's certificate is not accepted. The text is the one that goes over the wire.
    #[error("BAD_CERT: {}", .0.classic_text())]
    BadCertificate(CertificateFault),
    /// A sequence number that is not above the last one.
    #[error("REPLAY")]
    Replay,
    /// A signature that does not verify.
    #[error("SIG_FAIL")]
    BadSignature,
    /// A message authentication code that does not fit (key-transport).
    #[error("the authentication code of a message does not fit")]
    BadCode,
    /// A public Diffie-Hellman value or a group that is not accepted.
    #[error("the other side's Diffie-Hellman value cannot be used: {0}")]
    DiffieHellman(&'static str),
    /// What should decrypt does not.
    #[error("what the other side sent does not decrypt")]
    Decryption,
    /// What should decrypt does not, and the peer's value is of the 768-bit group while ours is not.
    #[error(
        "the other side's Diffie-Hellman value has at most 768 bits: it uses the weak group of the existing programs, which --weak-group uses too"
    )]
    WeakGroup,
    /// The peer said no, in its own words.
    #[error("the other side refused: {0}")]
    Refused(String),
    /// We said no, in the protocol's own words, and the peer was told.
    #[error("{0}")]
    Denied(String),
    /// A named limit was passed.
    #[error("the other side passed the limit of {limit} {what}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// The most that is allowed.
        limit: usize,
    },
    /// A text of our own that is longer than a message may be.
    #[error("a text has more than {limit} bytes, and was not sent; say it in several")]
    TextTooLong {
        /// The most that is allowed.
        limit: usize,
    },
    /// The peer ended the connection before the protocol did.
    #[error("the other side ended the connection {0}")]
    Ended(&'static str),
    /// The peer took too long.
    #[error("the other side took longer than {seconds} s {what}")]
    Late {
        /// What was waited for.
        what: &'static str,
        /// The time it had.
        seconds: u64,
    },
    /// Files of certificates and keys that cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The user store failed.
    #[error(transparent)]
    Users(#[from] UserStoreError),
    /// A local file or the network failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// How it failed.
        source: std::io::Error,
    },
    /// The library of primitives refused our own input, or has no randomness.
    #[error("a cryptographic operation failed")]
    Cryptography,
}

impl From<aws_lc_rs::error::Unspecified> for ClassicError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Cryptography
    }
}

impl ClassicError {
    /// What cannot be read, for a reason that is put into words here.
    pub fn malformed(why: impl ToString) -> Self {
        Self::Malformed(why.to_string())
    }

    /// A failure of the network or a file.
    pub fn io(what: impl ToString, source: std::io::Error) -> Self {
        Self::Io { what: what.to_string(), source }
    }

    /// Whether it failed here, by no fault of the other side: what it says is for our own log alone.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Users(error) => !matches!(error, UserStoreError::OutOfBounds(_)),
            Self::Folder(_) | Self::Io { .. } | Self::Cryptography => true,
            _ => false,
        }
    }

    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::BadCertificate(_) => "bad-cert",
            Self::Replay => "replay",
            Self::BadSignature => "sig-fail",
            Self::BadCode => "bad-code",
            Self::DiffieHellman(_) => "bad-dh",
            Self::Decryption => "decryption",
            Self::WeakGroup => "weak-group",
            Self::Refused(_) => "refused",
            Self::Denied(_) => "denied",
            Self::Limit { .. } => "limit",
            Self::TextTooLong { .. } => "text-too-long",
            Self::Ended(_) => "ended",
            Self::Late { .. } => "late",
            Self::Folder(_) => "certificates",
            Self::Users(_) => "users",
            Self::Io { .. } => "io",
            Self::Cryptography => "cryptography",
        }
    }
}
