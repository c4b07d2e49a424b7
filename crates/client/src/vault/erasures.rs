//! What was erased: its content goes, the entry stays (docs/session.md, SE-51).

use std::collections::BTreeMap;

use evidence::receipt::Unopened;
use sqlx::Row as _;

use super::{RoomKey, Vault, VaultError, WriteTransaction, int, uint};

impl Vault {
    /// Drops what is kept of the contents of these entries, which the one at `by` erases; those that are not stored yet come without.
    pub(crate) async fn erase(
        &self,
        transaction: &mut WriteTransaction,
        key: RoomKey,
        by: u64,
        erased: &[u64],
    ) -> Result<(), VaultError> {
        for index in erased {
            sqlx::query("INSERT OR IGNORE INTO erased (room, idx, by_idx) VALUES (?, ?, ?)")
                .bind(int(key.0)?)
                .bind(int(*index)?)
                .bind(int(by)?)
                .execute(&mut **transaction)
                .await?;
            sqlx::query("DELETE FROM history WHERE room = ? AND idx = ?")
                .bind(int(key.0)?)
                .bind(int(*index)?)
                .execute(&mut **transaction)
                .await?;
        }
        let mut rest = erased;
        while let Some(index) = rest.first() {
            let mut segment = self.segment_on(transaction, key, *index).await?;
            let end = segment.as_ref().map_or(index.saturating_add(1), |segment| segment.end());
            let (here, behind) = rest.split_at(rest.partition_point(|index| *index < end));
            rest = behind;
            if let Some(segment) = &mut segment {
                for (index, entry) in (segment.first..).zip(&mut segment.entries) {
                    if here.contains(&index) {
                        entry.content = None;
                        entry.unopened = entry.unopened.map(reason_when_erased);
                    }
                }
                self.rewrite_segment(transaction, key, segment).await?;
            }
        }
        Ok(())
    }

    /// The entries of a room from `from` to before `to` that were erased, each with the index of the erasure.
    pub(crate) async fn erased(
        &self,
        key: RoomKey,
        from: u64,
        to: u64,
    ) -> Result<BTreeMap<u64, u64>, VaultError> {
        let rows = sqlx::query("SELECT idx, by_idx FROM erased WHERE room = ? AND idx >= ? AND idx < ?")
            .bind(int(key.0)?)
            .bind(int(from)?)
            .bind(i64::try_from(to).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| Ok((uint(row.try_get(0)?)?, uint(row.try_get(1)?)?))).collect()
    }

    /// Moves what the write-ahead log holds into the file and empties it, unless somebody reads: what was dropped is then nowhere.
    pub(crate) async fn empty_log(&self) -> Result<(), VaultError> {
        let mut writer = self.writer.acquire().await?;
        sqlx::query("PRAGMA busy_timeout = 0").execute(&mut *writer).await?;
        let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *writer).await;
        let waiting = format!("PRAGMA busy_timeout = {}", super::BUSY_TIMEOUT.as_millis());
        sqlx::query(sqlx::AssertSqlSafe(waiting)).execute(&mut *writer).await?;
        Ok(emptied.map(drop)?)
    }
}

/// What receipts say of content that is missing for this reason, once it is erased (EV-30): what was found wrong stays so.
pub(crate) fn reason_when_erased(reason: u8) -> u8 {
    if reason == Unopened::Withheld as u8 { Unopened::Erased as u8 } else { reason }
}
