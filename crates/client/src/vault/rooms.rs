//! What is known of a room: its identity, how far its log is stored, its head.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Place, Vault, VaultError, WriteTransaction, decode, int, uint};

const TABLE: &str = "room";
const HEAD: &str = "room head";
const CHECKPOINT: &str = "checkpoint";
const ALARM: &str = "alarm";

/// Seconds between two checkpoints that are kept besides the newest.
pub(crate) const CHECKPOINT_SPACING_S: u64 = 10;

/// A room's number in this vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RoomKey(pub(super) u64);

/// What does not change about a room.
#[derive(Debug, Clone, Encode, Decode)]
#[cbor(map)]
pub(crate) struct RoomRecord {
    /// Room id.
    #[n(1)]
    pub(crate) room: ByteArray<32>,
    /// Name; empty for a direct room.
    #[n(2)]
    pub(crate) name: String,
    /// The other party of a direct room.
    #[n(3)]
    pub(crate) direct_with: Option<String>,
}

/// A room as stored.
#[derive(Debug, Clone)]
pub(crate) struct RoomRow {
    pub(crate) key: RoomKey,
    pub(crate) record: RoomRecord,
    /// Entries stored.
    pub(crate) size: u64,
    /// Entries under a verified checkpoint.
    pub(crate) held: u64,
    /// Entries covered by this device's receipts of level delivered.
    pub(crate) delivered: u64,
    /// Entries shown to the user.
    pub(crate) shown: u64,
    /// Entries covered by this device's receipts of level shown.
    pub(crate) shown_told: u64,
    /// Whether the log contradicted itself.
    pub(crate) stopped: bool,
    /// The verified checkpoint of `held`.
    pub(crate) head: Option<Vec<u8>>,
}

/// How a room moves.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    /// Entries stored before.
    pub(crate) from: u64,
    /// Entries stored after.
    pub(crate) to: u64,
    /// The least that this device's next number may be; 0 says nothing.
    pub(crate) next_seq: u64,
    /// The checkpoint that now covers entries.
    pub(crate) head: Option<VerifiedHead<'a>>,
}

/// A verified checkpoint, to be stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VerifiedHead<'a> {
    pub(crate) size: u64,
    /// Time of its cosignature, Unix seconds.
    pub(crate) seconds: u64,
    pub(crate) note: &'a [u8],
}

/// A contradiction and what shows it.
#[derive(Debug, Clone, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Alarm {
    /// What happened, for a person.
    #[n(1)]
    pub(crate) what: String,
    /// The checkpoint held.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) held: Option<Vec<u8>>,
    /// The checkpoint that the server showed with what cannot be.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(crate) shown: Option<Vec<u8>>,
    /// The entry that cannot be.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub(crate) entry: Option<Vec<u8>>,
}

const COLUMNS: &str = "id, size, held, delivered, shown, shown_told, stopped, sealed, head";

