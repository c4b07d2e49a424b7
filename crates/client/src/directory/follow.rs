//! Reads the directory on (SE-26).

use evidence::checkpoint::Origin;
use session::limits::DIRECTORY_LEAVES;
use session::message::{Command, Reply};
use tokio::sync::MutexGuard;

use super::{Growth, Held};
use crate::ClientError;
use crate::certificates::KnownCertificates;
use crate::engine::{Core, Session};
use crate::reply::expect_reply;
use crate::vault::VaultError;

/// How often another process may be first before this is given up.
const TRIES: usize = 8;

/// Rings again unless the directory was read.
struct Unread<'a> {
    certificates: &'a KnownCertificates,
    read: bool,
}

impl Drop for Unread<'_> {
    fn drop(&mut self) {
        if !self.read {
            self.certificates.ring();
        }
    }
}

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
        // Whatever interrupts this, the news are not taken for read.
        let mut unread = Unread { certificates: &self.certificates, read: false };
        self.certificates.learn_own_voucher(&self.owner, &self.vault, &session.connection).await?;
        let mut guard = self.directory.lock().await;
        self.certificates.take_news();
        for _ in 0..TRIES {
            match self.read_on(&mut guard, session).await {
                // Another process of this home has read on: go on from what it stored.
                Err(ClientError::Vault(VaultError::Moved)) => *guard = None,
                outcome => {
                    unread.read = outcome.is_ok();
                    return outcome;
                }
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

    /// The directory as the vault holds it.
    pub(crate) async fn held_directory<'a>(
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
        let known = self.certificates.hashes();
        let growth = self.read_growth(held, session).await?;
        let (first, hashes) = (growth.first, growth.hashes());
        let leaves: Vec<(u64, &[u8])> = growth.indexed().collect();
        if !hashes.is_empty() {
            self.vault.put_directory(growth.held, &hashes, &growth.note, &leaves).await?;
        } else if !leaves.is_empty() {
            self.vault.put_directory_leaves(&leaves).await?;
        }
        if !leaves.is_empty() {
            held.grow(growth);
        }
        for accepted in known.iter().filter_map(|hash| self.certificates.accepted(hash)) {
            held.check(&accepted)?;
        }
        self.learn_own_devices(held, session).await?;
        self.tell_news(held, first);
        let size = held.size();
        self.directory_size.send_if_modified(|known| std::mem::replace(known, size) != size);
        Ok(())
    }

    async fn read_growth(&self, held: &Held, session: &Session) -> Result<Growth, ClientError> {
        let origin = Origin::directory(&self.owner.organisation);
        let mut growth = Growth::after(held);
        loop {
            let read = Command::Directory { from: growth.next(), limit: DIRECTORY_LEAVES.into() };
            let reply = session.connection.ask(read).await?;
            let (checkpoint, leaves) = expect_reply!(reply,
                Reply::Directory { checkpoint, leaves } => (checkpoint, leaves))?;
            let signed = session.verify_checkpoint(&origin, &checkpoint)?;
            let leaves = leaves.into_iter().map(Vec::from).collect();
            if growth.take(held, leaves, signed.head(), &checkpoint)? {
                return Ok(growth);
            }
        }
    }
}
