//! The encrypted state of a home: one SQLite file, values sealed under a key that the password opens.
//!
//! Several processes may have it open. Whatever moves a position compares it first, in the transaction that moves
//! it; who comes second gets [`VaultError::Moved`], reads what the other stored, and goes on from there.

mod certificates;
mod comparisons;
mod directory;
mod erasures;
mod error;
mod groups;
mod history;
mod key;
mod outbox;
mod receipts;
mod rooms;
mod schema;
mod segments;
mod transaction;
mod uploads;
mod values;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pki::password::Password;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Row as _};

pub(crate) use certificates::StoredCertificate;
pub(crate) use comparisons::Comparison;
pub(crate) use directory::StoredDirectory;
pub(crate) use erasures::reason_when_erased;
pub use error::VaultError;
pub(crate) use groups::{GroupRecords, StoredGroup};
pub(crate) use history::HistoryKeys;
pub(crate) use outbox::{OutboxRow, OutboxState, Parcel};
pub(crate) use receipts::StoredReceipt;
pub(crate) use rooms::{Alarm, CHECKPOINT_SPACING_S, RoomKey, RoomRecord, RoomRow, Step, VerifiedHead};
pub(crate) use segments::{NewStoredEntry, StoredEntry};
pub(crate) use transaction::WriteTransaction;
pub(crate) use uploads::{UploadId, UploadRow};
pub(crate) use values::Profile;

use crate::platform;
use key::{Keys, Place, VaultKey, Wrapped};

/// How long a transaction waits for another process's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that read.
const READERS: u32 = 2;

/// An open vault.
pub(crate) struct Vault {
    keys: Keys,
    key: VaultKey,
    writer: SqlitePool,
    readers: SqlitePool,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(..)")
    }
}

impl Vault {
    /// Makes a vault in a new file.
    pub(crate) async fn create(path: &Path, password: Arc<Password>) -> Result<Self, VaultError> {
        let (key, wrapped) = blocking(move || {
            let key = VaultKey::generate()?;
            let wrapped = key.wrap(&password)?;
            Ok((key, wrapped))
        })
        .await?;
        let vault = Self::connect(path, key).await?;
        let mut transaction = vault.begin().await?;
        insert_wrapped(&mut transaction, &wrapped).await?;
        transaction.commit().await?;
        Ok(vault)
    }

    /// Opens a vault.
    pub(crate) async fn open(path: &Path, password: Arc<Password>) -> Result<Self, VaultError> {
        if !path.exists() {
            return Err(VaultError::Damaged("its file is missing"));
        }
        let mut connection = options(path).connect().await?;
        schema::check(&mut connection).await?;
        let row = sqlx::query("SELECT memory_kib, passes, lanes, salt, sealed FROM vault WHERE id = 1")
            .fetch_optional(&mut connection)
            .await?
            .ok_or(VaultError::Damaged("its key is missing"))?;
        let wrapped = Wrapped {
            memory_kib: row.try_get(0)?,
            passes: row.try_get(1)?,
            lanes: row.try_get(2)?,
            salt: row.try_get(3)?,
            sealed: row.try_get(4)?,
        };
        let key = blocking(move || wrapped.unwrap(&password)).await?;
        Self::connect(path, key).await
    }

    async fn connect(path: &Path, key: VaultKey) -> Result<Self, VaultError> {
        platform::open_private_file(path)?;
        let mut connection = options(path).connect().await?;
        schema::run(&mut connection).await?;
        let pool = |size| SqlitePoolOptions::new().max_connections(size).test_before_acquire(false);
        let writer = pool(1).connect_with(options(path)).await?;
        let readers = pool(READERS).connect_with(options(path).pragma("query_only", "ON")).await?;
        Ok(Self { keys: key.keys()?, key, writer, readers })
    }

    /// Puts the key under another password.
    pub(crate) async fn rewrap(&self, password: Arc<Password>) -> Result<(), VaultError> {
        let key = self.key.copy();
        let wrapped = blocking(move || key.wrap(&password)).await?;
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM vault").execute(&mut *transaction).await?;
        insert_wrapped(&mut transaction, &wrapped).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Starts a transaction that writes; it waits for others'.
    pub(crate) async fn begin(&self) -> Result<WriteTransaction, VaultError> {
        Ok(WriteTransaction(self.writer.begin_with("BEGIN IMMEDIATE").await?))
    }

    /// The same vault after its folder was renamed.
    pub(crate) async fn reopen(&self, path: &Path) -> Result<Self, VaultError> {
        Self::connect(path, self.key.copy()).await
    }

    /// Closes the file.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("trusted_schema", "OFF")
        // GR-9: what is deleted is overwritten.
        .pragma("secure_delete", "ON")
        .disable_statement_logging()
}

async fn insert_wrapped(connection: &mut SqliteConnection, wrapped: &Wrapped) -> Result<(), VaultError> {
    sqlx::query("INSERT INTO vault (id, memory_kib, passes, lanes, salt, sealed) VALUES (1, ?, ?, ?, ?, ?)")
        .bind(wrapped.memory_kib)
        .bind(wrapped.passes)
        .bind(wrapped.lanes)
        .bind(wrapped.salt.clone())
        .bind(wrapped.sealed.clone())
        .execute(connection)
        .await?;
    Ok(())
}

/// Runs what takes the time of an Argon2id off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
) -> Result<T, VaultError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(VaultError::Cryptography))
}

/// An index, size or number as SQL's signed integer.
fn int(value: u64) -> Result<i64, VaultError> {
    i64::try_from(value).map_err(|_| VaultError::Damaged("a number"))
}

/// SQL's signed integer, of which none is stored below 0.
fn uint(value: i64) -> Result<u64, VaultError> {
    u64::try_from(value).map_err(|_| VaultError::Damaged("a number"))
}

/// Decodes what this vault sealed; its authenticity is known, its shape may be a later version's.
fn decode<T>(what: &'static str, bytes: &[u8]) -> Result<T, VaultError>
where
    T: for<'b> minicbor::Decode<'b, ()>,
{
    minicbor::decode(bytes).map_err(|_| VaultError::Damaged(what))
}

#[cfg(test)]
mod tests;
