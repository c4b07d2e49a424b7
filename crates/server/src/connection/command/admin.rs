//! Invites and users: administrators only (SE-16).

use pki::name::Name;
use session::limits::{LIST_PAGE, TOKEN_LEN};
use session::message::{FailureCode, InviteInfo, Reply, Role, UserInfo};
use store::{Hash, NewInvite};

use super::{Answer, malformed, require_admin};
use crate::clock::now_ms;
use crate::failure;
use crate::rooms::Session;
use crate::shared::{PAGE, Shared};

/// Longest time that an invite may be good, in milliseconds: a year.
const MAX_INVITE_MS: u64 = 366 * 86_400_000;

pub(super) async fn create_invite(
    shared: &Shared,
    session: &Session,
    user: Option<String>,
    role: Role,
    uses: u32,
    expires: u64,
) -> Answer {
    require_admin(shared, session).await?;
    let now = now_ms();
    if uses == 0 || uses > store::limits::MAX_INVITE_USES || expires <= now || expires - now > MAX_INVITE_MS {
        return Err(malformed("an invite has 1 to 10,000 uses and is good for at most a year"));
    }
    if let Some(user) = &user {
        let name =
            Name::canonical(user).map_err(|e| malformed(&format!("the user name cannot be used: {e}")))?;
        shared.check_invitable(&name).await?;
    }
    let (token, invite) = new_invite(user, role, uses, expires, Some(session.user.clone()), now)
        .map_err(|()| failure::failed(FailureCode::Unavailable, "the server has no randomness"))?;
    let id = invite.token_hash;
    shared.store.create_invite(invite).await.map_err(|e| failure::store(&e))?;
    Ok(Reply::Invite { token: token.to_vec(), id: id.into() })
}

/// A fresh token and the invite that stores its hash.
pub(crate) fn new_invite(
    user: Option<String>,
    role: Role,
    uses: u32,
    expires_ms: u64,
    created_by: Option<String>,
    created_ms: u64,
) -> Result<([u8; TOKEN_LEN], NewInvite), ()> {
    let mut token = [0; TOKEN_LEN];
    aws_lc_rs::rand::fill(&mut token).map_err(|_| ())?;
    let role = match role {
        Role::Member => store::Role::Member,
        Role::Admin => store::Role::Admin,
    };
    let token_hash = pki::sha256(&token);
    Ok((token, NewInvite { token_hash, role, user, email: None, uses, expires_ms, created_by, created_ms }))
}

pub(super) async fn invites(shared: &Shared, session: &Session, after: u64) -> Answer {
    require_admin(shared, session).await?;
    let found = open_invites(shared.store.as_ref(), after, LIST_PAGE as usize).await;
    Ok(Reply::Invites { invites: found.map_err(|e| failure::store(&e))? })
}

/// Invites that can still be used, those of a position above `after`, at most `limit`.
pub(crate) async fn open_invites(
    store: &dyn store::Store,
    mut after: u64,
    limit: usize,
) -> Result<Vec<InviteInfo>, store::StoreError> {
    let now = now_ms();
    let mut open = Vec::new();
    loop {
        let page = store.invites(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(open) };
        after = last.id;
        open.extend(
            page.into_iter().filter(|i| !i.revoked && i.uses_left > 0 && now < i.made.expires_ms).map(|i| {
                InviteInfo {
                    id: i.made.token_hash.into(),
                    user: i.made.user,
                    role: failure::role(i.made.role),
                    uses_left: i.uses_left,
                    expires: i.made.expires_ms,
                    created: i.made.created_ms,
                    position: i.id,
                }
            }),
        );
        if open.len() >= limit {
            open.truncate(limit);
            return Ok(open);
        }
    }
}

pub(super) async fn revoke_invite(shared: &Shared, session: &Session, id: &Hash) -> Answer {
    require_admin(shared, session).await?;
    shared.store.revoke_invite(id).await.map_err(|e| failure::store(&e))?;
    Ok(Reply::Done)
}

/// Whether it is a recovery key (ID-54).
fn is_on_paper(device: &store::Device) -> bool {
    Name::canonical(&device.name).is_ok_and(|name| name.is_recovery_key())
}

pub(super) async fn users(shared: &Shared, session: &Session, after: &str) -> Answer {
    require_admin(shared, session).await?;
    let page = shared.store.accounts(after, LIST_PAGE).await.map_err(|e| failure::store(&e))?;
    let mut users = Vec::with_capacity(page.len());
    for account in page {
        let devices = shared.store.devices_of(&account.user).await.map_err(|e| failure::store(&e))?;
        let waits = shared.store.import(&account.user).await.map_err(|e| failure::store(&e))?.is_some();
        users.push(UserInfo {
            devices: devices.iter().filter(|d| d.revoked.is_none() && !is_on_paper(d)).count() as u64,
            user: account.user,
            role: failure::role(account.role),
            enabled: account.enabled,
            created: account.created_ms,
            imported: account.imported_ms.filter(|_| waits),
        });
    }
    Ok(Reply::Users { users })
}

pub(super) async fn enable(shared: &Shared, session: &Session, user: &str, enabled: bool) -> Answer {
    require_admin(shared, session).await?;
    if user == session.user && !enabled {
        return Err(failure::failed(
            FailureCode::NotAllowed,
            "you cannot disable yourself; ask another administrator",
        ));
    }
    shared.store.set_account_enabled(user, enabled).await.map_err(|e| failure::store(&e))?;
    if !enabled {
        // SE-23
        shared.hub.end("your account was disabled; ask an administrator", |s| s.user == user);
    }
    Ok(Reply::Done)
}
