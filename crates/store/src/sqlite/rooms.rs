//! Rooms and members.

use async_trait::async_trait;
use sqlx::FromRow as _;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::value::{bound, hash, int, uint};
use super::{SqliteStore, append};
use crate::limits::{MAX_PAGE, MAX_ROOM_NAME, check};
use crate::{Hash, Member, NewRoom, Room, RoomAppend, RoomListing, Rooms, StoreError, Unique};

type RoomRow = (i64, Vec<u8>, Option<String>, u8, u16, Option<Vec<u8>>, i64);

/// User, certificate, from, to, closing checkpoint.
type MemberRow = (String, Vec<u8>, i64, Option<i64>, Option<Vec<u8>>);

#[async_trait]
impl Rooms for SqliteStore {
    async fn create_room(&self, room: NewRoom, first: RoomAppend) -> Result<(), StoreError> {
        check("name of a room", room.name.as_ref().map_or(0, String::len), MAX_ROOM_NAME)?;
        if first.room != room.id {
            return Err(StoreError::Misuse("first entries of another room"));
        }
        let mut transaction = self.begin().await?;
        let outcome = create(&mut transaction, room, first).await;
        transaction.finish(outcome).await
    }

    async fn room(&self, id: &Hash) -> Result<Option<Room>, StoreError> {
        sqlx::query_as("SELECT no, id, name, mode, suite, direct, created_ms FROM rooms WHERE id = ?")
            .bind(&id[..])
            .fetch_optional(&self.readers)
            .await?
            .map(room)
            .transpose()
    }

    async fn direct_room(&self, pair: &Hash) -> Result<Option<Room>, StoreError> {
        sqlx::query_as("SELECT no, id, name, mode, suite, direct, created_ms FROM rooms WHERE direct = ?")
            .bind(&pair[..])
            .fetch_optional(&self.readers)
            .await?
            .map(room)
            .transpose()
    }

    async fn rooms_of(&self, user: &str, after: u64, limit: u32) -> Result<Vec<RoomListing>, StoreError> {
        let rows = sqlx::query(
            "SELECT r.no, r.id, r.name, r.mode, r.suite, r.direct, r.created_ms, h.size, max(m.to_idx IS NULL) \
             FROM devices d JOIN members m ON m.certificate = d.certificate \
             JOIN rooms r ON r.no = m.room_no JOIN room_heads h ON h.room_no = r.no \
             WHERE d.user_name = ? AND r.no > ? GROUP BY r.no ORDER BY r.no LIMIT ?",
        )
        .bind(user)
        .bind(bound(after))
        .bind(limit.min(MAX_PAGE))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(listing).collect()
    }

    async fn rooms_of_by_name(&self, user: &str, name: &str) -> Result<Vec<RoomListing>, StoreError> {
        let rows = sqlx::query(
            "SELECT r.no, r.id, r.name, r.mode, r.suite, r.direct, r.created_ms, h.size, max(m.to_idx IS NULL) \
             FROM rooms r JOIN members m ON m.room_no = r.no \
             JOIN devices d ON d.certificate = m.certificate JOIN room_heads h ON h.room_no = r.no \
             WHERE r.name = ? AND d.user_name = ? GROUP BY r.no ORDER BY r.no LIMIT ?",
        )
        .bind(name)
        .bind(user)
        .bind(MAX_PAGE)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(listing).collect()
    }

    async fn rooms_of_device(&self, certificate: &Hash) -> Result<Vec<Hash>, StoreError> {
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT r.id FROM members m JOIN rooms r ON r.no = m.room_no \
             WHERE m.certificate = ? AND m.to_idx IS NULL ORDER BY r.no",
        )
        .bind(&certificate[..])
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(hash).collect()
    }

    async fn members(&self, room: &Hash) -> Result<Vec<Member>, StoreError> {
        let rows: Vec<MemberRow> = sqlx::query_as(
            "SELECT d.user_name, m.certificate, m.from_idx, m.to_idx, m.closing \
             FROM rooms r JOIN members m ON m.room_no = r.no JOIN devices d ON d.certificate = m.certificate \
             WHERE r.id = ? ORDER BY m.from_idx, d.user_name, d.name",
        )
        .bind(&room[..])
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(member).collect()
    }

    async fn memberships(&self, room: &Hash, certificate: &Hash) -> Result<Vec<Member>, StoreError> {
        let rows: Vec<MemberRow> = sqlx::query_as(
            "SELECT d.user_name, m.certificate, m.from_idx, m.to_idx, m.closing \
             FROM members m JOIN devices d ON d.certificate = m.certificate \
             WHERE m.room_no = (SELECT no FROM rooms WHERE id = ?) AND m.certificate = ? ORDER BY m.from_idx",
        )
        .bind(&room[..])
        .bind(&certificate[..])
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(member).collect()
    }
}

fn member((user, certificate, from, to, closing): MemberRow) -> Result<Member, StoreError> {
    Ok(Member {
        user,
        certificate: hash(certificate)?,
        from_index: uint(from)?,
        to_index: to.map(uint).transpose()?,
        closing,
    })
}

fn room((no, id, name, mode, suite, direct, created_ms): RoomRow) -> Result<Room, StoreError> {
    let made = NewRoom {
        id: hash(id)?,
        name,
        mode,
        suite,
        direct: direct.map(hash).transpose()?,
        created_ms: uint(created_ms)?,
    };
    Ok(Room { position: uint(no)?, made })
}

/// A row that begins with a room and goes on with size and membership.
fn listing(row: &SqliteRow) -> Result<RoomListing, StoreError> {
    Ok(RoomListing {
        room: room(RoomRow::from_row(row)?)?,
        size: uint(row.try_get(7)?)?,
        member_now: row.try_get(8)?,
    })
}

async fn create(
    connection: &mut SqliteConnection,
    room: NewRoom,
    first: RoomAppend,
) -> Result<(), StoreError> {
    let taken: Option<bool> =
        sqlx::query_scalar("SELECT id = ? FROM rooms WHERE id = ? OR direct = ? ORDER BY 1 DESC")
            .bind(&room.id[..])
            .bind(&room.id[..])
            .bind(room.direct.as_ref().map(|pair| &pair[..]))
            .fetch_optional(&mut *connection)
            .await?;
    if let Some(by_id) = taken {
        return Err(StoreError::Exists(if by_id { Unique::Room } else { Unique::DirectRoom }));
    }
    let done = sqlx::query(
        "INSERT INTO rooms (id, name, mode, suite, direct, created_ms) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(&room.id[..])
    .bind(room.name)
    .bind(room.mode)
    .bind(room.suite)
    .bind(room.direct.as_ref().map(|pair| &pair[..]))
    .bind(int("time", room.created_ms)?)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO room_heads (room_no, size, epoch, frontier, checkpoint) VALUES (?, 0, 0, x'', x'')",
    )
    .bind(done.last_insert_rowid())
    .execute(&mut *connection)
    .await?;
    let mut answers = append::append(connection, vec![first]).await?;
    match answers.pop() {
        Some(Err(error)) => Err(error.into()),
        _ => Ok(()),
    }
}
