//! Rooms and their members.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evidence::Hash;
use evidence::entry::{Entry, UnverifiedEntry};
use evidence::limits::MAX_CHANGES;
use evidence::membership::{Change, DeviceRef};
use evidence::refusal::Reason;
use evidence::room::{ContentSuite, Creation, RoomId, RoomName};
use minicbor::bytes::ByteArray;
use pki::{Name, VerifiedCertificate};
use session::message::FailureCode;
use tokio::time::sleep;

use super::Client;
use super::people::read_devices;
use crate::ClientError;
use crate::engine::Session;
use crate::mls::Package;
use crate::outbox::Draft;
use crate::room::{Log, Room};
use crate::vault::RoomRecord;

/// How often a change of members is made again when the room has moved on under it.
const TRIES: usize = 20;
/// How long a change waits for messages that are being signed again.
const REWORK_WAIT: Duration = Duration::from_millis(100);

/// A room as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSummary {
    /// Its id.
    pub id: RoomId,
    /// Its name; none for a direct room.
    pub name: Option<String>,
    /// The other party of a direct room.
    pub direct_with: Option<String>,
    /// Entries stored here under a verified checkpoint.
    pub size: u64,
    /// Whether this device is a member.
    pub member: bool,
    /// The epoch of its MLS group; none in content suite 0, which the server can read, and until index 0 is here.
    pub key_epoch: Option<u64>,
    /// Whether its keys are lost here and nothing leads back into them, as far as that was tried: see [`Client::renew`].
    pub stuck: bool,
    /// Whether its log contradicted itself, so that it is not followed any more.
    pub stopped: bool,
}

/// A device in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDevice {
    /// Its user.
    pub user: String,
    /// Its name.
    pub device: String,
    /// SHA-256 of its certificate.
    pub certificate: Hash,
    /// First log index that it may speak and read at.
    pub since: u64,
}

impl Client {
    /// All rooms that this device knows, by name.
    ///
    /// # Errors
    /// [`ClientError::Vault`].
    pub async fn rooms(&self) -> Result<Vec<RoomSummary>, ClientError> {
        let mut all = Vec::new();
        for room in self.core().rooms() {
            all.push(self.summary(&room).await?);
        }
        all.sort_by(|a, b| (&a.name, &a.direct_with, a.id).cmp(&(&b.name, &b.direct_with, b.id)));
        Ok(all)
    }

    async fn summary(&self, room: &Room) -> Result<RoomSummary, ClientError> {
        let mut facts = room.facts();
        if !facts.loaded && !facts.stopped {
            let own = self.core().owner.certificate.hash();
            facts = self.core().with_log(room, |log| log.facts(&own, false)).await?;
        }
        let creation = self.creation(room).await?;
        let (name, direct_with) = match creation {
            Some((creation, name)) => {
                let own = &self.core().owner.user;
                let other =
                    creation.parties.and_then(|parties| parties.into_iter().find(|party| party != own));
                (name.map(|name| name.as_str().to_owned()), other.map(|other| other.to_string()))
            }
            // Until index 0 is here, what the server says has to do.
            None => {
                (Some(room.listed_name.clone()).filter(|name| !name.is_empty()), room.direct_with.clone())
            }
        };
        Ok(RoomSummary {
            id: room.id,
            name,
            direct_with,
            size: facts.held,
            member: facts.member,
            key_epoch: facts.keys.map(|keys| keys.at.epoch),
            stuck: room.is_stuck(),
            stopped: facts.stopped,
        })
    }

    /// How a room was created, by its entry at index 0.
    pub(super) async fn creation(
        &self,
        room: &Room,
    ) -> Result<Option<(Creation, Option<RoomName>)>, ClientError> {
        let first = self.core().vault.entries(room.key, 0, 1).await?;
        Ok(first.first().and_then(|(_, entry)| match Entry::parse(&entry.entry).ok()? {
            UnverifiedEntry::Membership(statement) => match statement.claim().change.clone() {
                Change::Create { creation, name, .. } => Some((creation, name)),
                _ => None,
            },
            _ => None,
        }))
    }

    /// Creates a room with all devices of this user in it, and waits until it stands.
    ///
    /// # Errors
    /// [`ClientError::Exists`] if a room that this device is a member of has the name; [`ClientError::Offline`] without
    /// a connection.
    pub async fn create_room(&self, name: &str) -> Result<RoomId, ClientError> {
        let name = RoomName::parse(name).map_err(|error| ClientError::Input(error.to_string()))?;
        self.check_name_is_free(&name).await?;
        let session = self.core().session()?;
        let devices = self.own_devices(&session).await?;
        self.create(None, Some(name), devices).await
    }

