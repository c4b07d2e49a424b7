//! Devices.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use super::value::{hash, int, uint};
use super::{SqliteStore, directory, links};
use crate::limits::{MAX_DEVICE_REQUEST, MAX_NAME, MAX_VOUCHING, check};
use crate::{
    Device, DeviceEnrolment, DeviceLink, Devices, Hash, NewDevice, NewDeviceLink, Refusal, StoreError, Thing,
    Unique,
};

type Row = (String, String, Vec<u8>, i64, Vec<u8>, i64, Option<Vec<u8>>, Option<i64>, Option<i64>);

#[async_trait]
impl Devices for SqliteStore {
    async fn device(&self, certificate: &Hash) -> Result<Option<Device>, StoreError> {
        sqlx::query_as(
            "SELECT d.user_name, d.name, d.certificate, c.issued_idx, d.key, d.issued_ms, d.vouching, c.revoked_idx, \
             c.revoked_ms FROM devices d JOIN certificates c ON c.hash = d.certificate WHERE d.certificate = ?",
        )
        .bind(&certificate[..])
        .fetch_optional(&self.readers)
        .await?
        .map(device)
        .transpose()
    }

    async fn devices_of(&self, user: &str) -> Result<Vec<Device>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT d.user_name, d.name, d.certificate, c.issued_idx, d.key, d.issued_ms, d.vouching, c.revoked_idx, \
             c.revoked_ms FROM devices d JOIN certificates c ON c.hash = d.certificate WHERE d.user_name = ? \
             ORDER BY c.issued_idx",
        )
        .bind(user)
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(device).collect()
    }

    async fn create_device_link(&self, link: NewDeviceLink) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let outcome = links::insert(&mut transaction, link).await;
        transaction.finish(outcome).await
    }

    async fn device_link(&self, token_hash: &Hash) -> Result<Option<DeviceLink>, StoreError> {
        links::find(&mut *self.readers.acquire().await?, token_hash).await
    }

    async fn open_device_links(&self, user: &str, now_ms: u64) -> Result<Vec<DeviceLink>, StoreError> {
        links::open(&mut *self.readers.acquire().await?, user, now_ms).await
    }

    async fn put_device_request(
        &self,
        link: &Hash,
        name: &str,
        request: &[u8],
        now_ms: u64,
    ) -> Result<(), StoreError> {
        check("device name", name.len(), MAX_NAME)?;
        check("device request", request.len(), MAX_DEVICE_REQUEST)?;
        let mut transaction = self.begin().await?;
        let outcome = links::request(&mut transaction, link, name, request, now_ms).await;
        transaction.finish(outcome).await
    }

    async fn approve_device(
        &self,
        link: &Hash,
        approved_by: &Hash,
        vouching: &[u8],
        now_ms: u64,
    ) -> Result<(), StoreError> {
        check("vouching statement", vouching.len(), MAX_VOUCHING)?;
        let mut transaction = self.begin().await?;
        let outcome = links::approve(&mut transaction, link, approved_by, vouching, now_ms).await;
        transaction.finish(outcome).await
    }

    async fn revoke_device_link(&self, link: &Hash) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let outcome = links::revoke(&mut transaction, link).await;
        transaction.finish(outcome).await
    }

    async fn add_device(&self, enrolment: DeviceEnrolment) -> Result<(), StoreError> {
        directory::check_append(&enrolment.directory)?;
        let mut transaction = self.begin().await?;
        let outcome = links::enrol(&mut transaction, enrolment).await;
        transaction.finish(outcome).await
    }
}

fn device(row: Row) -> Result<Device, StoreError> {
    let (user, name, certificate, index, key, issued_ms, vouching, revoked, revoked_ms) = row;
    Ok(Device {
        user,
        name,
        certificate: hash(certificate)?,
        directory_index: uint(index)?,
        key: hash(key)?,
        issued_ms: uint(issued_ms)?,
        vouching,
        revoked: directory::revocation(revoked, revoked_ms)?,
    })
}

pub(super) fn check_new(device: &NewDevice) -> Result<(), StoreError> {
    Ok(check("device name", device.name.len(), MAX_NAME)?)
}

/// Makes a device whose certificate the transaction has just issued.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    user: &str,
    device: NewDevice,
    vouching: Option<Vec<u8>>,
) -> Result<(), StoreError> {
    require_free_name(connection, user, &device.name).await?;
    directory::require_issued(connection, &device.certificate).await?;
    let done = sqlx::query(
        "INSERT INTO devices (certificate, user_name, name, key, issued_ms, vouching, active) \
         VALUES (?, ?, ?, ?, ?, ?, 1) ON CONFLICT (certificate) DO NOTHING",
    )
    .bind(&device.certificate[..])
    .bind(user)
    .bind(device.name)
    .bind(&device.key[..])
    .bind(int("time", device.issued_ms)?)
    .bind(vouching)
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::Exists(Unique::Certificate));
    }
    Ok(())
}

/// Refuses a name that a device in force has.
pub(super) async fn require_free_name(
    connection: &mut SqliteConnection,
    user: &str,
    name: &str,
) -> Result<(), StoreError> {
    let taken: i64 =
        sqlx::query_scalar("SELECT count(*) FROM devices WHERE user_name = ? AND name = ? AND active = 1")
            .bind(user)
            .bind(name)
            .fetch_one(connection)
            .await?;
    if taken > 0 { Err(StoreError::Exists(Unique::DeviceName)) } else { Ok(()) }
}

/// Refuses what is no device in force.
pub(super) async fn require_in_force(
    connection: &mut SqliteConnection,
    certificate: &Hash,
) -> Result<(), StoreError> {
    let active = sqlx::query_scalar("SELECT active FROM devices WHERE certificate = ?")
        .bind(&certificate[..])
        .fetch_optional(connection)
        .await?;
    in_force(active)
}

/// Refuses what is not a device of `user` in force.
pub(super) async fn require_active(
    connection: &mut SqliteConnection,
    user: &str,
    certificate: &Hash,
) -> Result<(), StoreError> {
    let active = sqlx::query_scalar("SELECT active FROM devices WHERE certificate = ? AND user_name = ?")
        .bind(&certificate[..])
        .bind(user)
        .fetch_optional(connection)
        .await?;
    in_force(active)
}

fn in_force(active: Option<bool>) -> Result<(), StoreError> {
    match active {
        None => Err(StoreError::NotFound(Thing::Device)),
        Some(false) => Err(StoreError::Refused(Refusal::DeviceRevoked)),
        Some(true) => Ok(()),
    }
}
