//! Who has received what, by verified receipts.

use std::collections::{BTreeMap, BTreeSet};

use evidence::Hash;
use evidence::receipt::ReceiptClaim;
use pki::Name;

use super::receipts::Unstored;

/// Receipts of a room, by device, level and the index where their range starts.
#[derive(Default)]
pub(crate) struct Received {
    by_device: BTreeMap<(Hash, u8, u64), (Name, ReceiptClaim)>,
    /// Receipts, each with its cosignature, of logs longer than ours, newest first.
    pub(super) ahead: Vec<(Vec<u8>, Vec<u8>)>,
    /// Taken and not stored yet.
    pub(super) unstored: Vec<Unstored>,
    /// First number of the server's receipts that was not read.
    pub(super) next_id: u64,
}

impl Received {
    /// Takes a verified receipt; whether it says more than those before.
    pub(crate) fn add(&mut self, user: &Name, claim: &ReceiptClaim) -> bool {
        let key = (claim.certificate, claim.level as u8, claim.from);
        if self.by_device.get(&key).is_some_and(|(_, known)| known.to >= claim.to) {
            return false;
        }
        self.by_device.insert(key, (user.clone(), claim.clone()));
        true
    }

    /// Users other than `sender` of whom a device holds the message at `index`, in order of their names.
    pub(crate) fn users(&self, index: u64, sender: &str) -> Vec<String> {
        let users: BTreeSet<&str> = self
            .by_device
            .values()
            .filter(|(user, claim)| user.as_str() != sender && claim.covers(index))
            .map(|(user, _)| user.as_str())
            .collect();
        users.into_iter().map(str::to_owned).collect()
    }
}
