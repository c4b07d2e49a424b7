//! Whose statement stands at which index of a log, and what of it was erased (EV-48).

use std::collections::{BTreeMap, HashMap};

use pki::Name;

use super::context::Roots;
use super::state::Member;
use crate::erasure::ErasureClaim;

/// Why an erasure cannot erase what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ErasureFault {
    /// It names its own index, or one behind it.
    #[error("entry {0} is to be erased by an entry that does not come after it")]
    Later(u64),
    /// It names a change of membership, a revocation or an erasure.
    #[error("entry {0} is to be erased and is no message")]
    NotAStatement(u64),
    /// What it names was said by another user.
    #[error("entry {0} is to be erased by another user than the one who said it")]
    NotOwn(u64),
    /// The entry at that index has another leaf hash.
    #[error("entry {0} is to be erased and is another one than that named")]
    OtherEntry(u64),
    /// An earlier erasure names it.
    #[error("entry {0} is to be erased and was erased before")]
    Again(u64),
}

/// What stands at an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stands {
    /// A statement of the user with this number.
    Statement(u32),
    /// Another entry.
    #[default]
    Other,
    /// An entry that was not seen.
    Unseen,
}

/// Who said what, by runs of entries of which the same is true: what is not seen may be very much.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Said {
    /// Each with the index where it begins, ascending; before the first are other entries.
    runs: Vec<(u64, Stands)>,
    numbers: HashMap<Name, u32>,
    /// By the index of the statement, that of the erasure.
    erased: BTreeMap<u64, u64>,
}

impl Said {
    /// A statement of `user` at `index`, behind all that was noted.
    pub(super) fn say(&mut self, index: u64, user: &Name) {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let number = match self.numbers.get(user) {
            Some(number) => *number,
            None => *self.numbers.entry(user.clone()).or_insert(next),
        };
        self.note(index, Stands::Statement(number));
    }

    /// Entries that are not seen, from `index` on.
    pub(super) fn pass(&mut self, index: u64) {
        self.note(index, Stands::Unseen);
    }

    /// Another entry at `index`.
    pub(super) fn other(&mut self, index: u64) {
        self.note(index, Stands::Other);
    }

    /// An erasure at `index`, checked.
    pub(super) fn erase(&mut self, index: u64, erasure: &ErasureClaim) {
        self.other(index);
        self.erased.extend(erasure.erased.indices().map(|erased| (erased, index)));
    }

    pub(super) fn erased_at(&self, index: u64) -> Option<u64> {
        self.erased.get(&index).copied()
    }

    /// Whether an erasure at `index` may erase what it names, as far as that is known.
    pub(super) fn check(
        &self,
        erasure: &ErasureClaim,
        signer: Option<&Member>,
        index: u64,
        log: &dyn Roots,
    ) -> Result<(), ErasureFault> {
        let signer = signer.and_then(|signer| self.numbers.get(&signer.user));
        for named in erasure.erased.iter() {
            let at = named.index;
            if at >= index {
                return Err(ErasureFault::Later(at));
            }
            match self.stands(at) {
                Stands::Other => return Err(ErasureFault::NotAStatement(at)),
                Stands::Statement(user) if Some(&user) != signer => return Err(ErasureFault::NotOwn(at)),
                Stands::Statement(_) | Stands::Unseen => {}
            }
            if log.leaf_at(at).is_some_and(|leaf| leaf != named.leaf) {
                return Err(ErasureFault::OtherEntry(at));
            }
            if self.erased.contains_key(&at) {
                return Err(ErasureFault::Again(at));
            }
        }
        Ok(())
    }

    fn stands(&self, index: u64) -> Stands {
        let behind = self.runs.partition_point(|(first, _)| *first <= index);
        let run = behind.checked_sub(1).and_then(|at| self.runs.get(at));
        run.map_or_else(Stands::default, |(_, stands)| *stands)
    }

    fn note(&mut self, index: u64, stands: Stands) {
        let before = self.runs.last().map_or_else(Stands::default, |(_, stands)| *stands);
        if before != stands {
            self.runs.push((index, stands));
        }
    }
}
