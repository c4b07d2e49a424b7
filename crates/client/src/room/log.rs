//! A room's log, folded from index 0.
//!
//! A member that came later reads the whole log too: who may speak depends on every change before, and an export must
//! prove places among all leaves. See docs/decisions/0010-members-read-the-whole-log.md.

use evidence::Hash;
use evidence::checkpoint::SignedCheckpoint;
use evidence::entry::Entry;
use evidence::log::{Tree, TreeHead};
use evidence::room::{Certificates, ContentSuite, Context, MembershipFault, RoomState, Unacceptable};

use super::Facts;

/// The state of a log at its size.
#[derive(Default)]
pub(crate) struct Log {
    state: Option<RoomState>,
    pub(crate) tree: Tree,
    pub(crate) head: Option<Head>,
    /// Indices whose content this device should have and does not, with the reason of EV-30, ascending.
    pub(crate) unopened: Vec<(u64, u8)>,
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

    /// Puts a verified entry at the next index, if it may stand there (EV-13, EV-16).
    pub(crate) fn accept(
        &mut self,
        entry: &Entry,
        certificates: &dyn Certificates,
    ) -> Result<u64, Unacceptable> {
        let context = Context { certificates, roots: &self.tree, now_ms: None };
        match (&mut self.state, entry) {
            (Some(state), entry) => {
                state.accept(entry, &context)?;
            }
            (None, Entry::Membership(first)) => {
                let state = RoomState::create(first, &context)?;
                // EV-4: what this device says would go in clear.
                if state.creation().suite != ContentSuite::ServerReads {
                    return Err(Unacceptable::Membership(MembershipFault::Suite));
                }
                self.state = Some(state);
            }
            (None, _) => return Err(Unacceptable::Membership(MembershipFault::Create)),
        }
        Ok(self.tree.push(entry.leaf_hash()))
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
            stopped,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use evidence::entry::{Entry, Place};
    use evidence::log::TreeHead;
    use evidence::membership::{Change, DeviceRef, GroupHashes, Membership, MembershipClaim, MlsHashes};
    use evidence::room::{ContentSuite, Creation, MembershipFault, RoomName};
    use testkit::authority::Authority;

    use super::Log;

    #[test]
    fn a_room_that_this_device_cannot_seal_for_is_not_followed() {
        let alice = Authority::new().device("alice", "laptop");
        let certificate = alice.certificate.hash();
        let known = HashMap::from([(certificate, alice.certificate.clone())]);
        let identity = alice.certificate.identity();
        for (suite, followed) in [(ContentSuite::ServerReads, true), (ContentSuite::EndToEnd, false)] {
            let creation = Creation {
                organisation: identity.organisation.clone(),
                creator: certificate,
                parties: None,
                suite,
                nonce: [1; 32],
            };
            let place =
                Place { room: creation.room_id(), seq: 1, time_ms: 0, epoch: 0, seen: TreeHead::empty() };
            let group = (!followed).then_some(GroupHashes { info: [1; 32], tree: [2; 32] });
            let devices = vec![DeviceRef { user: identity.user().unwrap().clone(), certificate }];
            let name = Some(RoomName::parse("flight").unwrap());
            let claim = MembershipClaim {
                certificate,
                place,
                change: Change::Create { creation, name, devices },
                mls: MlsHashes { group, ..MlsHashes::default() },
            };
            let signed = Membership::sign(&claim, &alice.key);
            let Ok(entry) = Entry::parse(&signed).unwrap().verify(&alice.certificate) else { panic!() };
            let expected = if followed { Ok(0) } else { Err(MembershipFault::Suite.into()) };
            assert_eq!(Log::default().accept(&entry, &known), expected);
        }
    }
}
