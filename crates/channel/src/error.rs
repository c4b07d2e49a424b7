//! Errors by blame, and what the peer is told of each.

use pki::CertificateError;

use crate::Alert;

/// Why a connection ended, or why a call was refused.
///
/// All but [`Error::Misuse`] leave the connection dead, with the alert for the peer in `poll_transmit`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bytes that are not what they should be.
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    /// Well-formed bytes that an honest peer over an honest network does not send.
    #[error("the peer or the network broke the protocol: {0}")]
    Misbehaved(#[from] Misbehaviour),
    /// A peer with which there is nothing in common.
    #[error("incompatible: {0}")]
    Incompatible(#[from] Incompatible),
    /// The peer's certificate is not accepted.
    #[error("the peer's certificate is refused: {0}")]
    Certificate(#[from] CertificateError),
    /// The peer ended the connection with an alert. An unauthenticated one may come from anybody on the way:
    /// it ends this connection and must not lead to another way of connecting (CH-62).
    #[error("the peer ended the connection: {}", alert.meaning())]
    Alert {
        /// What it said.
        alert: Alert,
        /// Whether it was sealed under the connection's keys.
        authenticated: bool,
    },
    /// The handshake was not done in time (CH-70).
    #[error("the handshake was not done within 10 seconds")]
    TooSlow,
    /// The stream ended without the peer's close (CH-64): something may be missing.
    #[error("the connection was cut off")]
    Truncated,
    /// The keys of the epoch are used up (CH-72).
    #[error("the keys of this epoch are used up")]
    EpochUsedUp,
    /// A call that the state does not allow. The connection is as it was.
    #[error("misuse: {0}")]
    Misuse(#[from] Misuse),
    /// A failure on this side.
    #[error(transparent)]
    Local(#[from] LocalFailure),
}

/// What could not be read.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// A frame type that does not exist (CH-2).
    #[error("frame type {0}")]
    FrameType(u8),
    /// A frame header with an epoch or length that its type cannot have (CH-3, CH-4).
    #[error("frame header")]
    FrameHeader,
    /// M1 (CH-8).
    #[error("M1")]
    ClientHello,
    /// M2 (CH-9, CH-13).
    #[error("M2")]
    ServerHello,
    /// M3 (CH-11, CH-13).
    #[error("M3")]
    ClientFinish,
    /// A sealed alert (CH-61).
    #[error("sealed alert")]
    SealedAlert,
    /// The plaintext of a record (CH-41, CH-42, CH-46).
    #[error("record")]
    Record,
}

/// What an honest peer does not do.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    /// A frame type that the state does not take (CH-14).
    #[error("a frame that this state does not take")]
    UnexpectedFrame,
    /// A record kind that the state does not take (CH-46, CH-55, CH-57, CH-58).
    #[error("a record that this state does not take")]
    UnexpectedRecord,
    /// A suite that was not offered (CH-19).
    #[error("a suite that was not offered")]
    SuiteNotOffered,
    /// A share that is refused (CH-15).
    #[error("a key share that is refused")]
    BadShare,
    /// Sealed bytes of the handshake that do not open.
    #[error("a sealed handshake message that does not open")]
    BadSeal,
    /// A finished value that differs.
    #[error("a finished value that differs")]
    BadFinished,
    /// A signature over the transcript that does not verify.
    #[error("a handshake signature that does not verify")]
    BadSignature,
    /// A server of another organisation (CH-19).
    #[error("the server belongs to another organisation")]
    OtherOrganisation,
    /// A record that does not open (CH-44).
    #[error("a record that does not open")]
    BadRecord,
    /// A record of another epoch (CH-45).
    #[error("a record of epoch {got} where {current} is current")]
    WrongEpoch {
        /// The epoch the record names.
        got: u32,
        /// The receiver's.
        current: u32,
    },
    /// A confirm that differs (CH-24, CH-55).
    #[error("a key confirmation that differs")]
    BadConfirm,
    /// An epoch number that is not the next (CH-57).
    #[error("an epoch number that is not the next")]
    BadEpochNumber,
    /// Bytes after the peer's close (CH-64).
    #[error("bytes after close")]
    AfterClose,
}

/// What is not in common.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum Incompatible {
    /// Another version field (CH-8).
    #[error("version {0}")]
    Version(u16),
    /// No suite in common (CH-8).
    #[error("no suite in common")]
    NoCommonSuite,
}

/// What the caller did wrong.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum Misuse {
    /// The connection is not established yet.
    #[error("the connection is not established")]
    NotEstablished,
    /// The connection ended with an error.
    #[error("the connection has failed")]
    Dead,
    /// `close` was called, or the peer closed and nothing more can follow.
    #[error("the connection is closed")]
    Closed,
    /// A call for the other side.
    #[error("only the other side can do this")]
    WrongSide,
    /// A rekey before `bind_login`.
    #[error("the login is not bound yet")]
    NoLogin,
    /// `bind_login` a second time, or with a name that is too long (CH-51, CH-74).
    #[error("the login cannot be bound like this")]
    BadLogin,
    /// A rekey while one is under way, or a second request in an epoch.
    #[error("a rekey is under way")]
    RekeyUnderWay,
    /// No suite in the configuration.
    #[error("no suite is configured")]
    NoSuite,
}

/// What failed on this side.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum LocalFailure {
    /// The cryptographic library or its random generator.
    #[error("the cryptographic library failed")]
    Cryptography,
}

impl Error {
    /// What the peer is told (CH-60); nothing where it is gone, spoke last, or did nothing.
    #[must_use]
    pub fn alert(&self) -> Option<Alert> {
        Some(match self {
            Self::Malformed(_) => Alert::Malformed,
            Self::Misbehaved(misbehaviour) => match misbehaviour {
                Misbehaviour::UnexpectedFrame
                | Misbehaviour::UnexpectedRecord
                | Misbehaviour::BadEpochNumber
                | Misbehaviour::AfterClose => Alert::UnexpectedMessage,
                Misbehaviour::OtherOrganisation => Alert::CertificateRefused,
                Misbehaviour::SuiteNotOffered
                | Misbehaviour::BadShare
                | Misbehaviour::BadSeal
                | Misbehaviour::BadFinished
                | Misbehaviour::BadSignature => Alert::HandshakeFailed,
                Misbehaviour::BadRecord | Misbehaviour::WrongEpoch { .. } | Misbehaviour::BadConfirm => {
                    Alert::RecordRefused
                }
            },
            Self::Incompatible(_) => Alert::NothingInCommon,
            Self::Certificate(error) => certificate_alert(error),
            Self::TooSlow => Alert::TooSlow,
            Self::EpochUsedUp => Alert::EpochUsedUp,
            Self::Local(LocalFailure::Cryptography) => Alert::LocalFailure,
            Self::Alert { .. } | Self::Truncated | Self::Misuse(_) => return None,
        })
    }
}

fn certificate_alert(error: &CertificateError) -> Alert {
    match error {
        CertificateError::Expired { .. } | CertificateError::NotYetValid { .. } => Alert::CertificateExpired,
        CertificateError::Revoked { .. } => Alert::CertificateRevoked,
        _ => Alert::CertificateRefused,
    }
}
