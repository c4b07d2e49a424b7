//! The organisation's directory as this home holds it (SE-26): every leaf, and the newest checkpoint. What goes by it needs no server.
//!
//! - [`Held`]: the directory, the proofs that come of it, and whose certificates it has.
//! - [`Growth`]: what is new, taken only if it goes on from what is held.
//! - [`news`]: what is in it that a person is told.
//! - [`follow`]: reads it from the server; called by the engine.

mod follow;
mod growth;
mod news;
mod own;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use evidence::Hash;
use evidence::bundle::DirectoryProof;
use evidence::directory::{Issue, Leaf, Revoke, Subject};
use evidence::log::{Tree, leaf_hash};
use pki::Name;
use pki::name::Holder;

pub(crate) use growth::Growth;
pub use news::DirectoryNews;

use crate::ClientError;
use crate::certificates::{Accepted, MAX_VOUCHERS};
use crate::vault::StoredDirectory;

/// What a server shows of its directory and cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// It ends before what it has shown.
    #[error(
        "its directory has {shown} entries where it has shown {held}: it was set back to an old copy, or is another one"
    )]
    Shorter { shown: u64, held: u64 },
    /// It is not the one that was shown before.
    #[error("its directory is another one than it has shown before")]
    Forked,
    /// A leaf is not the one whose hash stands at its index.
    #[error("entry {0} of its directory is not the one that it has signed for")]
    Leaf(u64),
    /// A certificate in use was never entered.
    #[error("its directory has no entry for a certificate that is in use, {}", hex::encode(.0))]
    NotEntered(Hash),
    /// A certificate in use was entered with another voucher than it was shown with.
    #[error("its directory names another voucher for a certificate that is in use, {}", hex::encode(.0))]
    Voucher(Hash),
    /// Parts are held back, or do not fit the checkpoint beside them.
    #[error("it holds back a part of its directory")]
    HeldBack,
    /// More than a client follows.
    #[error("its directory has {0} entries, which is more than this version follows")]
    TooLong(u64),
}

impl From<Fault> for ClientError {
    fn from(fault: Fault) -> Self {
        Self::Untrusted(format!(
            "{fault}. Your home stays as it was: what it holds can be read and exported. Ask who runs the server"
        ))
    }
}

/// The directory up to a verified checkpoint.
#[derive(Default)]
pub(crate) struct Held {
    tree: Tree,
    /// The checkpoint; none before the first.
    note: Option<Vec<u8>>,
    leaves: BTreeMap<u64, Vec<u8>>,
    /// By certificate, the indices of the leaf that issued it and of those that revoked it.
    of: HashMap<Hash, (Option<u64>, Vec<u64>)>,
    /// By user, the indices of the leaves that issued certificates of its devices.
    users: HashMap<Name, Vec<u64>>,
    /// Users of whom a certificate that nobody vouched for is not the only one: few, if any.
    doubtful: BTreeSet<Name>,
}

/// A leaf that issued a certificate of a device.
pub(crate) struct Entered {
    /// Index in the directory.
    pub(crate) index: u64,
    /// Name of the device.
    pub(crate) device: Name,
    /// The leaf.
    pub(crate) issue: Issue,
}

impl Entered {
    /// The certificate, and the time at which it was issued: its chain is checked as of then (EV-29).
    pub(crate) fn in_use(&self) -> (Hash, u64) {
        (self.issue.certificate, self.issue.time_ms)
    }
}

impl Held {
    /// What the vault holds.
    pub(crate) fn new(stored: StoredDirectory) -> Self {
        let mut held = Self { note: stored.note, ..Self::default() };
        stored.hashes.into_iter().for_each(|hash| {
            held.tree.push(hash);
        });
        stored.leaves.into_iter().for_each(|(index, leaf)| held.insert(index, leaf));
        held
    }

    /// Number of leaves.
    pub(crate) fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Index of the first leaf that is to be read: the next, but for a home that earlier versions kept hashes alone in.
    pub(crate) fn lacks_from(&self) -> u64 {
        let gap = self.leaves.keys().zip(0..).find(|(index, expected)| **index != *expected);
        gap.map_or(self.leaves.len() as u64, |(_, expected)| expected)
    }

    /// Its tree.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Its checkpoint.
    pub(crate) fn note(&self) -> Option<&[u8]> {
        self.note.as_deref()
    }

    /// Whether this certificate was entered.
    pub(crate) fn has_issue(&self, certificate: &Hash) -> bool {
        self.issue(certificate).is_some()
    }

    /// The leaf that issued a certificate, with its index.
    pub(crate) fn issue(&self, certificate: &Hash) -> Option<(u64, Issue)> {
        let (issued, _) = self.of.get(certificate)?;
        let index = (*issued)?;
        match Leaf::from_bytes(self.leaves.get(&index)?) {
            Ok(Leaf::Issue(issue)) => Some((index, issue)),
            _ => None,
        }
    }

