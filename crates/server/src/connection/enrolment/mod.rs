//! Joiners and new devices: anonymous in the handshake, admitted by a token (SE-12 to SE-14).
//!
//! - [`import`]: joiners who were users of an earlier system.
//! - [`recovery`]: users whose devices are all lost.

mod import;
mod recovery;

use std::net::IpAddr;

use pki::Chain;
use pki::name::{Email, Name};
use pki::request::CertificateRequest;
use session::limits::{ANONYMOUS_DEADLINE_MS, ENROL_DEADLINE_MS, LOGIN_DEADLINE_MS, TOKEN_LEN};
use session::login::{Challenge, Parties, PasswordRecord, ServerLogin};
use session::message::{Command, Event, FailureCode, Reply};
use store::{DeviceLinkState, Hash, Invite, NewAccount, NewDevice, OpaqueRecord, StoreError};
use tracing::info;

use super::not_allowed;
use crate::clock::now_ms;
use crate::failure;
use crate::organisation::Issue;
use crate::shared::Shared;
use import::{Accepted, Asked, Challenged};
use recovery::Recovering;

/// An enrolment under way.
pub(super) struct Enrolment {
    exporter: [u8; 32],
    address: IpAddr,
    step: Step,
}

enum Step {
    Waiting,
    Joining(Joiner),
    LoggingIn(Box<NewDeviceLogin>),
    Asked(Asked),
    Challenged(Box<Challenged>),
    Accepted(Accepted),
    Pending { link: Hash, user: Name },
    Recovering(Box<Recovering>),
    Done,
}

struct Joiner {
    invite: Hash,
    user: Name,
    email: Option<Email>,
    device: Name,
    /// Why nobody can join like this, but for one whose answer was lost (SE-12).
    refused: Option<Reply>,
}

struct NewDeviceLogin {
    link: Hash,
    user: Name,
    device: Name,
    login: ServerLogin,
}

impl Enrolment {
    pub(super) fn new(exporter: [u8; 32], address: IpAddr) -> Self {
        Self { exporter, address, step: Step::Waiting }
    }

    /// Milliseconds from the end of the handshake that the peer has for what it is doing (SE-10).
    pub(super) fn time_ms(&self) -> u64 {
        match self.step {
            Step::Waiting | Step::Done => ANONYMOUS_DEADLINE_MS,
            Step::Joining(_)
            | Step::LoggingIn(_)
            | Step::Asked(_)
            | Step::Challenged(_)
            | Step::Accepted(_)
            | Step::Recovering(_) => LOGIN_DEADLINE_MS,
            Step::Pending { .. } => ENROL_DEADLINE_MS,
        }
    }

    pub(super) async fn request(&mut self, command: Command, shared: &Shared) -> Reply {
        let step = std::mem::replace(&mut self.step, Step::Waiting);
        let outcome = match (step, command) {
            (Step::Waiting, Command::JoinStart { token, user, email, device, registration_request }) => {
                self.join_start(&token, &user, email.as_deref(), &device, &registration_request, shared).await
            }
            (Step::Joining(joiner), Command::JoinFinish { registration_upload, request, proof }) => {
                self.join_finish(joiner, &registration_upload, &request, &proof, shared).await
            }
            (Step::Waiting, Command::DeviceStart { token, user, device, ke1 }) => {
                self.device_start(&token, &user, &device, &ke1, shared).await
            }
            (Step::LoggingIn(login), Command::DeviceRequest { ke3, request, proof }) => {
                self.device_request(*login, &ke3, &request, &proof, shared).await
            }
            (Step::Waiting, Command::ImportStart { token, user, device }) => {
                self.import_start(&token, &user, &device, shared).await
            }
            (Step::Asked(asked), Command::ImportLogin { ke1 }) => self.import_login(asked, &ke1, shared),
            (Step::Challenged(challenged), Command::ImportRegister { ke3, registration_request }) => {
                self.import_register(*challenged, &ke3, &registration_request, shared)
            }
            (Step::Accepted(accepted), Command::ImportFinish { registration_upload, request, proof }) => {
                self.import_finish(accepted, &registration_upload, &request, &proof, shared).await
            }
            (Step::Waiting, Command::RecoveryStart { token, user, ke1 }) => {
                self.recovery_start(&token, &user, &ke1, shared).await
            }
            (Step::Recovering(recovering), Command::RecoveryOpen { ke3 }) => {
                self.recovery_open(*recovering, &ke3, shared)
            }
            (Step::Pending { link, user }, Command::DevicePoll) => self.device_poll(link, user, shared).await,
            (step, _) => {
                self.step = step;
                Err(not_allowed("without a certificate you may only join, or ask to be a new device"))
            }
        };
        outcome.unwrap_or_else(|failed| failed)
    }

