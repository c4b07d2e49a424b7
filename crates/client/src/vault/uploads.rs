//! Messages whose files are handed in first: content without a number (docs/group.md, GR-25).

use sqlx::Row as _;

use super::{Place, RoomKey, Vault, VaultError, WriteTransaction, int, uint};

const TABLE: &str = "upload";

/// Number of an upload in this vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UploadId(u64);

/// A message that waits for its files.
pub(crate) struct UploadRow {
    pub(crate) id: UploadId,
    pub(crate) room: RoomKey,
    /// The content, which names its files.
    pub(crate) content: Vec<u8>,
}

impl Vault {
    /// Keeps a message that waits for its files.
    pub(crate) async fn put_upload(&self, room: RoomKey, content: &[u8]) -> Result<UploadId, VaultError> {
        let mut transaction = self.begin().await?;
        let id: i64 = sqlx::query_scalar("SELECT coalesce(max(id), 0) + 1 FROM upload")
            .fetch_one(&mut *transaction)
            .await?;
        let id = UploadId(uint(id)?);
        sqlx::query("INSERT INTO upload (id, room, sealed) VALUES (?, ?, ?)")
            .bind(int(id.0)?)
            .bind(int(room.0)?)
            .bind(self.keys.seal(Place::at(TABLE, [room.0, id.0]), content)?)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// All messages that wait for their files, oldest first.
    pub(crate) async fn uploads(&self) -> Result<Vec<UploadRow>, VaultError> {
        let rows =
            sqlx::query("SELECT id, room, sealed FROM upload ORDER BY id").fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| {
                let (id, room) = (uint(row.try_get(0)?)?, uint(row.try_get(1)?)?);
                let content = self.keys.open(Place::at(TABLE, [room, id]), row.try_get(2)?)?;
                Ok(UploadRow { id: UploadId(id), room: RoomKey(room), content: content.to_vec() })
            })
            .collect()
    }

    /// Takes a message that waited out of the waiting ones; whether it was there.
    pub(crate) async fn take_upload(
        &self,
        transaction: &mut WriteTransaction,
        id: UploadId,
    ) -> Result<bool, VaultError> {
        let done = sqlx::query("DELETE FROM upload WHERE id = ?")
            .bind(int(id.0)?)
            .execute(&mut **transaction)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives up a message that waited for its files.
    pub(crate) async fn drop_upload(&self, id: UploadId) -> Result<(), VaultError> {
        let mut transaction = self.begin().await?;
        self.take_upload(&mut transaction, id).await?;
        Ok(transaction.commit().await?)
    }
}
