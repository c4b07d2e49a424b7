//! Users whose devices are all lost: whoever has recovery code and password is given the sealed record (SE-42).

use pki::name::Name;
use session::login::{Challenge, Parties, PasswordRecord, ServerLogin};
use session::message::Reply;
use store::Recovery;
use tracing::info;

use super::{Enrolment, Step, malformed, name, token_hash};
use crate::clock::now_ms;
use crate::failure;
use crate::shared::Shared;

/// Has been challenged.
pub(super) struct Recovering {
    user: Name,
    /// None if the token is of no recovery key of this user.
    recovery: Option<Recovery>,
    login: ServerLogin,
}

impl Enrolment {
    pub(super) async fn recovery_start(
        &mut self,
        token: &[u8],
        user: &str,
        ke1: &[u8],
        shared: &Shared,
    ) -> Result<Reply, Reply> {
        self.admit(shared)?;
        let token = token_hash(token)?;
        let user = name(user, "user name")?;
        // As with a link: a wrong token, an unknown user and a wrong password come to the same end, at the same step.
        let recovery = shared.store.recovery(&token).await.map_err(|e| failure::store(&e))?;
        let recovery = recovery.filter(|recovery| recovery.user == user.as_str());
        let account = shared.store.account(user.as_str()).await.map_err(|e| failure::store(&e))?;
        let record = account
            .filter(|a| a.enabled && recovery.is_some())
            .and_then(|a| PasswordRecord::from_bytes(&a.opaque_record.0).ok());
        shared.link_begins(recovery.as_ref().map(|_| &user), self.address, now_ms())?;
        let parties = Parties { user: user.as_str(), root: shared.root_fingerprint() };
        let Challenge { state: login, ke2 } =
            ServerLogin::start(&shared.opaque, record.as_ref(), ke1, parties, &self.exporter)
                .map_err(|_| malformed("the login message cannot be read"))?;
        self.step = Step::Recovering(Box::new(Recovering { user, recovery, login }));
        Ok(Reply::LoginChallenge { ke2 })
    }

    pub(super) fn recovery_open(
        &mut self,
        recovering: Recovering,
        ke3: &[u8],
        shared: &Shared,
    ) -> Result<Reply, Reply> {
        let Recovering { user, recovery, login } = recovering;
        let (Ok(_), Some(recovery)) = (login.finish(ke3), recovery) else {
            return Err(failure::credentials());
        };
        shared.link_succeeded(&user, self.address);
        info!(user = user.as_str(), address = %self.address, "the record of a recovery key was given out");
        self.step = Step::Done;
        Ok(Reply::Recovery { sealed: recovery.sealed })
    }
}
