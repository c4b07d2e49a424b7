//! The nodes of a tree from some leaf on.

use super::{CompactTree, ConsistencyProof, Hash, InclusionProof, empty_root, node_hash, split_level};

/// A tree that remembers its nodes from the leaf `base` on, 64 bytes a leaf, and of what is before only the
/// roots of perfect subtrees. It knows the roots at all sizes from `base`, and the proofs of all leaves from there.
#[derive(Debug, Clone)]
pub struct Tree {
    base: u64,
    compact: CompactTree,
    /// By level, the perfect subtrees known: position of the first at that level, then their roots in order.
    levels: Vec<(u64, Vec<Hash>)>,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new(CompactTree::new())
    }
}

impl Tree {
    /// A tree that goes on from `base`.
    pub fn new(base: CompactTree) -> Self {
        let size = base.size();
        let mut peaks = base.peaks().iter().rev();
        let levels = (0..u64::BITS - size.leading_zeros())
            .map(|level| {
                let position = size >> level;
                if position & 1 == 1 {
                    (position - 1, peaks.next().copied().into_iter().collect())
                } else {
                    (position, Vec::new())
                }
            })
            .collect();
        Self { base: size, compact: base, levels }
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.compact.size()
    }

    /// The size from which on everything is known.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Root of the tree.
    pub fn root(&self) -> Hash {
        self.compact.root()
    }

    /// The tree at its present size.
    pub fn compact(&self) -> &CompactTree {
        &self.compact
    }

    /// Appends a leaf hash and returns the leaf's index.
    pub fn push(&mut self, leaf: Hash) -> u64 {
        let index = self.compact.push(leaf);
        let mut node = leaf;
        let mut position = index;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push((position, Vec::new()));
            }
            let Some((first, nodes)) = self.levels.get_mut(level) else { break };
            let left = usize::try_from(position.wrapping_sub(*first).wrapping_sub(1)).ok();
            let left = left.and_then(|at| nodes.get(at)).copied();
            nodes.push(node);
            match left {
                Some(left) if position & 1 == 1 => node = node_hash(&left, &node),
                _ => break,
            }
            position >>= 1;
        }
        index
    }

    /// Hash of the leaf `index`, if known.
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        if index >= self.size() { None } else { self.subtree(index, index + 1) }
    }

    /// Root of the first `size` leaves, if known.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        if size == 0 {
            return Some(empty_root());
        }
        if size > self.size() { None } else { self.subtree(0, size) }
    }

    /// Proof that the leaf `index` is in the tree of the first `size` leaves; known for leaves from the base on.
    pub fn inclusion(&self, index: u64, size: u64) -> Option<InclusionProof> {
        if index >= size || size > self.size() {
            return None;
        }
        let mut path = Vec::new();
        let (mut low, mut high) = (0, size);
        while high - low > 1 {
            let middle = low + (1 << split_level(high - low));
            if index < middle {
                path.push(self.subtree(middle, high)?);
                high = middle;
            } else {
                path.push(self.subtree(low, middle)?);
                low = middle;
            }
        }
        path.reverse();
        Some(InclusionProof { index, size, path })
    }

    /// Proof that the tree of the first `old` leaves is a prefix of that of the first `new`; known for `old` from
    /// the base on.
    pub fn consistency(&self, old: u64, new: u64) -> Option<ConsistencyProof> {
        if old > new || new > self.size() {
            return None;
        }
        let mut path = Vec::new();
        if old > 0 && old < new {
            let (mut low, mut high) = (0, new);
            while old != high {
                let middle = low + (1 << split_level(high - low));
                if old <= middle {
                    path.push(self.subtree(middle, high)?);
                    high = middle;
                } else {
                    path.push(self.subtree(low, middle)?);
                    low = middle;
                }
            }
            if low != 0 {
                path.push(self.subtree(low, high)?);
            }
            path.reverse();
        }
        Some(ConsistencyProof { old, new, path })
    }

    /// Root of the subtree of the leaves `low..high`, which is one that stands in the tree of `high` leaves.
    pub(super) fn subtree(&self, low: u64, high: u64) -> Option<Hash> {
        let width = high - low;
        if width.is_power_of_two() {
            let level = width.ilog2();
            let (first, nodes) = self.levels.get(usize::try_from(level).ok()?)?;
            return nodes.get(usize::try_from((low >> level).checked_sub(*first)?).ok()?).copied();
        }
        let middle = low + (1 << split_level(width));
        Some(node_hash(&self.subtree(low, middle)?, &self.subtree(middle, high)?))
    }
}
