//! The user's devices and password (SE-13, SE-14, SE-16, SE-17).

use evidence::limits::MAX_SKEW_MS;
use evidence::membership::DeviceStatement;
use minicbor::bytes::ByteArray;
use pki::Name;
use pki::request::CertificateRequest;
use session::limits::{self, LIST_PAGE, TOKEN_LEN};
use session::login::PasswordRecord;
use session::message::{DeviceInfo, FailureCode, PendingDevice, Reply, SealedRecovery};
use store::{DeviceLink, DeviceLinkState, Hash, NewDeviceLink, OpaqueRecord};

use super::super::not_allowed;
use super::{Answer, malformed, not_found, require_admin};
use crate::clock::now_ms;
use crate::failure;
use crate::rooms::Session;
use crate::shared::Shared;

// What the store keeps is what clients are told.
const _: () = {
    use {limits as told, store::limits as kept};
    assert!(told::MAX_RECOVERY == kept::MAX_RECOVERY);
    assert!(told::MAX_RECOVERIES as u64 == kept::MAX_RECOVERIES);
};

/// Milliseconds that a device link is good.
const LINK_MS: u64 = 3_600_000;

pub(super) async fn create_link(shared: &Shared, session: &Session) -> Answer {
    let now = now_ms();
    let mut token = [0; TOKEN_LEN];
    aws_lc_rs::rand::fill(&mut token)
        .map_err(|_| failure::failed(FailureCode::Unavailable, "the server has no randomness"))?;
    let expires = now.saturating_add(LINK_MS);
    let link = NewDeviceLink {
        token_hash: pki::sha256(&token),
        user: session.user.clone(),
        created_by: session.certificate,
        created_ms: now,
        expires_ms: expires,
    };
    shared.store.create_device_link(link).await.map_err(|e| failure::store(&e))?;
    Ok(Reply::DeviceLink { token: token.to_vec(), expires })
}

pub(super) async fn requests(shared: &Shared, session: &Session) -> Answer {
    let links =
        shared.store.open_device_links(&session.user, now_ms()).await.map_err(|e| failure::store(&e))?;
    let requests = links.into_iter().filter_map(|link| match link.state {
        DeviceLinkState::Requested { name, request } => {
            Some(PendingDevice { id: link.made.token_hash.into(), device: name, request })
        }
        _ => None,
    });
    Ok(Reply::DeviceRequests { requests: requests.collect() })
}

pub(super) async fn approve(
    shared: &Shared,
    session: &Session,
    id: &ByteArray<32>,
    statement: &[u8],
) -> Answer {
    let link = own_link(shared, session, id).await?;
    match &link.state {
        DeviceLinkState::Requested { name, request } => {
            check_vouching(session, name, request, statement)?;
            shared
                .store
                .approve_device(id, &session.certificate, statement, now_ms())
                .await
                .map_err(|e| failure::store(&e))?;
        }
        // A repeat after a lost answer, or after a stop between the two transactions.
        DeviceLinkState::Approved { .. } => {}
        DeviceLinkState::Enrolled { certificate } => {
            let chain = shared.chain_of(certificate).await?;
            return Ok(Reply::DeviceApproved { chain: chain.0.into_iter().map(Into::into).collect() });
        }
        _ => return Err(not_found("no new device waits under this link")),
    }
    let (chain, _) = shared.issue_approved(id).await?;
    Ok(Reply::DeviceApproved { chain: chain.0.into_iter().map(Into::into).collect() })
}

/// The statement must be this device's, and vouch for exactly what was asked for (EV-20).
fn check_vouching(session: &Session, name: &str, request: &[u8], statement: &[u8]) -> Result<(), Reply> {
    let wrong = || malformed("the device statement does not vouch for this request");
    let request = CertificateRequest::parse(request).map_err(|_| wrong())?;
    let statement = DeviceStatement::parse(statement).map_err(|_| wrong())?;
    let statement = statement.verify(&session.signer).map_err(|_| wrong())?;
    if statement.user.as_str() != session.user
        || statement.device.as_str() != name
        || statement.key != *request.key().as_bytes()
    {
        return Err(wrong());
    }
    // EV-20: a verifier judges the voucher's certificate at this time.
    if statement.time_ms.abs_diff(now_ms()) > MAX_SKEW_MS {
        return Err(malformed(
            "the device statement is more than 5 minutes from the server's time; set the clock",
        ));
    }
    Ok(())
}

