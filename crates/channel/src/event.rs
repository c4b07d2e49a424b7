//! What comes out of a connection, and what its login puts in.

use std::fmt;

use pki::VerifiedCertificate;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Suite;

/// Who is at the other end.
#[derive(Debug)]
pub enum Peer {
    /// A client that showed no certificate.
    Anonymous,
    /// A peer whose certificate was verified for its role.
    Certified(VerifiedCertificate),
}

/// What a connection has to say. `Debug` shows how much data there is, not which.
pub enum Event {
    /// The handshake is done; data can be sent.
    Established {
        /// The peer; always certified on the client's side.
        peer: Peer,
        /// The suite in use.
        suite: Suite,
        /// The root certificate (DER) that matched the fingerprint, on a client that knew only that.
        pinned_root: Option<Vec<u8>>,
    },
    /// The next bytes of the peer's stream, 1 to 16,384. Their division means nothing.
    Data(Vec<u8>),
    /// Both directions have reached this epoch, and the peer has proved its key. [`Event::Data`] before this event came
    /// under the epoch before, [`Event::Data`] after it under this one.
    EpochChanged(u32),
    /// The peer has sent its last byte, in order.
    PeerClosed,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Established { peer, suite, pinned_root } => f
                .debug_struct("Established")
                .field("peer", peer)
                .field("suite", suite)
                .field("is_root_pinned", &pinned_root.is_some())
                .finish(),
            Self::Data(data) => write!(f, "Data({} bytes)", data.len()),
            Self::EpochChanged(number) => write!(f, "EpochChanged({number})"),
            Self::PeerClosed => f.write_str("PeerClosed"),
        }
    }
}

/// The session key of an OPAQUE login, 64 bytes, erased when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct OpaqueSessionKey([u8; 64]);

impl OpaqueSessionKey {
    /// Takes the key.
    #[must_use]
    pub fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for OpaqueSessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueSessionKey(..)")
    }
}

/// How the client logged in (CH-51). Both sides give the same, or their keys differ.
#[derive(Debug)]
pub struct LoginBinding {
    /// The method's number in `docs/session.md`.
    pub method: u8,
    /// The user, at most 255 bytes.
    pub user: Vec<u8>,
    /// The device, at most 255 bytes.
    pub device: Vec<u8>,
    /// OPAQUE's session key, where the login was one by password.
    pub opaque_session_key: Option<OpaqueSessionKey>,
}
