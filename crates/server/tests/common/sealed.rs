//! Rooms of content suite 1, with real groups.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses a part; a test's helper fails the test"
)]

use evidence::membership::MlsHashes;
use evidence::room::RoomId;
use group::Group;
use session::message::Reply;
use testkit::sealed::Party;

use super::Running;

impl Running {
    /// A new user's device.
    pub async fn party(&self, user: &str) -> Party {
        Party::new(self.member(user).await, self.address()).await.unwrap()
    }
}

/// A room of two with its group, at key epoch 1 and index 1 on.
pub struct SealedRoom {
    pub running: Running,
    pub alice: Party,
    pub bob: Party,
    pub id: RoomId,
    pub group: Group,
    /// What the creation names.
    pub first: MlsHashes,
}

pub async fn sealed_room() -> SealedRoom {
    let running = super::start().await;
    let (mut alice, bob) = (running.party("alice").await, running.party("bob").await);
    let (id, change) = alice.creation(vec![alice.member.device_ref(), bob.member.device_ref()]);
    let mut group = Group::create(&alice.provider, &alice.device(), &id.0, 0).unwrap();
    let commit = alice.commit(&mut group, &[(&bob, &bob.package())], &[]);
    alice.confirm(&mut group);
    let first = MlsHashes { commit: None, ..alice.put_commit(&commit).await };
    let reply = alice.create(id, change, first).await;
    assert!(matches!(reply, Reply::Appended { index: 0, .. }), "{reply:?}");
    SealedRoom { running, alice, bob, id, group, first }
}
