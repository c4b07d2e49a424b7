//! Contents that come from other devices of this user, and how far they are handed in and read (docs/group.md, GR-28 and GR-29).

use std::collections::HashMap;

use group::HistoryKey;
use sqlx::Row as _;

use super::{Place, RoomKey, StoredEntry, Vault, VaultError, WriteTransaction, int, uint};

const TABLE: &str = "history";
const KEYS: &str = "history key";

/// History keys, as the vault has them.
#[derive(Default)]
pub(crate) struct HistoryKeys {
    /// This device's own, the newest first, each with how many devices of its user were known to be revoked when it was made.
    pub(crate) own: Vec<(HistoryKey, u64)>,
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
    /// Position of the last piece of others that was read.
    pub(crate) read: u64,
}

impl Vault {
    /// All history keys.
    pub(crate) async fn history_keys(&self) -> Result<HistoryKeys, VaultError> {
        let rows = sqlx::query("SELECT id, own, revoked, sealed FROM history_key ORDER BY no DESC")
            .fetch_all(&self.readers)
            .await?;
        let mut keys = HistoryKeys::default();
        for row in &rows {
            let (id, own, revoked): (&[u8], bool, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let opened = self.keys.open(Place::with_bytes(KEYS, [u64::from(own)], id), row.try_get(3)?)?;
            let key = HistoryKey::from_bytes(&opened).ok_or(VaultError::Damaged(KEYS))?;
            if own {
                keys.own.push((key, uint(revoked)?));
            } else {
                keys.others.push(key);
            }
        }
        Ok(keys)
    }

    /// Keeps a history key, if it is not known: this device's own with how many devices of its user are known to be revoked.
    pub(crate) async fn put_history_key(
        &self,
        transaction: &mut WriteTransaction,
        key: &HistoryKey,
        own: Option<u64>,
    ) -> Result<(), VaultError> {
        let id = key.id();
        let place = Place::with_bytes(KEYS, [u64::from(own.is_some())], &id);
        sqlx::query("INSERT OR IGNORE INTO history_key (id, own, revoked, sealed) VALUES (?, ?, ?, ?)")
            .bind(id.to_vec())
            .bind(own.is_some())
            .bind(int(own.unwrap_or_default())?)
            .bind(self.keys.seal(place, key.as_bytes())?)
            .execute(&mut **transaction)
            .await?;
        Ok(())
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
        let row = sqlx::query("SELECT history_end, history_read FROM room WHERE id = ?")
            .bind(int(key.0)?)
            .fetch_one(&self.readers)
            .await?;
        Ok(HistoryProgress { end: uint(row.try_get(0)?)?, read: uint(row.try_get(1)?)? })
    }

    /// Notes up to where what this device opened is handed in.
    pub(crate) async fn put_history_end(&self, key: RoomKey, end: u64) -> Result<(), VaultError> {
        let mut transaction = self.begin().await?;
        sqlx::query("UPDATE room SET history_end = ? WHERE id = ?")
            .bind(int(end)?)
            .bind(int(key.0)?)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// Keeps contents, by log index, and notes the position of the last piece read; what is there stays.
    pub(crate) async fn put_history(
        &self,
        key: RoomKey,
        position: u64,
        contents: &[(u64, Vec<u8>)],
    ) -> Result<(), VaultError> {
        let mut transaction = self.begin().await?;
        for (index, content) in contents {
            sqlx::query("INSERT OR IGNORE INTO history (room, idx, sealed) VALUES (?, ?, ?)")
                .bind(int(key.0)?)
                .bind(int(*index)?)
                .bind(self.keys.seal(Place::at(TABLE, [key.0, *index]), content)?)
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query("UPDATE room SET history_read = ? WHERE id = ?")
            .bind(int(position)?)
            .bind(int(key.0)?)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
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
