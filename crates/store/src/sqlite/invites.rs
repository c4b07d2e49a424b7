//! Invites, and the enrolment that uses one.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use super::value::{bound, hash, int, role, role_code, uint};
use super::{SqliteStore, accounts, devices, directory};
use crate::limits::{MAX_EMAIL, MAX_INVITE_USES, MAX_NAME, MAX_PAGE, check};
use crate::{Enrolment, Hash, Invite, Invites, NewInvite, Refusal, StoreError, Thing, Unique};

type Row = (i64, Vec<u8>, u8, Option<String>, Option<String>, u32, u32, i64, Option<String>, i64, bool);

#[async_trait]
impl Invites for SqliteStore {
    async fn create_invite(&self, invite: NewInvite) -> Result<(), StoreError> {
        check_new(&invite)?;
        let mut transaction = self.begin().await?;
        let outcome = insert(&mut transaction, invite).await;
        transaction.finish(outcome).await
    }

    async fn invites(&self, after: u64, limit: u32) -> Result<Vec<Invite>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, token_hash, role, user_name, email, uses, uses_left, expires_ms, created_by, created_ms, \
             revoked FROM invites WHERE id > ? ORDER BY id LIMIT ?",
        )
        .bind(bound(after))
        .bind(limit.min(MAX_PAGE))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(invite).collect()
    }

    async fn revoke_invite(&self, token_hash: &Hash) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let changed = sqlx::query("UPDATE invites SET revoked = 1 WHERE token_hash = ?")
            .bind(&token_hash[..])
            .execute(&mut *transaction)
            .await?;
        let outcome = match changed.rows_affected() {
            0 => Err(StoreError::NotFound(Thing::Invite)),
            _ => Ok(()),
        };
        transaction.finish(outcome).await
    }

    async fn peek_invite(&self, token_hash: &Hash, now_ms: u64) -> Result<Invite, StoreError> {
        peek(&mut *self.readers.acquire().await?, token_hash, now_ms).await
    }

    async fn enrol(&self, enrolment: Enrolment) -> Result<(), StoreError> {
        accounts::check_new(&enrolment.account)?;
        devices::check_new(&enrolment.device)?;
        directory::check_append(&enrolment.directory)?;
        let mut transaction = self.begin().await?;
        let outcome = enrol(&mut transaction, enrolment).await;
        transaction.finish(outcome).await
    }
}

fn check_new(invite: &NewInvite) -> Result<(), StoreError> {
    check("user name", invite.user.as_ref().map_or(0, String::len), MAX_NAME)?;
    check("e-mail address", invite.email.as_ref().map_or(0, String::len), MAX_EMAIL)?;
    check("creator's name", invite.created_by.as_ref().map_or(0, String::len), MAX_NAME)?;
    check("uses of an invite", invite.uses as usize, MAX_INVITE_USES as usize)?;
    if invite.uses == 0 {
        return Err(StoreError::Misuse("an invite without uses"));
    }
    Ok(())
}

fn invite(row: Row) -> Result<Invite, StoreError> {
    let (id, token, role_code, user, email, uses, uses_left, expires_ms, created_by, created_ms, revoked) =
        row;
    let made = NewInvite {
        token_hash: hash(token)?,
        role: role(role_code)?,
        user,
        email,
        uses,
        expires_ms: uint(expires_ms)?,
        created_by,
        created_ms: uint(created_ms)?,
    };
    Ok(Invite { id: uint(id)?, made, uses_left, revoked })
}

async fn insert(connection: &mut SqliteConnection, invite: NewInvite) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO invites (token_hash, role, user_name, email, uses, uses_left, expires_ms, created_by, \
         created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (token_hash) DO NOTHING",
    )
    .bind(&invite.token_hash[..])
    .bind(role_code(invite.role))
    .bind(invite.user)
    .bind(invite.email)
    .bind(invite.uses)
    .bind(invite.uses)
    .bind(int("time", invite.expires_ms)?)
    .bind(invite.created_by)
    .bind(int("time", invite.created_ms)?)
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::Exists(Unique::Token));
    }
    Ok(())
}

pub(super) async fn peek(
    connection: &mut SqliteConnection,
    token_hash: &Hash,
    now_ms: u64,
) -> Result<Invite, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT id, token_hash, role, user_name, email, uses, uses_left, expires_ms, created_by, created_ms, \
         revoked FROM invites WHERE token_hash = ?",
    )
    .bind(&token_hash[..])
    .fetch_optional(connection)
    .await?;
    let invite = invite(row.ok_or(StoreError::NotFound(Thing::Invite))?)?;
    if invite.revoked {
        Err(StoreError::Refused(Refusal::Revoked))
    } else if invite.made.expires_ms <= now_ms {
        Err(StoreError::Refused(Refusal::Expired))
    } else if invite.uses_left == 0 {
        Err(StoreError::Refused(Refusal::UsedUp))
    } else {
        Ok(invite)
    }
}

async fn enrol(connection: &mut SqliteConnection, enrolment: Enrolment) -> Result<(), StoreError> {
    let Enrolment { invite, now_ms, account, device, directory } = enrolment;
    let invite = peek(connection, &invite, now_ms).await?;
    use_for(connection, &invite, &account.user, account.email.as_deref()).await?;
    let user = account.user.clone();
    accounts::insert(connection, account, invite.made.role, now_ms).await?;
    directory::grow(connection, directory).await?;
    devices::insert(connection, &user, device, None).await
}

/// Uses an invite for an account of this name and address.
pub(super) async fn use_for(
    connection: &mut SqliteConnection,
    invite: &Invite,
    user: &str,
    email: Option<&str>,
) -> Result<(), StoreError> {
    if invite.made.user.as_deref().is_some_and(|only| only != user) {
        return Err(StoreError::Refused(Refusal::OtherUser));
    }
    if invite.made.email.is_some() && invite.made.email.as_deref() != email {
        return Err(StoreError::Refused(Refusal::OtherEmail));
    }
    sqlx::query("UPDATE invites SET uses_left = uses_left - 1 WHERE token_hash = ?")
        .bind(&invite.made.token_hash[..])
        .execute(connection)
        .await?;
    Ok(())
}
