//! Receipts of a room's members, the newest of each range that they started.

use minicbor::{Decode, Encode};
use pki::Sha256Hash;
use sqlx::Row as _;

use super::{Place, RoomKey, Vault, VaultError, decode, int, uint};

const TABLE: &str = "receipt";

/// A verified receipt.
#[derive(Debug, Clone, Encode, Decode)]
#[cbor(map)]
pub(crate) struct StoredReceipt {
    /// The receipt's exact bytes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) receipt: Vec<u8>,
    /// The cosignature beside it.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) cosignature: Vec<u8>,
}

impl Vault {
    /// Stores verified receipts: who gave each, its level and range.
    pub(crate) async fn put_receipts(
        &self,
        key: RoomKey,
        receipts: &[(Sha256Hash, u64, u64, u64, StoredReceipt)],
    ) -> Result<(), VaultError> {
        let mut transaction = self.begin().await?;
        for (giver, level, first, last, receipt) in receipts {
            let tag = self.keys.tag(TABLE, giver);
            let place = Place::with_bytes(TABLE, [key.0, *level, *first], &tag);
            sqlx::query(
                "INSERT INTO receipt (room, giver, level, first, last, sealed) VALUES (?, ?, ?, ?, ?, ?) \
                 ON CONFLICT DO UPDATE SET last = excluded.last, sealed = excluded.sealed \
                 WHERE excluded.last > last",
            )
            .bind(int(key.0)?)
            .bind(tag.as_slice())
            .bind(int(*level)?)
            .bind(int(*first)?)
            .bind(int(*last)?)
            .bind(self.keys.seal(place, &wire::cbor::to_vec(receipt))?)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The receipts stored for a room.
    pub(crate) async fn receipts(&self, key: RoomKey) -> Result<Vec<StoredReceipt>, VaultError> {
        let rows = sqlx::query("SELECT giver, level, first, sealed FROM receipt WHERE room = ?")
            .bind(int(key.0)?)
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                let numbers = [key.0, uint(row.try_get(1)?)?, uint(row.try_get(2)?)?];
                let place = Place::with_bytes(TABLE, numbers, row.try_get(0)?);
                decode(TABLE, &self.keys.open(place, row.try_get(3)?)?)
            })
            .collect()
    }

    /// First number of the server's receipts of a room that was not read.
    pub(crate) async fn receipt_cursor(&self, key: RoomKey) -> Result<u64, VaultError> {
        uint(
            sqlx::query_scalar("SELECT receipts FROM room WHERE id = ?")
                .bind(int(key.0)?)
                .fetch_one(&self.readers)
                .await?,
        )
    }

    /// Moves that number; it only grows.
    pub(crate) async fn move_receipt_cursor(&self, key: RoomKey, next: u64) -> Result<(), VaultError> {
        let mut transaction = self.begin().await?;
        sqlx::query("UPDATE room SET receipts = ?1 WHERE id = ?2 AND receipts < ?1")
            .bind(int(next)?)
            .bind(int(key.0)?)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}
