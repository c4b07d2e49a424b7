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
        // Never that of an earlier one, which another process may be at.
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| VaultError::Cryptography)?;
        let id = UploadId(u64::from_be_bytes(random) >> 1);
        sqlx::query("INSERT INTO upload (id, room, sealed) VALUES (?, ?, ?)")
            .bind(int(id.0)?)
            .bind(int(room.0)?)
            .bind(self.keys.seal(Place::at(TABLE, [room.0, id.0]), content)?)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// All messages that wait for their files.
    pub(crate) async fn uploads(&self) -> Result<Vec<UploadRow>, VaultError> {
        let rows = sqlx::query("SELECT id, room, sealed FROM upload").fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| {
                let (id, room) = (uint(row.try_get(0)?)?, uint(row.try_get(1)?)?);
                let content = self.keys.open(Place::at(TABLE, [room, id]), row.try_get(2)?)?;
                Ok(UploadRow { id: UploadId(id), room: RoomKey(room), content: content.to_vec() })
            })
            .collect()
    }

    /// Whether a message waits still.
    pub(crate) async fn has_upload(&self, id: UploadId) -> Result<bool, VaultError> {
        let found = sqlx::query("SELECT 1 FROM upload WHERE id = ?")
            .bind(int(id.0)?)
            .fetch_optional(&self.readers)
            .await?;
        Ok(found.is_some())
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
        transaction.commit().await
    }
}
