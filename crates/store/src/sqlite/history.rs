//! What a user's devices keep for each other.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use sqlx::sqlite::SqliteConnection;

use super::value::{bound, hash, int, uint};
use super::{SqliteStore, devices, erasures};
use crate::error::TooLarge;
use crate::limits::{MAX_HISTORY, MAX_HISTORY_BOX, MAX_HISTORY_PIECE, MIN_HISTORY_PIECE, check};
use crate::{Hash, Histories, History, NewHistory, Problem, Report, StoreError, piece};

/// Pieces in one answer.
const PIECES: u32 = 64;

/// Pieces that are rewritten in one transaction: 4 MiB at most, as others wait for it.
const REWRITTEN_AT_ONCE: u32 = 8;

/// The last one ends last.
const END: &str =
    "SELECT past FROM history WHERE certificate = ? AND room = ? ORDER BY position DESC LIMIT 1";

#[async_trait]
impl Histories for SqliteStore {
    async fn history_keys_given(&self, giver: &Hash) -> Result<Vec<(Hash, u32)>, StoreError> {
        let rows: Vec<(Vec<u8>, u32)> = sqlx::query_as(
            "SELECT certificate, keys FROM history_boxes WHERE giver = ? ORDER BY certificate",
        )
        .bind(&giver[..])
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(|(certificate, keys)| Ok((hash(certificate)?, keys))).collect()
    }

    async fn put_history_box(
        &self,
        device: &Hash,
        giver: &Hash,
        keys: u32,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        check("history keys", sealed.len(), MAX_HISTORY_BOX)?;
        let mut transaction = self.begin().await?;
        let outcome = put_box(&mut transaction, device, giver, keys, sealed).await;
        transaction.finish(outcome).await
    }

    async fn history_boxes(&self, device: &Hash) -> Result<Vec<(Hash, u32, Vec<u8>)>, StoreError> {
        let rows: Vec<(Vec<u8>, u32, Vec<u8>)> = sqlx::query_as(
            "SELECT giver, keys, sealed FROM history_boxes WHERE certificate = ? AND sealed IS NOT NULL ORDER BY giver",
        )
        .bind(&device[..])
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(|(giver, keys, sealed)| Ok((hash(giver)?, keys, sealed))).collect()
    }

    async fn take_history_box(
        &self,
        device: &Hash,
        giver: &Hash,
        keys: u32,
        opened: bool,
    ) -> Result<(), StoreError> {
        let sql = match opened {
            true => "UPDATE history_boxes SET sealed = NULL WHERE certificate = ? AND giver = ? AND keys = ?",
            false => "DELETE FROM history_boxes WHERE certificate = ? AND giver = ? AND keys = ?",
        };
        let mut transaction = self.begin().await?;
        let outcome =
            sqlx::query(sql).bind(&device[..]).bind(&giver[..]).bind(keys).execute(&mut *transaction).await;
        transaction.finish(outcome.map(|_| ()).map_err(Into::into)).await
    }

    async fn last_history(&self) -> Result<u64, StoreError> {
        let last: Option<i64> =
            sqlx::query_scalar("SELECT max(position) FROM history").fetch_one(&self.readers).await?;
        uint(last.unwrap_or_default())
    }

    async fn put_history(&self, piece: NewHistory) -> Result<u64, StoreError> {
        check("piece of history", piece.piece.len(), MAX_HISTORY_PIECE)?;
        if piece.piece.is_empty() {
            return end(&mut *self.readers.acquire().await?, &piece).await;
        }
        if piece.end <= piece.first {
            return Err(StoreError::Misuse("a piece of history that is about nothing"));
        }
        let mut transaction = self.begin().await?;
        let outcome = put(&mut transaction, piece).await;
        transaction.finish(outcome).await
    }

