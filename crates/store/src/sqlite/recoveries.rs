//! Records of recovery keys.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use super::value::{hash, uint};
use super::{SqliteStore, devices};
use crate::error::TooLarge;
use crate::limits::{MAX_RECOVERIES, MAX_RECOVERY, check};
use crate::{Hash, Recoveries, Recovery, Refusal, StoreError, Unique};

#[async_trait]
impl Recoveries for SqliteStore {
    async fn put_recovery(
        &self,
        certificate: &Hash,
        token_hash: &Hash,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        check("recovery record", sealed.len(), MAX_RECOVERY)?;
        let mut transaction = self.begin().await?;
        let outcome = put(&mut transaction, certificate, token_hash, sealed).await;
        transaction.finish(outcome).await
    }

    async fn recovery(&self, token_hash: &Hash) -> Result<Option<Recovery>, StoreError> {
        let row: Option<(Vec<u8>, String, Vec<u8>)> = sqlx::query_as(
            "SELECT r.certificate, d.user_name, r.sealed FROM recoveries r \
             JOIN devices d ON d.certificate = r.certificate WHERE r.token_hash = ?",
        )
        .bind(&token_hash[..])
        .fetch_optional(&self.readers)
        .await?;
        row.map(|(certificate, user, sealed)| Ok(Recovery { certificate: hash(certificate)?, user, sealed }))
            .transpose()
    }

    async fn recoveries(&self, user: &str) -> Result<Vec<(Hash, Vec<u8>)>, StoreError> {
        of(&mut *self.readers.acquire().await?, user).await
    }
}

async fn put(
    connection: &mut SqliteConnection,
    certificate: &Hash,
    token_hash: &Hash,
    sealed: &[u8],
) -> Result<(), StoreError> {
    devices::require_in_force(connection, certificate).await?;
    let others: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM recoveries r JOIN devices d ON d.certificate = r.certificate \
         WHERE r.certificate <> ?1 AND d.user_name = (SELECT user_name FROM devices WHERE certificate = ?1)",
    )
    .bind(&certificate[..])
    .fetch_one(&mut *connection)
    .await?;
    let value = uint(others)?.saturating_add(1);
    if value > MAX_RECOVERIES {
        return Err(TooLarge { what: "recovery keys", value, limit: MAX_RECOVERIES }.into());
    }
    let taken: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM recoveries WHERE token_hash = ? AND certificate <> ?)",
    )
    .bind(&token_hash[..])
    .bind(&certificate[..])
    .fetch_one(&mut *connection)
    .await?;
    if taken {
        return Err(StoreError::Exists(Unique::Token));
    }
    sqlx::query(
        "INSERT INTO recoveries (certificate, token_hash, sealed) VALUES (?, ?, ?) \
         ON CONFLICT (certificate) DO UPDATE SET token_hash = excluded.token_hash, sealed = excluded.sealed",
    )
    .bind(&certificate[..])
    .bind(&token_hash[..])
    .bind(sealed)
    .execute(connection)
    .await?;
    Ok(())
}

async fn of(connection: &mut SqliteConnection, user: &str) -> Result<Vec<(Hash, Vec<u8>)>, StoreError> {
    let rows: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as(
        "SELECT r.certificate, r.sealed FROM recoveries r JOIN devices d ON d.certificate = r.certificate \
         WHERE d.user_name = ? ORDER BY r.certificate",
    )
    .bind(user)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|(certificate, sealed)| Ok((hash(certificate)?, sealed))).collect()
}

/// Seals a user's records anew: all that there are, and no others.
pub(super) async fn seal_anew(
    connection: &mut SqliteConnection,
    user: &str,
    mut sealed: Vec<(Hash, Vec<u8>)>,
) -> Result<(), StoreError> {
    sealed.sort_unstable();
    let there = of(connection, user).await?;
    if !there.iter().map(|(certificate, _)| certificate).eq(sealed.iter().map(|(certificate, _)| certificate))
    {
        return Err(StoreError::Refused(Refusal::OtherRecoveries));
    }
    for (certificate, sealed) in sealed {
        sqlx::query("UPDATE recoveries SET sealed = ? WHERE certificate = ?")
            .bind(sealed)
            .bind(&certificate[..])
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Deletes that of a certificate that is revoked.
pub(super) async fn forget(connection: &mut SqliteConnection, certificate: &Hash) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM recoveries WHERE certificate = ?")
        .bind(&certificate[..])
        .execute(connection)
        .await?;
    Ok(())
}
