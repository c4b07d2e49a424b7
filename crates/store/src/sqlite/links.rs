//! Device links: open, requested, approved, enrolled; or revoked before that.

use sqlx::sqlite::SqliteConnection;

use super::value::{bound, hash, int, uint};
use super::{accounts, devices, directory};
use crate::limits::{MAX_NAME, MAX_OPEN_DEVICE_LINKS, check};
use crate::{
    DeviceEnrolment, DeviceLink, DeviceLinkState, Hash, NewDevice, NewDeviceLink, Refusal, StoreError, Thing,
    Unique,
};

const OPEN: u8 = 0;
const REQUESTED: u8 = 1;
const APPROVED: u8 = 2;
const ENROLLED: u8 = 3;
const REVOKED: u8 = 4;

type Row = (
    Vec<u8>,
    String,
    Vec<u8>,
    i64,
    i64,
    u8,
    Option<String>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
);

fn link(row: Row) -> Result<DeviceLink, StoreError> {
    let (token, user, created_by, created_ms, expires_ms, state, name, request, vouching, by, certificate) =
        row;
    let made = NewDeviceLink {
        token_hash: hash(token)?,
        user,
        created_by: hash(created_by)?,
        created_ms: uint(created_ms)?,
        expires_ms: uint(expires_ms)?,
    };
    let state = match (state, name, request, vouching, by, certificate) {
        (OPEN, ..) => DeviceLinkState::Open,
        (REVOKED, ..) => DeviceLinkState::Revoked,
        (REQUESTED, Some(name), Some(request), ..) => DeviceLinkState::Requested { name, request },
        (APPROVED, Some(name), Some(request), Some(vouching), Some(by), _) => {
            DeviceLinkState::Approved { name, request, vouching, approved_by: hash(by)? }
        }
        (ENROLLED, .., Some(certificate)) => DeviceLinkState::Enrolled { certificate: hash(certificate)? },
        _ => return Err(StoreError::Corrupt("a device link of no known state".into())),
    };
    Ok(DeviceLink { made, state })
}

pub(super) async fn find(
    connection: &mut SqliteConnection,
    token_hash: &Hash,
) -> Result<Option<DeviceLink>, StoreError> {
    sqlx::query_as(
        "SELECT token_hash, user_name, created_by, created_ms, expires_ms, state, device_name, request, vouching, \
         approved_by, certificate FROM device_links WHERE token_hash = ?",
    )
    .bind(&token_hash[..])
    .fetch_optional(connection)
    .await?
    .map(link)
    .transpose()
}

pub(super) async fn open(
    connection: &mut SqliteConnection,
    user: &str,
    now_ms: u64,
) -> Result<Vec<DeviceLink>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT token_hash, user_name, created_by, created_ms, expires_ms, state, device_name, request, vouching, \
         approved_by, certificate FROM device_links WHERE user_name = ? AND expires_ms > ? AND state < ? \
         ORDER BY rowid",
    )
    .bind(user)
    .bind(bound(now_ms))
    .bind(ENROLLED)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(link).collect()
}

pub(super) async fn insert(connection: &mut SqliteConnection, link: NewDeviceLink) -> Result<(), StoreError> {
    check("user name", link.user.len(), MAX_NAME)?;
    accounts::require_enabled(connection, &link.user).await?;
    devices::require_active(connection, &link.user, &link.created_by).await?;
    let open: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM device_links WHERE user_name = ? AND expires_ms > ? AND state < ?",
    )
    .bind(&link.user)
    .bind(bound(link.created_ms))
    .bind(ENROLLED)
    .fetch_one(&mut *connection)
    .await?;
    if uint(open)? >= MAX_OPEN_DEVICE_LINKS {
        return Err(StoreError::Refused(Refusal::TooManyLinks));
    }
    let done = sqlx::query(
        "INSERT INTO device_links (token_hash, user_name, created_by, created_ms, expires_ms, state) \
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (token_hash) DO NOTHING",
    )
    .bind(&link.token_hash[..])
    .bind(link.user)
    .bind(&link.created_by[..])
    .bind(int("time", link.created_ms)?)
    .bind(int("time", link.expires_ms)?)
    .bind(OPEN)
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::Exists(Unique::Token));
    }
    Ok(())
}

