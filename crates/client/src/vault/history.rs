//! Contents that come from other devices of this user, and how far they are handed in and read (docs/group.md, GR-28 and GR-29).

use std::collections::HashMap;

use sqlx::Row as _;

use super::{Place, RoomKey, StoredEntry, Vault, VaultError, int, uint};

const TABLE: &str = "history";

/// How far a room's history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HistoryProgress {
    /// What this device opened of the entries before this index is handed in.
    pub(crate) end: u64,
    /// Position of the last piece of others that was read.
    pub(crate) read: u64,
}

impl Vault {
    /// How far a room's history is.
    pub(crate) async fn history_progress(&self, key: RoomKey) -> Result<HistoryProgress, VaultError> {
        let row = sqlx::query("SELECT history_end, history_read FROM room WHERE id = ?")
            .bind(int(key.0)?)
            .fetch_one(&self.readers)
            .await?;
        Ok(HistoryProgress { end: uint(row.try_get(0)?)?, read: uint(row.try_get(1)?)? })
    }

    /// Notes that what this device opened of the entries before `end` is handed in.
    pub(crate) async fn put_history_end(&self, key: RoomKey, end: u64) -> Result<(), VaultError> {
        let mut transaction = self.begin().await?;
        sqlx::query("UPDATE room SET history_end = max(history_end, ?) WHERE id = ?")
            .bind(int(end)?)
            .bind(int(key.0)?)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// Keeps contents, by log index, from a piece at this position; what is there stays.
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
        sqlx::query("UPDATE room SET history_read = max(history_read, ?) WHERE id = ?")
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
