//! The directory: every issuance and revocation is a leaf, from the first certificate on (evidence.md, EV-28).

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
use crate::clock::now_ms;
use crate::shared::encode_chain;

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

/// The directory's tree in memory; 64 bytes a leaf.
pub struct Directory(Mutex<Tree>);

impl Directory {
    /// Reads the directory, and enters the organisation's own certificates if it is empty.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Corrupt`] if the leaves do not give the stored state.
    pub async fn open(store: &dyn Store, authority: &Authority) -> Result<Self, StoreError> {
        let directory = Self(Mutex::new(read(store).await?));
        if directory.0.lock().await.size() == 0 {
            let now = now_ms();
            let ca = Chain(vec![authority.issuing().certificate().to_vec()]);
            let mut first = vec![Issue::of(&ca, Subject::Authority, None, now)];
            let own = authority.own_leaves().iter();
            first.extend(
                own.map(|(holder, chain)| Issue::of(chain, Subject::Holder(holder.clone()), None, now)),
            );
            directory.append_with(store, authority, &first, |append| store.append_directory(append)).await?;
        }
        Ok(directory)
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
        let mut tree = self.0.lock().await;
        for _ in 0..TRIES {
            let mut grown = tree.clone();
            let stored: Vec<DirectoryLeaf> = leaves.iter().map(Issue::to_stored).collect();
            for leaf in &stored {
                grown.push(leaf.leaf_hash);
            }
            let append = DirectoryAppend {
                expected_size: tree.size(),
                leaves: stored,
                frontier: grown.compact().to_bytes(),
                checkpoint: sign(&grown, authority),
            };
            match commit(append).await {
                Ok(()) => {
                    *tree = grown;
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => *tree = read(store).await?,
                // Whether it happened is unknown: read what is there before the next change.
                Err(e @ StoreError::Unavailable(_)) => {
                    if let Ok(found) = read(store).await {
                        *tree = found;
                    }
                    return Err(e);
                }
                Err(e) => return Err(e),
            }
        }
        Err(StoreError::Conflict { expected: tree.size(), actual: tree.size() })
    }

    /// Leaves with their proofs under the newest checkpoint.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn prove(&self, store: &dyn Store, indices: &[u64]) -> Result<Proven, StoreError> {
        let mut tree = self.0.lock().await;
        let mut head = store.directory_head().await?;
        if head.size != tree.size() {
            *tree = read(store).await?;
            head = store.directory_head().await?;
        }
        let mut leaves = Vec::with_capacity(indices.len());
        for index in indices {
            let entry = store.directory_entries(*index, 1).await?.into_iter().next();
            let proof = tree.inclusion(*index, tree.size());
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

async fn read(store: &dyn Store) -> Result<Tree, StoreError> {
    let head = store.directory_head().await?;
    let mut tree = Tree::default();
    while tree.size() < head.size {
        let page = store.directory_leaf_hashes(tree.size(), head.size).await?;
        if page.is_empty() {
            break;
        }
        for leaf in page {
            tree.push(leaf);
        }
    }
    if tree.compact().to_bytes() != head.frontier && head.size > 0 {
        return Err(StoreError::Corrupt("the directory's leaves do not give its tree".into()));
    }
    Ok(tree)
}
