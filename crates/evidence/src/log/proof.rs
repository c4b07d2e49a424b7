//! Inclusion and consistency proofs (RFC 9162, sections 2.1.3 and 2.1.4).

use super::{Hash, empty_root, node_hash};

/// A proof that does not lead to the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not lead to the root of the checkpoint")]
pub struct BadProof;

/// Shows that a leaf stands at an index of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// Index of the leaf.
    pub index: u64,
    /// Leaves of the tree.
    pub size: u64,
    /// Siblings from the leaf upwards.
    pub path: Vec<Hash>,
}

impl InclusionProof {
    /// Checks the proof for the leaf with this hash (RFC 9162, section 2.1.3.2).
    ///
    /// # Errors
    /// [`BadProof`].
    pub fn verify(&self, leaf: &Hash, root: &Hash) -> Result<(), BadProof> {
        if self.index >= self.size {
            return Err(BadProof);
        }
        let (mut fnode, mut snode, mut node) = (self.index, self.size - 1, *leaf);
        for sibling in &self.path {
            if snode == 0 {
                return Err(BadProof);
            }
            if fnode & 1 == 1 || fnode == snode {
                node = node_hash(sibling, &node);
                while fnode & 1 == 0 && fnode != 0 {
                    fnode >>= 1;
                    snode >>= 1;
                }
            } else {
                node = node_hash(&node, sibling);
            }
            fnode >>= 1;
            snode >>= 1;
        }
        if snode == 0 && node == *root { Ok(()) } else { Err(BadProof) }
    }
}

/// Shows that one tree is a prefix of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// Leaves of the earlier tree.
    pub old: u64,
    /// Leaves of the later tree.
    pub new: u64,
    /// Nodes, in the order of RFC 9162, section 2.1.4.1.
    pub path: Vec<Hash>,
}

impl ConsistencyProof {
    /// Checks the proof (RFC 9162, section 2.1.4.2). The proof from the empty tree and that between equal sizes have
    /// no nodes.
    ///
    /// # Errors
    /// [`BadProof`].
    pub fn verify(&self, old_root: &Hash, new_root: &Hash) -> Result<(), BadProof> {
        if self.old > self.new {
            return Err(BadProof);
        }
        if self.old == self.new || self.old == 0 {
            let same = if self.old == 0 { *old_root == empty_root() } else { old_root == new_root };
            let same = same && (self.new != 0 || *new_root == empty_root());
            return if same && self.path.is_empty() { Ok(()) } else { Err(BadProof) };
        }
        let whole = self.old.is_power_of_two().then_some(old_root);
        let mut path = whole.into_iter().chain(&self.path);
        let (mut fnode, mut snode) = (self.old - 1, self.new - 1);
        while fnode & 1 == 1 {
            fnode >>= 1;
            snode >>= 1;
        }
        let mut old_node = *path.next().ok_or(BadProof)?;
        let mut new_node = old_node;
        for node in path {
            if snode == 0 {
                return Err(BadProof);
            }
            if fnode & 1 == 1 || fnode == snode {
                old_node = node_hash(node, &old_node);
                new_node = node_hash(node, &new_node);
                while fnode & 1 == 0 && fnode != 0 {
                    fnode >>= 1;
                    snode >>= 1;
                }
            } else {
                new_node = node_hash(&new_node, node);
            }
            fnode >>= 1;
            snode >>= 1;
        }
        if snode == 0 && old_node == *old_root && new_node == *new_root { Ok(()) } else { Err(BadProof) }
    }
}
