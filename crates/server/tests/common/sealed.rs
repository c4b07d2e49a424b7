//! Devices in a room of content suite 1, with real groups.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses a part; a test's helper fails the test"
)]

use evidence::content::{Content, Field};
use evidence::entry::Place;
use evidence::membership::{Change, DeviceRef, GroupHashes, Membership, MembershipClaim, MlsHashes};
use evidence::room::{ContentSuite, Creation, RoomId, RoomName};
use evidence::statement::{Statement, StatementClaim};
use group::{Commit, Device, Group, Provider, Store};
use pki::Usage;
use pki::ed25519::SigningKey;
use pki::trust::{NoRevocations, TrustAnchor, TrustStore, VerifiedCertificate};
use session::limits::BLOB_PIECE;
use session::message::{Command, Reply};
use testkit::member::Member;
use testkit::peer::{Peer, now_ms};

use super::Running;

/// A connected device with its groups.
pub struct Party {
    pub member: Member,
    pub peer: Peer,
    pub certificate: VerifiedCertificate,
    pub provider: Provider,
    key: SigningKey,
}

impl Party {
    pub async fn new(running: &Running, user: &str) -> Self {
        let member = running.member(user).await;
        let peer = member.connect(running.address()).await.unwrap();
        let anchor = TrustAnchor::new(&member.root, member.organisation.clone()).unwrap();
        let trust = TrustStore::new(vec![anchor]);
        let certificate = trust.verify(&member.chain, Usage::Device, now_ms(), &NoRevocations).unwrap();
        let provider = Provider::new(Store::default()).unwrap();
        let key = member.key();
        Self { member, peer, certificate, provider, key }
    }

    pub fn device(&self) -> Device<'_> {
        Device { certificate: &self.certificate, key: &self.key }
    }

    pub fn package(&self) -> Vec<u8> {
        let package = group::package::create(&self.provider, &self.device(), false, now_ms()).unwrap();
        self.provider.store().take_changes();
        package
    }

    pub fn commit(&self, group: &mut Group, added: &[(&Self, &[u8])], removed: &[[u8; 32]]) -> Commit {
        let added: Vec<_> = added.iter().map(|(party, package)| (&party.certificate, *package)).collect();
        group.commit(&self.provider, &self.device(), &added, removed, now_ms()).unwrap()
    }

    pub fn confirm(&self, group: &mut Group) {
        group.confirm(&self.provider).unwrap();
        self.provider.store().take_changes();
    }

    pub fn discard(&self, group: &mut Group) {
        group.discard(&self.provider).unwrap();
        self.provider.store().take_changes();
    }

    pub fn seal(&self, group: &mut Group, text: &str) -> Vec<u8> {
        let sealed = group.seal(&self.provider, &self.device(), b"", text.as_bytes()).unwrap();
        self.provider.store().take_changes();
        sealed
    }

    /// Hands in a whole blob and returns its hash.
    pub async fn put(&mut self, blob: &[u8]) -> [u8; 32] {
        let hash = pki::sha256(blob);
        let size = blob.len() as u64;
        for (bytes, offset) in blob.chunks(BLOB_PIECE).zip((0..).step_by(BLOB_PIECE)) {
            let put = Command::BlobPut { hash: hash.into(), size, offset, bytes: bytes.to_vec() };
            let reply = self.peer.ask(put).await.unwrap();
            assert_eq!(reply, Reply::BlobHeld { held: offset + bytes.len() as u64 });
        }
        hash
    }

    /// Hands in what goes with a commit and returns the hashes.
    pub async fn put_commit(&mut self, commit: &Commit) -> MlsHashes {
        let parts =
            [Some(&commit.message), commit.welcome.as_ref(), Some(&commit.group_info), Some(&commit.tree)];
        for blob in parts.into_iter().flatten() {
            self.put(blob).await;
        }
        hashes(commit)
    }

    /// Reads a whole blob of a room.
    pub async fn get(&mut self, room: RoomId, hash: [u8; 32]) -> Result<Vec<u8>, Reply> {
        let mut blob = Vec::new();
        loop {
            let offset = blob.len() as u64;
            let get = Command::BlobGet { room: room.0.into(), hash: hash.into(), offset };
            match self.peer.ask(get).await.unwrap() {
                Reply::Blob { size, bytes } => {
                    blob.extend(bytes);
                    if blob.len() as u64 == size {
                        return Ok(blob);
                    }
                }
                other => return Err(other),
            }
        }
    }

    pub fn sign(&self, place: Place, change: Change, mls: MlsHashes) -> Vec<u8> {
        let claim = MembershipClaim { certificate: self.certificate.hash(), place, change, mls };
        Membership::sign(&claim, &self.key)
    }

    /// A statement under this ciphertext, whatever it is.
    pub fn say(&self, place: Place, ciphertext: &[u8]) -> Vec<u8> {
        let content = Content::new(vec![Field::Text("go".into())]).unwrap();
        let hash = self.certificate.hash();
        let claim = StatementClaim::new(&self.member.user, hash, place, &content, ciphertext);
        Statement::sign(&claim, &self.key)
    }

    /// A sealed room's id and what creates it.
    pub fn creation(&self, devices: Vec<DeviceRef>) -> (RoomId, Change) {
        let creation = Creation {
            organisation: self.member.organisation.clone(),
            creator: self.certificate.hash(),
            parties: None,
            suite: ContentSuite::EndToEnd,
            nonce: pki::sha256(&now_ms().to_be_bytes()),
        };
        let name = Some(RoomName::parse("sealed").unwrap());
        (creation.room_id(), Change::Create { creation, name, devices })
    }

    pub async fn create(&mut self, room: RoomId, change: Change, mls: MlsHashes) -> Reply {
        let statement = self.sign(super::place(room, 1, 0), change, mls);
        self.create_by(room, statement).await
    }

    pub async fn create_by(&mut self, room: RoomId, statement: Vec<u8>) -> Reply {
        self.peer.ask(Command::RoomCreate { room: room.0.into(), statement }).await.unwrap()
    }
}

/// The hashes of what goes with a commit.
pub fn hashes(commit: &Commit) -> MlsHashes {
    let group = GroupHashes { info: pki::sha256(&commit.group_info), tree: pki::sha256(&commit.tree) };
    let welcome = commit.welcome.as_deref().map(pki::sha256);
    MlsHashes { commit: Some(pki::sha256(&commit.message)), welcome, group: Some(group) }
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
    let (mut alice, bob) = (Party::new(&running, "alice").await, Party::new(&running, "bob").await);
    let (id, change) = alice.creation(vec![alice.member.device_ref(), bob.member.device_ref()]);
    let mut group = Group::create(&alice.provider, &alice.device(), &id.0, 0).unwrap();
    let commit = alice.commit(&mut group, &[(&bob, &bob.package())], &[]);
    alice.confirm(&mut group);
    let first = MlsHashes { commit: None, ..alice.put_commit(&commit).await };
    let reply = alice.create(id, change, first).await;
    assert!(matches!(reply, Reply::Appended { index: 0, .. }), "{reply:?}");
    SealedRoom { running, alice, bob, id, group, first }
}
