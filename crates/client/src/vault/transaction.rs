//! One write of the vault: all of it is in the file when its commit returns, or nothing of it ever is.

use std::ops::{Deref, DerefMut};

use sqlx::sqlite::SqliteConnection;
use sqlx::{Sqlite, Transaction};

use super::VaultError;

/// A write transaction; dropped before its commit, it never was.
pub(crate) struct WriteTransaction(pub(super) Transaction<'static, Sqlite>);

impl WriteTransaction {
    /// Puts it into the file, synced. Both sides of it are traced, as nothing else tells what a kill at this moment leaves.
    pub(crate) async fn commit(self) -> Result<(), VaultError> {
        tracing::trace!("commit");
        self.0.commit().await?;
        tracing::trace!("committed");
        Ok(())
    }
}

impl Deref for WriteTransaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0
    }
}

impl DerefMut for WriteTransaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }
}
