//! The organisation's directory: leaf hashes, the newest checkpoint, and the leaves that are known.

use pki::Sha256Hash;
use sqlx::Row as _;

use super::{Place, Vault, VaultError, WriteTransaction, int, uint};

const HEAD: &str = "directory";
const HASHES: &str = "directory hashes";
const LEAF: &str = "directory leaf";

/// The directory as stored.
#[derive(Default)]
pub(crate) struct StoredDirectory {
    /// All leaf hashes, in order.
    pub(crate) hashes: Vec<Sha256Hash>,
    /// The verified checkpoint of all of them; none while there are none.
    pub(crate) note: Option<Vec<u8>>,
    /// Leaves with their indices.
    pub(crate) leaves: Vec<(u64, Vec<u8>)>,
}

impl Vault {
    /// The directory.
    pub(crate) async fn directory(&self) -> Result<StoredDirectory, VaultError> {
        // One state of the file, whatever another process writes meanwhile.
        let mut snapshot = self.readers.begin().await?;
        let mut stored = StoredDirectory::default();
        let head = sqlx::query("SELECT size, sealed FROM directory WHERE id = 1")
            .fetch_optional(&mut *snapshot)
            .await?;
        let Some(head) = head else { return Ok(stored) };
        let size = uint(head.try_get(0)?)?;
        stored.note = Some(self.keys.open(Place::at(HEAD, [size]), head.try_get(1)?)?.to_vec());
        let rows = sqlx::query("SELECT first, count, sealed FROM directory_hashes ORDER BY first")
            .fetch_all(&mut *snapshot)
            .await?;
        for row in rows {
            let (first, count) = (uint(row.try_get(0)?)?, uint(row.try_get(1)?)?);
            let opened = self.keys.open(Place::at(HASHES, [first, count]), row.try_get(2)?)?;
            let (hashes, []) = opened.as_chunks() else { return Err(VaultError::Damaged(HASHES)) };
            if stored.hashes.len() as u64 != first || hashes.len() as u64 != count {
                return Err(VaultError::Damaged(HASHES));
            }
            stored.hashes.extend_from_slice(hashes);
        }
        if stored.hashes.len() as u64 != size {
            return Err(VaultError::Damaged(HEAD));
        }
        let rows = sqlx::query("SELECT idx, sealed FROM directory_leaf ORDER BY idx")
            .fetch_all(&mut *snapshot)
            .await?;
        for row in rows {
            let index = uint(row.try_get(0)?)?;
            let leaf = self.keys.open(Place::at(LEAF, [index]), row.try_get(1)?)?;
            stored.leaves.push((index, leaf.to_vec()));
        }
        Ok(stored)
    }

    /// Adds leaf hashes behind the first `from`, with the verified checkpoint of all, and leaves among them.
    ///
    /// # Errors
    /// [`VaultError::Moved`] if another process has added some.
    pub(crate) async fn put_directory(
        &self,
        from: u64,
        hashes: &[Sha256Hash],
        note: &[u8],
        leaves: &[(u64, &[u8])],
    ) -> Result<(), VaultError> {
        let count = hashes.len() as u64;
        let size = from.saturating_add(count);
        let mut transaction = self.begin().await?;
        let done = sqlx::query(
            "INSERT INTO directory (id, size, sealed) VALUES (1, ?1, ?2) \
             ON CONFLICT DO UPDATE SET size = excluded.size, sealed = excluded.sealed WHERE size = ?3",
        )
        .bind(int(size)?)
        .bind(self.keys.seal(Place::at(HEAD, [size]), note)?)
        .bind(int(from)?)
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() != 1 {
            return Err(VaultError::Moved);
        }
        sqlx::query("INSERT INTO directory_hashes (first, count, sealed) VALUES (?, ?, ?)")
            .bind(int(from)?)
            .bind(int(count)?)
            .bind(self.keys.seal(Place::at(HASHES, [from, count]), hashes.as_flattened())?)
            .execute(&mut *transaction)
            .await?;
        self.insert_leaves(&mut transaction, leaves).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Stores leaves whose hashes stand at their indices; known ones stay.
    pub(crate) async fn put_directory_leaves(&self, leaves: &[(u64, &[u8])]) -> Result<(), VaultError> {
        let mut transaction = self.begin().await?;
        self.insert_leaves(&mut transaction, leaves).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn insert_leaves(
        &self,
        transaction: &mut WriteTransaction,
        leaves: &[(u64, &[u8])],
    ) -> Result<(), VaultError> {
        for (index, leaf) in leaves {
            sqlx::query("INSERT OR IGNORE INTO directory_leaf (idx, sealed) VALUES (?, ?)")
                .bind(int(*index)?)
                .bind(self.keys.seal(Place::at(LEAF, [*index]), leaf)?)
                .execute(&mut **transaction)
                .await?;
        }
        Ok(())
    }
}
