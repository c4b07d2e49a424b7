//! What a user's devices keep for each other.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use sqlx::sqlite::SqliteConnection;

use super::value::{bound, hash, int, uint};
use super::{SqliteStore, devices};
use crate::error::TooLarge;
use crate::limits::{MAX_HISTORY, MAX_HISTORY_BOX, MAX_HISTORY_PIECE, check};
use crate::{Hash, Histories, History, NewHistory, StoreError};

/// The last one ends last.
const END: &str =
    "SELECT past FROM history WHERE certificate = ? AND room = ? ORDER BY position DESC LIMIT 1";

#[async_trait]
impl Histories for SqliteStore {
    async fn history_keys(&self, user: &str) -> Result<Vec<(Hash, bool)>, StoreError> {
        let rows: Vec<(Vec<u8>, bool)> = sqlx::query_as(
            "SELECT d.certificate, h.sealed IS NOT NULL FROM devices d JOIN certificates c ON c.hash = d.certificate \
             LEFT JOIN history_devices h ON h.certificate = d.certificate \
             WHERE d.user_name = ? AND c.revoked_idx IS NULL ORDER BY c.issued_idx",
        )
        .bind(user)
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(|(certificate, has_key)| Ok((hash(certificate)?, has_key))).collect()
    }

    async fn put_history_key(&self, device: &Hash, sealed: Option<&[u8]>) -> Result<(), StoreError> {
        check("history key", sealed.map_or(0, <[u8]>::len), MAX_HISTORY_BOX)?;
        let mut transaction = self.begin().await?;
        let outcome = put_key(&mut transaction, device, sealed).await;
        transaction.finish(outcome).await
    }

    async fn history_key(&self, device: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        let found: Option<Option<Vec<u8>>> =
            sqlx::query_scalar("SELECT sealed FROM history_devices WHERE certificate = ?")
                .bind(&device[..])
                .fetch_optional(&self.readers)
                .await?;
        Ok(found.flatten())
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
            "SELECT h.position, h.certificate, h.first, h.past, h.piece \
             FROM devices d JOIN history h ON h.certificate = d.certificate \
             WHERE d.user_name = ? AND d.certificate <> ? AND h.room = ? AND h.position > ? ORDER BY h.position",
        )
        .bind(user)
        .bind(&device[..])
        .bind(&room[..])
        .bind(bound(after))
        .fetch(&self.readers);
        let (mut found, mut held) = (Vec::new(), 0_usize);
        while let Some(row) = rows.try_next().await? {
            let (position, device, first, end, piece): (i64, Vec<u8>, i64, i64, Vec<u8>) = row;
            held = held.saturating_add(piece.len());
            if held > bytes && !found.is_empty() {
                break;
            }
            let (position, first, end) = (uint(position)?, uint(first)?, uint(end)?);
            found.push(History { position, device: hash(device)?, first, end, piece });
        }
        Ok(found)
    }
}

async fn put_key(
    connection: &mut SqliteConnection,
    device: &Hash,
    sealed: Option<&[u8]>,
) -> Result<(), StoreError> {
    devices::require_in_force(connection, device).await?;
    let sql = match sealed {
        Some(_) => {
            "INSERT INTO history_devices (certificate, sealed) VALUES (?, ?) \
             ON CONFLICT (certificate) DO UPDATE SET sealed = coalesce(sealed, excluded.sealed)"
        }
        None => {
            "INSERT INTO history_devices (certificate, sealed) VALUES (?, ?) \
             ON CONFLICT (certificate) DO UPDATE SET sealed = NULL"
        }
    };
    sqlx::query(sql).bind(&device[..]).bind(sealed).execute(connection).await?;
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

async fn put(connection: &mut SqliteConnection, piece: NewHistory) -> Result<u64, StoreError> {
    devices::require_in_force(connection, &piece.device).await?;
    let held = end(connection, &piece).await?;
    if piece.first < held {
        return Ok(held);
    }
    let size = piece.piece.len() as u64;
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