    async fn history(
        &self,
        user: &str,
        device: &Hash,
        room: &Hash,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<History>, StoreError> {
        let mut rows = sqlx::query_as(
            "SELECT position, certificate, first, past, piece, position IN (SELECT position FROM history_erased) \
                FROM history WHERE position IN ( \
                SELECT h.position FROM devices d JOIN history h ON h.certificate = d.certificate \
                WHERE d.user_name = ? AND d.certificate <> ? AND h.room = ? AND h.position > ? \
                ORDER BY h.position LIMIT ?) ORDER BY position",
        )
        .bind(user)
        .bind(&device[..])
        .bind(&room[..])
        .bind(bound(after))
        .bind(PIECES)
        .fetch(&self.readers);
        let (mut found, mut marked, mut held) = (Vec::new(), Vec::new(), 0_usize);
        while let Some(row) = rows.try_next().await? {
            let (position, device, first, end, piece, has_erased): (i64, Vec<u8>, i64, i64, Vec<u8>, bool) =
                row;
            held = held.saturating_add(piece.len());
            if held > bytes && !found.is_empty() {
                break;
            }
            if has_erased {
                marked.push(found.len());
            }
            let (position, first, end) = (uint(position)?, uint(first)?, uint(end)?);
            found.push(History { position, device: hash(device)?, first, end, piece });
        }
        drop(rows);
        for index in marked {
            if let Some(one) = found.get_mut(index) {
                let mut reader = self.readers.acquire().await?;
                let erased = erasures::erased_in(&mut reader, room, one.first, one.end).await?;
                one.piece = piece::without(&one.piece, &erased);
            }
        }
        Ok(found)
    }
}

async fn put_box(
    connection: &mut SqliteConnection,
    device: &Hash,
    giver: &Hash,
    keys: u32,
    sealed: &[u8],
) -> Result<(), StoreError> {
    devices::require_in_force(connection, device).await?;
    devices::require_in_force(connection, giver).await?;
    sqlx::query(
        "INSERT OR REPLACE INTO history_boxes (certificate, giver, keys, sealed) VALUES (?, ?, ?, ?)",
    )
    .bind(&device[..])
    .bind(&giver[..])
    .bind(keys)
    .bind(sealed)
    .execute(connection)
    .await?;
    Ok(())
}

async fn end(connection: &mut SqliteConnection, piece: &NewHistory) -> Result<u64, StoreError> {
    let end: Option<i64> = sqlx::query_scalar(END)
        .bind(&piece.device[..])
        .bind(&piece.room[..])
        .fetch_optional(connection)
        .await?;
    uint(end.unwrap_or_default())
}

async fn put(connection: &mut SqliteConnection, mut piece: NewHistory) -> Result<u64, StoreError> {
    devices::require_in_force(connection, &piece.device).await?;
    let held = end(connection, &piece).await?;
    if piece.first < held {
        return Ok(held);
    }
    let erased = erasures::erased_in(connection, &piece.room, piece.first, piece.end).await?;
    if !erased.is_empty() {
        piece.piece = piece::without(&piece.piece, &erased);
    }
    let size = counted(&piece.piece);
    let bytes: i64 = sqlx::query_scalar(
        "INSERT INTO history_devices (certificate, bytes) VALUES (?1, ?2) \
         ON CONFLICT (certificate) DO UPDATE SET bytes = bytes + ?2 RETURNING bytes",
    )
    .bind(&piece.device[..])
    .bind(int("size", size)?)
    .fetch_one(&mut *connection)
    .await?;
    let value = uint(bytes)?;
    if value > MAX_HISTORY {
        return Err(TooLarge { what: "history", value, limit: MAX_HISTORY }.into());
    }
    sqlx::query("INSERT INTO history (certificate, room, first, past, piece) VALUES (?, ?, ?, ?, ?)")
        .bind(&piece.device[..])
        .bind(&piece.room[..])
        .bind(int("index", piece.first)?)
        .bind(int("index", piece.end)?)
        .bind(piece.piece)
        .execute(connection)
        .await?;
    Ok(piece.end)
}

/// What a piece counts as, in bytes.
fn counted(piece: &[u8]) -> u64 {
    (piece.len() as u64).max(MIN_HISTORY_PIECE)
}

/// Marks the pieces that are about what an entry of a room erases, from the first of it to the last: they are read without it, and
/// rewritten step by step ([`rewrite_marked`]).
pub(super) async fn mark_erased(
    connection: &mut SqliteConnection,
    (room_no, room): (i64, &Hash),
    by: i64,
    (first, last): (i64, i64),
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT OR IGNORE INTO history_erased SELECT position FROM history \
            WHERE room = ?1 AND first <= ?2 AND past > ?3 AND EXISTS ( \
                SELECT 1 FROM erased WHERE room_no = ?4 AND idx >= first AND idx < past AND by_idx = ?5)",
    )
    .bind(&room[..])
    .bind(last)
    .bind(first)
    .bind(room_no)
    .bind(by)
    .execute(connection)
    .await?;
    Ok(())
}

/// Drops what some of the marked pieces have of what was erased; the pieces stay, with what else they have. Whether there was any.
pub(super) async fn rewrite_marked(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let positions: Vec<i64> = sqlx::query_scalar("SELECT position FROM history_erased LIMIT ?")
        .bind(REWRITTEN_AT_ONCE)
        .fetch_all(&mut *connection)
        .await?;
    for position in &positions {
        let (device, room, first, end, before): (Vec<u8>, Vec<u8>, i64, i64, Vec<u8>) =
            sqlx::query_as("SELECT certificate, room, first, past, piece FROM history WHERE position = ?")
                .bind(position)
                .fetch_one(&mut *connection)
                .await?;
        let erased = erasures::erased_in(connection, &hash(room)?, uint(first)?, uint(end)?).await?;
        let after = piece::without(&before, &erased);
        sqlx::query("UPDATE history_devices SET bytes = bytes - ? WHERE certificate = ?")
            .bind(int("size", counted(&before).saturating_sub(counted(&after)))?)
            .bind(device)
            .execute(&mut *connection)
            .await?;
        sqlx::query("UPDATE history SET piece = ? WHERE position = ?")
            .bind(after)
            .bind(position)
            .execute(&mut *connection)
            .await?;
        sqlx::query("DELETE FROM history_erased WHERE position = ?")
            .bind(position)
            .execute(&mut *connection)
            .await?;
    }
    Ok(!positions.is_empty())
}

/// The size that each device is said to have is that of its pieces.
pub(super) async fn check_sizes(
    connection: &mut SqliteConnection,
    report: &mut Report,
) -> Result<(), StoreError> {
    let wrong: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT d.certificate FROM history_devices d LEFT JOIN \
            (SELECT certificate, sum(max(length(piece), ?)) bytes FROM history GROUP BY certificate) h \
            ON h.certificate = d.certificate WHERE d.bytes <> coalesce(h.bytes, 0)",
    )
    .bind(bound(MIN_HISTORY_PIECE))
    .fetch_all(connection)
    .await?;
    for device in wrong {
        report.problems.push(Problem::History { device: hash(device)? });
    }
    Ok(())
}
