//! The Merkle log of RFC 9162, section 2.1, with SHA-256 (EV-21).
//!
//! - [`CompactTree`]: what a server keeps of a room in memory: append and root.
//! - [`Tree`]: the nodes from some leaf on: roots at earlier sizes and proofs.
//! - [`InclusionProof`], [`ConsistencyProof`]: checked against roots.
//! - [`cover`]: one proof for a set of leaves (EV-23).
//!
//! Called by servers, clients and the verifier alike.

mod compact;
pub mod cover;
mod proof;
mod tree;

pub use compact::{BadTree, CompactTree};
pub use proof::{BadProof, ConsistencyProof, InclusionProof};
pub use tree::Tree;

use crate::hash::{Hash, hash_parts};

/// Most leaves that a log may have: far more than any room, and far from overflow.
pub const MAX_SIZE: u64 = 1 << 48;

/// Size and root of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeHead {
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
}

impl TreeHead {
    /// The log without entries.
    pub fn empty() -> Self {
        Self { size: 0, root: empty_root() }
    }
}

/// Hash of the leaf whose exact bytes are `entry`: `SHA-256(0x00 | entry)`.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    hash_parts(&[&[0], entry])
}

/// Hash of the node over `left` and `right`: `SHA-256(0x01 | left | right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    hash_parts(&[&[1], left, right])
}

/// Root of the tree without leaves: `SHA-256("")`.
pub fn empty_root() -> Hash {
    hash_parts(&[])
}

/// The largest power of two below `n`, as its exponent; `n` is at least 2 (RFC 9162, section 2.1.1).
fn split_level(n: u64) -> u32 {
    (n - 1).ilog2()
}

#[cfg(test)]
mod tests;
