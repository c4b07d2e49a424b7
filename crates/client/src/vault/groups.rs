//! Records of MLS groups and of key packages, each sealed for its place (docs/group.md, GR-16, GR-17).

use sqlx::Row as _;
use zeroize::Zeroizing;

use super::{Place, RoomKey, Vault, VaultError, WriteTransaction, int, uint};

const TABLE: &str = "group_record";

/// Bytes of a record's name within its group.
pub(crate) type Item = [u8; 33];

/// Whose records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupRecords {
    /// Of key packages.
    Packages,
    /// Of a room's group.
    Room(RoomKey),
    /// Of the group that a room's will be when this device's external commit is in the log.
    Returning(RoomKey),
}

/// Which records of a room's group there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredGroup {
    /// Another one if another process has written them.
    pub(crate) version: u64,
    /// The generation of the group.
    pub(crate) generation: u32,
}

impl GroupRecords {
    /// Room and state.
    fn place(self) -> (u64, u64) {
        match self {
            Self::Packages => (0, 0),
            Self::Room(key) => (key.0, 0),
            Self::Returning(key) => (key.0, 1),
        }
    }
}

impl Vault {
    /// All records of one kind.
    pub(crate) async fn group_records(
        &self,
        transaction: &mut WriteTransaction,
        whose: GroupRecords,
    ) -> Result<Vec<(Item, Zeroizing<Vec<u8>>)>, VaultError> {
        let (room, state) = whose.place();
        let rows = sqlx::query("SELECT item, sealed FROM group_record WHERE room = ? AND state = ?")
            .bind(int(room)?)
            .bind(int(state)?)
            .fetch_all(&mut **transaction)
            .await?;
        rows.iter()
            .map(|row| {
                let item: &[u8] = row.try_get(0)?;
                let opened = self.keys.open(Place::with_bytes(TABLE, [room], item), row.try_get(1)?)?;
                Ok((item.try_into().map_err(|_| VaultError::Damaged(TABLE))?, opened))
            })
            .collect()
    }

    /// Writes a record; none removes it.
    pub(crate) async fn put_group_record(
        &self,
        transaction: &mut WriteTransaction,
        whose: GroupRecords,
        item: &Item,
        bytes: Option<&[u8]>,
    ) -> Result<(), VaultError> {
        let (room, state) = whose.place();
        let query = match bytes {
            Some(bytes) => {
                let sealed = self.keys.seal(Place::with_bytes(TABLE, [room], item), bytes)?;
                sqlx::query(
                    "INSERT OR REPLACE INTO group_record (room, state, item, sealed) VALUES (?, ?, ?, ?)",
                )
                .bind(int(room)?)
                .bind(int(state)?)
                .bind(item.to_vec())
                .bind(sealed)
            }
            None => sqlx::query("DELETE FROM group_record WHERE room = ? AND state = ? AND item = ?")
                .bind(int(room)?)
                .bind(int(state)?)
                .bind(item.to_vec()),
        };
        query.execute(&mut **transaction).await?;
        Ok(())
    }

    /// Removes all records of one kind.
    pub(crate) async fn drop_group_records(
        &self,
        transaction: &mut WriteTransaction,
        whose: GroupRecords,
    ) -> Result<(), VaultError> {
        let (room, state) = whose.place();
        sqlx::query("DELETE FROM group_record WHERE room = ? AND state = ?")
            .bind(int(room)?)
            .bind(int(state)?)
            .execute(&mut **transaction)
            .await?;
        Ok(())
    }

    /// Puts the records of a returning group in the place of the room's; whether there were any.
    pub(crate) async fn adopt_returning(
        &self,
        transaction: &mut WriteTransaction,
        key: RoomKey,
    ) -> Result<bool, VaultError> {
        self.drop_group_records(transaction, GroupRecords::Room(key)).await?;
        let done = sqlx::query("UPDATE group_record SET state = 0 WHERE room = ? AND state = 1")
            .bind(int(key.0)?)
            .execute(&mut **transaction)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Whether there are records of one kind.
    pub(crate) async fn has_group_records(
        &self,
        transaction: &mut WriteTransaction,
        whose: GroupRecords,
    ) -> Result<bool, VaultError> {
        let (room, state) = whose.place();
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM group_record WHERE room = ? AND state = ?)")
            .bind(int(room)?)
            .bind(int(state)?)
            .fetch_one(&mut **transaction)
            .await?)
    }

    /// Which records of a room's group there are.
    pub(crate) async fn stored_group(
        &self,
        transaction: &mut WriteTransaction,
        key: RoomKey,
    ) -> Result<StoredGroup, VaultError> {
        let (version, generation): (i64, u32) =
            sqlx::query_as("SELECT group_version, group_generation FROM room WHERE id = ?")
                .bind(int(key.0)?)
                .fetch_one(&mut **transaction)
                .await?;
        Ok(StoredGroup { version: uint(version)?, generation })
    }

    /// Gives the records of a room another version, and says of which generation they are.
    pub(crate) async fn raise_group_version(
        &self,
        transaction: &mut WriteTransaction,
        key: RoomKey,
        generation: u32,
    ) -> Result<StoredGroup, VaultError> {
        let version: i64 = sqlx::query_scalar(
            "UPDATE room SET group_version = group_version + 1, group_generation = ? WHERE id = ? RETURNING group_version",
        )
        .bind(generation)
        .bind(int(key.0)?)
        .fetch_one(&mut **transaction)
        .await?;
        Ok(StoredGroup { version: uint(version)?, generation })
    }
}
