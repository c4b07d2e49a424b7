//! The organisation's log of certificates and revocations.

use crate::Hash;

/// Growth of the directory, if its size is still the expected one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryAppend {
    /// Size before, and index of the first leaf.
    pub expected_size: u64,
    /// The leaves, at least one.
    pub leaves: Vec<DirectoryLeaf>,
    /// Compact tree state after them.
    pub frontier: Vec<u8>,
    /// Signed checkpoint after them.
    pub checkpoint: Vec<u8>,
}

/// One leaf of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryLeaf {
    /// The leaf's exact bytes.
    pub leaf: Vec<u8>,
    /// Its leaf hash (RFC 9162, section 2.1.1).
    pub leaf_hash: Hash,
    /// What it says, as far as the store keeps an index of it.
    pub kind: LeafKind,
}

/// What a leaf says, as far as the store keeps an index of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeafKind {
    /// A certificate was issued.
    Issued(NewCertificate),
    /// A certificate, issued before, is revoked. If it is a device's, the device is out of force.
    Revoked {
        /// Its hash.
        certificate: Hash,
        /// When, unix milliseconds.
        at_ms: u64,
    },
    /// Anything else.
    Other,
}

/// A certificate to be kept with its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCertificate {
    /// SHA-256 of its DER.
    pub hash: Hash,
    /// Its chain, leaf first, encoded by the caller.
    pub chain: Vec<u8>,
}

/// A certificate as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of its DER.
    pub hash: Hash,
    /// Its chain, leaf first, as the caller encoded it.
    pub chain: Vec<u8>,
    /// Directory index of the leaf that issued it.
    pub directory_index: u64,
    /// Its revocation.
    pub revoked: Option<Revocation>,
}

/// A revocation, decided by its place in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Directory index of the leaf that revoked it.
    pub directory_index: u64,
    /// When, unix milliseconds.
    pub at_ms: u64,
}

/// The directory's newest state. Frontier and checkpoint are empty while `size` is 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryHead {
    /// Number of leaves.
    pub size: u64,
    /// Compact tree state.
    pub frontier: Vec<u8>,
    /// Signed checkpoint.
    pub checkpoint: Vec<u8>,
}

/// One leaf as it was entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// Directory index, from 0.
    pub index: u64,
    /// The leaf's exact bytes.
    pub leaf: Vec<u8>,
    /// Its leaf hash.
    pub leaf_hash: Hash,
}
