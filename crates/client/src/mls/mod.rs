//! The MLS groups of this device's rooms, kept in the vault and in memory while they are used (docs/group.md).
//!
//! - [`OpenGroup`]: a room's group within one transaction of the vault.
//! - [`make`]: what this device seals and commits.
//! - [`follow`]: what an entry of the log does to a group.
//! - [`history`]: the key under which this user's devices keep what they read for each other.
//! - [`packages`]: this device's key packages, and others'.
//! - [`blobs`]: commits, welcomes and trees, to and from the server.

mod blobs;
mod follow;
mod history;
mod make;
mod packages;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use evidence::room::KeyEpoch;
use group::{Group, Provider, Record, Store};
use zeroize::Zeroizing;

pub(crate) use blobs::{Blobs, upload};
pub(crate) use follow::Before;
pub(crate) use make::{Back, Plan, Renewal};
pub(crate) use packages::{Package, refill};

use crate::ClientError;
use crate::engine::Core;
use crate::room::Room;
use crate::vault::{GroupRecords, RoomKey, StoredGroup, Vault, VaultError, WriteTransaction};

/// Groups kept in memory.
const MAX_OPEN: usize = 64;

/// Records to be written, or removed.
type Writes = BTreeMap<Record, Option<Zeroizing<Vec<u8>>>>;

/// The groups in memory.
#[derive(Default)]
pub(crate) struct Groups(Mutex<HashMap<RoomKey, OpenGroup>>);

/// A room's group, taken out for one transaction. Dropped without being kept it is read anew the next time.
pub(crate) struct OpenGroup {
    provider: Provider,
    /// None if this device has none, or has lost it.
    group: Option<Group>,
    stored: StoredGroup,
    writes: Writes,
    /// Whether it holds key packages, which other rooms use up too.
    has_packages: bool,
}

impl OpenGroup {
    fn new(stored: StoredGroup) -> Result<Self, ClientError> {
        let provider = Provider::new(Store::default())?;
        Ok(Self { provider, group: None, stored, writes: BTreeMap::new(), has_packages: false })
    }

    /// Takes what the last operation changed.
    fn collect(&mut self) {
        self.writes.extend(changes(&self.provider));
    }

    /// Takes back what an operation that failed has changed.
    pub(crate) fn undo(&mut self, room: &Room) -> Result<(), ClientError> {
        self.provider.store().undo();
        self.group = Group::load(&self.provider, &room.id.0, self.stored.generation)?;
        Ok(())
    }

    /// Forgets the group: this device is out of it, or what it holds is of no use.
    fn forget(&mut self) -> Result<(), ClientError> {
        if let Some(group) = self.group.take() {
            group.forget(&self.provider)?;
            self.collect();
        }
        Ok(())
    }

    /// The group, if it is at this epoch and no commit of this device is under way.
    fn ready(&mut self, at: KeyEpoch) -> Option<(&Provider, &mut Group)> {
        if self.is_lost(at) {
            return None;
        }
        let group = self.group.as_mut().filter(|group| !group.has_pending())?;
        Some((&self.provider, group))
    }

    /// Whether the group is lost: there is none, or it did not come along with the log.
    pub(crate) fn is_lost(&self, at: KeyEpoch) -> bool {
        let is_there = |group: &Group| group.is_active() && group.epoch() == at.epoch;
        self.stored.generation != at.generation || !self.group.as_ref().is_some_and(is_there)
    }
}