pub(super) async fn deny(shared: &Shared, session: &Session, id: &ByteArray<32>) -> Answer {
    own_link(shared, session, id).await?;
    shared.store.revoke_device_link(id).await.map_err(|e| failure::store(&e))?;
    Ok(Reply::Done)
}

async fn own_link(shared: &Shared, session: &Session, id: &Hash) -> Result<DeviceLink, Reply> {
    let link = shared.store.device_link(id).await.map_err(|e| failure::store(&e))?;
    link.filter(|l| l.made.user == session.user).ok_or_else(|| not_found("no such request of a new device"))
}

pub(super) async fn list(shared: &Shared, session: &Session, user: Option<&str>, after: u64) -> Answer {
    let user = user.unwrap_or(&session.user);
    let found = shared.store.devices_of(user).await.map_err(|e| failure::store(&e))?;
    let behind = found.into_iter().filter(|d| d.directory_index > after);
    let mut devices = Vec::new();
    for device in behind.take(LIST_PAGE as usize) {
        let chain = shared.chain_of(&device.certificate).await?;
        devices.push(DeviceInfo {
            user: device.user,
            device: device.name,
            certificate: device.certificate.into(),
            chain: chain.0.into_iter().map(Into::into).collect(),
            issued: device.issued_ms,
            revoked: device.revoked.map(|r| r.at_ms),
            position: device.directory_index,
        });
    }
    Ok(Reply::Devices { devices })
}

pub(super) async fn revoke(shared: &Shared, session: &Session, certificate: &Hash, reason: &str) -> Answer {
    let reason = reason.parse().map_err(|e: pki::trust::UnknownReason| malformed(&e.to_string()))?;
    let device = shared.store.device(certificate).await.map_err(|e| failure::store(&e))?;
    let device = device.ok_or_else(|| not_found("no such device"))?;
    if device.user != session.user {
        require_admin(shared, session).await?;
    }
    if device.revoked.is_some() {
        return Ok(Reply::Done);
    }
    shared.revoke(certificate, reason).await?;
    Ok(Reply::Done)
}

pub(super) async fn password_start(
    shared: &Shared,
    session: &Session,
    registration_request: &[u8],
) -> Answer {
    let registration_response = shared
        .opaque
        .registration_response(&session.user, registration_request)
        .map_err(|_| malformed("the registration cannot be read"))?;
    let recoveries = shared.store.recoveries(&session.user).await.map_err(|e| failure::store(&e))?;
    let recoveries = recoveries
        .into_iter()
        .map(|(certificate, sealed)| SealedRecovery { certificate: certificate.into(), sealed });
    Ok(Reply::PasswordChallenge { registration_response, recoveries: recoveries.collect() })
}

pub(super) async fn password_finish(
    shared: &Shared,
    session: &Session,
    upload: &[u8],
    recoveries: Vec<SealedRecovery>,
) -> Answer {
    let record =
        PasswordRecord::from_upload(upload).map_err(|_| malformed("the registration cannot be read"))?;
    if recoveries.iter().any(|recovery| recovery.sealed.is_empty()) {
        return Err(malformed("the record of a recovery key is empty"));
    }
    let record = OpaqueRecord(record.as_bytes().to_vec());
    let recoveries =
        recoveries.into_iter().map(|recovery| (*recovery.certificate, recovery.sealed)).collect();
    shared
        .store
        .set_opaque_record(&session.user, record, recoveries)
        .await
        .map_err(|e| failure::store(&e))?;
    Ok(Reply::Done)
}

pub(super) async fn put_recovery(
    shared: &Shared,
    session: &Session,
    token: &[u8; TOKEN_LEN],
    sealed: &[u8],
) -> Answer {
    // ID-54
    if !session.signer.identity().device().is_some_and(Name::is_recovery_key) {
        return Err(not_allowed("only a recovery key hands in its record"));
    }
    if sealed.is_empty() {
        return Err(malformed("the record of a recovery key is empty"));
    }
    let put = shared.store.put_recovery(&session.certificate, &pki::sha256(token), sealed).await;
    put.map_err(|e| failure::store(&e))?;
    Ok(Reply::Done)
}
