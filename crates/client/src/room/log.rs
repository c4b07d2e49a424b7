//! A room's log, folded from index 0.
//!
//! A member that came later reads the whole log too: who may speak depends on every change before, and an export must
//! prove places among all leaves. See docs/decisions/0010-members-read-the-whole-log.md.

use evidence::Hash;
use evidence::checkpoint::SignedCheckpoint;
use evidence::entry::Entry;
use evidence::log::{Tree, TreeHead};
use evidence::membership::{Change, DeviceRef, GroupHashes};
use evidence::receipt::Unopened;
use evidence::room::{Certificates, ContentSuite, Context, Member, MembershipFault, RoomState, Unacceptable};

use super::{Facts, KeyFacts};
use crate::vault::reason_when_erased;

/// The state of a log at its size.
#[derive(Default)]
pub(crate) struct Log {
    state: Option<RoomState>,
    pub(crate) tree: Tree,
    pub(crate) head: Option<Head>,
    /// Indices whose content this device should have and does not, with the reason of EV-30, ascending.
    pub(crate) unopened: Vec<(u64, u8)>,
    /// What a device comes into the group by, as of the newest commit (EV-46).
    newest_group: Option<GroupHashes>,
    /// Statements of this device since its keys are in the group, and since when they are, Unix milliseconds.
    said: u64,
    fresh_ms: u64,
    /// Time of the checkpoint kept last for exports, Unix seconds, if it was kept by this process.
    pub(crate) kept_s: u64,
}

/// A verified checkpoint that this log agrees with.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) head: TreeHead,
    pub(crate) time_s: u64,
    pub(crate) note: Vec<u8>,
}

impl From<&SignedCheckpoint> for Head {
    fn from(checkpoint: &SignedCheckpoint) -> Self {
        Self {
            head: checkpoint.head(),
            time_s: checkpoint.time_s(),
            note: checkpoint.as_text().as_bytes().to_vec(),
        }
    }
}

impl Log {
    pub(crate) fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Entries under a verified checkpoint.
    pub(crate) fn held(&self) -> u64 {
        self.head.as_ref().map_or(0, |head| head.head.size)
    }

    pub(crate) fn state(&self) -> Option<&RoomState> {
        self.state.as_ref()
    }

    /// The devices that linger (EV-45).
    pub(crate) fn lingering(&self) -> Vec<Hash> {
        self.state.iter().flat_map(RoomState::lingering).copied().collect()
    }

    /// The content suite; none while the log is empty.
    pub(crate) fn suite(&self) -> Option<ContentSuite> {
        Some(self.state.as_ref()?.creation().suite)
    }

    /// What a device comes into the room's group by, as of the newest commit.
    pub(crate) fn newest_group(&self) -> Option<GroupHashes> {
        self.newest_group
    }

    /// Puts a verified entry at the next index, if it may stand there (EV-13, EV-16). `own` is this device.
    pub(crate) fn accept(
        &mut self,
        entry: &Entry,
        certificates: &dyn Certificates,
        own: &Hash,
    ) -> Result<u64, Unacceptable> {
        let context = Context { certificates, roots: &self.tree, now_ms: None };
        match (&mut self.state, entry) {
            (Some(state), entry) => {
                state.accept(entry, &context)?;
            }
            (None, Entry::Membership(first)) => {
                self.state = Some(RoomState::create(first, &context)?);
            }
            (None, _) => return Err(Unacceptable::Membership(MembershipFault::Create)),
        }
        self.note_keys(entry, own);
        Ok(self.tree.push(entry.leaf_hash()))
    }

    fn note_keys(&mut self, entry: &Entry, own: &Hash) {
        match entry {
            Entry::Statement(statement) if statement.certificate == *own => self.said += 1,
            Entry::Membership(membership) => {
                self.newest_group = membership.mls.group.or(self.newest_group);
                let renewed = matches!(membership.change, Change::Renew(_));
                let joins =
                    renewed || membership.change.added().iter().any(|device| device.certificate == *own);
                let commits =
                    membership.certificate == *own && !matches!(membership.change, Change::Leave(_));
                if joins || commits {
                    (self.said, self.fresh_ms) = (0, membership.place.time_ms);
                }
            }
            _ => {}
        }
    }

    /// The devices in the room.
    pub(crate) fn members(&self) -> Vec<DeviceRef> {
        let members = self.state.iter().flat_map(RoomState::members);
        let device = |(certificate, member): (&Hash, &Member)| DeviceRef {
            user: member.user.clone(),
            certificate: *certificate,
        };
        members.map(device).collect()
    }

    /// Of these entries, whatever was withheld was erased.
    pub(crate) fn erase(&mut self, erased: &[u64]) {
        for (_, reason) in self.unopened.iter_mut().filter(|(index, _)| erased.binary_search(index).is_ok()) {
            *reason = reason_when_erased(*reason);
        }
    }

    /// Whether content is missing that another device of this user may have.
    pub(crate) fn lacks_content(&self) -> bool {
        self.unopened.iter().any(|(_, reason)| *reason != Unopened::Erased as u8)
    }

    /// First index from which `device` is a member without a gap.
    pub(crate) fn member_since(&self, device: &Hash) -> Option<u64> {
        Some(self.state.as_ref()?.member(device)?.since)
    }

    /// The last number of this signer.
    pub(crate) fn last_seq(&self, device: &Hash) -> u64 {
        self.state.as_ref().map_or(0, |state| state.last_seq(device))
    }

    pub(crate) fn facts(&self, device: &Hash, stopped: bool) -> Facts {
        let head = self.head.as_ref().map_or_else(TreeHead::empty, |head| head.head);
        Facts {
            loaded: true,
            size: self.size(),
            held: self.held(),
            head,
            epoch: self.state.as_ref().map_or(0, RoomState::epoch),
            member: self.member_since(device).is_some(),
            keys: self.state.as_ref().and_then(|state| {
                Some(KeyFacts {
                    at: state.key_epoch()?,
                    lingering: state.lingering().next().is_some(),
                    said: self.said,
                    fresh_ms: self.fresh_ms,
                })
            }),
            stopped,
        }
    }
}