    async fn join_start(
        &mut self,
        token: &[u8],
        user: &str,
        email: Option<&str>,
        device: &str,
        registration_request: &[u8],
        shared: &Shared,
    ) -> Result<Reply, Reply> {
        self.admit(shared)?;
        let invite = token_hash(token)?;
        let user = name(user, "user name")?;
        let device = first_device(device)?;
        let email = email.map(Email::parse).transpose().map_err(|e| malformed(&e.to_string()))?;
        let refused = match self.may_join(&invite, &user, shared).await {
            Ok(()) => None,
            Err(refused) if self.may_be_again(&invite, &user, shared).await? => Some(refused),
            Err(refused) => return Err(refused),
        };
        let registration_response = shared
            .opaque
            .registration_response(user.as_str(), registration_request)
            .map_err(|_| malformed("the registration cannot be read"))?;
        self.step = Step::Joining(Joiner { invite, user, email, device, refused });
        Ok(Reply::JoinChallenge {
            registration_response,
            organisation: shared.authority.organisation().to_string(),
        })
    }

    async fn join_finish(
        &mut self,
        joiner: Joiner,
        upload: &[u8],
        request: &[u8],
        proof: &[u8],
        shared: &Shared,
    ) -> Result<Reply, Reply> {
        let now = now_ms();
        let Joiner { invite, user, email, device, refused } = joiner;
        let record =
            PasswordRecord::from_upload(upload).map_err(|_| malformed("the registration cannot be read"))?;
        let request = self.possessed(request, proof)?;
        if let Some(refused) = refused {
            return self.joined_before(&user, &device, &request, shared).await?.ok_or(refused);
        }
        let chain = issue(shared, &request, &user, &device, now)?;
        let issue = Issue::device(&chain, &user, &device, None, now);
        let enrolled = shared
            .directory
            .append(shared, &[issue], |directory| {
                shared.store.enrol(store::Enrolment {
                    invite,
                    now_ms: now,
                    account: NewAccount {
                        user: user.to_string(),
                        skeleton: user.skeleton(),
                        email: email.as_ref().map(ToString::to_string),
                        opaque_record: OpaqueRecord(record.as_bytes().to_vec()),
                    },
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
        info!(user = user.as_str(), device = device.as_str(), "joined");
        let account = shared.store.account(user.as_str()).await.map_err(|e| failure::store(&e))?;
        let role = account.map_or(store::Role::Member, |a| a.role);
        self.step = Step::Done;
        Ok(joined(shared, &chain, role, &user))
    }

    async fn device_start(
        &mut self,
        token: &[u8],
        user: &str,
        device: &str,
        ke1: &[u8],
        shared: &Shared,
    ) -> Result<Reply, Reply> {
        self.admit(shared)?;
        let link = token_hash(token)?;
        let user = name(user, "user name")?;
        let device = name(device, "device name")?;
        let open = shared.store.device_link(&link).await.map_err(|e| failure::store(&e))?;
        let open = open.is_some_and(|l| l.made.user == user.as_str() && now_ms() < l.made.expires_ms);
        let Challenge { state: login, ke2 } = self.challenge(&user, open, ke1, shared).await?;
        self.step = Step::LoggingIn(Box::new(NewDeviceLogin { link, user, device, login }));
        Ok(Reply::LoginChallenge { ke2 })
    }

    /// Begins a login beside a token, which `admits` this user or not. A wrong token, an unknown user and a wrong
    /// password come to the same end, at the same step.
    async fn challenge(
        &self,
        user: &Name,
        admits: bool,
        ke1: &[u8],
        shared: &Shared,
    ) -> Result<Challenge, Reply> {
        let account = shared.store.account(user.as_str()).await.map_err(|e| failure::store(&e))?;
        let record = account
            .filter(|a| a.enabled && admits)
            .and_then(|a| PasswordRecord::from_bytes(&a.opaque_record.0).ok());
        // The challenge tells the client whether its password is right: the try counts before it is answered. Without
        // a token that admits it is no try of the account, or anybody could use up the account's.
        shared.link_begins(admits.then_some(user), self.address, now_ms())?;
        let parties = Parties { user: user.as_str(), root: shared.root_fingerprint() };
        ServerLogin::start(&shared.opaque, record.as_ref(), ke1, parties, &self.exporter)
            .map_err(|_| malformed("the login message cannot be read"))
    }

    async fn device_request(
        &mut self,
        device: NewDeviceLogin,
        ke3: &[u8],
        request: &[u8],
        proof: &[u8],
        shared: &Shared,
    ) -> Result<Reply, Reply> {
        let NewDeviceLogin { link, user, device, login } = device;
        if login.finish(ke3).is_err() {
            return Err(failure::credentials());
        }
        shared.link_succeeded(&user, self.address);
        let asked = self.possessed(request, proof)?;
        // ID-54
        if device.is_recovery_key() && device != Name::of_recovery_key(asked.key()) {
            return Err(malformed("this name is that of a recovery key, and of another one"));
        }
        shared
            .store
            .put_device_request(&link, device.as_str(), request, now_ms())
            .await
            .map_err(|e| failure::store(&e))?;
        let event =
            Event::DeviceRequested { id: link.into(), device: device.to_string(), request: request.to_vec() };
        let devices = shared.store.devices_of(user.as_str()).await.map_err(|e| failure::store(&e))?;
        let certificates: Vec<Hash> = devices.iter().map(|d| d.certificate).collect();
        shared.hub.publish(event, &certificates);
        self.step = Step::Pending { link, user };
        Ok(Reply::DevicePending { id: link.into() })
    }

    async fn device_poll(&mut self, link: Hash, user: Name, shared: &Shared) -> Result<Reply, Reply> {
        let found = shared.store.device_link(&link).await.map_err(|e| failure::store(&e))?;
        let certificate = match found.map(|l| l.state) {
            Some(DeviceLinkState::Enrolled { certificate }) => certificate,
            Some(DeviceLinkState::Approved { .. }) => shared.issue_approved(&link).await?.1,
            Some(DeviceLinkState::Requested { .. }) => {
                self.step = Step::Pending { link, user };
                return Ok(Reply::DevicePending { id: link.into() });
            }
            Some(DeviceLinkState::Revoked) => {
                return Err(failure::failed(
                    FailureCode::NotAllowed,
                    "your other device turned this one away",
                ));
            }
            Some(DeviceLinkState::Open) | None => return Err(failure::credentials()),
        };
        let chain = shared.chain_of(&certificate).await?;
        let account = shared.store.account(user.as_str()).await.map_err(|e| failure::store(&e))?;
        let role = account.map_or(store::Role::Member, |a| a.role);
        self.step = Step::Done;
        Ok(joined(shared, &chain, role, &user))
    }

    /// Whether the invite is good for this name, and the name free.
    async fn may_join(&self, invite: &Hash, user: &Name, shared: &Shared) -> Result<(), Reply> {
        let found =
            shared.store.peek_invite(invite, now_ms()).await.map_err(|e| self.bad_token(&e, shared))?;
        is_for(&found, user.as_str())?;
        shared.check_name_is_free(user).await
    }

    /// Whether this may be somebody who has joined by this invite and never got the answer: the name is there, and the
    /// invite is known. The key decides (SE-12).
    async fn may_be_again(&self, invite: &Hash, user: &Name, shared: &Shared) -> Result<bool, Reply> {
        let known = match shared.store.peek_invite(invite, now_ms()).await {
            Ok(_) | Err(StoreError::Refused(store::Refusal::UsedUp)) => true,
            Err(_) => false,
        };
        let account = shared.store.account(user.as_str()).await.map_err(|e| failure::store(&e))?;
        Ok(known && account.is_some_and(|a| a.enabled))
    }

    /// The answer that was lost: whoever proves to hold the key of this user's device is told its certificate.
    async fn joined_before(
        &mut self,
        user: &Name,
        device: &Name,
        request: &CertificateRequest,
        shared: &Shared,
    ) -> Result<Option<Reply>, Reply> {
        let devices = shared.store.devices_of(user.as_str()).await.map_err(|e| failure::store(&e))?;
        let same = |d: &&store::Device| {
            d.name == device.as_str() && d.key == *request.key().as_bytes() && d.revoked.is_none()
        };
        let Some(found) = devices.iter().find(same) else { return Ok(None) };
        let chain = shared.chain_of(&found.certificate).await?;
        let account = shared.store.account(user.as_str()).await.map_err(|e| failure::store(&e))?;
        let role = account.map_or(store::Role::Member, |a| a.role);
        self.step = Step::Done;
        Ok(Some(joined(shared, &chain, role, user)))
    }

    /// Refuses an address that has tried too many bad tokens.
    fn admit(&self, shared: &Shared) -> Result<(), Reply> {
        match shared.address_wait(self.address, now_ms()) {
            Some(wait) => Err(failure::rate_limited(wait)),
            None => Ok(()),
        }
    }

    fn bad_token(&self, error: &StoreError, shared: &Shared) -> Reply {
        if matches!(error, StoreError::NotFound(store::Thing::Invite)) {
            shared.address_failed(self.address, now_ms());
            return failure::credentials();
        }
        failure::store(error)
    }

    fn possessed(&self, request: &[u8], proof: &[u8]) -> Result<CertificateRequest, Reply> {
        let parsed = CertificateRequest::parse(request).map_err(|e| malformed(&e.to_string()))?;
        let proof = proof.try_into().map_err(|_| malformed("the proof of possession has another size"))?;
        parsed
            .check_possession(&self.exporter, proof)
            .map_err(|_| malformed("the proof of possession does not fit this connection"))?;
        Ok(parsed)
    }
}

/// Issues a device's certificate.
pub(crate) fn issue(
    shared: &Shared,
    request: &CertificateRequest,
    user: &Name,
    device: &Name,
    now: u64,
) -> Result<Chain, Reply> {
    shared.authority.issue_device(request, user.clone(), device.clone(), now).map_err(|e| {
        tracing::error!("cannot issue a certificate: {}", failure::chain(&e));
        failure::failed(
            FailureCode::Unavailable,
            "the server cannot issue certificates now; the operator's log says why",
        )
    })
}

fn joined(shared: &Shared, chain: &Chain, role: store::Role, user: &Name) -> Reply {
    Reply::Joined {
        chain: chain.0.iter().map(|der| der.clone().into()).collect(),
        root: shared.authority.root().to_vec(),
        role: failure::role(role),
        user: user.to_string(),
    }
}

fn name(text: &str, what: &str) -> Result<Name, Reply> {
    Name::canonical(text).map_err(|e| malformed(&format!("the {what} cannot be used: {e}")))
}

/// The name of a user's first device, which is no recovery key (ID-54).
fn first_device(text: &str) -> Result<Name, Reply> {
    let name = name(text, "device name")?;
    if name.is_recovery_key() {
        return Err(malformed("the device name cannot be used: it is one for a recovery key"));
    }
    Ok(name)
}

/// Refuses an invite that is for another name.
fn is_for(invite: &Invite, user: &str) -> Result<(), Reply> {
    if invite.made.user.as_deref().is_some_and(|only| only != user) {
        return Err(failure::failed(
            FailureCode::NotAllowed,
            "this invite is for another user name; join under the name it was made for, or ask for another invite",
        ));
    }
    Ok(())
}

fn token_hash(token: &[u8]) -> Result<Hash, Reply> {
    if token.len() == TOKEN_LEN { Ok(pki::sha256(token)) } else { Err(failure::credentials()) }
}

fn malformed(why: &str) -> Reply {
    failure::failed(FailureCode::Malformed, why)
}
