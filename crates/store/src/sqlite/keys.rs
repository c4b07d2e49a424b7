//! Key packages.

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use sqlx::sqlite::SqliteConnection;

use super::value::uint;
use super::{SqliteStore, devices};
use crate::limits::{MAX_KEY_PACKAGE, MAX_KEY_PACKAGES, MAX_TAKEN, check};
use crate::{Hash, KeyPackageCount, KeyPackages, StoreError};

const COUNT: &str = "SELECT coalesce(sum(last_resort = 0), 0), coalesce(max(last_resort), 0) FROM key_packages WHERE certificate = ?";

#[async_trait]
impl KeyPackages for SqliteStore {
    async fn put_key_packages(
        &self,
        device: &Hash,
        packages: Vec<Vec<u8>>,
        last_resort: Option<Vec<u8>>,
    ) -> Result<KeyPackageCount, StoreError> {
        check("key packages", packages.len(), MAX_KEY_PACKAGES as usize)?;
        for package in packages.iter().chain(&last_resort) {
            check("key package", package.len(), MAX_KEY_PACKAGE)?;
            if package.is_empty() {
                return Err(StoreError::Misuse("an empty key package"));
            }
        }
        let mut transaction = self.begin().await?;
        let outcome = put(&mut transaction, device, packages, last_resort).await;
        transaction.finish(outcome).await
    }

    async fn key_package_count(&self, device: &Hash) -> Result<KeyPackageCount, StoreError> {
        count(sqlx::query_as(COUNT).bind(&device[..]).fetch_one(&self.readers).await?)
    }

    async fn take_key_packages(&self, certificates: &[Hash]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        check("key packages taken", certificates.len(), MAX_TAKEN)?;
        let mut transaction = self.begin().await?;
        let outcome = take(&mut transaction, certificates).await;
        transaction.finish(outcome).await
    }
}

fn count((count, last_resort): (i64, bool)) -> Result<KeyPackageCount, StoreError> {
    Ok(KeyPackageCount { count: uint(count)?, last_resort })
}

async fn put(
    connection: &mut SqliteConnection,
    device: &Hash,
    packages: Vec<Vec<u8>>,
    last_resort: Option<Vec<u8>>,
) -> Result<KeyPackageCount, StoreError> {
    devices::require_in_force(connection, device).await?;
    if let Some(package) = last_resort {
        let hash = digest(&SHA256, &package);
        sqlx::query("DELETE FROM key_packages WHERE certificate = ? AND last_resort = 1 AND hash <> ?")
            .bind(&device[..])
            .bind(hash.as_ref())
            .execute(&mut *connection)
            .await?;
        sqlx::query(
            "INSERT INTO key_packages (certificate, last_resort, hash, package) VALUES (?, 1, ?, ?) \
             ON CONFLICT (certificate, hash) DO UPDATE SET last_resort = 1",
        )
        .bind(&device[..])
        .bind(hash.as_ref())
        .bind(package)
        .execute(&mut *connection)
        .await?;
    }
    for package in packages {
        sqlx::query(
            "INSERT INTO key_packages (certificate, last_resort, hash, package) VALUES (?, 0, ?, ?) \
             ON CONFLICT (certificate, hash) DO NOTHING",
        )
        .bind(&device[..])
        .bind(digest(&SHA256, &package).as_ref())
        .bind(package)
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query(
        "DELETE FROM key_packages WHERE id IN \
         (SELECT id FROM key_packages WHERE certificate = ? AND last_resort = 0 ORDER BY id DESC LIMIT -1 OFFSET ?)",
    )
    .bind(&device[..])
    .bind(MAX_KEY_PACKAGES)
    .execute(&mut *connection)
    .await?;
    count(sqlx::query_as(COUNT).bind(&device[..]).fetch_one(connection).await?)
}

async fn take(
    connection: &mut SqliteConnection,
    certificates: &[Hash],
) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let mut taken = Vec::with_capacity(certificates.len());
    for certificate in certificates {
        let newest: Option<Vec<u8>> = sqlx::query_scalar(
            "DELETE FROM key_packages WHERE id = \
             (SELECT max(id) FROM key_packages WHERE certificate = ? AND last_resort = 0) RETURNING package",
        )
        .bind(&certificate[..])
        .fetch_optional(&mut *connection)
        .await?;
        taken.push(match newest {
            Some(package) => Some(package),
            None => {
                sqlx::query_scalar(
                    "SELECT package FROM key_packages WHERE certificate = ? AND last_resort = 1",
                )
                .bind(&certificate[..])
                .fetch_optional(&mut *connection)
                .await?
            }
        });
    }
    Ok(taken)
}

/// Deletes those of a certificate that is revoked.
pub(super) async fn forget(connection: &mut SqliteConnection, certificate: &Hash) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM key_packages WHERE certificate = ?")
        .bind(&certificate[..])
        .execute(connection)
        .await?;
    Ok(())
}
