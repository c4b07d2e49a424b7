//! Small named values.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use super::SqliteStore;
use crate::limits::{MAX_SETTING, MAX_SETTING_NAME, check};
use crate::{Settings, StoreError};

#[async_trait]
impl Settings for SqliteStore {
    async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(sqlx::query_scalar("SELECT value FROM settings WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?)
    }

    async fn put_setting(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        check_setting(name, value)?;
        let mut transaction = self.begin().await?;
        let outcome = put(&mut transaction, name, value).await;
        transaction.finish(outcome).await
    }

    async fn put_setting_if_absent(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        check_setting(name, value)?;
        let mut transaction = self.begin().await?;
        let outcome = put_if_absent(&mut transaction, name, value).await;
        transaction.finish(outcome).await
    }
}

fn check_setting(name: &str, value: &[u8]) -> Result<(), StoreError> {
    check("name of a setting", name.len(), MAX_SETTING_NAME)?;
    Ok(check("setting", value.len(), MAX_SETTING)?)
}

async fn put(connection: &mut SqliteConnection, name: &str, value: &[u8]) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(name)
    .bind(value)
    .execute(connection)
    .await?;
    Ok(())
}

async fn put_if_absent(
    connection: &mut SqliteConnection,
    name: &str,
    value: &[u8],
) -> Result<Vec<u8>, StoreError> {
    sqlx::query("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(value)
        .execute(&mut *connection)
        .await?;
    Ok(sqlx::query_scalar("SELECT value FROM settings WHERE name = ?")
        .bind(name)
        .fetch_one(connection)
        .await?)
}
