//! What an entry is held against beside the state of its room.

use std::collections::HashMap;

use pki::VerifiedCertificate;

use crate::hash::Hash;
use crate::log::Tree;

/// Certificates that the caller has verified, and, for a user's second and later ones, found vouched for (EV-20).
pub trait Certificates {
    /// The certificate with this SHA-256.
    fn certificate(&self, hash: &Hash) -> Option<VerifiedCertificate>;
}

impl<S: std::hash::BuildHasher> Certificates for HashMap<Hash, VerifiedCertificate, S> {
    fn certificate(&self, hash: &Hash) -> Option<VerifiedCertificate> {
        self.get(hash).cloned()
    }
}

/// The log below the next index.
pub trait Roots {
    /// The root of the first `size` entries; `None` if this is not known here.
    fn root_at(&self, size: u64) -> Option<Hash>;

    /// The leaf hash of the entry at `index`; `None` if this is not known here.
    fn leaf_at(&self, index: u64) -> Option<Hash>;
}

impl Roots for Tree {
    fn root_at(&self, size: u64) -> Option<Hash> {
        Self::root_at(self, size)
    }

    fn leaf_at(&self, index: u64) -> Option<Hash> {
        self.leaf(index)
    }
}

/// What an entry is held against beside the room's state.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Certificates of devices that are added and of logs.
    pub certificates: &'a dyn Certificates,
    /// Earlier roots, and leaves.
    pub roots: &'a dyn Roots,
    /// The server's time in Unix milliseconds where it is the judge of the sender's (EV-13).
    pub now_ms: Option<u64>,
}

/// Whether the checkpoint that a sender saw could be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is a prefix of the log.
    Prefix,
    /// [`Roots`] does not know the root at its size.
    Unknown,
}
