//! The second exchange: OPAQUE inside epoch 0, then epoch 1 (SE-6 to SE-9).

use std::net::IpAddr;

use channel::{Connection, LoginBinding, OpaqueSessionKey};
use minicbor::bytes::ByteVec;
use pki::{Chain, VerifiedCertificate};
use session::login::{Challenge, METHOD_OPAQUE, Parties, PasswordRecord, ServerLogin};
use session::message::{Command, FailureCode, Reply};
use tracing::info;

use super::not_allowed;
use crate::clock::now_ms;
use crate::failure;
use crate::shared::Shared;

/// A login under way.
pub(super) struct Login {
    user: String,
    device: String,
    certificate: VerifiedCertificate,
    exporter: [u8; 32],
    address: IpAddr,
    step: Step,
}

enum Step {
    Waiting,
    Challenged(Box<ServerLogin>),
    Welcomed,
}

impl Login {
    /// For a certified peer; `None` unless its certificate names a user's device.
    pub(super) fn new(certificate: VerifiedCertificate, exporter: [u8; 32], address: IpAddr) -> Option<Self> {
        let identity = certificate.identity();
        Some(Self {
            user: identity.user()?.to_string(),
            device: identity.device()?.to_string(),
            certificate: certificate.clone(),
            exporter,
            address,
            step: Step::Waiting,
        })
    }

    /// User and certificate, once `Welcome` was sent.
    pub(super) fn logged_in(&self) -> Option<(String, VerifiedCertificate)> {
        matches!(self.step, Step::Welcomed).then(|| (self.user.clone(), self.certificate.clone()))
    }

    pub(super) async fn request(
        &mut self,
        command: Command,
        shared: &Shared,
        channel: &mut Connection,
    ) -> Reply {
        match (std::mem::replace(&mut self.step, Step::Waiting), command) {
            (Step::Waiting, Command::LoginStart { ke1 }) => self.start(&ke1, shared).await,
            (Step::Challenged(login), Command::LoginFinish { ke3 }) => {
                self.finish(*login, &ke3, shared, channel).await
            }
            (Step::Welcomed, _) => {
                self.step = Step::Welcomed;
                not_allowed("epoch 1 comes first")
            }
            _ => not_allowed("log in first: LoginStart, then LoginFinish"),
        }
    }

    async fn start(&mut self, ke1: &[u8], shared: &Shared) -> Reply {
        let account = match shared.store.account(&self.user).await {
            Ok(account) => account.filter(|a| a.enabled),
            Err(e) => return failure::store(&e),
        };
        let device = match shared.store.device(&self.certificate.hash()).await {
            Ok(device) => device.filter(|d| d.revoked.is_none()),
            Err(e) => return failure::store(&e),
        };
        let record = account
            .filter(|_| device.is_some())
            .and_then(|a| PasswordRecord::from_bytes(&a.opaque_record.0).ok());
        // The challenge tells the client whether its password is right: the try counts before it is answered.
        if let Err(limited) = shared.login_begins(&self.certificate.hash(), now_ms()) {
            return limited;
        }
        let parties = Parties { user: &self.user, root: shared.root_fingerprint() };
        match ServerLogin::start(&shared.opaque, record.as_ref(), ke1, parties, &self.exporter) {
            Ok(Challenge { state, ke2 }) => {
                self.step = Step::Challenged(Box::new(state));
                Reply::LoginChallenge { ke2 }
            }
            Err(_) => failure::failed(FailureCode::Malformed, "the login message cannot be read"),
        }
    }

    async fn finish(
        &mut self,
        login: ServerLogin,
        ke3: &[u8],
        shared: &Shared,
        channel: &mut Connection,
    ) -> Reply {
        let now = now_ms();
        let Ok(key) = login.finish(ke3) else {
            info!(user = self.user, address = %self.address, "login failed");
            return failure::credentials();
        };
        shared.login_succeeded(&self.certificate.hash());
        let role = match shared.store.account(&self.user).await {
            Ok(Some(account)) if account.enabled => account.role,
            Ok(_) => return failure::credentials(),
            Err(e) => return failure::store(&e),
        };
        let bound = channel.bind_login(LoginBinding {
            method: METHOD_OPAQUE,
            user: self.user.clone().into_bytes(),
            device: self.device.clone().into_bytes(),
            opaque_session_key: Some(OpaqueSessionKey::new(*key.as_bytes())),
        });
        if bound.is_err() {
            return failure::failed(FailureCode::Unavailable, "the login cannot be bound to this connection");
        }
        self.step = Step::Welcomed;
        Reply::Welcome {
            time: now,
            user: self.user.clone(),
            device: self.device.clone(),
            role: failure::role(role),
            log: to_list(&shared.authority.log_chain()),
            cosigner: to_list(&shared.authority.cosigner_chain()),
        }
    }
}

fn to_list(chain: &Chain) -> Vec<ByteVec> {
    chain.0.iter().map(|der| der.clone().into()).collect()
}