impl Core {
    fn own_device(&self) -> group::Device<'_> {
        group::Device { certificate: &self.owner.certificate, key: &self.owner.key }
    }

    /// The group of a room as this transaction finds it.
    pub(crate) async fn open_group(
        &self,
        transaction: &mut WriteTransaction,
        room: &Room,
    ) -> Result<OpenGroup, ClientError> {
        let stored = self.vault.stored_group(transaction, room.key).await?;
        let known = self.groups.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&room.key);
        if let Some(known) = known.filter(|known| known.stored == stored) {
            return Ok(known);
        }
        let mut open = OpenGroup::new(stored)?;
        self.load_group(transaction, room, &mut open).await?;
        Ok(open)
    }

    async fn load_group(
        &self,
        transaction: &mut WriteTransaction,
        room: &Room,
        open: &mut OpenGroup,
    ) -> Result<(), ClientError> {
        let generation = open.stored.generation;
        let scope = group::scope(&room.id.0, generation)?;
        let records = self.vault.group_records(transaction, GroupRecords::Room(room.key)).await?;
        let records = records.into_iter().map(|(item, bytes)| (Record { scope, item }, bytes));
        open.provider.store().load(records);
        match Group::load(&open.provider, &room.id.0, generation) {
            Ok(group) => open.group = group,
            Err(error) => {
                // GR-20: one room's damage is not the others'.
                tracing::warn!(room = %room.id, "the room's keys are lost: {error}");
                self.drop_group(transaction, room, open, generation).await?;
            }
        }
        Ok(())
    }

    /// Drops all that is stored of a room's group; what comes is of this generation.
    async fn drop_group(
        &self,
        transaction: &mut WriteTransaction,
        room: &Room,
        open: &mut OpenGroup,
        generation: u32,
    ) -> Result<(), ClientError> {
        // GR-5: the key packages that were used are gone all the same.
        let mut writes = std::mem::take(&mut open.writes);
        writes.retain(|record, _| record.scope == [0; 32]);
        put_records(&self.vault, transaction, GroupRecords::Packages, writes).await?;
        self.vault.drop_group_records(transaction, GroupRecords::Room(room.key)).await?;
        *open = OpenGroup::new(self.vault.raise_group_version(transaction, room.key, generation).await?)?;
        Ok(())
    }

    async fn load_packages(
        &self,
        transaction: &mut WriteTransaction,
        open: &mut OpenGroup,
    ) -> Result<(), ClientError> {
        if !std::mem::replace(&mut open.has_packages, true) {
            let records = self.vault.group_records(transaction, GroupRecords::Packages).await?;
            let record = |item| Record { scope: [0; 32], item };
            open.provider.store().load(records.into_iter().map(|(item, bytes)| (record(item), bytes)));
        }
        Ok(())
    }

    /// Writes what changed of a group. It is kept once the transaction stands.
    pub(crate) async fn store_group(
        &self,
        transaction: &mut WriteTransaction,
        room: &Room,
        open: &mut OpenGroup,
    ) -> Result<(), VaultError> {
        if open.writes.is_empty() {
            return Ok(());
        }
        put_records(&self.vault, transaction, GroupRecords::Room(room.key), std::mem::take(&mut open.writes))
            .await?;
        open.stored = self.vault.raise_group_version(transaction, room.key, open.stored.generation).await?;
        Ok(())
    }

    /// Forgets the group of a room that never was.
    pub(crate) fn forget_group(&self, room: &Room) {
        self.groups.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&room.key);
    }

    /// Keeps a group in memory whose transaction stands.
    pub(crate) fn keep_group(&self, room: &Room, open: OpenGroup) {
        if open.has_packages {
            return;
        }
        let mut groups = self.groups.0.lock().unwrap_or_else(PoisonError::into_inner);
        if groups.len() >= MAX_OPEN {
            groups.clear();
        }
        groups.insert(room.key, open);
    }
}

/// Writes records of a group, and those of no group to the key packages'.
pub(crate) async fn put_records(
    vault: &Vault,
    transaction: &mut WriteTransaction,
    whose: GroupRecords,
    writes: Writes,
) -> Result<(), VaultError> {
    for (Record { scope, item }, bytes) in writes {
        let whose = if scope == [0; 32] { GroupRecords::Packages } else { whose };
        let bytes = bytes.as_ref().map(|bytes| bytes.as_slice());
        vault.put_group_record(transaction, whose, &item, bytes).await?;
    }
    Ok(())
}

/// All that a provider's store has changed.
pub(crate) fn changes(provider: &Provider) -> Writes {
    provider.store().take_changes().into_iter().map(|write| (write.record, write.bytes)).collect()
}
