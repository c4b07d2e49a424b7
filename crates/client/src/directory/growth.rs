//! New leaves of the directory, compared with those that are held before any of them is taken.

use evidence::Hash;
use evidence::log::{CompactTree, TreeHead, leaf_hash};
use session::limits::{MAX_DIRECTORY, MAX_LEAF};

use super::{Fault, Held};

/// Leaves behind those that are held.
pub(crate) struct Growth {
    tree: CompactTree,
    /// Leaves whose hashes were held.
    pub(crate) held: u64,
    /// Index of the first.
    pub(crate) first: u64,
    /// The leaves.
    pub(crate) leaves: Vec<Vec<u8>>,
    /// The checkpoint of all.
    pub(crate) note: Vec<u8>,
}

impl Growth {
    /// Nothing yet, from the first leaf that `held` lacks on.
    pub(crate) fn after(held: &Held) -> Self {
        Self {
            tree: held.tree().compact().clone(),
            held: held.size(),
            first: held.lacks_from(),
            leaves: Vec::new(),
            note: Vec::new(),
        }
    }

    /// Index of the next leaf.
    pub(crate) fn next(&self) -> u64 {
        self.first.saturating_add(self.leaves.len() as u64)
    }

    /// The leaves with their indices.
    pub(crate) fn indexed(&self) -> impl Iterator<Item = (u64, &[u8])> {
        (self.first..).zip(self.leaves.iter().map(Vec::as_slice))
    }

    /// Hashes of those whose hashes were not held.
    pub(crate) fn hashes(&self) -> Vec<Hash> {
        self.indexed().filter(|(index, _)| *index >= self.held).map(|(_, leaf)| leaf_hash(leaf)).collect()
    }

    /// Takes the next leaves, which came with a verified checkpoint; whether these are all under it.
    pub(crate) fn take(
        &mut self,
        held: &Held,
        leaves: Vec<Vec<u8>>,
        head: TreeHead,
        note: &[u8],
    ) -> Result<bool, Fault> {
        if head.size < self.tree.size() {
            return Err(Fault::Shorter { shown: head.size, held: self.tree.size() });
        }
        if head.size > MAX_DIRECTORY {
            return Err(Fault::TooLong(head.size));
        }
        let to = self.next().saturating_add(leaves.len() as u64);
        if to > head.size || (leaves.is_empty() && to < head.size) {
            return Err(Fault::HeldBack);
        }
        for leaf in leaves {
            let (index, hash) = (self.next(), leaf_hash(&leaf));
            if index >= self.held {
                self.tree.push(hash);
            } else if held.tree().leaf(index) != Some(hash) {
                return Err(Fault::Leaf(index));
            }
            if leaf.len() > MAX_LEAF {
                return Err(Fault::Leaf(index));
            }
            self.leaves.push(leaf);
        }
        if to < head.size {
            return Ok(false);
        }
        if self.tree.root() != head.root {
            return Err(Fault::Forked);
        }
        self.note = note.to_vec();
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use evidence::directory::{Leaf, Revoke};
    use evidence::log::Tree;
    use pki::trust::Reason;

    use super::*;
    use crate::vault::StoredDirectory;

    fn leaves(count: u8) -> Vec<Vec<u8>> {
        (0..count).map(leaf).collect()
    }

    fn leaf(byte: u8) -> Vec<u8> {
        Leaf::Revoke(Revoke { certificate: [byte; 32], reason: Reason::Superseded, time_ms: 8 }).to_bytes()
    }

    fn head(leaves: &[Vec<u8>]) -> TreeHead {
        let mut tree = Tree::default();
        leaves.iter().for_each(|leaf| {
            tree.push(leaf_hash(leaf));
        });
        TreeHead { size: tree.size(), root: tree.root() }
    }

    fn stored(leaves: &[Vec<u8>]) -> StoredDirectory {
        StoredDirectory {
            hashes: leaves.iter().map(|leaf| leaf_hash(leaf)).collect(),
            note: None,
            leaves: (0..).zip(leaves.iter().cloned()).collect(),
        }
    }

    fn held(leaves: &[Vec<u8>]) -> Held {
        Held::new(stored(leaves))
    }

    fn take(held: &Held, new: &[Vec<u8>], head: TreeHead) -> Result<bool, Fault> {
        Growth::after(held).take(held, new.to_vec(), head, b"note")
    }

    #[test]
    fn a_directory_that_goes_on_is_taken_in_parts() {
        let all = leaves(20);
        let mut held = held(&all[..7]);
        let mut growth = Growth::after(&held);
        assert_eq!(growth.take(&held, all[7..9].to_vec(), head(&all[..12]), b"older"), Ok(false));
        assert_eq!(growth.take(&held, all[9..].to_vec(), head(&all), b"newest"), Ok(true));
        held.grow(growth);
        assert_eq!((held.tree().root(), held.note()), (head(&all).root, Some(&b"newest"[..])));
        assert_eq!(held.proofs(&[9; 32]).map(|proof| proof.index).collect::<Vec<_>>(), [9]);
        assert_eq!(take(&held, &[], head(&all)), Ok(true));
    }

    #[test]
    fn a_directory_that_shrinks_forks_or_holds_back_is_refused() {
        let all = leaves(9);
        let held = held(&all[..7]);
        let shorter = take(&held, &[], head(&all[..6]));
        assert_eq!(shorter, Err(Fault::Shorter { shown: 6, held: 7 }));
        for changed in 0..7 {
            let mut other = all.clone();
            other[changed] = leaf(99);
            assert_eq!(take(&held, &all[7..], head(&other)), Err(Fault::Forked));
            assert_eq!(take(&held, &[], head(&other[..7])), Err(Fault::Forked));
        }
        assert_eq!(take(&held, &[], head(&all)), Err(Fault::HeldBack));
        assert_eq!(take(&held, &all[7..], head(&all[..8])), Err(Fault::HeldBack));
        let endless = TreeHead { size: MAX_DIRECTORY + 1, root: [0; 32] };
        assert_eq!(take(&held, &all[7..], endless), Err(Fault::TooLong(MAX_DIRECTORY + 1)));
        let long = [all[..7].to_vec(), vec![vec![0; MAX_LEAF + 1]]].concat();
        assert_eq!(take(&held, &long[7..], head(&long)), Err(Fault::Leaf(7)));
    }

    #[test]
    fn a_home_that_held_hashes_alone_takes_the_leaves_of_these_hashes_and_no_others() {
        let all = leaves(9);
        let mut earlier = stored(&all[..7]);
        earlier.leaves.retain(|(index, _)| [0, 1, 4].contains(index));
        let mut held = Held::new(earlier);
        assert_eq!(held.lacks_from(), 2);
        let mut other = all.clone();
        other[5] = leaf(99);
        assert_eq!(take(&held, &other[2..], head(&all)), Err(Fault::Leaf(5)));
        let mut growth = Growth::after(&held);
        assert_eq!(growth.take(&held, all[2..].to_vec(), head(&all), b"note"), Ok(true));
        assert_eq!(growth.hashes().len(), 2);
        held.grow(growth);
        assert_eq!((held.lacks_from(), held.tree().root()), (9, head(&all).root));
        assert!((0..9).all(|byte| held.revocation(&[byte; 32]).is_some()));
    }
}
