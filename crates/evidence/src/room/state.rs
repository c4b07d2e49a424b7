//! The state of a room at an index, and whether an entry may stand there (EV-13 to EV-19).
//!
//! Servers before appending, clients before showing and the verifier fold the same entries through the same rules.

use std::collections::{BTreeMap, HashMap, HashSet};

use pki::{Name, Usage, VerifiedCertificate};

use super::context::{Context, Seen};
use super::keys::{KeyEpoch, Keys};
use super::said::{ErasureFault, Said};
use super::{ContentSuite, Creation, RoomId, RoomName};
use crate::entry::{Entry, Place};
use crate::hash::Hash;
use crate::limits::{MAX_DEVICES, MAX_SKEW_MS};
use crate::log::TreeHead;
use crate::membership::{Change, DeviceRef, Membership};

/// Why an entry may not stand at the next index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// It names another room.
    #[error("of another room")]
    OtherRoom,
    /// The signer is no member here.
    #[error("its signer is no member of the room at this index")]
    NotAMember,
    /// The signer's certificate was revoked before.
    #[error("its signer's certificate was revoked before this index")]
    Revoked,
    /// Not the signer's next number.
    #[error("number {found}, the next of its signer is {next}")]
    Sequence {
        /// The next number.
        next: u64,
        /// The number found.
        found: u64,
    },
    /// Another epoch than the room's.
    #[error("epoch {found}, the room is in epoch {current}")]
    Epoch {
        /// The room's epoch.
        current: u64,
        /// The epoch found.
        found: u64,
    },
    /// Devices that left, or were revoked, still hold the room's keys.
    #[error("devices that are gone still hold the room's keys: a commit comes first")]
    Lingering,
    /// The checkpoint seen is larger than the log, or has another root: a fork.
    #[error("the checkpoint its signer saw is no prefix of this log")]
    CheckpointSeen,
    /// Too far from the server's time.
    #[error("signed at {found_ms}, the server's time is {now_ms} (Unix milliseconds)")]
    Time {
        /// The server's time, Unix milliseconds.
        now_ms: u64,
        /// The time found, Unix milliseconds.
        found_ms: u64,
    },
    /// The change does not fit.
    #[error("{0}")]
    Membership(MembershipFault),
    /// What it erases cannot be erased by it.
    #[error("{0}")]
    Erasure(ErasureFault),
}

/// Why a change does not fit the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MembershipFault {
    /// The first entry is no create, or a later one is.
    #[error("a room's first entry, and no other, creates it")]
    Create,
    /// The create's own header or signer is not the one of a first entry.
    #[error("the first entry does not fit the room it creates")]
    Creator,
    /// The room id is not that of the creation.
    #[error("the room's id is not computed from its creation")]
    RoomId,
    /// A third user in a direct room, or one of the two missing at its start.
    #[error("a direct room has exactly its two users")]
    Direct,
    /// An added device is a member already.
    #[error("a device is added that is a member")]
    AlreadyMember,
    /// An added device's certificate is not known as verified, or of another user or organisation.
    #[error("a device is added without a good certificate of its user")]
    Certificate,
    /// A removed device is no member, or of another user.
    #[error("a device is removed that is no member")]
    NotMember,
    /// A leave that does not name exactly the devices of the signer's user.
    #[error("a user leaves with all devices and with no other")]
    Leave,
    /// More than [`MAX_DEVICES`] devices.
    #[error("a room has at most {MAX_DEVICES} devices")]
    TooMany,
    /// A room of a content suite that the program which asks does not take part in.
    #[error("its content suite is one that this version cannot take part in: use a newer one")]
    Suite,
    /// The hashes of group messages, or the kind, do not fit the room's content suite.
    #[error("what it names of the room's group does not fit its kind and the room's content suite")]
    Keys,
    /// A revocation entry that is not by a log of the organisation.
    #[error("a revocation entry is signed by the organisation's log")]
    Log,
}

impl From<ErasureFault> for Unacceptable {
    fn from(fault: ErasureFault) -> Self {
        Self::Erasure(fault)
    }
}

impl From<MembershipFault> for Unacceptable {
    fn from(fault: MembershipFault) -> Self {
        Self::Membership(fault)
    }
}

