//! The account, its devices, and what administrators do.

use std::sync::Arc;
use std::time::Duration;

use evidence::Hash;
use evidence::room::RoomId;
use minicbor::bytes::ByteArray;
use pki::ed25519::PublicKey;
use pki::{Chain, Name, Password, Usage, VerifiedCertificate, short_code};
use session::limits::TOKEN_LEN;
use session::link::{Link, Purpose};
use session::login::{ClientRegistration, Parties};
use session::message::{Command, DeviceInfo, InviteInfo, Reply, Role, UserInfo};
use tokio::time::{Instant, sleep, timeout};

use super::Client;
use crate::ClientError;
use crate::certificates::vouch;
use crate::connection::Connection;
use crate::engine::Status;
use crate::reply::{expect_reply, read_pages};

/// How long an approved device has for its first login, before it is left out of its user's rooms.
pub(crate) const FIRST_LOGIN_WAIT: Duration = Duration::from_secs(60);
/// How often it is looked for meanwhile.
pub(crate) const FIRST_LOGIN_POLL: Duration = Duration::from_millis(250);
/// How long a device that revoked itself waits to hear so.
const REVOKED_WAIT: Duration = Duration::from_secs(30);

/// A new invite.
#[derive(Debug, Clone)]
pub struct Invite {
    /// The link, for the one who joins.
    pub link: Link,
    /// SHA-256 of its token: its name in lists.
    pub id: Hash,
}

/// An invite that can still be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteSummary {
    /// SHA-256 of its token.
    pub id: Hash,
    /// The one user name that it is good for.
    pub user: Option<String>,
    /// Role that it gives.
    pub role: Role,
    /// Uses left.
    pub uses_left: u32,
    /// Until when it is good, Unix milliseconds.
    pub expires_ms: u64,
}

/// A user of the organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Canonical name.
    pub user: String,
    /// Role.
    pub role: Role,
    /// Whether it may log in.
    pub enabled: bool,
    /// Devices not revoked.
    pub devices: u64,
    /// When it came from an earlier system, Unix milliseconds, if it has not joined yet.
    pub imported_ms: Option<u64>,
}

/// A device of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its user.
    pub user: String,
    /// Its name.
    pub device: String,
    /// SHA-256 of its certificate.
    pub certificate: Hash,
    /// When its certificate was issued, Unix milliseconds.
    pub issued_ms: u64,
    /// When it was revoked, Unix milliseconds.
    pub revoked_ms: Option<u64>,
}

/// A new device of this user that waits for a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRequest {
    /// Number of the request.
    pub id: Hash,
    /// Name that it asks for.
    pub device: String,
    /// Short code of its key, to be compared with the one that it shows.
    pub code: String,
    key: PublicKey,
}

/// All devices of a user, as the server lists them.
pub(super) async fn read_devices(
    connection: &Connection,
    user: &str,
) -> Result<Vec<DeviceInfo>, ClientError> {
    let page = |after| async move {
        let command = Command::DeviceList { user: Some(user.to_owned()), after };
        expect_reply!(connection.ask(command).await?, Reply::Devices { devices } => devices)
    };
    read_pages(|device: &DeviceInfo| device.position, page).await
}

impl Client {
    async fn ask(&self, command: Command) -> Result<Reply, ClientError> {
        Ok(self.core().session()?.connection.ask(command).await?)
    }

    /// Changes the account's password, on the server and for this home. Other homes of the user keep the old one for
    /// their vaults and ask for the new one at login.
    ///
    /// # Errors
    /// [`ClientError::Input`] for a weak password; [`ClientError::Offline`].
    pub async fn change_password(&self, new: Password) -> Result<(), ClientError> {
        pki::password::check(new.expose()).map_err(|error| ClientError::Input(error.to_string()))?;
        let core = self.core();
        let new = Arc::new(new);
        let (registration, registration_request) = ClientRegistration::start(new.expose())?;
        let reply = self.ask(Command::PasswordStart { registration_request }).await?;
        let (response, recoveries) = expect_reply!(reply,
            Reply::PasswordChallenge { registration_response, recoveries } => (registration_response, recoveries))?;
        let (user, root) = (core.owner.user.to_string(), pki::sha256(&core.owner.root));
        let password = Arc::clone(&new);
        let (registration_upload, export_key) = tokio::task::spawn_blocking(move || {
            registration.finish_with_key(password.expose(), &response, Parties { user: &user, root: &root })
        })
        .await
        .map_err(|_| ClientError::Cryptography)??;
        let recoveries = core.seal_recoveries(recoveries, &export_key).await?;
        // Whichever of the two the server has after an interruption, the home knows both.
        core.vault.put_next_password(Some(&new)).await?;
        let finish = Command::PasswordFinish { registration_upload, recoveries };
        expect_reply!(self.ask(finish).await?, Reply::Done => ())?;
        core.adopt_password(new).await
    }

