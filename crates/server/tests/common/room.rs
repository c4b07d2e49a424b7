//! A room of two, made by hand.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses a part; a test's helper fails the test"
)]

use evidence::entry::Place;
use evidence::refusal::{Reason, Refusal};
use evidence::room::RoomId;
use pki::Usage;
use pki::trust::{NoRevocations, TrustAnchor, TrustStore, VerifiedCertificate};
use session::message::Reply;
use testkit::member::{Member, append};
use testkit::peer::{Peer, now_ms};

use super::{Running, start};

pub struct Room {
    pub running: Running,
    pub alice: Member,
    pub bob: Member,
    pub id: RoomId,
    pub peer: Peer,
}

pub async fn room() -> Room {
    room_on(start().await).await
}

pub async fn room_on(running: Running) -> Room {
    let (alice, bob) = (running.member("alice").await, running.member("bob").await);
    let mut peer = alice.connect(running.address()).await.unwrap();
    let devices = vec![alice.device_ref(), bob.device_ref()];
    let (id, reply) = alice.create_room(&mut peer, "flight", devices).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 0, .. }), "{reply:?}");
    Room { running, alice, bob, id, peer }
}

impl Room {
    pub async fn append(&mut self, place: Place, text: &str) -> Reply {
        let (statement, content) = self.alice.say(place, text);
        self.peer.ask(append(self.id, statement, Some(content))).await.unwrap()
    }

    pub fn certificates(&self) -> (VerifiedCertificate, VerifiedCertificate) {
        let authority = self.running.authority();
        let trust = TrustStore::new(vec![TrustAnchor::from_root(authority.root()).unwrap()]);
        let verify = |chain, usage| trust.verify(chain, usage, now_ms(), &NoRevocations).unwrap();
        (verify(&authority.log_chain(), Usage::Log), verify(&authority.cosigner_chain(), Usage::Cosigner))
    }

    pub fn reason(&self, reply: &Reply) -> Reason {
        let Reply::Refused { refusal } = reply else { panic!("{reply:?}") };
        Refusal::parse(refusal).unwrap().verify(&self.certificates().0).unwrap().reason
    }
}