    /// The direct room with a user; it is created if there is none. Two who create it at once get the same.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if there is no such user; [`ClientError::Offline`] if it has to be created.
    pub async fn direct(&self, user: &str) -> Result<RoomId, ClientError> {
        let user = Name::parse(user).map_err(|error| ClientError::Input(error.to_string()))?;
        if let Some(room) = self.find_direct(&user).await? {
            return Ok(room);
        }
        let own = &self.core().owner.user;
        if user == *own {
            return Err(ClientError::Input("a direct room needs somebody else".to_owned()));
        }
        let session = self.core().session()?;
        let mut devices = self.own_devices(&session).await?;
        devices.extend(self.devices_of(&session, &user).await?);
        let mut parties = [own.clone(), user.clone()];
        parties.sort();
        match self.create(Some(parties), None, devices).await {
            Err(error) if already_exists(&error) => {
                self.core().refresh_rooms(&session).await?;
                self.find_direct(&user).await?.ok_or(error)
            }
            other => other,
        }
    }

    async fn create(
        &self,
        parties: Option<[Name; 2]>,
        name: Option<RoomName>,
        devices: Vec<DeviceRef>,
    ) -> Result<RoomId, ClientError> {
        let core = self.core();
        let (own, own_device) = (&core.owner.user, core.owner.certificate.hash());
        let others: Vec<DeviceRef> =
            devices.iter().filter(|device| device.certificate != own_device).cloned().collect();
        let packages = self.packages(&*core.session()?, &others, |user| user == own).await?;
        let takes_part = |device: &DeviceRef| {
            device.certificate == own_device || packages.contains_key(&device.certificate)
        };
        let devices = devices.into_iter().filter(takes_part).collect();
        let mut nonce = [0; 32];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| ClientError::Cryptography)?;
        let creation = Creation {
            organisation: core.owner.organisation.clone(),
            creator: core.owner.certificate.hash(),
            parties: parties.clone(),
            suite: ContentSuite::EndToEnd,
            nonce,
        };
        let id = creation.room_id();
        let record = RoomRecord {
            room: ByteArray::from(id.0),
            name: name.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default(),
            direct_with: parties.iter().flatten().find(|party| *party != own).map(ToString::to_string),
        };
        let change = Change::Create { creation, name, devices };
        let packages: Vec<Package> = packages.into_values().collect();
        let (room, mut handle) = core.write_room(record, change, &packages).await?;
        handle.logged().await?;
        core.catch_up(&room, &*core.session()?).await?;
        Ok(id)
    }

    /// Adds users, with all their devices that are not in the room yet.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::NotFound`] if a user has no device.
    pub async fn add(&self, room: RoomId, users: &[&str]) -> Result<(), ClientError> {
        let users = names(users)?;
        let session = self.core().session()?;
        let mut devices = Vec::new();
        for user in &users {
            devices.extend(self.devices_of(&session, user).await?);
        }
        let present = self.present(&session, &*self.room(&room)?).await?;
        devices.retain(|device| !is_among(device, &present));
        let packages = if self.is_encrypted(&*self.room(&room)?).await? {
            let own = &self.core().owner.user;
            let there = |user: &Name| user == own || present.iter().any(|member| member.user == *user);
            let packages = self.packages(&session, &devices, there).await?;
            devices.retain(|device| packages.contains_key(&device.certificate));
            packages.into_values().collect()
        } else {
            Vec::new()
        };
        self.change(room, &packages, |present| {
            let missing: Vec<DeviceRef> =
                devices.iter().filter(|device| !is_among(device, present)).cloned().collect();
            Ok((!missing.is_empty()).then_some(Change::Add(missing)))
        })
        .await
    }

    /// Adds these devices, each only as long as its user is in the room (GR-34).
    pub(crate) async fn add_further(&self, id: RoomId, devices: &[DeviceRef]) -> Result<(), ClientError> {
        let session = self.core().session()?;
        let packages = self.packages(&session, devices, |_| true).await?;
        let found: Vec<DeviceRef> =
            devices.iter().filter(|device| packages.contains_key(&device.certificate)).cloned().collect();
        let packages: Vec<Package> = packages.into_values().collect();
        self.change(id, &packages, |present| {
            let is_there = |user: &Name| present.iter().any(|member| member.user == *user);
            let missing = found.iter().filter(|device| is_there(&device.user) && !is_among(device, present));
            let missing: Vec<DeviceRef> = missing.cloned().collect();
            Ok((!missing.is_empty()).then_some(Change::Add(missing)))
        })
        .await
    }

    /// Adds the devices of this user to every encrypted room of it that they are not in.
    pub(super) async fn add_own_devices(&self) -> Result<(), ClientError> {
        let core = self.core();
        let devices = self.own_devices(&*core.session()?).await?;
        if devices.len() < 2 {
            return Ok(());
        }
        for summary in self.rooms().await? {
            if !summary.member || summary.stopped || summary.key_epoch.is_none() {
                continue;
            }
            let room = self.room(&summary.id)?;
            let is_in =
                |log: &Log| devices.iter().all(|device| log.member_since(&device.certificate).is_some());
            if !core.with_log(&room, is_in).await? {
                self.add(summary.id, &[core.owner.user.as_str()]).await?;
            }
        }
        Ok(())
    }

    /// Removes users, with all their devices.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::NotFound`] if a user is not a member.
    pub async fn remove(&self, room: RoomId, users: &[&str]) -> Result<(), ClientError> {
        let users = names(users)?;
        if users.contains(&self.core().owner.user) {
            return Err(ClientError::Input("nobody removes themselves: leave the room".to_owned()));
        }
        self.change(room, &[], |present| {
            let leaving: Vec<DeviceRef> =
                present.iter().filter(|member| users.contains(&member.user)).cloned().collect();
            let found: BTreeSet<&Name> = leaving.iter().map(|member| &member.user).collect();
            match users.iter().find(|user| !found.contains(user)) {
                Some(user) => Err(ClientError::NotFound(format!("{user} is not a member of this room"))),
                None => Ok(Some(Change::Remove(leaving))),
            }
        })
        .await
    }

    /// Leaves a room with all devices of this user.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn leave(&self, room: RoomId) -> Result<(), ClientError> {
        let own = self.core().owner.user.clone();
        self.change(room, &[], |present| {
            let leaving = present.iter().filter(|member| member.user == own).cloned().collect();
            Ok(Some(Change::Leave(leaving)))
        })
        .await
    }

    /// The devices in a room, by user and device.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`ClientError::Stopped`].
    pub async fn members(&self, room: RoomId) -> Result<Vec<MemberDevice>, ClientError> {
        let room = self.room(&room)?;
        let core = self.core();
        let mut members: Vec<MemberDevice> = core
            .with_log(&room, |log| {
                let members = log.state().into_iter().flat_map(|state| state.members());
                members
                    .map(|(certificate, member)| MemberDevice {
                        user: member.user.to_string(),
                        device: core
                            .certificates
                            .accepted(certificate)
                            .and_then(|known| known.certificate.identity().device().map(ToString::to_string))
                            .unwrap_or_default(),
                        certificate: *certificate,
                        since: member.since,
                    })
                    .collect()
            })
            .await?;
        members.sort_by(|a, b| (&a.user, &a.device).cmp(&(&b.user, &b.device)));
        Ok(members)
    }

    /// Makes a change for the members as they are, again if the room has moved on under it, and waits until it is in
    /// the log and stored here. `None` from `make` means that nothing has to change.
    async fn change(
        &self,
        id: RoomId,
        packages: &[Package],
        make: impl Fn(&[DeviceRef]) -> Result<Option<Change>, ClientError>,
    ) -> Result<(), ClientError> {
        let core = self.core();
        let room = self.room(&id)?;
        let mut unfit_before = false;
        for _ in 0..TRIES {
            let session = core.session()?;
            let present = self.present(&session, &room).await?;
            let Some(change) = make(&present)? else { return Ok(()) };
            if change.added().len() + change.removed().len() > MAX_CHANGES {
                return Err(ClientError::Input(format!("more than {MAX_CHANGES} devices at once")));
            }
            let outcome = match self.queue(Arc::clone(&room), Draft::Change(change, packages.to_vec())).await
            {
                Ok(mut handle) => handle.logged().await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(_) => return core.catch_up(&room, &*core.session()?).await,
                // A device that was revoked meanwhile is in the way for good.
                Err(error) if unfit(&error) && unfit_before => return Err(error),
                Err(error) if moved_on(&error) => unfit_before |= unfit(&error),
                // Messages of this room are being signed again.
                Err(ClientError::Offline) => sleep(REWORK_WAIT).await,
                Err(error) => return Err(error),
            }
        }
        Err(ClientError::Failed {
            code: FailureCode::Conflict,
            message: "the room changes all the time: try again later".to_owned(),
            retry_ms: None,
        })
    }

    /// The devices in a room, which this one must be in, as of now.
    pub(super) async fn present(
        &self,
        session: &Session,
        room: &Room,
    ) -> Result<Vec<DeviceRef>, ClientError> {
        let (core, own) = (self.core(), self.certificate());
        core.catch_up(room, session).await?;
        let present = core.with_log(room, |log| log.member_since(&own).map(|_| log.members()));
        present.await?.ok_or(ClientError::NotAMember)
    }

    async fn is_encrypted(&self, room: &Room) -> Result<bool, ClientError> {
        self.core().with_log(room, |log| log.suite() == Some(ContentSuite::EndToEnd)).await
    }

    /// A key package of each of these devices that has one. A user of whom no device has one cannot be added; those who are `there` already need none.
    async fn packages(
        &self,
        session: &Session,
        devices: &[DeviceRef],
        there: impl Fn(&Name) -> bool,
    ) -> Result<BTreeMap<Hash, Package>, ClientError> {
        let hashes: Vec<Hash> = devices.iter().map(|device| device.certificate).collect();
        let taken = self.core().take_packages(session, &hashes).await?;
        let packages: BTreeMap<Hash, Package> =
            taken.into_iter().map(|package| (package.certificate.hash(), package)).collect();
        let users: BTreeSet<&Name> = devices.iter().map(|device| &device.user).collect();
        let ready: BTreeSet<&Name> = devices
            .iter()
            .filter(|device| packages.contains_key(&device.certificate))
            .map(|device| &device.user)
            .collect();
        match users.difference(&ready).find(|user| !there(user)) {
            Some(user) => Err(ClientError::NotFound(format!(
                "{user} has no device that can be added yet: one of them has to connect once first"
            ))),
            None => Ok(packages),
        }
    }

    async fn own_devices(&self, session: &Session) -> Result<Vec<DeviceRef>, ClientError> {
        let own = self.core().owner.user.clone();
        self.devices_of(session, &own).await
    }

    /// The devices of a user that are not revoked, and whose certificates stand and are vouched for.
    async fn devices_of(&self, session: &Session, user: &Name) -> Result<Vec<DeviceRef>, ClientError> {
        let core = self.core();
        let none = || ClientError::NotFound(format!("there is no user {user}, or without a device"));
        let listed = match read_devices(&session.connection, user.as_str()).await {
            Err(ClientError::Failed { code: FailureCode::NotFound, .. }) => return Err(none()),
            listed => listed?,
        };
        let now = (core.clock)();
        let live: Vec<(Hash, u64)> = listed
            .iter()
            .filter(|device| device.revoked.is_none())
            .map(|device| (*device.certificate, now))
            .collect();
        core.certificates.fetch(&live, &core.owner, &core.vault, &session.connection).await?;
        let devices: Vec<DeviceRef> = live
            .iter()
            .filter(|(certificate, _)| {
                core.certificates
                    .accepted(certificate)
                    .is_some_and(|known| is_device_of(&known.certificate, user))
            })
            .map(|(certificate, _)| DeviceRef { user: user.clone(), certificate: *certificate })
            .collect();
        if devices.is_empty() { Err(none()) } else { Ok(devices) }
    }
}

