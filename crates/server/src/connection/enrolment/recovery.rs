//! Users whose devices are all lost: whoever has recovery code and password is given the sealed record (SE-42).

use pki::name::Name;
use session::login::{Challenge, ServerLogin};
use session::message::Reply;
use store::Recovery;
use tracing::info;

use super::{Enrolment, Step, name, token_hash};
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
        let recovery = shared.store.recovery(&token).await.map_err(|e| failure::store(&e))?;
        let recovery = recovery.filter(|recovery| recovery.user == user.as_str());
        let Challenge { state: login, ke2 } = self.challenge(&user, recovery.is_some(), ke1, shared).await?;
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
