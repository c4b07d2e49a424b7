//! Whom a side trusts and who it is.

use std::fmt;
use std::sync::Arc;

use pki::ed25519::SigningKey;
use pki::{Chain, Fingerprint, Organisation, Revocations, TrustStore};

use crate::Suite;
use crate::handshake::chain;

/// Why a chain cannot be shown in a handshake.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum IdentityError {
    /// The chain has too few or too many certificates (CH-12).
    #[error("a chain of {0} certificates cannot be shown in the handshake")]
    Count(usize),
    /// The encoded chain is too long, or a certificate is empty (CH-10, CH-12).
    #[error("the chain's certificates are too long for the handshake")]
    Size,
}

/// A device's chain and key.
pub struct ClientIdentity {
    chain: Vec<u8>,
    key: SigningKey,
}

impl ClientIdentity {
    /// Takes 1 to 3 certificates, leaf first, without the root, and the leaf's key.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn new(chain: &Chain, key: SigningKey) -> Result<Self, IdentityError> {
        Ok(Self { chain: chain::encode_client(chain)?, key })
    }

    pub(crate) fn chain(&self) -> &[u8] {
        &self.chain
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientIdentity({:?})", self.key.public())
    }
}

/// A server's chain and key.
pub struct ServerIdentity {
    chain: Vec<u8>,
    key: SigningKey,
}

impl ServerIdentity {
    /// Takes 2 to 4 certificates, leaf first, root last, and the leaf's key.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn new(chain: &Chain, key: SigningKey) -> Result<Self, IdentityError> {
        Ok(Self { chain: chain::encode_server(chain)?, key })
    }

    pub(crate) fn chain(&self) -> &[u8] {
        &self.chain
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }
}

impl fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerIdentity({:?})", self.key.public())
    }
}

/// How a client knows its server.
#[derive(Clone)]
pub enum ServerTrust {
    /// By its organisation's root (CH-20).
    Anchors {
        /// The roots.
        store: Arc<TrustStore>,
        /// The organisation the server must belong to.
        organisation: Organisation,
        /// What is known to be revoked.
        revocations: Arc<dyn Revocations + Send + Sync>,
    },
    /// By the fingerprint of its root certificate alone, from an invite (CH-21).
    PinnedRoot(Fingerprint),
}

impl fmt::Debug for ServerTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anchors { organisation, .. } => {
                f.debug_struct("Anchors").field("organisation", organisation).finish_non_exhaustive()
            }
            Self::PinnedRoot(hash) => f.debug_tuple("PinnedRoot").field(hash).finish(),
        }
    }
}

/// A client's configuration.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// How the server is known.
    pub trust: ServerTrust,
    /// Who we are; none for an anonymous client.
    pub identity: Option<Arc<ClientIdentity>>,
    /// Suites to offer, most wanted first.
    pub suites: Vec<Suite>,
}

/// A server's configuration.
#[derive(Clone)]
pub struct ServerConfig {
    /// Who we are.
    pub identity: Arc<ServerIdentity>,
    /// The roots of client certificates.
    pub trust: Arc<TrustStore>,
    /// What is revoked.
    pub revocations: Arc<dyn Revocations + Send + Sync>,
    /// Suites that may be taken; the client's order decides.
    pub suites: Vec<Suite>,
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("identity", &self.identity)
            .field("suites", &self.suites)
            .finish_non_exhaustive()
    }
}