impl Vault {
    /// All rooms.
    pub(crate) async fn rooms(&self) -> Result<Vec<RoomRow>, VaultError> {
        let sql = select("");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&self.readers).await?;
        rows.iter().map(|row| self.room_row(row)).collect()
    }

    /// One room.
    pub(crate) async fn room(&self, room: &[u8; 32]) -> Result<Option<RoomRow>, VaultError> {
        let sql = select("WHERE tag = ?");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.keys.tag(TABLE, room).to_vec())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| self.room_row(&row)).transpose()
    }

    fn room_row(&self, row: &SqliteRow) -> Result<RoomRow, VaultError> {
        let id = uint(row.try_get(0)?)?;
        let opened = self.keys.open(Place::at(TABLE, [id]), row.try_get(7)?)?;
        let head: Option<&[u8]> = row.try_get(8)?;
        Ok(RoomRow {
            key: RoomKey(id),
            record: decode(TABLE, &opened)?,
            size: uint(row.try_get(1)?)?,
            held: uint(row.try_get(2)?)?,
            delivered: uint(row.try_get(3)?)?,
            shown: uint(row.try_get(4)?)?,
            shown_told: uint(row.try_get(5)?)?,
            stopped: row.try_get::<i64, _>(6)? != 0,
            head: head
                .map(|head| Ok::<_, VaultError>(self.keys.open(Place::at(HEAD, [id]), head)?.to_vec()))
                .transpose()?,
        })
    }

    /// Makes a room known, if it is not.
    pub(crate) async fn ensure_room(&self, record: &RoomRecord) -> Result<RoomKey, VaultError> {
        let mut transaction = self.begin().await?;
        let found: Option<i64> = sqlx::query_scalar("SELECT id FROM room WHERE tag = ?")
            .bind(self.keys.tag(TABLE, &*record.room).to_vec())
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some(id) = found {
            return Ok(RoomKey(uint(id)?));
        }
        let row = self.new_room(&mut transaction, record.clone()).await?;
        transaction.commit().await?;
        Ok(row.key)
    }

    /// Makes a room known that is not.
    pub(crate) async fn new_room(
        &self,
        transaction: &mut WriteTransaction,
        record: RoomRecord,
    ) -> Result<RoomRow, VaultError> {
        let id: i64 = sqlx::query_scalar("SELECT coalesce(max(id), 0) + 1 FROM room")
            .fetch_one(&mut **transaction)
            .await?;
        let sealed = self.keys.seal(Place::at(TABLE, [uint(id)?]), &wire::cbor::to_vec(&record))?;
        sqlx::query(
            // A number that a dropped room had comes again: whoever has that one's group in memory is not to take it for this one's.
            "INSERT INTO room (id, tag, size, held, next_seq, delivered, shown, shown_told, stopped, sealed, group_version) \
             VALUES (?, ?, 0, 0, 1, 0, 0, 0, 0, ?, abs(random() / 4))",
        )
        .bind(id)
        .bind(self.keys.tag(TABLE, &*record.room).to_vec())
        .bind(sealed)
        .execute(&mut **transaction)
        .await?;
        Ok(RoomRow {
            key: RoomKey(uint(id)?),
            record,
            size: 0,
            held: 0,
            delivered: 0,
            shown: 0,
            shown_told: 0,
            stopped: false,
            head: None,
        })
    }

    /// Entries stored of a room.
    pub(crate) async fn room_size(
        &self,
        transaction: &mut WriteTransaction,
        key: RoomKey,
    ) -> Result<u64, VaultError> {
        let size: i64 = sqlx::query_scalar("SELECT size FROM room WHERE id = ?")
            .bind(int(key.0)?)
            .fetch_one(&mut **transaction)
            .await?;
        uint(size)
    }

    /// Moves a room, all of it in one statement.
    ///
    /// # Errors
    /// [`VaultError::Moved`] if another process has moved it, or stopped it.
    pub(crate) async fn move_room(
        &self,
        transaction: &mut WriteTransaction,
        key: RoomKey,
        step: &Step<'_>,
    ) -> Result<(), VaultError> {
        let note = step.head.map(|head| self.keys.seal(Place::at(HEAD, [key.0]), head.note)).transpose()?;
        let held = step.head.map_or(0, |head| head.size);
        let done = sqlx::query(
            "UPDATE room SET size = ?2, next_seq = max(next_seq, ?3), held = max(held, ?4), \
             head = CASE WHEN ?4 > held THEN ?5 ELSE head END WHERE id = ?1 AND size = ?6 AND stopped = 0",
        )
        .bind(int(key.0)?)
        .bind(int(step.to)?)
        .bind(int(step.next_seq)?)
        .bind(int(held)?)
        .bind(note)
        .bind(int(step.from)?)
        .execute(&mut **transaction)
        .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(VaultError::Moved) }
    }

    /// Keeps a verified checkpoint for exports, if the last one kept is some seconds older.
    pub(crate) async fn keep_checkpoint(
        &self,
        transaction: &mut WriteTransaction,
        key: RoomKey,
        head: VerifiedHead<'_>,
    ) -> Result<(), VaultError> {
        sqlx::query(
            "INSERT OR IGNORE INTO checkpoint (room, size, seconds, sealed) SELECT ?1, ?2, ?3, ?4 \
             WHERE NOT EXISTS (SELECT 1 FROM checkpoint WHERE room = ?1 AND seconds > ?3 - ?5)",
        )
        .bind(int(key.0)?)
        .bind(int(head.size)?)
        .bind(int(head.seconds)?)
        .bind(self.keys.seal(Place::at(CHECKPOINT, [key.0, head.size]), head.note)?)
        .bind(int(CHECKPOINT_SPACING_S)?)
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    /// The checkpoints kept of a room, by size, the head last.
    pub(crate) async fn checkpoints(&self, key: RoomKey) -> Result<Vec<(u64, Vec<u8>)>, VaultError> {
        let rows = sqlx::query("SELECT size, sealed FROM checkpoint WHERE room = ? ORDER BY size")
            .bind(int(key.0)?)
            .fetch_all(&self.readers)
            .await?;
        let mut out = Vec::with_capacity(rows.len() + 1);
        for row in rows {
            let size = uint(row.try_get(0)?)?;
            let place = Place::at(CHECKPOINT, [key.0, size]);
            out.push((size, self.keys.open(place, row.try_get(1)?)?.to_vec()));
        }
        let row = sqlx::query("SELECT held, head FROM room WHERE id = ?")
            .bind(int(key.0)?)
            .fetch_one(&self.readers)
            .await?;
        let held = uint(row.try_get(0)?)?;
        if let Some(head) = row.try_get::<Option<&[u8]>, _>(1)? {
            out.retain(|(size, _)| *size < held);
            out.push((held, self.keys.open(Place::at(HEAD, [key.0]), head)?.to_vec()));
        }
        Ok(out)
    }

    /// Notes up to which size this device has given receipts and shown entries; positions only grow.
    pub(crate) async fn move_receipts(
        &self,
        key: RoomKey,
        delivered: u64,
        shown: u64,
        shown_told: u64,
    ) -> Result<(), VaultError> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "UPDATE room SET delivered = max(delivered, ?), shown = max(shown, ?), shown_told = max(shown_told, ?) \
             WHERE id = ?",
        )
        .bind(int(delivered)?)
        .bind(int(shown)?)
        .bind(int(shown_told)?)
        .bind(int(key.0)?)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Forgets a room of which nothing was ever logged.
    pub(crate) async fn drop_room(&self, key: RoomKey) -> Result<(), VaultError> {
        let mut transaction = self.begin().await?;
        for statement in [
            "DELETE FROM outbox WHERE room = ?",
            "DELETE FROM upload WHERE room = ?",
            "DELETE FROM history WHERE room = ?",
            "DELETE FROM erased WHERE room = ?",
            "DELETE FROM refusal WHERE room = ?",
            "DELETE FROM group_record WHERE room = ?",
            "DELETE FROM room WHERE id = ? AND size = 0",
        ] {
            sqlx::query(statement).bind(int(key.0)?).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Stops following a room's log and keeps what shows why.
    pub(crate) async fn stop_room(&self, key: RoomKey, at_ms: u64, alarm: &Alarm) -> Result<(), VaultError> {
        let mut transaction = self.begin().await?;
        let id: i64 = sqlx::query_scalar("SELECT coalesce(max(id), 0) + 1 FROM alarm")
            .fetch_one(&mut *transaction)
            .await?;
        let place = Place::at(ALARM, [key.0, uint(id)?]);
        sqlx::query("INSERT INTO alarm (id, room, at_ms, sealed) VALUES (?, ?, ?, ?)")
            .bind(id)
            .bind(int(key.0)?)
            .bind(int(at_ms)?)
            .bind(self.keys.seal(place, &wire::cbor::to_vec(alarm))?)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("UPDATE room SET stopped = 1 WHERE id = ?")
            .bind(int(key.0)?)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// What stopped a room, oldest first.
    pub(crate) async fn alarms(&self, key: RoomKey) -> Result<Vec<(u64, Alarm)>, VaultError> {
        let rows = sqlx::query("SELECT id, at_ms, sealed FROM alarm WHERE room = ? ORDER BY id")
            .bind(int(key.0)?)
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                let place = Place::at(ALARM, [key.0, uint(row.try_get(0)?)?]);
                Ok((uint(row.try_get(1)?)?, decode(ALARM, &self.keys.open(place, row.try_get(2)?)?)?))
            })
            .collect()
    }
}

fn select(condition: &str) -> String {
    format!("SELECT {COLUMNS} FROM room {condition} ORDER BY id")
}
