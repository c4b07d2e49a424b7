//! Contents that come from other devices of this user, and how far they are handed in and read (docs/group.md, GR-28 and GR-29).

use std::collections::HashMap;

use evidence::Hash;
use group::HistoryKey;
use sqlx::Row as _;

use super::{Place, RoomKey, StoredEntry, Vault, VaultError, WriteTransaction, int, uint};

const TABLE: &str = "history";
const KEYS: &str = "history key";

/// History keys, as the vault has them.
#[derive(Default)]
pub(crate) struct HistoryKeys {
    /// This device's own, the newest first, each with which devices of its user were known to be revoked when it was made, as one SHA-256.
    pub(crate) own: Vec<(HistoryKey, Hash)>,
    /// Those of others.
    pub(crate) others: Vec<HistoryKey>,
}

impl HistoryKeys {
    /// All of them, in the order in which they are given (GR-27).
    pub(crate) fn all(&self) -> impl Iterator<Item = &HistoryKey> {
        self.own.iter().map(|(key, _)| key).chain(&self.others)
    }
}

/// How far a room's history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HistoryProgress {
    /// What this device opened of the entries before this index is handed in.
    pub(crate) end: u64,
    /// Where the last piece that was handed in ends.
    pub(crate) put: u64,
    /// Position of the last piece of others that was read.
    pub(crate) read: u64,
}

impl Vault {
    /// All history keys.
    pub(crate) async fn history_keys(&self) -> Result<HistoryKeys, VaultError> {
        let rows = sqlx::query("SELECT id, giver IS NULL, revoked, sealed FROM history_key ORDER BY no DESC")
            .fetch_all(&self.readers)
            .await?;
        let mut keys = HistoryKeys::default();
        for row in &rows {
            let (id, own, revoked): (&[u8], bool, &[u8]) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let opened = self.keys.open(Place::with_bytes(KEYS, [u64::from(own)], id), row.try_get(3)?)?;
            let key = HistoryKey::from_bytes(&opened).ok_or(VaultError::Damaged(KEYS))?;
            if own {
                keys.own.push((key, revoked.try_into().map_err(|_| VaultError::Damaged(KEYS))?));
            } else {
                keys.others.push(key);
            }
        }
        Ok(keys)
    }

    /// Keeps a history key of this device, made when these devices of its user were known to be revoked.
    pub(crate) async fn put_own_history_key(
        &self,
        key: &HistoryKey,
        revoked: Hash,
    ) -> Result<(), VaultError> {
        let mut transaction = self.begin().await?;
        self.insert_history_key(&mut transaction, key, None, &revoked).await?;
        transaction.commit().await
    }

    /// Keeps history keys that a device gave, of each giver at most `most`; whether one of them is new.
    pub(crate) async fn put_given_history_keys(
        &self,
        transaction: &mut WriteTransaction,
        giver: &[u8; 32],
        keys: &[HistoryKey],
        most: usize,
    ) -> Result<bool, VaultError> {
        let held: i64 = sqlx::query_scalar("SELECT count(*) FROM history_key WHERE giver = ?")
            .bind(giver.to_vec())
            .fetch_one(&mut **transaction)
            .await?;
        let held = usize::try_from(held).unwrap_or(usize::MAX);
        let mut any = false;
        for key in keys.iter().take(most.saturating_sub(held)) {
            any |= self.insert_history_key(transaction, key, Some(giver), &[]).await?;
        }
        Ok(any)
    }

