//! Accounts.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use super::value::{int, role, role_code, uint};
use super::{SqliteStore, recoveries as records};
use crate::limits::{MAX_EMAIL, MAX_NAME, MAX_OPAQUE_RECORD, MAX_PAGE, MAX_RECOVERY, check};
use crate::{Account, Accounts, Hash, NewAccount, OpaqueRecord, Refusal, Role, StoreError, Thing, Unique};

type Row = (String, Option<String>, u8, bool, Vec<u8>, i64, Option<i64>);

#[async_trait]
impl Accounts for SqliteStore {
    async fn account(&self, user: &str) -> Result<Option<Account>, StoreError> {
        sqlx::query_as(
            "SELECT user_name, email, role, enabled, opaque_record, created_ms, imported_ms FROM accounts WHERE user_name = ?",
        )
        .bind(user)
        .fetch_optional(&self.readers)
        .await?
        .map(account)
        .transpose()
    }

    async fn account_by_skeleton(&self, skeleton: &str) -> Result<Option<Account>, StoreError> {
        sqlx::query_as(
            "SELECT user_name, email, role, enabled, opaque_record, created_ms, imported_ms FROM accounts WHERE skeleton = ?",
        )
        .bind(skeleton)
        .fetch_optional(&self.readers)
        .await?
        .map(account)
        .transpose()
    }

    async fn account_by_email(&self, email: &str) -> Result<Option<Account>, StoreError> {
        sqlx::query_as(
            "SELECT user_name, email, role, enabled, opaque_record, created_ms, imported_ms FROM accounts WHERE email = ?",
        )
        .bind(email)
        .fetch_optional(&self.readers)
        .await?
        .map(account)
        .transpose()
    }

    async fn accounts(&self, after: &str, limit: u32) -> Result<Vec<Account>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT user_name, email, role, enabled, opaque_record, created_ms, imported_ms FROM accounts \
             WHERE user_name > ? ORDER BY user_name LIMIT ?",
        )
        .bind(after)
        .bind(limit.min(MAX_PAGE))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(account).collect()
    }

    async fn set_account_enabled(&self, user: &str, enabled: bool) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let changed = sqlx::query("UPDATE accounts SET enabled = ? WHERE user_name = ?")
            .bind(enabled)
            .bind(user)
            .execute(&mut *transaction)
            .await?;
        transaction.finish(one(changed.rows_affected())).await
    }

    async fn set_account_role(&self, user: &str, role: Role) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let changed = sqlx::query("UPDATE accounts SET role = ? WHERE user_name = ?")
            .bind(role_code(role))
            .bind(user)
            .execute(&mut *transaction)
            .await?;
        transaction.finish(one(changed.rows_affected())).await
    }

    async fn set_opaque_record(
        &self,
        user: &str,
        record: OpaqueRecord,
        recoveries: Vec<(Hash, Vec<u8>)>,
    ) -> Result<(), StoreError> {
        check("OPAQUE record", record.0.len(), MAX_OPAQUE_RECORD)?;
        for (_, sealed) in &recoveries {
            check("recovery record", sealed.len(), MAX_RECOVERY)?;
        }
        let mut transaction = self.begin().await?;
        let changed = sqlx::query("UPDATE accounts SET opaque_record = ? WHERE user_name = ?")
            .bind(record.0)
            .bind(user)
            .execute(&mut *transaction)
            .await?;
        let outcome = match one(changed.rows_affected()) {
            Ok(()) => records::seal_anew(&mut transaction, user, recoveries).await,
            none => none,
        };
        transaction.finish(outcome).await
    }
}

fn one(rows: u64) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::NotFound(Thing::Account)) } else { Ok(()) }
}

fn account(row: Row) -> Result<Account, StoreError> {
    let (user, email, role_code, enabled, record, created_ms, imported_ms) = row;
    Ok(Account {
        user,
        email,
        role: role(role_code)?,
        enabled,
        opaque_record: OpaqueRecord(record),
        created_ms: uint(created_ms)?,
        imported_ms: imported_ms.map(uint).transpose()?,
    })
}

pub(super) fn check_new(account: &NewAccount) -> Result<(), StoreError> {
    check("user name", account.user.len(), MAX_NAME)?;
    check("skeleton", account.skeleton.len(), MAX_NAME)?;
    check("e-mail address", account.email.as_ref().map_or(0, String::len), MAX_EMAIL)?;
    Ok(check("OPAQUE record", account.opaque_record.0.len(), MAX_OPAQUE_RECORD)?)
}

/// Makes an account in force.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    account: NewAccount,
    role: Role,
    now_ms: u64,
) -> Result<(), StoreError> {
    let taken: Option<(bool, bool)> = sqlx::query_as(
        "SELECT user_name = ?, skeleton = ? FROM accounts WHERE user_name = ? OR skeleton = ? OR email = ? \
         ORDER BY 1 DESC, 2 DESC",
    )
    .bind(&account.user)
    .bind(&account.skeleton)
    .bind(&account.user)
    .bind(&account.skeleton)
    .bind(&account.email)
    .fetch_optional(&mut *connection)
    .await?;
    match taken {
        Some((true, _)) => return Err(StoreError::Exists(Unique::UserName)),
        Some((false, true)) => return Err(StoreError::Exists(Unique::Skeleton)),
        Some((false, false)) => return Err(StoreError::Exists(Unique::Email)),
        None => {}
    }
    sqlx::query(
        "INSERT INTO accounts (user_name, skeleton, email, role, enabled, opaque_record, created_ms) \
         VALUES (?, ?, ?, ?, 1, ?, ?)",
    )
    .bind(account.user)
    .bind(account.skeleton)
    .bind(account.email)
    .bind(role_code(role))
    .bind(account.opaque_record.0)
    .bind(int("time", now_ms)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// Refuses what is not there or disabled.
pub(super) async fn require_enabled(connection: &mut SqliteConnection, user: &str) -> Result<(), StoreError> {
    let enabled: Option<bool> = sqlx::query_scalar("SELECT enabled FROM accounts WHERE user_name = ?")
        .bind(user)
        .fetch_optional(connection)
        .await?;
    match enabled {
        None => Err(StoreError::NotFound(Thing::Account)),
        Some(false) => Err(StoreError::Refused(Refusal::Disabled)),
        Some(true) => Ok(()),
    }
}
