//! A user's device in rooms of content suite 1, with real groups and in its own hands; in [`shown`] what a server takes for their messages.

pub mod shown;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use evidence::content::{Content, Field};
use evidence::entry::{Entry, Place, UnverifiedEntry};
use evidence::membership::{Change, DeviceRef, GroupHashes, Membership, MembershipClaim, MlsHashes};
use evidence::room::{ContentSuite, Creation, RoomId, RoomName};
use evidence::statement::{Statement, StatementClaim};
use group::{Commit, Device, Group, Provider, Store};
use minicbor::bytes::ByteArray;
use pki::ed25519::SigningKey;
use pki::trust::{NoRevocations, TrustAnchor, TrustStore, VerifiedCertificate};
use pki::{Chain, Sha256Hash, Usage};
use session::limits::{BLOB_PIECE, FETCH_ENTRIES};
use session::message::{Command, Reply};

use crate::member::Member;
use crate::peer::{Peer, now_ms};

/// A connected device with its groups' keys. The groups themselves are the test's.
pub struct Party {
    /// Who it is.
    pub member: Member,
    /// Its session.
    pub peer: Peer,
    /// Its certificate.
    pub certificate: VerifiedCertificate,
    /// Its keys: of key packages and of groups.
    pub provider: Provider,
    key: SigningKey,
}

impl Party {
    /// Connects and logs in.
    ///
    /// # Errors
    /// What stopped it.
    pub async fn new(member: Member, address: SocketAddr) -> Result<Self, String> {
        let peer = member.connect(address).await?;
        let certificate = verify(&member, &member.chain)?;
        let provider = Provider::new(Store::default()).map_err(|e| e.to_string())?;
        let key = member.key();
        Ok(Self { member, peer, certificate, provider, key })
    }

