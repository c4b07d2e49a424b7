//! Users of an earlier system, who log in by what they had there and register their password (SE-27 to SE-32).

use pki::name::{Email, Name};
use session::login::{
    Challenge, Parties, PasswordRecord, ServerLogin, classic_identity, imported_credential,
};
use session::message::{FailureCode, Reply};
use store::{Account, Hash, ImportEnrolment, Invite, NewDevice, OpaqueRecord, StoreError};
use tracing::info;

use super::{Enrolment, Step, first_device, is_for, issue, joined, malformed, name, token_hash};
use crate::clock::now_ms;
use crate::failure;
use crate::organisation::Issue;
use crate::shared::Shared;

/// Has shown an invite and been told a salt.
pub(super) struct Asked {
    invite: Hash,
    named: String,
    device: Name,
    salt: Vec<u8>,
    /// None if there is no such account, or not for this invite (SE-30).
    waiting: Option<Waiting>,
}

struct Waiting {
    user: Name,
    salt: Vec<u8>,
    record: PasswordRecord,
}

/// Has been challenged.
pub(super) struct Challenged {
    asked: Asked,
    login: ServerLogin,
}

/// Has logged in by the classic hash.
pub(super) struct Accepted {
    invite: Hash,
    user: Name,
    device: Name,
}

impl Enrolment {
    pub(super) async fn import_start(
        &mut self,
        token: &[u8],
        named: &str,
        device: &str,
        shared: &Shared,
    ) -> Result<Reply, Reply> {
        self.admit(shared)?;
        let invite = token_hash(token)?;
        let device = first_device(device)?;
        let email = Email::parse(named).is_ok_and(|email| email.as_str() == named);
        if !email {
            name(named, "user name")?;
        }
        let found =
            shared.store.peek_invite(&invite, now_ms()).await.map_err(|e| self.bad_token(&e, shared))?;
        if !email {
            is_for(&found, named)?;
        }
        if !shared.store.any_import().await.map_err(|e| failure::store(&e))? {
            return Err(failure::failed(FailureCode::NotFound, "nobody of an earlier system waits to join"));
        }
        let account = match email {
            true => shared.store.account_by_email(named).await,
            false => shared.store.account(named).await,
        };
        let account = account.map_err(|e| failure::store(&e))?;
        let waiting = match account.filter(|a| a.enabled && admits(&found, a)) {
            Some(account) => waiting(account, shared).await.map_err(|e| failure::store(&e))?,
            None => None,
        };
        let salt = waiting.as_ref().map_or_else(|| shared.stand_in_salt(named), |w| w.salt.clone());
        self.step =
            Step::Asked(Asked { invite, named: named.to_owned(), device, salt: salt.clone(), waiting });
        Ok(Reply::ImportChallenge { salt, organisation: shared.authority.organisation().to_string() })
    }

    pub(super) fn import_login(&mut self, asked: Asked, ke1: &[u8], shared: &Shared) -> Result<Reply, Reply> {
        // The challenge tells the client whether its password is right: the try counts before it is answered.
        shared.import_begins(&asked.named, self.address, now_ms())?;
        let identity = classic_identity(&asked.salt);
        let parties = Parties { user: &identity, root: shared.root_fingerprint() };
        let credential =
            imported_credential(asked.waiting.as_ref().map_or(asked.named.as_str(), |w| w.user.as_str()));
        let record = asked.waiting.as_ref().map(|w| &w.record);
        let Challenge { state: login, ke2 } =
            ServerLogin::start_for(&shared.opaque, record, &credential, ke1, parties, &self.exporter)
                .map_err(|_| malformed("the login message cannot be read"))?;
        self.step = Step::Challenged(Box::new(Challenged { asked, login }));
        Ok(Reply::LoginChallenge { ke2 })
    }

    pub(super) fn import_register(
        &mut self,
        challenged: Challenged,
        ke3: &[u8],
        registration_request: &[u8],
        shared: &Shared,
    ) -> Result<Reply, Reply> {
        let Challenged { asked, login } = challenged;
        let (Ok(_), Some(waiting)) = (login.finish(ke3), asked.waiting) else {
            return Err(failure::credentials());
        };
        shared.import_succeeded(&asked.named, self.address);
        let user = waiting.user;
        let registration_response = shared
            .opaque
            .registration_response(user.as_str(), registration_request)
            .map_err(|_| malformed("the registration cannot be read"))?;
        let reply = Reply::ImportAccepted { user: user.to_string(), registration_response };
        self.step = Step::Accepted(Accepted { invite: asked.invite, user, device: asked.device });
        Ok(reply)
    }

    pub(super) async fn import_finish(
        &mut self,
        accepted: Accepted,
        upload: &[u8],
        request: &[u8],
        proof: &[u8],
        shared: &Shared,
    ) -> Result<Reply, Reply> {
        let now = now_ms();
        let Accepted { invite, user, device } = accepted;
        let record =
            PasswordRecord::from_upload(upload).map_err(|_| malformed("the registration cannot be read"))?;
        let request = self.possessed(request, proof)?;
        let chain = issue(shared, &request, &user, &device, now)?;
        let leaf = [Issue::device(&chain, &user, &device, None, now)];
        let enrolled = shared
            .directory
            .append(shared, &leaf, |directory| {
                shared.store.enrol_import(ImportEnrolment {
                    invite,
                    now_ms: now,
                    user: user.to_string(),
                    opaque_record: OpaqueRecord(record.as_bytes().to_vec()),
                    device: NewDevice {
                        name: device.to_string(),
                        certificate: chain.leaf_hash().unwrap_or_default(),
                        key: *request.key().as_bytes(),
                        issued_ms: now,
                    },
                    directory,
                })
            })
            .await;
        enrolled.map_err(|e| self.bad_token(&e, shared))?;
        info!(user = user.as_str(), device = device.as_str(), "joined, from an earlier system");
        let account = shared.store.account(user.as_str()).await.map_err(|e| failure::store(&e))?;
        let role = account.map_or(store::Role::Member, |a| a.role);
        self.step = Step::Done;
        Ok(joined(shared, &chain, role, &user))
    }
}

/// Whether an invite is for this account, or for any.
fn admits(invite: &Invite, account: &Account) -> bool {
    invite.made.user.as_ref().is_none_or(|only| *only == account.user)
        && (invite.made.email.is_none() || invite.made.email == account.email)
}

async fn waiting(account: Account, shared: &Shared) -> Result<Option<Waiting>, StoreError> {
    let Some(kept) = shared.store.import(&account.user).await? else { return Ok(None) };
    let corrupt = || StoreError::Corrupt("what is kept of an imported user cannot be read".into());
    Ok(Some(Waiting {
        user: Name::canonical(&account.user).map_err(|_| corrupt())?,
        salt: kept.salt,
        record: PasswordRecord::from_bytes(&kept.opaque_record.0).map_err(|_| corrupt())?,
    }))
}
