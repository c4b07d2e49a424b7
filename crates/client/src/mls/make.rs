//! What this device seals and commits. All of it happens in the transaction that stores what is to be sent (GR-16).

use std::collections::{BTreeMap, BTreeSet};

use evidence::Hash;
use evidence::content::{Binding, Content};
use evidence::entry::Place;
use evidence::erasure::{Erased, Erasure, ErasureClaim, ErasureReason};
use evidence::limits::MAX_CHANGES;
use evidence::membership::{Change, DeviceRef, GroupHashes, Membership, MembershipClaim, MlsHashes};
use evidence::room::{ContentSuite, KeyEpoch};
use evidence::statement::{Statement, StatementClaim};
use group::{Commit, Group, GroupError, Provider, Refusal, Store};
use pki::VerifiedCertificate;

use super::{Blobs, OpenGroup, Package, changes, put_records};
use crate::ClientError;
use crate::engine::Core;
use crate::room::{Facts, Log, Room};
use crate::vault::{GroupRecords, OutboxRow, OutboxState, Parcel, VaultError, WriteTransaction};

/// Where the group of a room is that is being created.
const BEFORE: KeyEpoch = KeyEpoch { generation: 0, epoch: 0 };

impl OpenGroup {
    /// Whether a message can be sealed now: the group is where the log is, nobody lingers (EV-45), and its keys are not due (GR-18).
    pub(crate) fn can_seal(&mut self, facts: &Facts, now_ms: u64) -> bool {
        facts.keys.is_some_and(|keys| !keys.lingering && !keys.due(now_ms) && self.ready(keys.at).is_some())
    }

    /// Takes back a commit that did not get into the log.
    pub(crate) fn discard(&mut self) -> Result<(), ClientError> {
        if let Some(group) = self.group.as_mut().filter(|group| group.has_pending()) {
            group.discard(&self.provider)?;
            self.collect();
        }
        Ok(())
    }
}

impl Core {
    fn place(&self, room: &Room, facts: &Facts, seq: u64) -> Place {
        Place { room: room.id, seq, time_ms: (self.clock)(), epoch: facts.epoch, seen: facts.head }
    }

    /// Signs a statement that commits to `content`, sealed by the group.
    pub(crate) fn sign_content(
        &self,
        room: &Room,
        facts: &Facts,
        seq: u64,
        content: &Content,
        open: &mut OpenGroup,
    ) -> Result<Parcel, ClientError> {
        let owner = &self.owner;
        let (bytes, certificate) = (content.to_bytes(), owner.certificate.hash());
        let binding = Binding { user: &owner.user, certificate, room: room.id, seq };
        let context = group::context(&room.id.0, &certificate, seq, &content.commitment(&binding));
        let group = open.group.as_mut().ok_or(GroupError::from(Refusal::Membership))?;
        let sealed = group.seal(&open.provider, &self.own_device(), &context, &bytes)?;
        open.collect();
        let place = self.place(room, facts, seq);
        let claim = StatementClaim::new(&owner.user, certificate, place, content, &sealed);
        Ok(Parcel::said(Statement::sign(&claim, &owner.key), bytes, sealed))
    }

    /// Signs a membership statement; in suite 1 with the commit that does what it says, which is pending then.
    ///
    /// # Errors
    /// [`ClientError::Offline`] if the group is not where the log is: it will be.
    pub(crate) fn sign_change(
        &self,
        room: &Room,
        facts: &Facts,
        seq: u64,
        plan: Plan<'_>,
        open: &mut OpenGroup,
    ) -> Result<Parcel, ClientError> {
        let Plan { change, .. } = &plan;
        let encrypted = match change {
            Change::Create { creation, .. } => creation.suite == ContentSuite::EndToEnd,
            _ => facts.keys.is_some(),
        };
        let (mls, blobs) = if encrypted && !matches!(change, Change::Leave(_)) {
            let commit = self.commit(room, facts, &plan, open)?;
            named(commit, !matches!(change, Change::Create { .. }))
        } else {
            (MlsHashes::default(), Vec::new())
        };
        Ok(Parcel::change(self.sign_membership(room, facts, seq, plan.change, mls), blobs))
    }

    /// Signs an erasure. It has no ciphertext, and needs no group.
    pub(crate) fn sign_erasure(
        &self,
        room: &Room,
        facts: &Facts,
        seq: u64,
        erased: Erased,
        reason: ErasureReason,
    ) -> Parcel {
        let certificate = self.owner.certificate.hash();
        let claim = ErasureClaim { certificate, place: self.place(room, facts, seq), erased, reason };
        Parcel::erasure(Erasure::sign(&claim, &self.owner.key))
    }

