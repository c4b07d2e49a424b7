//! New leaves of the directory, compared with those that are held before any of them is taken.

use evidence::Hash;
use evidence::directory::Leaf;
use evidence::log::{CompactTree, TreeHead, leaf_hash};
use session::limits::MAX_DIRECTORY;

use super::{Fault, Held};

/// Leaves behind those that are held.
pub(crate) struct Growth {
    tree: CompactTree,
    /// Index of the first.
    pub(crate) first: u64,
    /// Their hashes.
    pub(crate) hashes: Vec<Hash>,
    /// Those of them that revoke.
    pub(crate) revocations: Vec<(u64, Vec<u8>)>,
    /// The checkpoint of all.
    pub(crate) note: Vec<u8>,
}

impl Growth {
    /// Nothing yet, behind `held`.
    pub(crate) fn after(held: &Held) -> Self {
        Self {
            tree: held.tree().compact().clone(),
            first: held.size(),
            hashes: Vec::new(),
            revocations: Vec::new(),
            note: Vec::new(),
        }
    }

    /// Number of leaves, those that are held included.
    pub(crate) fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Takes the next leaf hashes and revoke leaves, which came with a verified checkpoint; whether these are all leaves under it.
    pub(crate) fn take(
        &mut self,
        hashes: &[Hash],
        revocations: Vec<(u64, Vec<u8>)>,
        head: TreeHead,
        note: &[u8],
    ) -> Result<bool, Fault> {
        let from = self.size();
        if head.size < from {
            return Err(Fault::Shorter { shown: head.size, held: from });
        }
        if head.size > MAX_DIRECTORY {
            return Err(Fault::TooLong(head.size));
        }
        let to = from.saturating_add(u64::try_from(hashes.len()).unwrap_or(u64::MAX));
        if to > head.size || (hashes.is_empty() && to < head.size) {
            return Err(Fault::HeldBack);
        }
        for (index, leaf) in revocations {
            let at = index.checked_sub(from).and_then(|at| usize::try_from(at).ok());
            let stands = at.and_then(|at| hashes.get(at)) == Some(&leaf_hash(&leaf));
            let again = self.revocations.last().is_some_and(|(last, _)| *last >= index);
            if again || !stands || !matches!(Leaf::from_bytes(&leaf), Ok(Leaf::Revoke(_))) {
                return Err(Fault::Leaf(index));
            }
            self.revocations.push((index, leaf));
        }
        hashes.iter().for_each(|hash| {
            self.tree.push(*hash);
        });
        self.hashes.extend_from_slice(hashes);
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
    use evidence::directory::Revoke;
    use evidence::log::Tree;
    use pki::trust::Reason;

    use super::*;
    use crate::vault::StoredDirectory;

    fn hash(byte: u8) -> Hash {
        [byte; 32]
    }

    fn head(hashes: &[Hash]) -> TreeHead {
        let mut tree = Tree::default();
        hashes.iter().for_each(|hash| {
            tree.push(*hash);
        });
        TreeHead { size: tree.size(), root: tree.root() }
    }

    fn held(hashes: &[Hash]) -> Held {
        Held::new(StoredDirectory { hashes: hashes.to_vec(), note: None, leaves: Vec::new() })
    }

    fn take(held: &Held, new: &[Hash], head: TreeHead) -> Result<bool, Fault> {
        Growth::after(held).take(new, Vec::new(), head, b"note")
    }

    #[test]
    fn a_directory_that_goes_on_is_taken_in_parts() {
        let all: Vec<Hash> = (0..20).map(hash).collect();
        let mut held = held(&all[..7]);
        let mut growth = Growth::after(&held);
        assert_eq!(growth.take(&all[7..9], Vec::new(), head(&all[..12]), b"older"), Ok(false));
        assert_eq!(growth.take(&all[9..], Vec::new(), head(&all), b"newest"), Ok(true));
        held.grow(growth);
        assert_eq!((held.tree().root(), held.note()), (head(&all).root, Some(&b"newest"[..])));
        assert_eq!(take(&held, &[], head(&all)), Ok(true));
    }

    #[test]
    fn a_revoke_leaf_comes_once() {
        let revoke = Revoke { certificate: hash(1), reason: Reason::Superseded, time_ms: 5 };
        let leaf = Leaf::Revoke(revoke).to_bytes();
        let hashes = [leaf_hash(&leaf)];
        let held = held(&[]);
        let taken = |times| {
            let leaves = vec![(0, leaf.clone()); times];
            Growth::after(&held).take(&hashes, leaves, head(&hashes), b"note")
        };
        assert_eq!(taken(1), Ok(true));
        assert_eq!(taken(2), Err(Fault::Leaf(0)));
    }

    #[test]
    fn a_directory_that_shrinks_forks_or_holds_back_is_refused() {
        let all: Vec<Hash> = (0..9).map(hash).collect();
        let held = held(&all[..7]);
        let shorter = take(&held, &[], head(&all[..6]));
        assert_eq!(shorter, Err(Fault::Shorter { shown: 6, held: 7 }));
        for changed in 0..7 {
            let mut other = all.clone();
            other[changed] = hash(99);
            assert_eq!(take(&held, &all[7..], head(&other)), Err(Fault::Forked));
            assert_eq!(take(&held, &[], head(&other[..7])), Err(Fault::Forked));
        }
        assert_eq!(take(&held, &[], head(&all)), Err(Fault::HeldBack));
        assert_eq!(take(&held, &all[7..], head(&all[..8])), Err(Fault::HeldBack));
        let endless = TreeHead { size: MAX_DIRECTORY + 1, root: hash(0) };
        assert_eq!(take(&held, &all[7..], endless), Err(Fault::TooLong(MAX_DIRECTORY + 1)));
    }

    #[test]
    fn a_leaf_has_to_be_the_one_at_its_index() {
        let leaf = |reason| Leaf::Revoke(Revoke { certificate: hash(5), reason, time_ms: 8 }).to_bytes();
        let revoke = leaf(Reason::Superseded);
        let all = [hash(0), leaf_hash(&revoke), hash(2)];
        let mut held = held(&all[..1]);
        let mut take = |index, leaf| {
            let mut growth = Growth::after(&held);
            let outcome = growth.take(&all[1..], vec![(index, leaf)], head(&all), b"note");
            outcome.map(|_| held.grow(growth))
        };
        assert_eq!(take(2, revoke.clone()), Err(Fault::Leaf(2)));
        assert_eq!(take(0, revoke.clone()), Err(Fault::Leaf(0)));
        assert_eq!(take(1, leaf(Reason::KeyCompromise)), Err(Fault::Leaf(1)));
        assert_eq!(take(1, revoke.clone()), Ok(()));
        assert_eq!(held.proofs(&hash(5)).map(|proof| proof.index).collect::<Vec<_>>(), [1]);
        assert!(held.check(1, &revoke).is_ok() && !held.has_issue(&hash(5)));
        assert_eq!(held.check(2, &revoke), Err(Fault::Leaf(2)));
        assert_eq!(held.check(3, &revoke), Err(Fault::Leaf(3)));
    }
}
