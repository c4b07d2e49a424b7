//! The directory: every issuance and revocation is a leaf, from the first certificate on (evidence.md, EV-28).

use std::collections::HashSet;
use std::future::Future;

use evidence::checkpoint::{Checkpoint, Origin};
use evidence::directory::{Issue as IssueLeaf, Leaf, Revoke, Subject};
use evidence::log::{Tree, TreeHead};
use pki::name::{Holder, Name};
use pki::trust::{CertificateRef, Reason};
use pki::{Chain, Sha256Hash};
use store::{DirectoryAppend, DirectoryLeaf, LeafKind, NewCertificate, Store, StoreError};
use tokio::sync::Mutex;

use super::Authority;
use super::authority::OwnCertificates;
use crate::clock::now_ms;
use crate::shared::{PAGE, encode_chain};

/// Times that a change of the directory is tried again after another node was faster.
const TRIES: usize = 16;

/// What a leaf enters: the leaf and, for an issuance, the chain that the store keeps by hash.
#[derive(Debug, Clone)]
pub struct Issue {
    leaf: Leaf,
    chain: Option<Chain>,
}

impl Issue {
    /// A device's certificate; `vouched` is the hash of the device statement, if it is not its user's first.
    pub fn device(
        chain: &Chain,
        user: &Name,
        device: &Name,
        vouched: Option<Sha256Hash>,
        time_ms: u64,
    ) -> Self {
        let holder = Holder::Device { user: user.clone(), device: device.clone() };
        Self::of(chain, Subject::Holder(holder), vouched, time_ms)
    }

    fn of(chain: &Chain, subject: Subject, vouched: Option<Sha256Hash>, time_ms: u64) -> Self {
        let serial =
            chain.leaf().and_then(|der| CertificateRef::of(der).ok()).map(|r| r.serial).unwrap_or_default();
        let certificate = chain.leaf_hash().unwrap_or_default();
        let leaf = Leaf::Issue(IssueLeaf { certificate, vouched, subject, serial, time_ms });
        Self { leaf, chain: Some(chain.clone()) }
    }

    /// A certificate that is no longer good.
    pub fn revoke(certificate: Sha256Hash, reason: Reason, time_ms: u64) -> Self {
        Self { leaf: Leaf::Revoke(Revoke { certificate, reason, time_ms }), chain: None }
    }

    fn to_stored(&self) -> DirectoryLeaf {
        let kind = match (&self.leaf, &self.chain) {
            (Leaf::Issue(issue), Some(chain)) => {
                LeafKind::Issued(NewCertificate { hash: issue.certificate, chain: encode_chain(chain) })
            }
            (Leaf::Revoke(revoke), _) => {
                LeafKind::Revoked { certificate: revoke.certificate, at_ms: revoke.time_ms }
            }
            _ => LeafKind::Other,
        };
        DirectoryLeaf { leaf: self.leaf.to_bytes(), leaf_hash: self.leaf.leaf_hash(), kind }
    }
}

/// Leaves with their proofs under one checkpoint.
pub(crate) struct Proven {
    pub(crate) checkpoint: Vec<u8>,
    /// Index, leaf, inclusion proof.
    pub(crate) leaves: Vec<(u64, Vec<u8>, Vec<Sha256Hash>)>,
}

/// The directory in memory: its tree, 64 bytes a leaf, and whom it has certified.
pub struct Directory(Mutex<State>);

#[derive(Default)]
struct State {
    tree: Tree,
    users: HashSet<String>,
}

impl State {
    fn push(&mut self, leaf: &Leaf) {
        self.tree.push(leaf.leaf_hash());
        if let Leaf::Issue(IssueLeaf { subject: Subject::Holder(Holder::Device { user, .. }), .. }) = leaf {
            self.users.insert(user.to_string());
        }
    }
}

impl Directory {
    /// Reads the directory, and enters those of the organisation's own certificates that are not in it: all in an empty
    /// one, those of a renewal that a stop interrupted.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Corrupt`] if the leaves do not give the stored state.
    pub async fn open(store: &dyn Store, authority: &Authority) -> Result<Self, StoreError> {
        let directory = Self::read(store).await?;
        directory.enter_own(store, authority, &authority.own()).await?;
        Ok(directory)
    }

