//! What this device has said and not yet seen in the log.
//!
//! A number (room, seq) and what was signed under it stand here, synced, before anything is sent.

use std::sync::{Arc, LazyLock};

use evidence::erasure::{Erasure, ErasureClaim};
use evidence::room::{KeyEpoch, RoomId};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use sqlx::Row as _;

use crate::file::{Ciphertext, sealed_files};

use super::{Place, RoomKey, Vault, VaultError, WriteTransaction, decode, int, uint};

const TABLE: &str = "outbox";
const REFUSAL: &str = "refusal";

/// Statements that write as many rows, largest first.
static INSERTS: LazyLock<[(usize, Arc<str>); 3]> = LazyLock::new(|| {
    [64, 8, 1].map(|rows| {
        let values = vec!["(?,?,?,?)"; rows].join(",");
        (rows, format!("INSERT OR REPLACE INTO outbox (room, seq, state, sealed) VALUES {values}").into())
    })
});

/// How far a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutboxState {
    /// Signed: these bytes are sent, and sent again, until there is an answer.
    Signed,
    /// Has no valid signature: a refusal of the last one is stored, or there never was one. Signed again before it
    /// is sent.
    Unsigned,
}

/// What a row holds.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Parcel {
    /// The exact signed bytes; those refused last if the row is unsigned, empty if never signed.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) entry: Vec<u8>,
    /// The content of a statement.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) content: Option<Vec<u8>>,
    /// What is sent in the place of the content. What an earlier version put here has none: the server refuses it, and nothing goes out in clear.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(crate) ciphertext: Option<Vec<u8>>,
    /// What a membership statement names by its hash (EV-46).
    #[cbor(n(4), default)]
    pub(crate) blobs: Vec<ByteVec>,
}

impl Parcel {
    /// A sealed statement.
    pub(crate) fn said(entry: Vec<u8>, content: Vec<u8>, ciphertext: Vec<u8>) -> Self {
        Self { entry, content: Some(content), ciphertext: Some(ciphertext), blobs: Vec::new() }
    }

    /// Content that waits to be sealed.
    pub(crate) fn unsealed(content: Vec<u8>) -> Self {
        Self { entry: Vec::new(), content: Some(content), ciphertext: None, blobs: Vec::new() }
    }

    /// A membership statement.
    pub(crate) fn change(entry: Vec<u8>, blobs: Vec<Vec<u8>>) -> Self {
        let blobs = blobs.into_iter().map(ByteVec::from).collect();
        Self { entry, content: None, ciphertext: None, blobs }
    }

    /// An erasure.
    pub(crate) fn erasure(entry: Vec<u8>) -> Self {
        Self::change(entry, Vec::new())
    }

    /// What it erases, if it is an erasure.
    pub(crate) fn as_erasure(&self) -> Option<ErasureClaim> {
        Some(Erasure::parse(&self.entry).ok()?.claim().clone()).filter(|_| self.content.is_none())
    }

    /// Whether it was sealed by the group of `room` in this key epoch.
    pub(crate) fn is_sealed_in(&self, room: RoomId, at: KeyEpoch) -> bool {
        self.ciphertext.as_ref().is_some_and(|bytes| evidence::mls::is_content(bytes, &room.0, at))
    }

    /// Nothing to be sent: it says that the room's group needs care before anything can be.
    pub(crate) fn care() -> Self {
        Self::change(Vec::new(), Vec::new())
    }

    /// Whether it is [`Self::care`].
    pub(crate) fn is_care(&self) -> bool {
        self.entry.is_empty() && self.content.is_none()
    }
}

/// A row of the outbox.
#[derive(Clone)]
pub(crate) struct OutboxRow {
    pub(crate) seq: u64,
    pub(crate) state: OutboxState,
    pub(crate) parcel: Parcel,
}

