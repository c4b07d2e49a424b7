//! Safety codes that were compared (ID-53).

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use pki::Name;
use sqlx::Row as _;

use super::{Place, Vault, VaultError, decode, uint};

const TABLE: &str = "comparison";

/// That the safety code with a user was compared, or that this was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Comparison {
    /// The key that it was compared with; none where it was taken back.
    #[n(1)]
    pub(crate) key: Option<ByteArray<32>>,
    /// When, Unix milliseconds.
    #[n(2)]
    pub(crate) at_ms: u64,
}

impl Vault {
    /// Stores a comparison behind those that are there.
    pub(crate) async fn put_comparison(
        &self,
        user: &Name,
        comparison: &Comparison,
    ) -> Result<(), VaultError> {
        let tag = self.keys.tag(TABLE, user.as_str().as_bytes());
        let mut transaction = self.begin().await?;
        let number: i64 =
            sqlx::query_scalar("SELECT coalesce(max(number), 0) + 1 FROM comparison WHERE user = ?")
                .bind(tag.as_slice())
                .fetch_one(&mut *transaction)
                .await?;
        let place = Place::with_bytes(TABLE, [uint(number)?], &tag);
        sqlx::query("INSERT INTO comparison (user, number, sealed) VALUES (?, ?, ?)")
            .bind(tag.as_slice())
            .bind(number)
            .bind(self.keys.seal(place, &wire::cbor::to_vec(comparison))?)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The newest comparison with a user.
    pub(crate) async fn comparison(&self, user: &Name) -> Result<Option<Comparison>, VaultError> {
        let tag = self.keys.tag(TABLE, user.as_str().as_bytes());
        let row =
            sqlx::query("SELECT number, sealed FROM comparison WHERE user = ? ORDER BY number DESC LIMIT 1")
                .bind(tag.as_slice())
                .fetch_optional(&self.readers)
                .await?;
        let Some(row) = row else { return Ok(None) };
        let place = Place::with_bytes(TABLE, [uint(row.try_get(0)?)?], &tag);
        decode(TABLE, &self.keys.open(place, row.try_get(1)?)?).map(Some)
    }
}
