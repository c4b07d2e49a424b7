//! The one connection that writes, and its transactions.

use std::ops::{Deref, DerefMut};

use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::MutexGuard;

use super::{BUSY_TIMEOUT, SqliteStore};
use crate::StoreError;

/// The connection that writes, while no transaction has it.
pub(super) struct Writer {
    connection: Option<SqliteConnection>,
    closed: bool,
}

impl Writer {
    pub(super) fn ready(connection: SqliteConnection) -> Self {
        Self { connection: Some(connection), closed: false }
    }
}

/// A write transaction. It ends by [`Self::finish`]; dropped before (its caller was cancelled) it closes its
/// connection, and SQLite rolls back.
pub(super) struct Transaction<'a> {
    #[cfg(feature = "testing")]
    store: &'a SqliteStore,
    writer: MutexGuard<'a, Writer>,
    connection: SqliteConnection,
}

impl SqliteStore {
    /// Waits for its turn and begins; from here on nobody else writes.
    pub(super) async fn begin(&self) -> Result<Transaction<'_>, StoreError> {
        let mut writer = self.writer.lock().await;
        if writer.closed {
            return Err(sqlx::Error::PoolClosed.into());
        }
        let mut connection = match writer.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
        Ok(Transaction {
            #[cfg(feature = "testing")]
            store: self,
            writer,
            connection,
        })
    }

    /// Moves what the write-ahead log holds into the file and empties it, unless a reader still needs it: what a transaction
    /// deleted is then nowhere. Whether it is empty.
    pub(super) async fn empty_log(&self) -> bool {
        let mut writer = self.writer.lock().await;
        let Some(mut connection) = writer.connection.take() else { return false };
        let Ok(emptied) = truncate_log(&mut connection).await else { return false };
        writer.connection = Some(connection);
        emptied
    }

    pub(super) async fn close_writer(&self) {
        let mut writer = self.writer.lock().await;
        writer.closed = true;
        if let Some(connection) = writer.connection.take() {
            // What is acknowledged is in the WAL already; the next start reads it from there.
            let _ = connection.close().await;
        }
    }
}

async fn truncate_log(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    sqlx::query("PRAGMA busy_timeout = 0").execute(&mut *connection).await?;
    let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await?;
    let waiting = format!("PRAGMA busy_timeout = {}", BUSY_TIMEOUT.as_millis());
    sqlx::query(sqlx::AssertSqlSafe(waiting)).execute(connection).await?;
    Ok(busy == 0)
}

impl Transaction<'_> {
    /// Commits an `Ok`, rolls back what was refused; a failure closes the connection.
    pub(super) async fn finish<T>(mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        match &outcome {
            Ok(_) => {
                #[cfg(feature = "testing")]
                let after = self.store.fault_before_commit()?;
                sqlx::query("COMMIT").execute(&mut self.connection).await?;
                #[cfg(feature = "testing")]
                after?;
            }
            Err(StoreError::Unavailable(_) | StoreError::Corrupt(_)) => return outcome,
            Err(_) => {
                sqlx::query("ROLLBACK").execute(&mut self.connection).await?;
            }
        }
        let Self { mut writer, connection, .. } = self;
        writer.connection = Some(connection);
        outcome
    }
}

impl Deref for Transaction<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// How the next commit fails, for tests.
#[cfg(feature = "testing")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Failed: nothing was written.
    BeforeCommit,
    /// Failed but persisted: the caller cannot tell it from the other.
    AfterCommit,
}

#[cfg(feature = "testing")]
impl SqliteStore {
    /// Fails at once, or says what to answer after the commit.
    fn fault_before_commit(&self) -> Result<Result<(), StoreError>, StoreError> {
        let injected = || StoreError::Unavailable("injected".into());
        let fault = self.fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        match fault {
            Some(Fault::BeforeCommit) => Err(injected()),
            Some(Fault::AfterCommit) => Ok(Err(injected())),
            None => Ok(Ok(())),
        }
    }
}