    async fn insert_history_key(
        &self,
        transaction: &mut WriteTransaction,
        key: &HistoryKey,
        giver: Option<&[u8; 32]>,
        revoked: &[u8],
    ) -> Result<bool, VaultError> {
        let id = key.id();
        let place = Place::with_bytes(KEYS, [u64::from(giver.is_none())], &id);
        let done =
            sqlx::query("INSERT OR IGNORE INTO history_key (id, giver, revoked, sealed) VALUES (?, ?, ?, ?)")
                .bind(id.to_vec())
                .bind(giver.map(|giver| giver.to_vec()))
                .bind(revoked.to_vec())
                .bind(self.keys.seal(place, key.as_bytes())?)
                .execute(&mut **transaction)
                .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets up to where pieces were read: further keys open more of them.
    pub(crate) async fn read_history_anew(
        &self,
        transaction: &mut WriteTransaction,
    ) -> Result<(), VaultError> {
        sqlx::query("UPDATE room SET history_read = 0").execute(&mut **transaction).await?;
        Ok(())
    }

    /// How far a room's history is.
    pub(crate) async fn history_progress(&self, key: RoomKey) -> Result<HistoryProgress, VaultError> {
        let row = sqlx::query("SELECT history_end, history_put, history_read FROM room WHERE id = ?")
            .bind(int(key.0)?)
            .fetch_one(&self.readers)
            .await?;
        Ok(HistoryProgress {
            end: uint(row.try_get(0)?)?,
            put: uint(row.try_get(1)?)?,
            read: uint(row.try_get(2)?)?,
        })
    }

    /// Notes that nothing that this device opened of the entries before `end` is to be handed in any more; with `put`, as a piece that ends there was.
    pub(crate) async fn put_history_end(&self, key: RoomKey, end: u64, put: bool) -> Result<(), VaultError> {
        let sql = match put {
            true => {
                "UPDATE room SET history_end = max(history_end, ?1), history_put = max(history_put, ?1) WHERE id = ?2"
            }
            false => "UPDATE room SET history_end = max(history_end, ?1) WHERE id = ?2",
        };
        self.set_history(sql, key, end).await
    }

    /// Notes that the last piece that the server has ends at `end`.
    pub(crate) async fn reset_history_end(&self, key: RoomKey, end: u64) -> Result<(), VaultError> {
        self.set_history("UPDATE room SET history_end = ?1, history_put = ?1 WHERE id = ?2", key, end).await
    }

    async fn set_history(&self, sql: &'static str, key: RoomKey, end: u64) -> Result<(), VaultError> {
        let mut transaction = self.begin().await?;
        sqlx::query(sql).bind(int(end)?).bind(int(key.0)?).execute(&mut *transaction).await?;
        transaction.commit().await
    }

    /// Keeps contents, by log index, and moves the position of the last piece read; what is there stays, and what was erased is not kept. Nothing is done, and said so, if
    /// another process moved it.
    pub(crate) async fn put_history(
        &self,
        key: RoomKey,
        (from, to): (u64, u64),
        contents: &[(u64, Vec<u8>)],
    ) -> Result<bool, VaultError> {
        let mut transaction = self.begin().await?;
        let moved = sqlx::query("UPDATE room SET history_read = ? WHERE id = ? AND history_read = ?")
            .bind(int(to)?)
            .bind(int(key.0)?)
            .bind(int(from)?)
            .execute(&mut *transaction)
            .await?;
        if moved.rows_affected() == 0 {
            return Ok(false);
        }
        for (index, content) in contents {
            sqlx::query(
                "INSERT OR IGNORE INTO history (room, idx, sealed) SELECT ?1, ?2, ?3 \
                 WHERE NOT EXISTS (SELECT 1 FROM erased WHERE room = ?1 AND idx = ?2)",
            )
            .bind(int(key.0)?)
            .bind(int(*index)?)
            .bind(self.keys.seal(Place::at(TABLE, [key.0, *index]), content)?)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Gives ascending entries that have no content the one that another device has opened.
    pub(super) async fn fill_from_history(
        &self,
        key: RoomKey,
        entries: &mut [(u64, StoredEntry)],
    ) -> Result<(), VaultError> {
        let lacking = |(_, entry): &&(u64, StoredEntry)| entry.content.is_none();
        let first = entries.iter().find(lacking).map(|(index, _)| *index);
        let last = entries.iter().rfind(lacking).map(|(index, _)| *index);
        let Some((first, last)) = first.zip(last) else { return Ok(()) };
        let rows = sqlx::query("SELECT idx, sealed FROM history WHERE room = ? AND idx BETWEEN ? AND ?")
            .bind(int(key.0)?)
            .bind(int(first)?)
            .bind(int(last)?)
            .fetch_all(&self.readers)
            .await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let index = uint(row.try_get(0)?)?;
            let content = self.keys.open(Place::at(TABLE, [key.0, index]), row.try_get(1)?)?;
            found.insert(index, content.to_vec());
        }
        for (index, entry) in entries.iter_mut().filter(|(_, entry)| entry.content.is_none()) {
            entry.content = found.remove(index);
        }
        Ok(())
    }
}