/// A device in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its user.
    pub user: Name,
    /// Its first index: the one after the entry that added it.
    pub since: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Last {
    seq: u64,
    /// Entries of the room not seen when this number was.
    unseen: u64,
}

/// A room after some of its entries: had by folding them from the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomState {
    id: RoomId,
    creation: Creation,
    name: Option<RoomName>,
    size: u64,
    unseen: u64,
    epoch: u64,
    members: BTreeMap<Hash, Member>,
    /// Of its group, in suite 1.
    keys: Option<Keys>,
    revoked: HashSet<Hash>,
    last: HashMap<Hash, Last>,
    said: Said,
}

impl RoomState {
    /// The room that `first` creates, which is then at index 0.
    ///
    /// # Errors
    /// [`Unacceptable`] if `first` is no create or does not fit itself (EV-16).
    pub fn create(first: &Membership, context: &Context<'_>) -> Result<Self, Unacceptable> {
        // EV-16
        let Change::Create { creation, name, devices } = &first.change else {
            return Err(MembershipFault::Create.into());
        };
        let Place { room, seq, time_ms, epoch, seen } = first.place;
        if creation.room_id() != room {
            return Err(MembershipFault::RoomId.into());
        }
        let signed_by_creator = creation.creator == first.certificate
            && devices.iter().any(|device| device.certificate == first.certificate);
        if !signed_by_creator || seq != 1 || epoch != 0 || seen != TreeHead::empty() {
            return Err(MembershipFault::Creator.into());
        }
        check_time(time_ms, context.now_ms)?;
        let suite = creation.suite;
        check_hashes(first, suite, 0)?;
        let mut state = Self {
            id: room,
            creation: creation.clone(),
            name: name.clone(),
            size: 0,
            unseen: 0,
            epoch: 0,
            members: BTreeMap::new(),
            keys: (suite == ContentSuite::EndToEnd).then(Keys::default),
            revoked: HashSet::new(),
            last: HashMap::new(),
            said: Said::default(),
        };
        state.check_added(devices, context)?;
        let is_there = |party: &Name| devices.iter().any(|device| device.user == *party);
        if !creation.parties.iter().flatten().all(is_there) {
            return Err(MembershipFault::Direct.into());
        }
        state.apply_place(first.certificate, &first.place);
        state.add(devices);
        Ok(state)
    }

    /// Whether `entry` may stand at the next index (EV-13).
    ///
    /// # Errors
    /// [`Unacceptable`], by the first thing found wrong.
    pub fn check(&self, entry: &Entry, context: &Context<'_>) -> Result<Seen, Unacceptable> {
        // EV-13
        let (place, certificate) = (entry.place(), entry.certificate());
        if place.room != self.id {
            return Err(Unacceptable::OtherRoom);
        }
        if self.revoked.contains(&certificate) {
            return Err(Unacceptable::Revoked);
        }
        let signer = self.members.get(&certificate);
        match entry {
            Entry::Statement(_) | Entry::Membership(_) | Entry::Erasure(_) => {
                signer.ok_or(Unacceptable::NotAMember)?;
                check_time(place.time_ms, context.now_ms)?;
            }
            Entry::Revocation(_) => self.check_log(&certificate, context)?,
        }
        if place.epoch != self.epoch {
            return Err(Unacceptable::Epoch { current: self.epoch, found: place.epoch });
        }
        self.check_seq(&certificate, place.seq)?;
        let seen = self.check_seen(&place.seen, context)?;
        match entry {
            // EV-45
            Entry::Statement(_) if self.lingering().next().is_some() => return Err(Unacceptable::Lingering),
            Entry::Statement(_) => {}
            Entry::Membership(entry) => {
                check_hashes(entry, self.creation.suite, self.members.len())?;
                self.check_change(&certificate, &entry.change, signer, context)?;
            }
            Entry::Revocation(entry) => {
                if !self.members.contains_key(&entry.revoked) {
                    return Err(MembershipFault::NotMember.into());
                }
            }
            Entry::Erasure(entry) => self.said.check(entry, signer, self.size, context.roots)?,
        }
        Ok(seen)
    }

