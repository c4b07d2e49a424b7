//! What a logged-in device may ask (SE-15).
//!
//! - [`room`]: rooms, their logs and receipts.
//! - [`device`]: the user's devices and password.
//! - [`admin`]: invites and users.
//! - [`certificate`]: certificates and the directory.
//! - [`key`]: key packages and blobs of encrypted rooms.
//! - [`history`]: what a user's devices keep for each other.

mod admin;
mod certificate;
mod device;
mod history;
mod key;
mod room;

pub(crate) use admin::{new_invite, open_invites};

use std::sync::Arc;

use evidence::mls::Named;
use session::message::{Command, FailureCode, Reply, Request};

use store::Hash;

use super::not_allowed;
use crate::failure;
use crate::rooms::{Said, Session, Submission, named};
use crate::shared::Shared;

type Answer = Result<Reply, Reply>;

/// Handles a request. No reply means that the sequencer gives it.
pub(super) async fn handle(request: Request, shared: &Arc<Shared>, session: &Arc<Session>) -> Option<Reply> {
    let Request { id, command } = request;
    let answer = match command {
        Command::Append { room, statement, content, files } => {
            let files = match key::files(&files, content.is_some()) {
                Ok(files) => files,
                Err(failed) => return Some(failed),
            };
            let said = Said { content, files };
            return submit(shared, session, id, *room, statement, said, false).await;
        }
        Command::RoomCreate { room, statement } => {
            return submit(shared, session, id, *room, statement, Said::default(), true).await;
        }
        Command::Rooms { after } => room::list(shared, session, after).await,
        Command::Fetch { room, from, limit } => room::fetch(shared, session, &room, from, limit).await,
        Command::Watch => {
            session.watch();
            Ok(Reply::Done)
        }
        Command::ReceiptPut { room, receipt, cosignature } => {
            room::put_receipt(shared, session, &room, receipt, cosignature).await
        }
        Command::Receipts { room, from } => room::receipts(shared, session, &room, from).await,
        Command::Certificates { hashes } => certificate::certificates(shared, &hashes).await,
        Command::DirectoryProof { certificates } => certificate::directory_proof(shared, &certificates).await,
        Command::Directory { from, limit } => certificate::directory(shared, from, limit).await,
        Command::KeyPackagePut { packages, last_resort } => {
            key::put_packages(shared, session, packages, last_resort).await
        }
        Command::KeyPackageCount => key::count_packages(shared, session).await,
        Command::KeyPackageTake { certificates } => key::take_packages(shared, session, &certificates).await,
        Command::BlobPut { hash, size, offset, bytes } => {
            key::put_blob(shared, session, *hash, size, offset, bytes).await
        }
        Command::BlobGet { room, hash, offset } => key::get_blob(shared, session, &room, &hash, offset).await,
        Command::HistoryKeys => history::keys(shared, session).await,
        Command::HistoryKeyPut { certificate, keys, sealed } => {
            history::put_keys(shared, session, &certificate, keys, &sealed).await
        }
        Command::HistoryKeyGet => history::boxes(shared, session).await,
        Command::HistoryKeyTaken { giver, keys, opened } => {
            history::taken(shared, session, &giver, keys, opened).await
        }
        Command::HistoryPut { room, first, end, piece } => {
            history::put(shared, session, *room, (first, end), piece).await
        }
        Command::HistoryGet { room, after } => history::get(shared, session, &room, after).await,
        Command::DeviceLinkCreate => device::create_link(shared, session).await,
        Command::DeviceRequests => device::requests(shared, session).await,
        Command::DeviceApprove { id, statement } => device::approve(shared, session, &id, &statement).await,
        Command::DeviceDeny { id } => device::deny(shared, session, &id).await,
        Command::DeviceList { user, after } => device::list(shared, session, user.as_deref(), after).await,
        Command::DeviceRevoke { certificate, reason } => {
            device::revoke(shared, session, &certificate, &reason).await
        }
        Command::PasswordStart { registration_request } => {
            device::password_start(shared, session, &registration_request).await
        }
        Command::PasswordFinish { registration_upload, recoveries } => {
            device::password_finish(shared, session, &registration_upload, recoveries).await
        }
        Command::RecoveryPut { token, sealed } => {
            device::put_recovery(shared, session, &token, &sealed).await
        }
        Command::InviteCreate { user, role, uses, expires } => {
            admin::create_invite(shared, session, user, role, uses, expires).await
        }
        Command::InviteList { after } => admin::invites(shared, session, after).await,
        Command::InviteRevoke { id } => admin::revoke_invite(shared, session, &id).await,
        Command::UserList { after } => admin::users(shared, session, &after).await,
        Command::UserEnable { user, enabled } => admin::enable(shared, session, &user, enabled).await,
        Command::Time
        | Command::LoginStart { .. }
        | Command::LoginFinish { .. }
        | Command::JoinStart { .. }
        | Command::JoinFinish { .. }
        | Command::ImportStart { .. }
        | Command::ImportLogin { .. }
        | Command::ImportRegister { .. }
        | Command::ImportFinish { .. }
        | Command::DeviceStart { .. }
        | Command::DeviceRequest { .. }
        | Command::DevicePoll
        | Command::RecoveryStart { .. }
        | Command::RecoveryOpen { .. } => Err(not_allowed("you are logged in already")),
    };
    Some(answer.unwrap_or_else(|failed| failed))
}

/// Hands a statement in, with what shows of the group messages that it names: only the sequencer knows which there must be.
async fn submit(
    shared: &Shared,
    session: &Arc<Session>,
    id: u32,
    room: Hash,
    statement: Vec<u8>,
    said: Said,
    creates: bool,
) -> Option<Reply> {
    let named = match said.content {
        // What comes with content is no change of membership.
        Some(_) => Some(Named::default()),
        None => match named(shared, &session.certificate, (!creates).then_some(&room), &statement).await {
            Ok(named) => named,
            Err(e) => return Some(failure::store(&e)),
        },
    };
    let submission = Submission::new(Arc::clone(session), id, room, statement, said, named, creates);
    shared.sequencer.submit(submission).await
}

/// Refuses whoever is no administrator (SE-16).
async fn require_admin(shared: &Shared, session: &Session) -> Result<(), Reply> {
    let account = shared.store.account(&session.user).await.map_err(|e| failure::store(&e))?;
    match account {
        Some(a) if a.enabled && a.role == store::Role::Admin => Ok(()),
        _ => Err(not_allowed("only an administrator may do this")),
    }
}

fn malformed(why: &str) -> Reply {
    failure::failed(FailureCode::Malformed, why)
}

fn not_found(what: &str) -> Reply {
    failure::failed(FailureCode::NotFound, what)
}