    /// The device as groups know it.
    pub fn device(&self) -> Device<'_> {
        Device { certificate: &self.certificate, key: &self.key }
    }

    /// A key package, of which the server does not know.
    pub fn package(&self) -> Vec<u8> {
        let package = group::package::create(&self.provider, &self.device(), false, now_ms());
        self.keep();
        package.expect("a key package")
    }

    /// Hands in so many key packages: others can add this device.
    ///
    /// # Errors
    /// The server's failure, or why the connection ended.
    pub async fn hand_in_packages(&mut self, count: usize) -> Result<(), String> {
        let packages = (0..count).map(|_| self.package().into()).collect();
        match self.peer.ask(Command::KeyPackagePut { packages, last_resort: None }).await? {
            Reply::KeyPackageCount { .. } => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }

    /// A pending commit.
    pub fn commit(&self, group: &mut Group, added: &[(&Self, &[u8])], removed: &[Sha256Hash]) -> Commit {
        let added: Vec<_> = added.iter().map(|(party, package)| (&party.certificate, *package)).collect();
        let commit = group.commit(&self.provider, &self.device(), &added, removed, now_ms());
        commit.expect("a commit")
    }

    /// The group goes into the epoch of its pending commit.
    pub fn confirm(&self, group: &mut Group) {
        group.confirm(&self.provider).expect("a pending commit");
        self.keep();
    }

    /// The pending commit is taken back.
    pub fn discard(&self, group: &mut Group) {
        group.discard(&self.provider).expect("discarded");
        self.keep();
    }

    /// A message of a text as it is, under no context.
    pub fn seal(&self, group: &mut Group, text: &str) -> Vec<u8> {
        self.seal_under(group, b"", text.as_bytes())
    }

    fn seal_under(&self, group: &mut Group, context: &[u8], content: &[u8]) -> Vec<u8> {
        let sealed = group.seal(&self.provider, &self.device(), context, content);
        self.keep();
        sealed.expect("a sealed message")
    }

    /// What changed stays in memory: nothing is written anywhere.
    fn keep(&self) {
        self.provider.store().take_changes();
    }

    /// Hands in a whole blob and returns its hash.
    pub async fn put(&mut self, blob: &[u8]) -> Sha256Hash {
        put_blob(&mut self.peer, blob).await
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
    ///
    /// # Errors
    /// The server's answer, if it is another.
    pub async fn get(&mut self, room: RoomId, hash: Sha256Hash) -> Result<Vec<u8>, Reply> {
        let mut blob = Vec::new();
        loop {
            let offset = blob.len() as u64;
            let get = Command::BlobGet { room: room.0.into(), hash: hash.into(), offset };
            match self.peer.ask(get).await.expect("a connection") {
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

    /// Joins the group of a room by the welcome of the newest entry that adds this device; the log must not have gone on to another key epoch.
    ///
    /// # Errors
    /// What stopped it.
    pub async fn join_group(&mut self, room: RoomId) -> Result<Group, String> {
        self.join_group_of(room, 0).await
    }

    /// As [`Self::join_group`], of a generation in which the newest entry that adds or welcomes this device is.
    ///
    /// # Errors
    /// What stopped it.
    pub async fn join_group_of(&mut self, room: RoomId, generation: u32) -> Result<Group, String> {
        let added = self.read_until_added(room).await?;
        let certificates = self.certificates(&added.members).await?;
        let welcome = added.mls.welcome.ok_or("nobody is welcomed")?;
        let tree = added.mls.group.ok_or("no ratchet tree")?.tree;
        let mut blobs = Vec::new();
        for hash in [welcome, tree] {
            blobs.push(self.get(room, hash).await.map_err(|reply| format!("{reply:?}"))?);
        }
        let [welcome, tree] = blobs.as_slice() else { return Err("two blobs".to_owned()) };
        let at = group::Place { room: &room.0, generation, epoch: added.key_epoch, members: &certificates };
        let group = Group::join(&self.provider, welcome, tree, at);
        self.keep();
        group.map_err(|e| e.to_string())
    }

    async fn read_until_added(&mut self, room: RoomId) -> Result<Added, String> {
        let own = self.certificate.hash();
        let (mut members, mut key_epoch, mut found) = (BTreeSet::new(), 0, None);
        let mut from = 0;
        loop {
            let fetch = Command::Fetch { room: room.0.into(), from, limit: FETCH_ENTRIES };
            let entries = match self.peer.ask(fetch).await? {
                Reply::Entries { entries, .. } => entries,
                other => return Err(format!("{other:?}")),
            };
            if entries.is_empty() {
                return found.ok_or_else(|| "no entry adds this device".to_owned());
            }
            from += entries.len() as u64;
            for entry in entries {
                match Entry::parse(&entry.statement).map_err(|e| e.to_string())? {
                    UnverifiedEntry::Statement(_) | UnverifiedEntry::Erasure(_) => {}
                    UnverifiedEntry::Revocation(revocation) => {
                        members.remove(&revocation.claim().revoked);
                    }
                    UnverifiedEntry::Membership(membership) => {
                        let claim = membership.claim();
                        let change = &claim.change;
                        // EV-45
                        key_epoch = match change {
                            Change::Leave(_) => key_epoch,
                            Change::Renew(_) => 1,
                            _ => key_epoch + 1,
                        };
                        for device in change.removed() {
                            members.remove(&device.certificate);
                        }
                        for device in change.added() {
                            members.insert(device.certificate);
                        }
                        let welcomes = matches!(change, Change::Renew(_)) && members.contains(&own);
                        if welcomes || change.added().iter().any(|device| device.certificate == own) {
                            let members = members.iter().copied().collect();
                            found = Some(Added { mls: claim.mls, key_epoch, members });
                        }
                    }
                }
            }
        }
    }

    /// The certificate with this hash, as the server gives it.
    ///
    /// # Errors
    /// What stopped it.
    pub async fn certificate_of(&mut self, hash: Sha256Hash) -> Result<VerifiedCertificate, String> {
        self.certificates(&[hash]).await?.pop().ok_or_else(|| "no such certificate".to_owned())
    }

    async fn certificates(&mut self, hashes: &[Sha256Hash]) -> Result<Vec<VerifiedCertificate>, String> {
        let hashes = hashes.iter().map(|hash| ByteArray::from(*hash)).collect();
        match self.peer.ask(Command::Certificates { hashes }).await? {
            Reply::Certificates { certificates } => certificates
                .into_iter()
                .map(|known| verify(&self.member, &Chain(known.chain.into_iter().map(Into::into).collect())))
                .collect(),
            other => Err(format!("{other:?}")),
        }
    }

    /// A membership statement.
    pub fn sign(&self, place: Place, change: Change, mls: MlsHashes) -> Vec<u8> {
        let claim = MembershipClaim { certificate: self.certificate.hash(), place, change, mls };
        Membership::sign(&claim, &self.key)
    }

    /// A statement under this ciphertext, whatever it is.
    pub fn say(&self, place: Place, ciphertext: &[u8]) -> Vec<u8> {
        let content = Content::new(vec![Field::Text("go".into())]).expect("a content");
        let hash = self.certificate.hash();
        let claim = StatementClaim::new(&self.member.user, hash, place, &content, ciphertext);
        Statement::sign(&claim, &self.key)
    }

    /// A statement and its ciphertext, sealed as members seal (GR-13), of a content whose one field has this number and, as its value, these bytes of
    /// CBOR, whatever they are. The commitment is by the rules of EV-7.
    pub fn say_raw(&self, group: &mut Group, place: Place, number: u64, value: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (commitment, content) = self.member.commit_raw(place, number, value);
        let certificate = self.certificate.hash();
        let context = group::context(&place.room.0, &certificate, place.seq, &commitment);
        let sealed = self.seal_under(group, &context, &content);
        let any = Content::new(vec![Field::Composed(0)]).expect("a content");
        let claim = StatementClaim {
            commitment,
            ..StatementClaim::new(&self.member.user, certificate, place, &any, &sealed)
        };
        (Statement::sign(&claim, &self.key), sealed)
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
        let name = Some(RoomName::parse("sealed").expect("a name"));
        (creation.room_id(), Change::Create { creation, name, devices })
    }

    /// Asks for a room by what [`Self::creation`] gave.
    pub async fn create(&mut self, room: RoomId, change: Change, mls: MlsHashes) -> Reply {
        let seen = evidence::log::TreeHead::empty();
        let place = Place { room, seq: 1, time_ms: now_ms(), epoch: 0, seen };
        let statement = self.sign(place, change, mls);
        self.create_by(room, statement).await
    }

    /// Asks for a room by a statement.
    pub async fn create_by(&mut self, room: RoomId, statement: Vec<u8>) -> Reply {
        let create = Command::RoomCreate { room: room.0.into(), statement };
        self.peer.ask(create).await.expect("a connection")
    }
}

/// What the newest entry that adds a device says, and who is a member behind it.
struct Added {
    mls: MlsHashes,
    key_epoch: u64,
    members: Vec<Sha256Hash>,
}

/// The hashes of what goes with a commit.
pub fn hashes(commit: &Commit) -> MlsHashes {
    let group = GroupHashes { info: pki::sha256(&commit.group_info), tree: pki::sha256(&commit.tree) };
    let welcome = commit.welcome.as_deref().map(pki::sha256);
    MlsHashes { commit: Some(pki::sha256(&commit.message)), welcome, group: Some(group) }
}

/// Hands in a whole blob (SE-35) and returns its hash.
pub async fn put_blob(peer: &mut Peer, blob: &[u8]) -> Sha256Hash {
    let hash = pki::sha256(blob);
    let size = blob.len() as u64;
    for (bytes, offset) in blob.chunks(BLOB_PIECE).zip((0..).step_by(BLOB_PIECE)) {
        let put = Command::BlobPut { hash: hash.into(), size, offset, bytes: bytes.to_vec() };
        let reply = peer.ask(put).await.expect("a connection");
        assert_eq!(reply, Reply::BlobHeld { held: offset + bytes.len() as u64 }, "a piece of a blob");
    }
    hash
}

fn verify(member: &Member, chain: &Chain) -> Result<VerifiedCertificate, String> {
    let anchor = TrustAnchor::new(&member.root, member.organisation.clone()).map_err(|e| e.to_string())?;
    let trust = TrustStore::new(vec![anchor]);
    trust.verify(chain, Usage::Device, now_ms(), &NoRevocations).map_err(|e| e.to_string())
}