    /// Makes an invite; administrators only.
    ///
    /// # Errors
    /// [`ClientError::Failed`].
    pub async fn create_invite(
        &self,
        user: Option<&str>,
        role: Role,
        uses: u32,
        expires_ms: u64,
    ) -> Result<Invite, ClientError> {
        let user = user.map(ToOwned::to_owned);
        let reply = self.ask(Command::InviteCreate { user, role, uses, expires: expires_ms }).await?;
        let (token, id) = expect_reply!(reply, Reply::Invite { token, id } => (token, *id))?;
        Ok(Invite { link: self.link(&token, Purpose::Join)?, id })
    }

    fn link(&self, token: &[u8], purpose: Purpose) -> Result<Link, ClientError> {
        let core = self.core();
        let token: [u8; TOKEN_LEN] = token.try_into().map_err(|_| ClientError::unexpected())?;
        Ok(Link {
            host: core.address.host.clone(),
            port: core.address.port,
            root: pki::sha256(&core.owner.root),
            token,
            purpose,
        })
    }

    /// Invites that can still be used; administrators only.
    ///
    /// # Errors
    /// [`ClientError::Failed`].
    pub async fn invites(&self) -> Result<Vec<InviteSummary>, ClientError> {
        let page = |after| async move {
            expect_reply!(self.ask(Command::InviteList { after }).await?, Reply::Invites { invites } => invites)
        };
        let invites = read_pages(|invite: &InviteInfo| invite.position, page).await?;
        let summary = |invite: InviteInfo| InviteSummary {
            id: *invite.id,
            user: invite.user,
            role: invite.role,
            uses_left: invite.uses_left,
            expires_ms: invite.expires,
        };
        Ok(invites.into_iter().map(summary).collect())
    }

    /// Revokes an invite; administrators only.
    ///
    /// # Errors
    /// [`ClientError::Failed`].
    pub async fn revoke_invite(&self, id: Hash) -> Result<(), ClientError> {
        expect_reply!(self.ask(Command::InviteRevoke { id: ByteArray::from(id) }).await?, Reply::Done => ())
    }

    /// The organisation's users; administrators only.
    ///
    /// # Errors
    /// [`ClientError::Failed`].
    pub async fn users(&self) -> Result<Vec<User>, ClientError> {
        let page = |after| async move {
            expect_reply!(self.ask(Command::UserList { after }).await?, Reply::Users { users } => users)
        };
        let users = read_pages(|user: &UserInfo| user.user.clone(), page).await?;
        let user = |info: UserInfo| User {
            user: info.user,
            role: info.role,
            enabled: info.enabled,
            devices: info.devices,
            imported_ms: info.imported,
        };
        Ok(users.into_iter().map(user).collect())
    }

    /// Lets a user log in, or not, at once; administrators only.
    ///
    /// # Errors
    /// [`ClientError::Failed`].
    pub async fn enable_user(&self, user: &str, enabled: bool) -> Result<(), ClientError> {
        let user = user.to_owned();
        expect_reply!(self.ask(Command::UserEnable { user, enabled }).await?, Reply::Done => ())
    }

    /// Devices of a user; of this one without a name.
    ///
    /// # Errors
    /// [`ClientError::Failed`].
    pub async fn devices(&self, user: Option<&str>) -> Result<Vec<Device>, ClientError> {
        let core = self.core();
        let user = user.unwrap_or(core.owner.user.as_str());
        let devices = read_devices(&core.session()?.connection, user).await?;
        let device = |info: DeviceInfo| Device {
            user: info.user,
            device: info.device,
            certificate: *info.certificate,
            issued_ms: info.issued,
            revoked_ms: info.revoked,
        };
        Ok(devices.into_iter().map(device).collect())
    }

    /// Revokes a device by the hash of its certificate, at once. Revoking this device ends the client.
    ///
    /// # Errors
    /// [`ClientError::Failed`].
    pub async fn revoke_device(&self, certificate: Hash, reason: &str) -> Result<(), ClientError> {
        let command =
            Command::DeviceRevoke { certificate: ByteArray::from(certificate), reason: reason.to_owned() };
        match self.ask(command).await {
            // The session may end before the answer is here; then the server refuses the certificate from now on.
            Err(error) if error.heals() && certificate == self.certificate() && self.is_revoked().await => {
                Ok(())
            }
            reply => {
                expect_reply!(reply?, Reply::Done => ())?;
                // What is said from now on is not kept under a key that it knows.
                self.core().certificates.ring();
                Ok(())
            }
        }
    }