    /// The first leaf that revoked a certificate, with its index.
    pub(crate) fn revocation(&self, certificate: &Hash) -> Option<(u64, Revoke)> {
        let (_, revoked) = self.of.get(certificate)?;
        let index = *revoked.first()?;
        match Leaf::from_bytes(self.leaves.get(&index)?) {
            Ok(Leaf::Revoke(revoke)) => Some((index, revoke)),
            _ => None,
        }
    }

    /// Checks that a certificate was entered as what it is and with the voucher that it was shown with (EV-20).
    pub(crate) fn check(&self, accepted: &Accepted) -> Result<(), Fault> {
        let hash = accepted.certificate.hash();
        let issue = self.issue(&hash).map(|(_, issue)| issue);
        let issue =
            issue.filter(|issue| issue.is_of(&accepted.certificate)).ok_or(Fault::NotEntered(hash))?;
        if issue.vouched != accepted.vouching.as_deref().map(pki::sha256) {
            return Err(Fault::Voucher(hash));
        }
        Ok(())
    }

    /// The certificates of a user's devices, in the order in which they were entered.
    pub(crate) fn devices_of(&self, user: &Name) -> Vec<Entered> {
        let indices = self.users.get(user).map(Vec::as_slice).unwrap_or_default();
        indices.iter().filter_map(|index| self.entered(*index)).collect()
    }

    /// Whether each device in the line of vouchers, up to the first, was entered before its voucher was revoked. `voucher` says which vouched for
    /// a device whose certificate is accepted, if one did.
    pub(crate) fn is_vouched_in_time(
        &self,
        device: Hash,
        voucher: impl Fn(&Hash) -> Option<Option<Hash>>,
    ) -> bool {
        let mut at = device;
        for _ in 0..MAX_VOUCHERS {
            let (Some((issued, _)), Some(by)) = (self.issue(&at), voucher(&at)) else { return false };
            let Some(by) = by else { return true };
            if self.revocation(&by).is_some_and(|(revoked, _)| revoked < issued) {
                return false;
            }
            at = by;
        }
        false
    }

    /// Those of a user's certificates that nobody vouched for. EV-20 allows one.
    pub(crate) fn first_of(&self, user: &Name) -> Vec<Entered> {
        let mut first: Vec<Entered> = Vec::new();
        for entered in self.devices_of(user).into_iter().filter(|entered| entered.issue.vouched.is_none()) {
            if first.iter().all(|known| known.issue.certificate != entered.issue.certificate) {
                first.push(entered);
            }
        }
        first
    }

    /// Users with several first certificates, with the index at which the second was entered.
    pub(crate) fn with_second_first(&self) -> impl Iterator<Item = (&Name, u64)> {
        self.doubtful.iter().filter_map(|user| Some((user, self.first_of(user).get(1)?.index)))
    }

    fn entered(&self, index: u64) -> Option<Entered> {
        let Ok(Leaf::Issue(issue)) = Leaf::from_bytes(self.leaves.get(&index)?) else { return None };
        let Subject::Holder(Holder::Device { device, .. }) = &issue.subject else { return None };
        Some(Entered { index, device: device.clone(), issue })
    }

    /// Takes what is in the vault now.
    pub(crate) fn grow(&mut self, growth: Growth) {
        let (first, size) = (growth.first, self.size());
        let mut leaves: BTreeMap<u64, Vec<u8>> = (first..).zip(growth.leaves).collect();
        leaves.range(size..).for_each(|(_, leaf)| {
            self.tree.push(leaf_hash(leaf));
        });
        if first < size {
            // Some of those behind it are known: all in order again.
            leaves.append(&mut std::mem::take(&mut self.leaves));
            self.of.clear();
            self.users.clear();
            self.doubtful.clear();
        }
        leaves.into_iter().for_each(|(index, leaf)| self.insert(index, leaf));
        self.note = Some(growth.note);
    }

    fn insert(&mut self, index: u64, leaf: Vec<u8>) {
        if self.leaves.contains_key(&index) {
            return;
        }
        // A kind of a later version says nothing to this one.
        match Leaf::from_bytes(&leaf) {
            Ok(Leaf::Issue(issue)) => {
                // No verifier takes a second one.
                self.of.entry(issue.certificate).or_default().0.get_or_insert(index);
                if let Subject::Holder(Holder::Device { user, .. }) = issue.subject {
                    let entered = self.users.entry(user.clone()).or_default();
                    if issue.vouched.is_none() && !entered.is_empty() {
                        self.doubtful.insert(user);
                    }
                    entered.push(index);
                }
            }
            Ok(Leaf::Revoke(revoke)) => self.of.entry(revoke.certificate).or_default().1.push(index),
            Err(_) => {}
        }
        self.leaves.insert(index, leaf);
    }

    /// The leaves of a certificate, each with its proof under the checkpoint.
    pub(crate) fn proofs<'a>(&'a self, certificate: &Hash) -> impl Iterator<Item = DirectoryProof> + 'a {
        let indices =
            self.of.get(certificate).into_iter().flat_map(|(issued, revoked)| issued.iter().chain(revoked));
        indices.filter_map(|index| {
            let path = self.tree.inclusion(*index, self.tree.size())?.path;
            Some(DirectoryProof { index: *index, leaf: self.leaves.get(index)?.clone(), path })
        })
    }
}