    /// Checks `entry` and puts it at the next index, which is returned.
    ///
    /// # Errors
    /// [`Unacceptable`]; the state is then as before.
    pub fn accept(&mut self, entry: &Entry, context: &Context<'_>) -> Result<(u64, Seen), Unacceptable> {
        let seen = self.check(entry, context)?;
        let index = self.size;
        self.apply_place(entry.certificate(), entry.place());
        match entry {
            Entry::Statement(entry) => {
                if let Some(signer) = self.members.get(&entry.certificate) {
                    self.said.say(index, &signer.user);
                }
            }
            Entry::Erasure(entry) => self.said.erase(index, entry),
            Entry::Membership(entry) => {
                self.said.other(index);
                for device in entry.change.removed() {
                    self.members.remove(&device.certificate);
                }
                if let Some(keys) = &mut self.keys {
                    keys.change(&entry.change);
                }
                self.add(entry.change.added());
                self.epoch = entry.change.new_epoch(self.epoch);
            }
            Entry::Revocation(entry) => {
                self.said.other(index);
                self.members.remove(&entry.revoked);
                if let Some(keys) = &mut self.keys {
                    keys.linger(entry.revoked);
                }
                self.revoked.insert(entry.revoked);
                self.epoch += 1;
            }
        }
        Ok((index, seen))
    }

    /// Goes on over `count` entries that are not seen (EV-14).
    pub fn skip(&mut self, count: u64) {
        self.said.pass(self.size);
        self.size = self.size.saturating_add(count);
        self.unseen = self.unseen.saturating_add(count);
    }

    /// The room's id.
    pub fn id(&self) -> RoomId {
        self.id
    }

    /// How it was created.
    pub fn creation(&self) -> &Creation {
        &self.creation
    }

    /// Its name; a direct room has none.
    pub fn name(&self) -> Option<&RoomName> {
        self.name.as_ref()
    }

    /// Number of entries: the next index.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Its key epoch; none in suite 0 (EV-45).
    pub fn key_epoch(&self) -> Option<KeyEpoch> {
        self.keys.as_ref().map(Keys::at)
    }

    /// Devices that are no members and whose leaves are still in the room's group (EV-45).
    pub fn lingering(&self) -> impl Iterator<Item = &Hash> {
        self.keys.iter().flat_map(Keys::lingering)
    }

    /// The member with this certificate.
    pub fn member(&self, certificate: &Hash) -> Option<&Member> {
        self.members.get(certificate)
    }

    /// Its members by certificate.
    pub fn members(&self) -> impl Iterator<Item = (&Hash, &Member)> {
        self.members.iter()
    }

    /// Index of the erasure that names the statement at `index`, as far as entries were seen.
    pub fn erased_at(&self, index: u64) -> Option<u64> {
        self.said.erased_at(index)
    }

    /// The last number of this signer, 0 if it has none.
    pub fn last_seq(&self, certificate: &Hash) -> u64 {
        self.last.get(certificate).map_or(0, |last| last.seq)
    }

    fn check_seq(&self, certificate: &Hash, found: u64) -> Result<(), Unacceptable> {
        // EV-14
        let last = self.last.get(certificate).copied().unwrap_or_default();
        let most = self.unseen.saturating_sub(last.unseen).saturating_add(1);
        match found.checked_sub(last.seq) {
            Some(step) if (1..=most).contains(&step) => Ok(()),
            _ => Err(Unacceptable::Sequence { next: last.seq.saturating_add(1), found }),
        }
    }

    fn check_seen(&self, seen: &TreeHead, context: &Context<'_>) -> Result<Seen, Unacceptable> {
        if seen.size > self.size {
            return Err(Unacceptable::CheckpointSeen);
        }
        match context.roots.root_at(seen.size) {
            Some(root) if root == seen.root => Ok(Seen::Prefix),
            Some(_) => Err(Unacceptable::CheckpointSeen),
            None => Ok(Seen::Unknown),
        }
    }

