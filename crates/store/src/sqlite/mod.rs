//! The SQLite backend: one file in WAL mode, one connection that writes, a pool that reads.
//!
//! `synchronous=FULL` syncs the WAL at each commit, so a transaction that returned survives the loss of power.
//! Every write is a `Transaction`; a connection on which anything unexpected happened is closed, which
//! rolls back what it had open, and the next write opens another.

mod accounts;
mod append;
mod blobs;
mod bulk;
mod devices;
mod directory;
mod entries;
mod erasures;
mod health;
mod history;
mod imports;
mod invites;
mod keys;
mod links;
mod members;
mod migrations;
mod receipts;
mod recoveries;
mod rooms;
mod settings;
mod transaction;
mod value;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use tokio::sync::Mutex;

#[cfg(feature = "testing")]
pub use transaction::Fault;

use crate::StoreError;
use transaction::Writer;

/// Connections that read.
const READERS: u32 = 4;
/// How long a connection waits for another process's lock, such as a backup's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Page cache of a connection, in KiB.
const CACHE_KIB: u32 = 32 * 1024;
/// Prepared statements that a connection keeps: every one that there is.
const STATEMENTS: usize = 256;
/// Pages of WAL (4 KiB each) after which a commit moves them into the main file.
const CHECKPOINT_PAGES: u32 = 4_000;

/// `PRAGMA synchronous` from which on a commit is synced: FULL.
const SYNCHRONOUS_FULL: i64 = 2;

/// A store in one SQLite file.
pub struct SqliteStore {
    options: SqliteConnectOptions,
    writer: Mutex<Writer>,
    readers: SqlitePool,
    syncs_commits: bool,
    #[cfg(feature = "testing")]
    fault: std::sync::Mutex<Option<Fault>>,
}

impl SqliteStore {
    /// Opens the file, makes it (readable by its owner alone) if there is none, and brings it to the newest
    /// schema. That nobody else has it open is for the caller to see to.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`]; [`StoreError::Corrupt`] if it is no such database;
    /// [`StoreError::Unavailable`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        create(path).map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(STATEMENTS)
            .pragma("cache_size", format!("-{CACHE_KIB}"))
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
            .pragma("trusted_schema", "OFF")
            .pragma("secure_delete", "ON")
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        migrations::run(&mut connection).await?;
        let syncs_commits = syncs_commits(&mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            .connect_with(options.clone().pragma("query_only", "ON"))
            .await?;
        Ok(Self {
            options,
            writer: Mutex::new(Writer::ready(connection)),
            readers,
            syncs_commits,
            #[cfg(feature = "testing")]
            fault: std::sync::Mutex::new(None),
        })
    }

    /// Lets the next transaction that would commit fail.
    #[cfg(feature = "testing")]
    pub fn fail_next(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(fault);
    }
}

/// Makes the file, if there is none, and syncs its directory: SQLite syncs what it writes, not the name.
fn create(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// Whether SQLite syncs each commit, as it says itself: it keeps silent about settings that it does not take up.
async fn syncs_commits(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let (journal, synchronous): (String, i64) =
        sqlx::query_as("SELECT journal_mode, synchronous FROM pragma_journal_mode, pragma_synchronous")
            .fetch_one(connection)
            .await?;
    Ok(synchronous >= SYNCHRONOUS_FULL && journal != "off" && journal != "memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_sqlite_does_decides_whether_commits_are_synced() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
        assert!(crate::Upkeep::syncs_commits(&store));
        let (wal, memory) = (SqliteJournalMode::Wal, SqliteJournalMode::Memory);
        for (journal, synchronous, synced) in [
            (wal, SqliteSynchronous::Full, true),
            (wal, SqliteSynchronous::Normal, false),
            (memory, SqliteSynchronous::Full, false),
        ] {
            let path = folder.path().join(format!("{journal:?}-{synchronous:?}.db"));
            let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
            let mut connection =
                options.journal_mode(journal).synchronous(synchronous).connect().await.unwrap();
            assert_eq!(syncs_commits(&mut connection).await.unwrap(), synced);
        }
    }

    #[tokio::test]
    async fn the_writer_syncs_each_commit_and_readers_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
        let mut transaction = store.begin().await.unwrap();
        let settings: (String, i64, i64) = sqlx::query_as(
            "SELECT journal_mode, synchronous, foreign_keys \
             FROM pragma_journal_mode, pragma_synchronous, pragma_foreign_keys",
        )
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
        assert_eq!(settings, ("wal".to_owned(), 2, 1), "synchronous 2 is FULL");
        transaction.finish(Ok(())).await.unwrap();
        let write = sqlx::query("DELETE FROM settings").execute(&store.readers).await;
        assert!(write.is_err());
    }
}
