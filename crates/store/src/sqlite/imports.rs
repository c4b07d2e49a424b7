//! Users of an earlier system, until they join.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use super::value::{int, role_code};
use super::{SqliteStore, accounts, devices, directory, invites};
use crate::limits::{MAX_OPAQUE_RECORD, MAX_SALT, check};
use crate::{
    Import, ImportEnrolment, Imports, NewAccount, NewImport, OpaqueRecord, Role, StoreError, Thing, Unique,
};

#[async_trait]
impl Imports for SqliteStore {
    async fn put_import(&self, import: NewImport) -> Result<(), StoreError> {
        check("salt", import.salt.len(), MAX_SALT)?;
        check("OPAQUE record", import.opaque_record.0.len(), MAX_OPAQUE_RECORD)?;
        if import.salt.is_empty() {
            return Err(StoreError::Misuse("an import without a salt"));
        }
        let NewImport { user, skeleton, email, salt, opaque_record, now_ms } = import;
        let account = NewAccount { user, skeleton, email, opaque_record: OpaqueRecord(Vec::new()) };
        accounts::check_new(&account)?;
        let mut transaction = self.begin().await?;
        let outcome = put(&mut transaction, account, salt, opaque_record, now_ms).await;
        transaction.finish(outcome).await
    }

    async fn import(&self, user: &str) -> Result<Option<Import>, StoreError> {
        let row: Option<(Vec<u8>, Vec<u8>)> =
            sqlx::query_as("SELECT salt, opaque_record FROM imports WHERE user_name = ?")
                .bind(user)
                .fetch_optional(&self.readers)
                .await?;
        Ok(row.map(|(salt, record)| Import { salt, opaque_record: OpaqueRecord(record) }))
    }

    async fn any_import(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM imports)").fetch_one(&self.readers).await?)
    }

    async fn enrol_import(&self, enrolment: ImportEnrolment) -> Result<(), StoreError> {
        check("OPAQUE record", enrolment.opaque_record.0.len(), MAX_OPAQUE_RECORD)?;
        devices::check_new(&enrolment.device)?;
        directory::check_append(&enrolment.directory)?;
        let mut transaction = self.begin().await?;
        let outcome = enrol(&mut transaction, enrolment).await;
        transaction.finish(outcome).await?;
        self.empty_log().await;
        Ok(())
    }
}

async fn put(
    connection: &mut SqliteConnection,
    account: NewAccount,
    salt: Vec<u8>,
    record: OpaqueRecord,
    now_ms: u64,
) -> Result<(), StoreError> {
    let user = account.user.clone();
    match waits(connection, &user).await? {
        Some(false) => return Err(StoreError::Exists(Unique::UserName)),
        Some(true) => readdress(connection, &user, account.email).await?,
        None => accounts::insert(connection, account, Role::Member, now_ms).await?,
    }
    sqlx::query("UPDATE accounts SET imported_ms = ? WHERE user_name = ?")
        .bind(int("time", now_ms)?)
        .bind(&user)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO imports (user_name, salt, opaque_record) VALUES (?, ?, ?) \
         ON CONFLICT (user_name) DO UPDATE SET salt = excluded.salt, opaque_record = excluded.opaque_record",
    )
    .bind(user)
    .bind(salt)
    .bind(record.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether an account waits; none if there is no such account.
async fn waits(connection: &mut SqliteConnection, user: &str) -> Result<Option<bool>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT i.user_name IS NOT NULL FROM accounts a LEFT JOIN imports i ON i.user_name = a.user_name \
         WHERE a.user_name = ?",
    )
    .bind(user)
    .fetch_optional(connection)
    .await?)
}

async fn readdress(
    connection: &mut SqliteConnection,
    user: &str,
    email: Option<String>,
) -> Result<(), StoreError> {
    let taken: i64 = sqlx::query_scalar("SELECT count(*) FROM accounts WHERE email = ? AND user_name <> ?")
        .bind(&email)
        .bind(user)
        .fetch_one(&mut *connection)
        .await?;
    if taken > 0 {
        return Err(StoreError::Exists(Unique::Email));
    }
    sqlx::query("UPDATE accounts SET email = ? WHERE user_name = ?")
        .bind(email)
        .bind(user)
        .execute(connection)
        .await?;
    Ok(())
}

async fn enrol(connection: &mut SqliteConnection, enrolment: ImportEnrolment) -> Result<(), StoreError> {
    let ImportEnrolment { invite, now_ms, user, opaque_record, device, directory } = enrolment;
    let invite = invites::peek(connection, &invite, now_ms).await?;
    if waits(connection, &user).await? != Some(true) {
        return Err(StoreError::NotFound(Thing::Account));
    }
    accounts::require_enabled(connection, &user).await?;
    let email: Option<String> = sqlx::query_scalar("SELECT email FROM accounts WHERE user_name = ?")
        .bind(&user)
        .fetch_one(&mut *connection)
        .await?;
    invites::use_for(connection, &invite, &user, email.as_deref()).await?;
    sqlx::query("UPDATE accounts SET opaque_record = ?, role = ? WHERE user_name = ?")
        .bind(opaque_record.0)
        .bind(role_code(invite.made.role))
        .bind(&user)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM imports WHERE user_name = ?").bind(&user).execute(&mut *connection).await?;
    directory::grow(connection, directory).await?;
    devices::insert(connection, &user, device, None).await
}