    fn sign_membership(
        &self,
        room: &Room,
        facts: &Facts,
        seq: u64,
        change: Change,
        mls: MlsHashes,
    ) -> Vec<u8> {
        let certificate = self.owner.certificate.hash();
        let claim = MembershipClaim { certificate, place: self.place(room, facts, seq), change, mls };
        Membership::sign(&claim, &self.owner.key)
    }

    fn commit(
        &self,
        room: &Room,
        facts: &Facts,
        plan: &Plan<'_>,
        open: &mut OpenGroup,
    ) -> Result<Commit, ClientError> {
        let Plan { change, packages, lingering } = plan;
        let device = self.own_device();
        let creates = matches!(change, Change::Create { .. });
        if creates {
            open.group = Some(Group::create(&open.provider, &device, &room.id.0, 0)?);
        }
        let at = facts.keys.filter(|_| !creates).map_or(BEFORE, |keys| keys.at);
        let Some((provider, group)) = open.ready(at) else { return Err(ClientError::Offline) };
        let named: BTreeSet<Hash> = change.added().iter().map(|device| device.certificate).collect();
        let added: Vec<(&VerifiedCertificate, &[u8])> = packages
            .iter()
            .filter(|package| named.contains(&package.certificate.hash()))
            .map(|package| (&package.certificate, package.bytes.as_slice()))
            .collect();
        let removed: BTreeSet<Hash> = lingering
            .iter()
            .copied()
            .chain(change.removed().iter().map(|device| device.certificate))
            .collect();
        let removed: Vec<Hash> = removed.into_iter().collect();
        let commit = group.commit(provider, &device, &added, &removed, (self.clock)())?;
        if creates {
            // EV-45: nobody else reads this commit; the room begins behind it.
            group.confirm(provider)?;
        }
        open.collect();
        Ok(commit)
    }

    /// Signs a return (GR-12): the group that it makes is stored beside the room's until it is in the log.
    pub(crate) async fn sign_return(
        &self,
        transaction: &mut WriteTransaction,
        room: &Room,
        facts: &Facts,
        seq: u64,
        back: &Back,
    ) -> Result<Parcel, ClientError> {
        let provider = Provider::new(Store::default())?;
        let place = group::Place {
            room: &room.id.0,
            generation: back.at.generation,
            epoch: back.at.epoch,
            members: &back.members,
        };
        let (_, commit) = Group::rejoin(&provider, &self.own_device(), &back.info, &back.tree, place)?;
        self.put_returning(transaction, room, &provider).await?;
        let (mls, blobs) = named(commit, true);
        Ok(Parcel::change(self.sign_membership(room, facts, seq, Change::Return, mls), blobs))
    }

    /// Signs a renewal (GR-35) for those of the members that stay; all others are removed. The group that it makes is stored beside the room's until it
    /// is in the log.
    pub(crate) async fn sign_renewal(
        &self,
        transaction: &mut WriteTransaction,
        room: &Room,
        (facts, at): (&Facts, KeyEpoch),
        seq: u64,
        (stay, removed): (Vec<&Package>, Vec<DeviceRef>),
    ) -> Result<Parcel, ClientError> {
        let (provider, device) = (Provider::new(Store::default())?, self.own_device());
        let mut group = Group::create(&provider, &device, &room.id.0, at.renewed().generation)?;
        let stay: Vec<(&VerifiedCertificate, &[u8])> =
            stay.into_iter().map(|package| (&package.certificate, package.bytes.as_slice())).collect();
        let commit = group.commit(&provider, &device, &stay, &[], (self.clock)())?;
        // EV-46: nobody else reads this commit; the generation begins behind it.
        group.confirm(&provider)?;
        self.put_returning(transaction, room, &provider).await?;
        let (mls, blobs) = named(commit, false);
        Ok(Parcel::change(self.sign_membership(room, facts, seq, Change::Renew(removed), mls), blobs))
    }

    /// Stores what takes the place of the room's group once the log has the entry.
    async fn put_returning(
        &self,
        transaction: &mut WriteTransaction,
        room: &Room,
        provider: &Provider,
    ) -> Result<(), VaultError> {
        let whose = GroupRecords::Returning(room.key);
        self.vault.drop_group_records(transaction, whose).await?;
        put_records(&self.vault, transaction, whose, changes(provider)).await
    }

    /// Whether a room's group is lost while this device is a member, and nothing of this device brings it back yet.
    async fn has_lost_group(
        &self,
        transaction: &mut WriteTransaction,
        room: &Room,
        facts: &Facts,
        open: &OpenGroup,
    ) -> Result<bool, VaultError> {
        let lost = facts.member && facts.keys.is_some_and(|keys| open.is_lost(keys.at));
        Ok(lost && !self.vault.has_group_records(transaction, GroupRecords::Returning(room.key)).await?)
    }

