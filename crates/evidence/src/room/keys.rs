//! The keys of a room of content suite 1, as far as the log tells of them (EV-45).

use std::collections::BTreeSet;

use crate::hash::Hash;
use crate::membership::Change;

/// How far the room's group is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys {
    epoch: u64,
    lingering: BTreeSet<Hash>,
}

impl Default for Keys {
    /// After the create.
    fn default() -> Self {
        Self { epoch: 1, lingering: BTreeSet::new() }
    }
}

impl Keys {
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
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
        self.epoch = self.epoch.saturating_add(1);
    }
}
