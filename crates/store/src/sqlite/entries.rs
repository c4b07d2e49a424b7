//! The logs of rooms: appending, and reading from an index on.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;

use super::value::{bound, hash, uint};
use super::{SqliteStore, append};
use crate::limits::{MAX_BATCH, MAX_PAGE, check};
use crate::{AppendError, Entry, Hash, Log, RoomAppend, RoomHead, StoreError};

type Row = (i64, u8, Option<Vec<u8>>, Option<Vec<u8>>, Vec<u8>, i64, Vec<u8>, i64);

#[async_trait]
impl Log for SqliteStore {
    async fn append(&self, batch: Vec<RoomAppend>) -> Result<Vec<Result<(), AppendError>>, StoreError> {
        check("batch of appends", batch.len(), MAX_BATCH)?;
        let mut transaction = self.begin().await?;
        let outcome = append::append(&mut transaction, batch).await;
        transaction.finish(outcome).await
    }

    async fn room_head(&self, room: &Hash) -> Result<Option<RoomHead>, StoreError> {
        let row: Option<(i64, i64, Vec<u8>, Vec<u8>)> = sqlx::query_as(
            "SELECT h.size, h.epoch, h.frontier, h.checkpoint FROM rooms r JOIN room_heads h ON h.room_no = r.no \
             WHERE r.id = ?",
        )
        .bind(&room[..])
        .fetch_optional(&self.readers)
        .await?;
        row.map(|(size, epoch, frontier, checkpoint)| {
            Ok(RoomHead { size: uint(size)?, epoch: uint(epoch)?, frontier, checkpoint })
        })
        .transpose()
    }

    async fn entries(
        &self,
        room: &Hash,
        from: u64,
        max_count: u32,
        max_bytes: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut rows = sqlx::query_as(
            "SELECT e.idx, e.kind, b.statement, b.ciphertext, e.sender, e.seq, e.leaf_hash, e.received_ms \
             FROM entries e LEFT JOIN bodies b ON b.id = e.body \
             WHERE e.room_no = (SELECT no FROM rooms WHERE id = ?) AND e.idx >= ? ORDER BY e.idx LIMIT ?",
        )
        .bind(&room[..])
        .bind(bound(from))
        .bind(max_count.min(MAX_PAGE))
        .fetch(&self.readers);
        let mut entries = Vec::new();
        let mut bytes: u64 = 0;
        while let Some(row) = rows.try_next().await? {
            let entry = entry(row)?;
            let size = entry.statement.len() + entry.ciphertext.as_ref().map_or(0, Vec::len);
            bytes = bytes.saturating_add(size as u64);
            if bytes > max_bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    async fn entry_by_seq(&self, room: &Hash, sender: &Hash, seq: u64) -> Result<Option<Entry>, StoreError> {
        sqlx::query_as(
            "SELECT e.idx, e.kind, b.statement, b.ciphertext, e.sender, e.seq, e.leaf_hash, e.received_ms \
             FROM entries e LEFT JOIN bodies b ON b.id = e.body \
             WHERE e.room_no = (SELECT no FROM rooms WHERE id = ?) AND e.sender = ? AND e.seq = ?",
        )
        .bind(&room[..])
        .bind(&sender[..])
        .bind(bound(seq))
        .fetch_optional(&self.readers)
        .await?
        .map(entry)
        .transpose()
    }

    async fn last_seq(&self, room: &Hash, sender: &Hash) -> Result<u64, StoreError> {
        let last: Option<i64> = sqlx::query_scalar(
            "SELECT last_seq FROM room_senders WHERE room_no = (SELECT no FROM rooms WHERE id = ?) AND sender = ?",
        )
        .bind(&room[..])
        .bind(&sender[..])
        .fetch_optional(&self.readers)
        .await?;
        uint(last.unwrap_or(0))
    }

    async fn last_seqs(&self, room: &Hash) -> Result<Vec<(Hash, u64)>, StoreError> {
        let rows: Vec<(Vec<u8>, i64)> = sqlx::query_as(
            "SELECT sender, last_seq FROM room_senders WHERE room_no = (SELECT no FROM rooms WHERE id = ?) \
             ORDER BY sender",
        )
        .bind(&room[..])
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(|(sender, last)| Ok((hash(sender)?, uint(last)?))).collect()
    }
}

fn entry(row: Row) -> Result<Entry, StoreError> {
    let (index, kind, statement, ciphertext, sender, seq, leaf_hash, received_ms) = row;
    Ok(Entry {
        index: uint(index)?,
        kind,
        statement: statement.ok_or_else(|| StoreError::Corrupt("an entry without its statement".into()))?,
        ciphertext,
        sender: hash(sender)?,
        seq: uint(seq)?,
        leaf_hash: hash(leaf_hash)?,
        received_ms: uint(received_ms)?,
    })
}