    /// Sees to it that a row in the outbox asks for care if the group is lost and nothing there would bring it back: whether that row is new, if there is one.
    pub(crate) async fn ask_for_care(
        &self,
        transaction: &mut WriteTransaction,
        room: &Room,
        facts: &Facts,
        open: &OpenGroup,
    ) -> Result<Option<bool>, VaultError> {
        if room.is_copied() || !self.has_lost_group(transaction, room, facts, open).await? {
            return Ok(None);
        }
        self.put_care_in(transaction, room).await.map(Some)
    }

    /// Sees to it that a row in the outbox asks for care.
    pub(crate) async fn put_care(&self, room: &Room) -> Result<(), VaultError> {
        let mut transaction = self.vault.begin().await?;
        self.put_care_in(&mut transaction, room).await?;
        transaction.commit().await
    }

    async fn put_care_in(&self, transaction: &mut WriteTransaction, room: &Room) -> Result<bool, VaultError> {
        if self.vault.has_unsigned(transaction, room.key).await? {
            return Ok(false);
        }
        let seq = self.vault.take_seqs(transaction, room.key, 1).await?;
        let row = OutboxRow { seq, state: OutboxState::Unsigned, parcel: Parcel::care() };
        self.vault.put_outbox(transaction, &[(room.key, row)]).await?;
        Ok(true)
    }

    /// What a device needs to come back into a room's group, as of the log's newest commit.
    pub(crate) fn way_back(&self, log: &Log, blobs: &Blobs) -> Option<Back> {
        let state = log.state()?;
        let hashes = log.newest_group()?;
        let devices = state.members().map(|(hash, _)| hash).chain(state.lingering());
        let members = devices.map(|hash| Some(self.certificates.accepted(hash)?.certificate));
        Some(Back {
            at: state.key_epoch()?,
            members: members.collect::<Option<_>>()?,
            info: blobs.get(&hashes.info)?.to_vec(),
            tree: blobs.get(&hashes.tree)?.to_vec(),
        })
    }
}

/// A change of the members to be made.
pub(crate) struct Plan<'a> {
    pub(crate) change: Change,
    /// Key packages of those whom it adds, in suite 1.
    pub(crate) packages: &'a [Package],
    /// The devices that linger, whose leaves go with it.
    pub(crate) lingering: &'a [Hash],
}

/// A way back into a group.
pub(crate) struct Back {
    /// The epoch that the group is in.
    pub(crate) at: KeyEpoch,
    members: Vec<VerifiedCertificate>,
    info: Vec<u8>,
    tree: Vec<u8>,
}

/// What a room's group is renewed with (GR-35).
#[derive(Clone)]
pub(crate) struct Renewal {
    /// The generation that is to be followed by another.
    pub(crate) generation: u32,
    /// The other members as they were when key packages were asked for.
    pub(crate) asked: BTreeSet<Hash>,
    /// Those that there were.
    pub(crate) packages: Vec<Package>,
}

impl Renewal {
    /// Whether this is what a room whose group is there, with these other members, can be renewed with.
    pub(crate) fn fits(&self, at: Option<KeyEpoch>, members: &[DeviceRef]) -> bool {
        let (_, removed) = self.divide(members.to_vec());
        at.is_some_and(|at| at.generation == self.generation)
            && members.iter().all(|member| self.asked.contains(&member.certificate))
            && removed.len() <= MAX_CHANGES
    }

    /// The packages of those of the members who stay, and the members who do not.
    pub(crate) fn divide(&self, members: Vec<DeviceRef>) -> (Vec<&Package>, Vec<DeviceRef>) {
        let packages: BTreeMap<Hash, &Package> =
            self.packages.iter().map(|package| (package.certificate.hash(), package)).collect();
        let (stay, removed): (Vec<DeviceRef>, Vec<DeviceRef>) =
            members.into_iter().partition(|member| packages.contains_key(&member.certificate));
        let stay = stay.iter().filter_map(|member| packages.get(&member.certificate).copied());
        (stay.collect(), removed)
    }
}

/// The hashes of a commit, if others are to read it, and what they name (EV-46).
fn named(commit: Commit, is_read: bool) -> (MlsHashes, Vec<Vec<u8>>) {
    let Commit { message, welcome, group_info, tree } = commit;
    let mls = MlsHashes {
        commit: is_read.then(|| pki::sha256(&message)),
        welcome: welcome.as_deref().map(pki::sha256),
        group: Some(GroupHashes { info: pki::sha256(&group_info), tree: pki::sha256(&tree) }),
    };
    let commit = is_read.then_some(message);
    (mls, commit.into_iter().chain(welcome).chain([group_info, tree]).collect())
}