/// A link that can still go on, of an account in force.
async fn require_live(
    connection: &mut SqliteConnection,
    token_hash: &Hash,
    now_ms: u64,
) -> Result<DeviceLink, StoreError> {
    let link = find(connection, token_hash).await?.ok_or(StoreError::NotFound(Thing::DeviceLink))?;
    match link.state {
        DeviceLinkState::Revoked => return Err(StoreError::Refused(Refusal::Revoked)),
        DeviceLinkState::Enrolled { .. } => return Err(StoreError::Refused(Refusal::UsedUp)),
        _ if link.made.expires_ms <= now_ms => return Err(StoreError::Refused(Refusal::Expired)),
        _ => {}
    }
    accounts::require_enabled(connection, &link.made.user).await?;
    Ok(link)
}

pub(super) async fn request(
    connection: &mut SqliteConnection,
    token_hash: &Hash,
    name: &str,
    request: &[u8],
    now_ms: u64,
) -> Result<(), StoreError> {
    let link = require_live(connection, token_hash, now_ms).await?;
    if let DeviceLinkState::Requested { name: old_name, request: old }
    | DeviceLinkState::Approved { name: old_name, request: old, .. } = &link.state
    {
        let same = old_name == name && old == request;
        return if same { Ok(()) } else { Err(StoreError::Refused(Refusal::OtherRequest)) };
    }
    devices::require_free_name(connection, &link.made.user, name).await?;
    sqlx::query("UPDATE device_links SET state = ?, device_name = ?, request = ? WHERE token_hash = ?")
        .bind(REQUESTED)
        .bind(name)
        .bind(request)
        .bind(&token_hash[..])
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn approve(
    connection: &mut SqliteConnection,
    token_hash: &Hash,
    approved_by: &Hash,
    vouching: &[u8],
    now_ms: u64,
) -> Result<(), StoreError> {
    let link = require_live(connection, token_hash, now_ms).await?;
    devices::require_active(connection, &link.made.user, approved_by).await?;
    match link.state {
        DeviceLinkState::Requested { .. } => {}
        DeviceLinkState::Approved { .. } => return Ok(()),
        _ => return Err(StoreError::Refused(Refusal::NotRequested)),
    }
    sqlx::query("UPDATE device_links SET state = ?, vouching = ?, approved_by = ? WHERE token_hash = ?")
        .bind(APPROVED)
        .bind(vouching)
        .bind(&approved_by[..])
        .bind(&token_hash[..])
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn revoke(connection: &mut SqliteConnection, token_hash: &Hash) -> Result<(), StoreError> {
    let link = find(connection, token_hash).await?.ok_or(StoreError::NotFound(Thing::DeviceLink))?;
    if matches!(link.state, DeviceLinkState::Enrolled { .. }) {
        return Err(StoreError::Refused(Refusal::UsedUp));
    }
    sqlx::query("UPDATE device_links SET state = ? WHERE token_hash = ?")
        .bind(REVOKED)
        .bind(&token_hash[..])
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn enrol(
    connection: &mut SqliteConnection,
    enrolment: DeviceEnrolment,
) -> Result<(), StoreError> {
    let DeviceEnrolment { link: token_hash, now_ms, certificate, key, issued_ms, directory } = enrolment;
    let link = require_live(connection, &token_hash, now_ms).await?;
    let DeviceLinkState::Approved { name, vouching, approved_by, .. } = link.state else {
        return Err(StoreError::Refused(Refusal::NotApproved));
    };
    devices::require_active(connection, &link.made.user, &approved_by).await?;
    directory::grow(connection, directory).await?;
    let device = NewDevice { name, certificate, key, issued_ms };
    devices::insert(connection, &link.made.user, device, Some(vouching)).await?;
    sqlx::query("UPDATE device_links SET state = ?, certificate = ? WHERE token_hash = ?")
        .bind(ENROLLED)
        .bind(&certificate[..])
        .bind(&token_hash[..])
        .execute(connection)
        .await?;
    Ok(())
}