    fn check_change(
        &self,
        by: &Hash,
        change: &Change,
        signer: Option<&Member>,
        context: &Context<'_>,
    ) -> Result<(), MembershipFault> {
        match change {
            Change::Create { .. } => Err(MembershipFault::Create),
            Change::Add(devices) => {
                if self.keys.is_some() && self.members.len() + devices.len() > MAX_DEVICES {
                    return Err(MembershipFault::TooMany);
                }
                self.check_added(devices, context)
            }
            // EV-46
            Change::Update | Change::Return | Change::Renew(_) if self.keys.is_none() => {
                Err(MembershipFault::Keys)
            }
            Change::Remove(devices) | Change::Renew(devices) if self.keys.is_some() && names(devices, by) => {
                Err(MembershipFault::Keys)
            }
            Change::Remove(devices) | Change::Renew(devices) => self.check_removed(devices),
            Change::Update | Change::Return => Ok(()),
            Change::Leave(devices) => {
                self.check_removed(devices)?;
                let user = signer.map(|signer| &signer.user);
                let own = self.members.values().filter(|member| Some(&member.user) == user).count();
                let all_own = devices.iter().all(|device| Some(&device.user) == user);
                if all_own && own == devices.len() { Ok(()) } else { Err(MembershipFault::Leave) }
            }
        }
    }

    fn check_added(&self, devices: &[DeviceRef], context: &Context<'_>) -> Result<(), MembershipFault> {
        for device in devices {
            if self.members.contains_key(&device.certificate) {
                return Err(MembershipFault::AlreadyMember);
            }
            let parties = self.creation.parties.as_ref();
            if parties.is_some_and(|parties| !parties.contains(&device.user)) {
                return Err(MembershipFault::Direct);
            }
            let good = |certificate: &VerifiedCertificate| {
                let identity = certificate.identity();
                identity.user() == Some(&device.user)
                    && identity.organisation == self.creation.organisation
                    && certificate.usage() == Usage::Device
                    && !self.revoked.contains(&device.certificate)
            };
            let certificate = context.certificates.certificate(&device.certificate);
            certificate.filter(good).ok_or(MembershipFault::Certificate)?;
        }
        Ok(())
    }

    fn check_removed(&self, devices: &[DeviceRef]) -> Result<(), MembershipFault> {
        let is_member = |device: &DeviceRef| {
            self.members.get(&device.certificate).is_some_and(|member| member.user == device.user)
        };
        if devices.iter().all(is_member) { Ok(()) } else { Err(MembershipFault::NotMember) }
    }

    fn check_log(&self, certificate: &Hash, context: &Context<'_>) -> Result<(), MembershipFault> {
        let ours = |certificate: &VerifiedCertificate| {
            certificate.usage() == Usage::Log
                && certificate.identity().organisation == self.creation.organisation
        };
        context.certificates.certificate(certificate).filter(ours).map(drop).ok_or(MembershipFault::Log)
    }

    fn apply_place(&mut self, certificate: Hash, place: &Place) {
        self.last.insert(certificate, Last { seq: place.seq, unseen: self.unseen });
        self.size += 1;
    }

    /// Called when the entry that adds them is already counted.
    fn add(&mut self, devices: &[DeviceRef]) {
        for DeviceRef { user, certificate } in devices {
            self.members.insert(*certificate, Member { user: user.clone(), since: self.size });
        }
    }
}

fn names(devices: &[DeviceRef], certificate: &Hash) -> bool {
    devices.iter().any(|device| device.certificate == *certificate)
}

/// EV-46, in a room of so many devices before the entry.
fn check_hashes(entry: &Membership, suite: ContentSuite, devices: usize) -> Result<(), MembershipFault> {
    let (mls, change) = (&entry.mls, &entry.change);
    let added = change.added();
    let welcomes = match change {
        Change::Renew(removed) => devices > removed.len() + 1,
        _ => added.len() > usize::from(names(added, &entry.certificate)),
    };
    let (commit, group) = match (suite, change) {
        (ContentSuite::ServerReads, _) | (ContentSuite::EndToEnd, Change::Leave(_)) => (false, false),
        (ContentSuite::EndToEnd, Change::Create { .. } | Change::Renew(_)) => (false, true),
        (ContentSuite::EndToEnd, _) => (true, true),
    };
    let fits = mls.commit.is_some() == commit
        && mls.group.is_some() == group
        && mls.welcome.is_some() == (group && welcomes);
    if fits { Ok(()) } else { Err(MembershipFault::Keys) }
}

fn check_time(found_ms: u64, now_ms: Option<u64>) -> Result<(), Unacceptable> {
    match now_ms {
        Some(now_ms) if now_ms.abs_diff(found_ms) > MAX_SKEW_MS => {
            Err(Unacceptable::Time { now_ms, found_ms })
        }
        _ => Ok(()),
    }
}