    /// Whether the server, asked again, refuses this device as revoked.
    async fn is_revoked(&self) -> bool {
        let mut status = self.core().status.subscribe();
        let ended = timeout(REVOKED_WAIT, status.wait_for(|status| matches!(status, Status::Ended(_)))).await;
        let Ok(Ok(ended)) = ended else { return false };
        matches!(&*ended, Status::Ended(cause) if cause.is_revocation())
    }

    /// Makes a link for a new device of this user, good until the second value, Unix milliseconds.
    ///
    /// # Errors
    /// [`ClientError::Failed`].
    pub async fn create_device_link(&self) -> Result<(Link, u64), ClientError> {
        let reply = self.ask(Command::DeviceLinkCreate).await?;
        let (token, expires) =
            expect_reply!(reply, Reply::DeviceLink { token, expires } => (token, expires))?;
        let user = self.core().owner.user.to_string();
        Ok((self.link(&token, Purpose::Device { user })?, expires))
    }

    /// New devices of this user that wait for a word.
    ///
    /// # Errors
    /// [`ClientError::Failed`].
    pub async fn device_requests(&self) -> Result<Vec<DeviceRequest>, ClientError> {
        let reply = self.ask(Command::DeviceRequests).await?;
        let requests = expect_reply!(reply, Reply::DeviceRequests { requests } => requests)?;
        Ok(requests
            .into_iter()
            .filter_map(|pending| {
                let request = pki::CertificateRequest::parse(&pending.request).ok()?;
                let key = *request.key();
                Some(DeviceRequest { id: *pending.id, device: pending.device, code: short_code(&key), key })
            })
            .collect())
    }

    /// Vouches for a new device, after its user has compared the short codes, and adds it to the rooms of this user.
    ///
    /// # Errors
    /// [`ClientError::Failed`]; [`ClientError::Untrusted`] if the certificate that the server issues is another.
    pub async fn approve_device(&self, request: &DeviceRequest) -> Result<(), ClientError> {
        let device =
            Name::canonical(&request.device).map_err(|error| ClientError::Input(error.to_string()))?;
        let (_, certificate) = self.vouch_for(request.id, &device, &request.key).await?;
        let deadline = Instant::now() + FIRST_LOGIN_WAIT;
        let mut outcome = Ok(());
        for room in self.rooms().await? {
            if room.member && !room.stopped {
                // One room that it cannot be added to does not keep it out of the others.
                let added = self.add_own(room.id, certificate.hash(), deadline).await;
                outcome = outcome.and(added);
            }
        }
        let core = self.core();
        if let Ok(session) = core.session() {
            core.share_history(&session, certificate.hash(), deadline).await;
        }
        outcome
    }

    /// Signs for a device of this user that asks under `id`, and has its certificate issued.
    pub(crate) async fn vouch_for(
        &self,
        id: Hash,
        device: &Name,
        key: &PublicKey,
    ) -> Result<(Chain, VerifiedCertificate), ClientError> {
        let core = self.core();
        let statement = vouch(&core.owner, device.clone(), key, (core.clock)());
        let command = Command::DeviceApprove { id: ByteArray::from(id), statement };
        let chain = expect_reply!(self.ask(command).await?, Reply::DeviceApproved { chain } => chain)?;
        let chain = Chain(chain.into_iter().map(Vec::from).collect());
        let certificate = core.owner.trust.verify_as_of(&chain, Usage::Device, (core.clock)())?;
        let identity = certificate.identity();
        let right = identity.user() == Some(&core.owner.user)
            && identity.device() == Some(device)
            && certificate.key() == key;
        if !right {
            return Err(ClientError::Untrusted("the server issued a certificate for another key".to_owned()));
        }
        Ok((chain, certificate))
    }

    /// Adds a new device of this user to a room, once it has logged in and handed in key packages.
    async fn add_own(&self, room: RoomId, certificate: Hash, deadline: Instant) -> Result<(), ClientError> {
        let own = self.core().owner.user.to_string();
        loop {
            self.add(room, &[&own]).await?;
            if self.members(room).await?.iter().any(|member| member.certificate == certificate) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(ClientError::NotFound(format!(
                    "the device is approved, but has not connected yet: when it has, add yourself ({own}) to your rooms once more"
                )));
            }
            sleep(FIRST_LOGIN_POLL).await;
        }
    }

    /// Turns a new device away.
    ///
    /// # Errors
    /// [`ClientError::Failed`].
    pub async fn deny_device(&self, request: &DeviceRequest) -> Result<(), ClientError> {
        let command = Command::DeviceDeny { id: ByteArray::from(request.id) };
        expect_reply!(self.ask(command).await?, Reply::Done => ())
    }
}
