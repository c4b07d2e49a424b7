//! The organisation's directory as this home holds it (SE-26): every leaf hash, the newest checkpoint, and the leaves
//! that its evidence needs. What goes by it needs no server.
//!
//! - [`Held`]: the directory, and the proofs that come of it.
//! - [`Growth`]: what is new, taken only if it goes on from what is held.
//! - [`follow`]: reads it from the server; called by the engine.

mod follow;
mod growth;

use std::collections::{BTreeMap, HashMap};

use evidence::Hash;
use evidence::bundle::DirectoryProof;
use evidence::directory::Leaf;
use evidence::log::{Tree, leaf_hash};

pub(crate) use growth::Growth;

use crate::ClientError;
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
    /// By certificate, the indices of its leaves, and whether its issue leaf is among them.
    of: HashMap<Hash, (Vec<u64>, bool)>,
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

    /// Its tree.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Its checkpoint.
    pub(crate) fn note(&self) -> Option<&[u8]> {
        self.note.as_deref()
    }

    /// Whether the issue leaf of this certificate is held.
    pub(crate) fn has_issue(&self, certificate: &Hash) -> bool {
        self.of.get(certificate).is_some_and(|(_, issued)| *issued)
    }

    /// Whether a certificate is revoked.
    pub(crate) fn is_revoked(&self, certificate: &Hash) -> bool {
        let indices = self.of.get(certificate).map(|(indices, _)| indices.as_slice()).unwrap_or_default();
        let leaf = |index| Leaf::from_bytes(self.leaves.get(index)?).ok();
        indices.iter().filter_map(leaf).any(|leaf| matches!(leaf, Leaf::Revoke(_)))
    }

    /// Reads a leaf, which has to be the one whose hash stands at its index.
    pub(crate) fn check(&self, index: u64, leaf: &[u8]) -> Result<Leaf, Fault> {
        let stands = self.tree.leaf(index) == Some(leaf_hash(leaf));
        Leaf::from_bytes(leaf).ok().filter(|_| stands).ok_or(Fault::Leaf(index))
    }

    /// Takes what is in the vault now.
    pub(crate) fn grow(&mut self, growth: Growth) {
        growth.hashes.into_iter().for_each(|hash| {
            self.tree.push(hash);
        });
        growth.revocations.into_iter().for_each(|(index, leaf)| self.insert(index, leaf));
        self.note = Some(growth.note);
    }

    /// Takes a leaf that was checked and is in the vault now.
    pub(crate) fn insert(&mut self, index: u64, leaf: Vec<u8>) {
        if self.leaves.contains_key(&index) {
            return;
        }
        if let Ok(parsed) = Leaf::from_bytes(&leaf) {
            let (indices, issued) = self.of.entry(parsed.certificate()).or_default();
            indices.push(index);
            *issued |= matches!(parsed, Leaf::Issue(_));
            self.leaves.insert(index, leaf);
        }
    }

    /// The leaves of a certificate, each with its proof under the checkpoint.
    pub(crate) fn proofs<'a>(&'a self, certificate: &Hash) -> impl Iterator<Item = DirectoryProof> + 'a {
        let indices = self.of.get(certificate).map(|(indices, _)| indices.as_slice()).unwrap_or_default();
        indices.iter().filter_map(|index| {
            let path = self.tree.inclusion(*index, self.tree.size())?.path;
            Some(DirectoryProof { index: *index, leaf: self.leaves.get(index)?.clone(), path })
        })
    }
}
