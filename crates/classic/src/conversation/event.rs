//! What happens in a conversation.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

/// Something that happened, in one session with one peer.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// Number of the session, from 1 in each server; 1 in a client.
    pub session: u64,
    /// The other side.
    pub peer: SocketAddr,
    /// What it was.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// A connection was made.
    Connected,
    /// The other side's certificate was accepted.
    Certified {
        /// Its common name.
        name: String,
        /// Hex SHA-256 of its DER.
        fingerprint: String,
    },
    /// An account was made.
    Registered {
        /// User name.
        user: String,
        /// E-mail address, where the protocol has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        email: Option<String>,
    },
    /// Somebody logged in.
    LoggedIn {
        /// User name or e-mail address, as the protocol has it.
        user: String,
    },
    /// Something was said to us.
    Message {
        /// Who said it.
        from: String,
        /// Its sequence number, where the protocol has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        seqno: Option<u64>,
        /// The decrypted text.
        text: String,
    },
    /// We said something, and it is on its way.
    Sent {
        /// Its sequence number, where the protocol has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        seqno: Option<u64>,
        /// The text.
        text: String,
    },
    /// Something that the other side sent was not accepted.
    Rejected {
        /// The protocol's name for it.
        error: String,
    },
    /// The other side did not accept something of ours.
    Refused {
        /// Its words.
        error: String,
    },
    /// The other side's receipt came.
    Receipt {
        /// Its transcript's hash, hex.
        transcript_sha256: String,
        /// Whether its signature verifies.
        signature: bool,
        /// Whether its transcript is ours.
        same_transcript: bool,
    },
    /// The session's files are written.
    Saved {
        /// Our receipt, or the transcript where the protocol has no receipt of ours.
        file: PathBuf,
    },
    /// The session is over.
    Disconnected {
        /// Why, if it did not end in order.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
}

/// Tells what happens in one session.
#[derive(Clone)]
pub struct Reporter {
    session: u64,
    peer: SocketAddr,
    sink: Arc<dyn Fn(Event) + Send + Sync>,
}

impl Reporter {
    /// Reports to `sink` as session `session` with `peer`.
    pub fn new(session: u64, peer: SocketAddr, sink: Arc<dyn Fn(Event) + Send + Sync>) -> Self {
        Self { session, peer, sink }
    }

    /// Number of the session.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// The other side.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Tells one thing.
    pub fn tell(&self, what: What) {
        (self.sink)(Event { session: self.session, peer: self.peer, what });
    }
}
