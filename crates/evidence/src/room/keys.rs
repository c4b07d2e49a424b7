//! The keys of a room of content suite 1, as far as the log tells of them (EV-45).

use std::collections::BTreeSet;

use crate::hash::Hash;
use crate::membership::Change;

/// Which group of a room it is, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyEpoch {
    /// Generation of the group (group.md, GR-3).
    pub generation: u32,
    /// Epoch of that group, which is 1 after it was made.
    pub epoch: u64,
}

impl KeyEpoch {
    /// After the create.
    pub const FIRST: Self = Self { generation: 0, epoch: 1 };

    /// After a commit.
    pub fn next(self) -> Self {
        Self { epoch: self.epoch.saturating_add(1), ..self }
    }

    /// After a renew.
    pub fn renewed(self) -> Self {
        Self { generation: self.generation.saturating_add(1), epoch: 1 }
    }
}

/// How far the room's group is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys {
    at: KeyEpoch,
    lingering: BTreeSet<Hash>,
}

impl Default for Keys {
    /// After the create.
    fn default() -> Self {
        Self { at: KeyEpoch::FIRST, lingering: BTreeSet::new() }
    }
}

impl Keys {
    pub(super) fn at(&self) -> KeyEpoch {
        self.at
    }

    pub(super) fn lingering(&self) -> impl Iterator<Item = &Hash> {
        self.lingering.iter()
    }

    /// A device is no member any more, without a commit.
    pub(super) fn linger(&mut self, device: Hash) {
        self.lingering.insert(device);
    }

    /// A later membership statement stands.
    pub(super) fn change(&mut self, change: &Change) {
        match change {
            Change::Leave(devices) => {
                self.lingering.extend(devices.iter().map(|device| device.certificate));
                return;
            }
            // GR-12: it removes its own old leaf and nothing else.
            Change::Return => {}
            _ => self.lingering.clear(),
        }
        self.at = if matches!(change, Change::Renew(_)) { self.at.renewed() } else { self.at.next() };
    }
}
