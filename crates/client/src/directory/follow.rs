//! Reads the directory on, and the leaves of the certificates that this device accepts (SE-26).

use evidence::Hash;
use evidence::checkpoint::Origin;
use evidence::directory::Leaf;
use minicbor::bytes::ByteArray;
use session::limits::DIRECTORY_LEAVES;
use session::message::{Command, Reply};
use tokio::sync::MutexGuard;

use super::{Fault, Growth, Held};
use crate::ClientError;
use crate::engine::{Core, Session};
use crate::reply::expect_reply;
use crate::vault::VaultError;

/// How often another process may be first before this is given up.
const TRIES: usize = 8;
/// Certificates whose leaves are asked for at once: with both leaves of each, far below one message.
const LEAVES_ASKED: usize = 256;

impl Core {
    /// Reads the directory on whenever there is a reason, until that fails, and says why it did.
    pub(crate) async fn follow_directory(&self, session: &Session) -> ClientError {
        loop {
            self.certificates.news().await;
            if let Err(error) = self.refresh_directory(session).await {
                return error;
            }
        }
    }

    /// Reads the directory on.
    ///
    /// # Errors
    /// [`ClientError::Untrusted`] if it does not go on from what is held, which stays as it was.
    pub(crate) async fn refresh_directory(&self, session: &Session) -> Result<(), ClientError> {
        self.certificates.learn_own_voucher(&self.owner, &self.vault, &session.connection).await?;
        let mut guard = self.directory.lock().await;
        self.certificates.take_news();
        for _ in 0..TRIES {
            match self.read_on(&mut guard, session).await {
                // Another process of this home has read on: go on from what it stored.
                Err(ClientError::Vault(VaultError::Moved)) => *guard = None,
                outcome => return outcome,
            }
        }
        Err(VaultError::Moved.into())
    }

    /// [`Self::refresh_directory`], if there is a reason that was not followed yet.
    pub(crate) async fn complete_directory(&self, session: &Session) -> Result<(), ClientError> {
        // Whoever is at it takes the news when it has the lock.
        drop(self.directory.lock().await);
        if self.certificates.take_news() { self.refresh_directory(session).await } else { Ok(()) }
    }

    /// Whether a certificate is revoked, as far as the directory is read.
    pub(crate) async fn is_revoked(&self, certificate: &Hash) -> Result<bool, ClientError> {
        let mut guard = self.directory.lock().await;
        Ok(self.held_directory(&mut guard).await?.is_revoked(certificate))
    }

    /// The directory as the vault holds it.
    async fn held_directory<'a>(
        &self,
        guard: &'a mut MutexGuard<'_, Option<Held>>,
    ) -> Result<&'a mut Held, ClientError> {
        if guard.is_none() {
            **guard = Some(Held::new(self.vault.directory().await?));
        }
        Ok(guard.get_or_insert_default())
    }

    async fn read_on(
        &self,
        guard: &mut MutexGuard<'_, Option<Held>>,
        session: &Session,
    ) -> Result<(), ClientError> {
        let held = self.held_directory(guard).await?;
        // Those that are known before the directory is read have to be in it.
        let mut lacking: Vec<Hash> = self.certificates.hashes();
        let growth = self.read_growth(held, session).await?;
        if !growth.hashes.is_empty() {
            self.vault.put_directory(growth.first, &growth.hashes, &growth.note, &growth.revocations).await?;
            held.grow(growth);
        }
        lacking.retain(|hash| !held.has_issue(hash));
        for part in lacking.chunks(LEAVES_ASKED) {
            let certificates = part.iter().map(|hash| ByteArray::from(*hash)).collect();
            let reply = session.connection.ask(Command::DirectoryProof { certificates }).await?;
            let leaves = expect_reply!(reply, Reply::DirectoryProof { leaves, .. } => leaves)?;
            let mut found = Vec::with_capacity(leaves.len());
            let mut issued = Vec::with_capacity(leaves.len());
            for leaf in leaves.into_iter().filter(|leaf| leaf.index < held.size()) {
                if let Leaf::Issue(issue) = held.check(leaf.index, &leaf.leaf)? {
                    let known = self.certificates.accepted(&issue.certificate);
                    let its_own = known.is_some_and(|known| issue.is_of(&known.certificate));
                    // No verifier takes another's leaf, or a second one.
                    if !its_own || issued.contains(&issue.certificate) {
                        continue;
                    }
                    issued.push(issue.certificate);
                }
                found.push((leaf.index, leaf.leaf));
            }
            if let Some(hash) = part.iter().find(|hash| !issued.contains(hash)) {
                return Err(Fault::NotEntered(*hash).into());
            }
            self.vault.put_directory_leaves(&found).await?;
            found.into_iter().for_each(|(index, leaf)| held.insert(index, leaf));
        }
        Ok(())
    }

    async fn read_growth(&self, held: &Held, session: &Session) -> Result<Growth, ClientError> {
        let origin = Origin::directory(&self.owner.organisation);
        let mut growth = Growth::after(held);
        loop {
            let read = Command::Directory { from: growth.size(), limit: DIRECTORY_LEAVES.into() };
            let reply = session.connection.ask(read).await?;
            let (checkpoint, hashes, revocations) = expect_reply!(reply,
                Reply::Directory { checkpoint, hashes, revocations } => (checkpoint, hashes, revocations))?;
            let signed = session.verify_checkpoint(&origin, &checkpoint)?;
            let hashes: Vec<Hash> = hashes.into_iter().map(|hash| *hash).collect();
            let revocations = revocations.into_iter().map(|leaf| (leaf.index, leaf.leaf)).collect();
            if growth.take(&hashes, revocations, signed.head(), &checkpoint)? {
                return Ok(growth);
            }
        }
    }
}