    /// Reads the directory and enters nothing.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        Ok(Self(Mutex::new(read(store).await?)))
    }

    /// Leaves that are known here.
    pub(crate) async fn size(&self) -> u64 {
        self.0.lock().await.tree.size()
    }

    /// Enters the issuing CA and the server's own certificates, as far as they are not there.
    pub(super) async fn enter_own(
        &self,
        store: &dyn Store,
        authority: &Authority,
        own: &OwnCertificates,
    ) -> Result<(), StoreError> {
        let now = now_ms();
        let ca = Chain(vec![authority.issuing().certificate().to_vec()]);
        let mut missing = Vec::new();
        let leaves = own.chains.iter().map(|(holder, chain)| (Subject::Holder(holder.clone()), chain));
        for (subject, chain) in std::iter::once((Subject::Authority, &ca)).chain(leaves) {
            if store.certificate(&chain.leaf_hash().unwrap_or_default()).await?.is_none() {
                missing.push(Issue::of(chain, subject, None, now));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        self.append_with(store, authority, &missing, |append| store.append_directory(append)).await
    }

    /// Grows the directory by `leaves` in the transaction that `commit` makes of them.
    ///
    /// # Errors
    /// Those of `commit`; a conflict is tried again.
    pub(crate) async fn append<F, T>(
        &self,
        shared: &crate::shared::Shared,
        leaves: &[Issue],
        commit: F,
    ) -> Result<(), StoreError>
    where
        F: Fn(DirectoryAppend) -> T,
        T: Future<Output = Result<(), StoreError>>,
    {
        self.append_with(shared.store.as_ref(), &shared.authority, leaves, commit).await
    }

    pub(crate) async fn append_with<F, T>(
        &self,
        store: &dyn Store,
        authority: &Authority,
        leaves: &[Issue],
        commit: F,
    ) -> Result<(), StoreError>
    where
        F: Fn(DirectoryAppend) -> T,
        T: Future<Output = Result<(), StoreError>>,
    {
        let mut state = self.0.lock().await;
        for _ in 0..TRIES {
            let mut grown = state.tree.clone();
            let stored: Vec<DirectoryLeaf> = leaves.iter().map(Issue::to_stored).collect();
            for leaf in &stored {
                grown.push(leaf.leaf_hash);
            }
            let append = DirectoryAppend {
                expected_size: state.tree.size(),
                leaves: stored,
                frontier: grown.compact().to_bytes(),
                checkpoint: sign(&grown, authority),
            };
            match commit(append).await {
                Ok(()) => {
                    leaves.iter().for_each(|issue| state.push(&issue.leaf));
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => *state = read(store).await?,
                // Whether it happened is unknown: read what is there before the next change.
                Err(e @ StoreError::Unavailable(_)) => {
                    if let Ok(found) = read(store).await {
                        *state = found;
                    }
                    return Err(e);
                }
                Err(e) => return Err(e),
            }
        }
        let size = state.tree.size();
        Err(StoreError::Conflict { expected: size, actual: size })
    }

    /// Whether a device of this user was ever certified: a further one needs a voucher (EV-20).
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn knows(&self, store: &dyn Store, user: &Name) -> Result<bool, StoreError> {
        let mut state = self.0.lock().await;
        if store.directory_head().await?.size != state.tree.size() {
            *state = read(store).await?;
        }
        Ok(state.users.contains(user.as_str()))
    }

    /// Leaves with their proofs under the newest checkpoint.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn prove(&self, store: &dyn Store, indices: &[u64]) -> Result<Proven, StoreError> {
        let mut state = self.0.lock().await;
        let mut head = store.directory_head().await?;
        if head.size != state.tree.size() {
            *state = read(store).await?;
            head = store.directory_head().await?;
        }
        let mut leaves = Vec::with_capacity(indices.len());
        for index in indices {
            let entry = store.directory_entries(*index, 1).await?.into_iter().next();
            let proof = state.tree.inclusion(*index, state.tree.size());
            if let (Some(entry), Some(proof)) = (entry, proof) {
                leaves.push((*index, entry.leaf, proof.path));
            }
        }
        Ok(Proven { checkpoint: head.checkpoint, leaves })
    }
}

fn sign(tree: &Tree, authority: &Authority) -> Vec<u8> {
    let origin = Origin::directory(authority.organisation());
    let checkpoint = Checkpoint { origin, head: TreeHead { size: tree.size(), root: tree.root() } };
    let (log, cosigner) = (authority.log_key(), authority.cosigner_key());
    let signed = checkpoint.sign(log, cosigner, now_ms() / 1000);
    signed.as_text().as_bytes().to_vec()
}

async fn read(store: &dyn Store) -> Result<State, StoreError> {
    let head = store.directory_head().await?;
    let mut state = State::default();
    while state.tree.size() < head.size {
        let page = store.directory_entries(state.tree.size(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        for entry in page.iter().take_while(|entry| entry.index < head.size) {
            let leaf = Leaf::from_bytes(&entry.leaf);
            state.push(
                &leaf.map_err(|_| StoreError::Corrupt("a leaf of the directory cannot be read".into()))?,
            );
        }
    }
    if state.tree.compact().to_bytes() != head.frontier && head.size > 0 {
        return Err(StoreError::Corrupt("the directory's leaves do not give its tree".into()));
    }
    Ok(state)
}