impl OutboxRow {
    /// The sealed files that go with it.
    pub(crate) fn files(&self) -> Vec<Ciphertext> {
        self.parcel.content.as_deref().map(sealed_files).unwrap_or_default()
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct RefusalRecord {
    #[cbor(n(1), with = "minicbor::bytes")]
    refusal: Vec<u8>,
    #[cbor(n(2), with = "minicbor::bytes")]
    entry: Vec<u8>,
}

impl Vault {
    /// Takes the next `count` numbers of this device in a room, and returns the first.
    pub(crate) async fn take_seqs(
        &self,
        transaction: &mut WriteTransaction,
        key: RoomKey,
        count: u64,
    ) -> Result<u64, VaultError> {
        let first: i64 = sqlx::query_scalar(
            "UPDATE room SET next_seq = next_seq + ?1 WHERE id = ?2 RETURNING next_seq - ?1",
        )
        .bind(int(count)?)
        .bind(int(key.0)?)
        .fetch_one(&mut **transaction)
        .await?;
        uint(first)
    }

    /// Sets the next number, when the refusals of all that stood from there on are stored.
    pub(crate) async fn reset_seq(
        &self,
        transaction: &mut WriteTransaction,
        key: RoomKey,
        next: u64,
    ) -> Result<(), VaultError> {
        sqlx::query("UPDATE room SET next_seq = ? WHERE id = ?")
            .bind(int(next)?)
            .bind(int(key.0)?)
            .execute(&mut **transaction)
            .await?;
        Ok(())
    }

    /// Writes rows, each in the place of what stood under its number.
    pub(crate) async fn put_outbox(
        &self,
        transaction: &mut WriteTransaction,
        rows: &[(RoomKey, OutboxRow)],
    ) -> Result<(), VaultError> {
        let mut rest = rows;
        // Three shapes of the statement, so that no more are ever prepared.
        for (size, sql) in INSERTS.iter() {
            while rest.len() >= *size {
                let (now, later) = rest.split_at(*size);
                let mut query = sqlx::query(sqlx::AssertSqlSafe(Arc::clone(sql)));
                for (key, row) in now {
                    let place = Place::at(TABLE, [key.0, row.seq]);
                    query = query
                        .bind(int(key.0)?)
                        .bind(int(row.seq)?)
                        .bind(i64::from(row.state == OutboxState::Unsigned))
                        .bind(self.keys.seal(place, &wire::cbor::to_vec(&row.parcel))?);
                }
                query.execute(&mut **transaction).await?;
                rest = later;
            }
        }
        Ok(())
    }

    /// Removes the rows of a room with these numbers, inclusive.
    pub(crate) async fn clear_outbox(
        &self,
        transaction: &mut WriteTransaction,
        key: RoomKey,
        from: u64,
        to: u64,
    ) -> Result<(), VaultError> {
        sqlx::query("DELETE FROM outbox WHERE room = ? AND seq BETWEEN ? AND ?")
            .bind(int(key.0)?)
            .bind(int(from)?)
            .bind(i64::try_from(to).unwrap_or(i64::MAX))
            .execute(&mut **transaction)
            .await?;
        Ok(())
    }

    /// Up to `limit` rows of a room with numbers from `from`, ascending.
    pub(crate) async fn outbox(
        &self,
        key: RoomKey,
        from: u64,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, VaultError> {
        let mut connection = self.readers.acquire().await?;
        self.outbox_on(&mut connection, key, from, limit).await
    }

    /// [`Self::outbox`] within a transaction.
    pub(crate) async fn outbox_on(
        &self,
        connection: &mut sqlx::sqlite::SqliteConnection,
        key: RoomKey,
        from: u64,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, VaultError> {
        let rows = sqlx::query(
            "SELECT seq, state, sealed FROM outbox WHERE room = ? AND seq >= ? ORDER BY seq LIMIT ?",
        )
        .bind(int(key.0)?)
        .bind(int(from)?)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
        rows.iter()
            .map(|row| {
                let seq = uint(row.try_get(0)?)?;
                let state =
                    if row.try_get::<i64, _>(1)? == 0 { OutboxState::Signed } else { OutboxState::Unsigned };
                let opened = self.keys.open(Place::at(TABLE, [key.0, seq]), row.try_get(2)?)?;
                Ok(OutboxRow { seq, state, parcel: decode(TABLE, &opened)? })
            })
            .collect()
    }

    /// Removes the rows of a room that ask for care, if it has no others that wait; whether none waits then.
    pub(crate) async fn drop_care(
        &self,
        transaction: &mut WriteTransaction,
        key: RoomKey,
    ) -> Result<bool, VaultError> {
        let rows = self.outbox_on(transaction, key, 0, usize::MAX).await?;
        let waiting: Vec<_> = rows.iter().skip_while(|row| row.state == OutboxState::Signed).collect();
        let (Some(first), true) = (waiting.first(), waiting.iter().all(|row| row.parcel.is_care())) else {
            return Ok(waiting.is_empty());
        };
        self.clear_outbox(transaction, key, first.seq, u64::MAX).await?;
        self.reset_seq(transaction, key, first.seq).await?;
        Ok(true)
    }

    /// Whether a room has rows that must be signed again.
    pub(crate) async fn has_unsigned(
        &self,
        connection: &mut sqlx::sqlite::SqliteConnection,
        key: RoomKey,
    ) -> Result<bool, VaultError> {
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM outbox WHERE room = ? AND state = 1)")
            .bind(int(key.0)?)
            .fetch_one(connection)
            .await?)
    }

    /// Rooms that have something in the outbox.
    pub(crate) async fn outbox_rooms(&self) -> Result<Vec<RoomKey>, VaultError> {
        let rooms: Vec<i64> =
            sqlx::query_scalar("SELECT DISTINCT room FROM outbox").fetch_all(&self.readers).await?;
        rooms.into_iter().map(|id| Ok(RoomKey(uint(id)?))).collect()
    }

    /// Keeps a refusal and what it refused; the row is unsigned from now on.
    pub(crate) async fn put_refusal(
        &self,
        key: RoomKey,
        row: &OutboxRow,
        refusal: &[u8],
    ) -> Result<(), VaultError> {
        let mut transaction = self.begin().await?;
        let id: i64 = sqlx::query_scalar("SELECT coalesce(max(id), 0) + 1 FROM refusal")
            .fetch_one(&mut *transaction)
            .await?;
        let record = RefusalRecord { refusal: refusal.to_vec(), entry: row.parcel.entry.clone() };
        let place = Place::at(REFUSAL, [key.0, uint(id)?]);
        sqlx::query("INSERT INTO refusal (id, room, seq, sealed) VALUES (?, ?, ?, ?)")
            .bind(id)
            .bind(int(key.0)?)
            .bind(int(row.seq)?)
            .bind(self.keys.seal(place, &wire::cbor::to_vec(&record))?)
            .execute(&mut *transaction)
            .await?;
        let done = sqlx::query("UPDATE outbox SET state = 1 WHERE room = ? AND seq = ?")
            .bind(int(key.0)?)
            .bind(int(row.seq)?)
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() != 1 {
            return Err(VaultError::Moved);
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The refusals stored for a room: the refusal and what it refused, oldest first.
    pub(crate) async fn refusals(&self, key: RoomKey) -> Result<Vec<(Vec<u8>, Vec<u8>)>, VaultError> {
        let rows = sqlx::query("SELECT id, sealed FROM refusal WHERE room = ? ORDER BY id")
            .bind(int(key.0)?)
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                let place = Place::at(REFUSAL, [key.0, uint(row.try_get(0)?)?]);
                let record: RefusalRecord = decode(REFUSAL, &self.keys.open(place, row.try_get(1)?)?)?;
                Ok((record.refusal, record.entry))
            })
            .collect()
    }
}
