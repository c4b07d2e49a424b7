//! One proof for a set of leaves: the rest of the tree as perfect subtrees (EV-23).

use std::collections::BTreeSet;

use super::{BadProof, CompactTree, Hash, Tree};

/// The subtrees that fill the leaves `low..high`, left to right, as (first leaf, level).
fn fill(low: u64, high: u64) -> impl Iterator<Item = (u64, u32)> {
    let mut at = low;
    std::iter::from_fn(move || {
        let room = high.checked_sub(at).filter(|room| *room > 0)?;
        let level = at.trailing_zeros().min(room.ilog2());
        let subtree = (at, level);
        at += 1 << level;
        Some(subtree)
    })
}

/// The cover proof of the leaves `indices` (ascending) in `tree`, which knows all its leaves (base 0). Runs are broken at
/// the sizes `marks`, so that the verifier comes to know the roots at these too.
/// `None` if an index is not in the tree, not above the one before it, or a node is not known.
pub fn prove(
    tree: &Tree,
    indices: impl IntoIterator<Item = u64>,
    marks: &BTreeSet<u64>,
) -> Option<Vec<Hash>> {
    let mut hashes = Vec::new();
    let mut next = 0;
    for index in indices.into_iter().chain([tree.size()]) {
        if index < next || index > tree.size() {
            return None;
        }
        for stop in marks.range(next..index).copied().chain([index]) {
            for (at, level) in fill(next, stop) {
                hashes.push(tree.subtree(at, at + (1 << level))?);
            }
            next = stop;
        }
        next = index + 1;
    }
    Some(hashes)
}

/// Checks a cover proof leaf by leaf: what comes from outside is `proof`, an iterator over its hashes.
#[derive(Debug)]
pub struct Check<P> {
    size: u64,
    proof: P,
}

impl<P: Iterator<Item = Hash>> Check<P> {
    /// A check against a tree of `size` leaves.
    pub fn new(size: u64, proof: P) -> Self {
        Self { size, proof }
    }

    /// Fills `tree` from the proof up to the leaf `index`, which the caller then appends, or up to a mark.
    ///
    /// # Errors
    /// [`BadProof`] if the proof has too few hashes or `index` is behind the tree or outside.
    pub fn fill_to(&mut self, tree: &mut CompactTree, index: u64) -> Result<(), BadProof> {
        if index < tree.size() || index > self.size {
            return Err(BadProof);
        }
        for (_, level) in fill(tree.size(), index) {
            let hash = self.proof.next().ok_or(BadProof)?;
            tree.push_subtree(level, hash).map_err(|_| BadProof)?;
        }
        Ok(())
    }

    /// Fills the rest of the tree and compares its root.
    ///
    /// # Errors
    /// [`BadProof`] also if hashes are left over.
    pub fn finish(mut self, mut tree: CompactTree, root: &Hash) -> Result<(), BadProof> {
        let size = self.size;
        self.fill_to(&mut tree, size)?;
        if self.proof.next().is_none() && tree.root() == *root { Ok(()) } else { Err(BadProof) }
    }
}
