//! Why a connection ended.

use channel::Alert;
use session::message::MessageError;

/// Why there is no connection, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// No TCP connection.
    #[error("cannot reach {address}: {cause}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The TCP connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// The secure channel failed.
    #[error("{}", channel_words(.0))]
    Channel(#[from] channel::Error),
    /// The server sent what cannot be read.
    #[error("the server sent {0}")]
    Message(#[from] MessageError),
    /// The server sent what its place does not allow.
    #[error("the server broke the protocol: {0}")]
    Protocol(&'static str),
    /// Nothing came for long.
    #[error("the server has gone silent")]
    Silent,
    /// The server ended the session, in order.
    #[error("the server ended the session{}", reason_words(.reason.as_deref()))]
    Closed {
        /// What it said before.
        reason: Option<String>,
    },
    /// This side ended it.
    #[error("the connection is closed")]
    Ended,
}

impl ConnectionError {
    /// Whether another try may succeed without anybody doing anything.
    pub fn heals(&self) -> bool {
        match self {
            Self::Channel(channel::Error::Certificate(_)) => false,
            // CH-62: only what is authenticated is believed.
            Self::Channel(channel::Error::Alert { alert, authenticated: true }) => !matches!(
                alert,
                Alert::CertificateRefused | Alert::CertificateExpired | Alert::CertificateRevoked
            ),
            _ => true,
        }
    }

    /// Whether the server said that this device's certificate is revoked (CH-62).
    pub(crate) fn is_revocation(&self) -> bool {
        matches!(
            self,
            Self::Channel(channel::Error::Alert { alert: Alert::CertificateRevoked, authenticated: true })
        )
    }
}

fn channel_words(error: &channel::Error) -> String {
    match error {
        channel::Error::Certificate(cause) => {
            format!(
                "the server is not the one of your organisation: {cause}; do not go on until you know why"
            )
        }
        channel::Error::Alert { alert: Alert::CertificateRevoked, authenticated: true } => {
            "this device's certificate is revoked: add it as a new device, or ask an administrator".to_owned()
        }
        channel::Error::Alert { alert: Alert::CertificateExpired, authenticated: true } => {
            "this device's certificate has expired: add it as a new device, or ask an administrator"
                .to_owned()
        }
        channel::Error::Alert { alert: Alert::CertificateRefused, authenticated: true } => {
            "the server does not accept this device's certificate: it belongs to another organisation, \
             or the server was set up anew"
                .to_owned()
        }
        other => format!("the secure channel failed: {other}"),
    }
}

fn reason_words(reason: Option<&str>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}