/// Whether it is a device of this user that is not on paper (GR-31).
fn is_device_of(certificate: &VerifiedCertificate, user: &Name) -> bool {
    let identity = certificate.identity();
    identity.user() == Some(user) && !identity.device().is_some_and(Name::is_recovery_key)
}

fn is_among(device: &DeviceRef, present: &[DeviceRef]) -> bool {
    present.iter().any(|member| member.certificate == device.certificate)
}

pub(super) fn names(users: &[&str]) -> Result<BTreeSet<Name>, ClientError> {
    users
        .iter()
        .map(|user| {
            Name::parse(user.trim_start_matches('@')).map_err(|error| ClientError::Input(error.to_string()))
        })
        .collect()
}

fn cause(error: &ClientError) -> &ClientError {
    match error {
        ClientError::Ended(inner) => cause(inner),
        other => other,
    }
}

fn already_exists(error: &ClientError) -> bool {
    matches!(cause(error), ClientError::Failed { code: FailureCode::Exists, .. })
}

fn unfit(error: &ClientError) -> bool {
    matches!(cause(error), ClientError::Refused(Reason::Membership))
}

fn moved_on(error: &ClientError) -> bool {
    matches!(
        cause(error),
        ClientError::Refused(Reason::Epoch | Reason::Keys | Reason::Sequence | Reason::Membership)
    )
}
