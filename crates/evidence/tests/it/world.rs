//! An organisation in memory: CA, server keys, people, one room and its log, honest or as told.

use std::collections::HashMap;
use std::io::Cursor;

use evidence::Hash;
use evidence::bundle::{DirectoryProof, Export, Item, Root, Scope, Writer, verify};
use evidence::checkpoint::{Checkpoint, Cosignature, Origin, SignedCheckpoint, device_name};
use evidence::content::{Attachment, Content, Field, FileName, MediaType, Reaction, Reference};
use evidence::cose::Object;
use evidence::directory::{Issue, Leaf, Revoke, Subject};
use evidence::entry::{Place, RevocationClaim};
use evidence::erasure::{Erased, ErasureClaim, ErasureReason};
use evidence::log::{Tree, TreeHead, leaf_hash};
use evidence::membership::{Change, DeviceClaim, DeviceRef, GroupHashes, MembershipClaim, MlsHashes};
use evidence::receipt::{Level, ReceiptClaim};
use evidence::room::{ContentSuite, Creation, RoomId, RoomName};
use evidence::statement::StatementClaim;
use evidence::verdict::{Said, Verdict};
use pki::ca::{IssuingCa, RootCa, Validity};
use pki::ed25519::SigningKey;
use pki::trust::Reason;
use pki::{Chain, Fingerprint, Holder, Name, Organisation, TrustStore, VerifiedCertificate, sha256};

/// When everything begins, Unix milliseconds.
pub const START_MS: u64 = 1_780_000_000_000;

pub struct Party {
    pub key: SigningKey,
    pub chain: Chain,
    pub certificate: VerifiedCertificate,
}

impl Party {
    pub fn hash(&self) -> Hash {
        self.certificate.hash()
    }

    pub fn user(&self) -> Name {
        self.certificate.identity().user().unwrap().clone()
    }

    pub fn reference(&self) -> DeviceRef {
        DeviceRef { user: self.user(), certificate: self.hash() }
    }
}

pub struct World {
    pub organisation: Organisation,
    pub root: RootCa,
    pub issuing: IssuingCa,
    pub store: TrustStore,
    pub log: Party,
    pub cosigner: Party,
    pub devices: Vec<Party>,
    pub directory: Vec<Leaf>,
    pub vouching: Vec<Vec<u8>>,
    pub suite: ContentSuite,
    pub room: RoomId,
    pub entries: Vec<Vec<u8>>,
    pub contents: Vec<Option<Content>>,
    pub changes: Vec<u64>,
    pub tree: Tree,
    pub checkpoints: Vec<SignedCheckpoint>,
    pub receipts: Vec<(Vec<u8>, Cosignature)>,
    pub epoch: u64,
    /// Devices in the room.
    pub members: usize,
    pub seq: HashMap<Hash, u64>,
    pub now_ms: u64,
}

/// What an export shows of a message.
#[derive(Clone, Copy)]
pub enum Show {
    All,
    Fields(&'static [u64]),
    Nothing,
    PlaceOnly,
}

impl World {
    /// An organisation with these first devices, one a user, and nothing said yet.
    pub fn new(users: &[&str]) -> Self {
        let organisation = Organisation::parse("apollo.example").unwrap();
        let years = |years: u32| Validity::days(START_MS - 86_400_000, 365 * years).unwrap();
        let root = RootCa::generate(&organisation, &years(10)).unwrap();
        let issuing = root.new_issuing_ca(&years(5)).unwrap();
        let store = TrustStore::new(vec![root.anchor().clone()]);
        let mut directory = Vec::new();
        let mut party = |holder: Holder| issue(&issuing, &store, &mut directory, holder, None);
        let node = Name::parse("node1").unwrap();
        let (log, cosigner) = (party(Holder::Log(node.clone())), party(Holder::Cosigner(node)));
        let device = |user: &&str| {
            let (user, device) = (Name::parse(user).unwrap(), Name::parse("laptop").unwrap());
            party(Holder::Device { user, device })
        };
        let devices: Vec<Party> = users.iter().map(device).collect();
        Self {
            organisation,
            root,
            issuing,
            store,
            log,
            cosigner,
            devices,
            directory,
            vouching: Vec::new(),
            suite: ContentSuite::ServerReads,
            room: RoomId([0; 32]),
            entries: Vec::new(),
            contents: Vec::new(),
            changes: Vec::new(),
            tree: Tree::default(),
            checkpoints: Vec::new(),
            receipts: Vec::new(),
            epoch: 0,
            members: 0,
            seq: HashMap::new(),
            now_ms: START_MS,
        }
    }

    /// As [`World::new`], with a room of everybody that device 0 created.
    pub fn with_room(users: &[&str]) -> Self {
        Self::with_room_of(ContentSuite::ServerReads, users)
    }

    /// As [`World::new`], with a room of everybody that device 0 created in this content suite.
    pub fn with_room_of(suite: ContentSuite, users: &[&str]) -> Self {
        Self::new(users).another_room(suite)
    }

    /// As this organisation goes on, another room of everybody, created by device 0 in this content suite.
    pub fn another_room(mut self, suite: ContentSuite) -> Self {
        let devices = self.devices.iter().map(Party::reference).collect();
        self.entries.clear();
        self.contents.clear();
        self.changes.clear();
        self.checkpoints.clear();
        self.receipts.clear();
        self.seq.clear();
        (self.suite, self.epoch, self.tree) = (suite, 0, Tree::default());
        self.create(None, Some(RoomName::parse("mission").unwrap()), devices, |_| {});
        self
    }

    pub fn create(
        &mut self,
        parties: Option<[Name; 2]>,
        name: Option<RoomName>,
        devices: Vec<DeviceRef>,
        change: impl Fn(&mut MembershipClaim),
    ) {
        let creator = self.devices[0].hash();
        let creation = Creation {
            organisation: self.organisation.clone(),
            creator,
            parties,
            suite: self.suite,
            nonce: [7; 32],
        };
        self.room = creation.room_id();
        self.members = devices.len();
        let create = Change::Create { creation, name, devices };
        let mut claim = self.membership(0, create);
        change(&mut claim);
        self.room = claim.place.room;
        let bytes = Object::sign(&claim, &self.devices[0].key);
        self.append(bytes, None, true);
    }

    /// A new device of an existing user; `voucher` is the device that vouches.
    pub fn add_device(&mut self, user: &str, device: &str, voucher: Option<usize>) -> usize {
        let (user, device) = (Name::parse(user).unwrap(), Name::parse(device).unwrap());
        let key = SigningKey::generate().unwrap();
        let vouched = voucher.map(|voucher| {
            let voucher = &self.devices[voucher];
            let claim =
                DeviceClaim::new(voucher.hash(), self.now_ms, user.clone(), device.clone(), key.public());
            let bytes = Object::sign(&claim, &voucher.key);
            self.vouching.push(bytes.clone());
            sha256(&bytes)
        });
        let holder = Holder::Device { user, device };
        let party = issue_to(&self.issuing, &self.store, &mut self.directory, holder, vouched, key);
        self.devices.push(party);
        self.devices.len() - 1
    }

    /// Another certificate of the log's key, one that is good for this many days, and whose hash is below that of the
    /// one in use: it comes first in a bundle.
    pub fn earlier_log(&mut self, days: u32) -> (Chain, VerifiedCertificate) {
        let holder = self.log.certificate.identity().holder.clone();
        let validity = Validity::days(START_MS - 1_000, days).unwrap();
        loop {
            let chain = self.issuing.issue_to_key(self.log.key.public(), &holder, &validity).unwrap();
            let certificate = self.store.verify_as_of(&chain, holder.usage(), START_MS).unwrap();
            if certificate.hash() < self.log.hash() {
                self.directory.push(issue_leaf(&certificate, None, holder));
                return (chain, certificate);
            }
        }
    }

    pub fn seen(&self) -> TreeHead {
        self.checkpoints.last().map_or_else(TreeHead::empty, SignedCheckpoint::head)
    }

    pub fn place(&mut self, certificate: Hash) -> Place {
        let seq = self.seq.entry(certificate).or_default();
        *seq += 1;
        let seq = *seq;
        Place { room: self.room, seq, time_ms: self.now_ms, epoch: self.epoch, seen: self.seen() }
    }

    pub fn membership(&mut self, by: usize, change: Change) -> MembershipClaim {
        let certificate = self.devices[by].hash();
        let place = self.place(certificate);
        let mls = self.hashes(certificate, &change);
        MembershipClaim { certificate, place, change, mls }
    }

    /// What a change names of the group's messages (EV-46); any hashes will do, as nobody looks behind them.
    fn hashes(&self, by: Hash, change: &Change) -> MlsHashes {
        if self.suite == ContentSuite::ServerReads || matches!(change, Change::Leave(_)) {
            return MlsHashes::default();
        }
        let welcomes = match change {
            Change::Renew(removed) => self.members > removed.len() + 1,
            _ => change.added().iter().any(|device| device.certificate != by),
        };
        MlsHashes {
            commit: (!matches!(change, Change::Create { .. } | Change::Renew(_))).then_some([1; 32]),
            welcome: welcomes.then_some([2; 32]),
            group: Some(GroupHashes { info: [3; 32], tree: [4; 32] }),
        }
    }

    pub fn change(&mut self, by: usize, change: Change) -> u64 {
        let claim = self.membership(by, change);
        self.epoch = claim.change.new_epoch(self.epoch);
        self.members = self.members + claim.change.added().len() - claim.change.removed().len();
        let bytes = Object::sign(&claim, &self.devices[by].key);
        self.append(bytes, None, true)
    }

    pub fn revoke(&mut self, device: usize) -> u64 {
        let (revoked, certificate) = (self.devices[device].hash(), self.log.hash());
        let reason = Reason::KeyCompromise;
        self.members -= 1;
        let place = self.place(certificate);
        let claim = RevocationClaim { certificate, place, revoked, reason };
        self.epoch += 1;
        self.directory.push(Leaf::Revoke(Revoke { certificate: revoked, reason, time_ms: self.now_ms }));
        let bytes = Object::sign(&claim, &self.log.key);
        self.append(bytes, None, true)
    }

    /// Erases messages, each said by device `by`'s user or not.
    pub fn erase(&mut self, by: usize, indices: &[u64], reason: &str) -> u64 {
        let named = indices.iter().map(|index| self.reference(*index)).collect();
        self.erase_named(by, named, reason, |_| {})
    }

    /// Erases what these references name, by a claim that `change` may spoil before it is signed.
    pub fn erase_named(
        &mut self,
        by: usize,
        named: Vec<Reference>,
        reason: &str,
        change: impl FnOnce(&mut ErasureClaim),
    ) -> u64 {
        let certificate = self.devices[by].hash();
        let place = self.place(certificate);
        let (erased, reason) = (Erased::new(named).unwrap(), ErasureReason::parse(reason).unwrap());
        let mut claim = ErasureClaim { certificate, place, erased, reason };
        change(&mut claim);
        let bytes = Object::sign(&claim, &self.devices[by].key);
        self.append(bytes, None, true)
    }

    pub fn say(&mut self, by: usize, text: &str) -> u64 {
        self.say_with(by, text, |_| {})
    }

    /// Says something by a claim that `change` may spoil before it is signed.
    pub fn say_with(&mut self, by: usize, text: &str, change: impl FnOnce(&mut StatementClaim)) -> u64 {
        let at = Field::Composed(self.now_ms);
        self.say_fields(by, vec![Field::Text(text.to_owned()), at, Field::Script(-10_000)], change)
    }

    /// Says something with these fields.
    pub fn say_fields(
        &mut self,
        by: usize,
        fields: Vec<Field>,
        change: impl FnOnce(&mut StatementClaim),
    ) -> u64 {
        let (user, certificate) = (self.devices[by].user(), self.devices[by].hash());
        let place = self.place(certificate);
        let content = Content::new(fields).unwrap();
        let ciphertext = match self.suite {
            ContentSuite::ServerReads => content.to_bytes(),
            ContentSuite::EndToEnd => b"sealed".to_vec(),
        };
        let mut claim = StatementClaim::new(&user, certificate, place, &content, &ciphertext);
        change(&mut claim);
        let bytes = Object::sign(&claim, &self.devices[by].key);
        self.append(bytes, Some(content), false)
    }

    /// Sends a file, with a text.
    pub fn send(&mut self, by: usize, text: &str, name: &str, bytes: &[u8]) -> u64 {
        let file = Attachment::inline(
            FileName::parse(name).unwrap(),
            MediaType::parse("text/plain"),
            bytes.to_vec(),
        );
        let at = Field::Composed(self.now_ms);
        self.say_fields(by, vec![Field::Text(text.to_owned()), at, Field::Attachments(vec![file])], |_| {})
    }

    /// The reference to an entry.
    pub fn reference(&self, index: u64) -> Reference {
        Reference { index, leaf: leaf_hash(&self.entries[usize::try_from(index).unwrap()]) }
    }

    /// A message of device 0, and what it and device 1, of another user, say of it, good and not; its index, after which
    /// the others follow.
    pub fn relate(&mut self) -> u64 {
        let first = self.say(0, "one");
        let (to, created) = (self.reference(first), self.reference(0));
        let text = |text: &str| Field::Text(text.to_owned());
        let react = |to, emoji, given| vec![Field::Reaction(Reaction::new(to, emoji, given).unwrap())];
        let mentions = Field::Mentions(vec![self.devices[0].user()]);
        self.say_fields(1, vec![text("Say again, @cdr."), Field::Reply(to), mentions], |_| {});
        self.say_fields(1, react(to, "👍", true), |_| {});
        let edit = self.say_fields(0, vec![text("uno"), Field::Edit(to)], |_| {});
        let (of_edit, later) = (self.reference(edit), Reference { index: 10_000, ..to });
        self.say_fields(1, vec![text("of another user"), Field::Edit(to)], |_| {});
        self.say_fields(0, vec![text("of an edit"), Field::Edit(of_edit)], |_| {});
        self.say_fields(1, react(Reference { leaf: [0; 32], ..to }, "👎", true), |_| {});
        self.say_fields(1, vec![text("to no message"), Field::Reply(created)], |_| {});
        self.say_fields(1, vec![text("to what is not there"), Field::Reply(later)], |_| {});
        self.say_fields(0, vec![Field::Deletion(to)], |_| {});
        self.say_fields(0, vec![text("too late"), Field::Edit(to)], |_| {});
        self.say_fields(1, react(to, "👍", false), |_| {});
        first
    }

    /// The log as it is now without its last entry, which signed `seq` of its own signer no more.
    pub fn take_back(&mut self, by: usize) {
        let index = self.tree.size() - 1;
        self.entries.pop();
        self.contents.pop();
        self.checkpoints.pop();
        self.changes.retain(|change| *change != index);
        self.tree = Tree::default();
        for entry in &self.entries {
            self.tree.push(leaf_hash(entry));
        }
        *self.seq.get_mut(&self.devices[by].hash()).unwrap() -= 1;
    }

    /// Logs bytes, whatever they are, and signs a checkpoint over them.
    pub fn append(&mut self, bytes: Vec<u8>, content: Option<Content>, is_change: bool) -> u64 {
        let index = self.tree.push(leaf_hash(&bytes));
        if is_change {
            self.changes.push(index);
        }
        self.entries.push(bytes);
        self.contents.push(content);
        self.checkpoint();
        self.now_ms += 1_000;
        index
    }

    pub fn checkpoint(&mut self) {
        let head = TreeHead { size: self.tree.size(), root: self.tree.root() };
        let checkpoint = Checkpoint { origin: Origin::room(&self.organisation, self.room), head };
        let signed = checkpoint.sign(&self.log.key, &self.cosigner.key, self.now_ms / 1_000);
        self.checkpoints.push(signed);
    }

    /// Gives log and cosigner new keys, and returns the parties that they were.
    pub fn renew_server_keys(&mut self) -> [Party; 2] {
        let node = Name::parse("node1").unwrap();
        let mut party = |holder| issue(&self.issuing, &self.store, &mut self.directory, holder, None);
        let (log, cosigner) = (party(Holder::Log(node.clone())), party(Holder::Cosigner(node)));
        [std::mem::replace(&mut self.log, log), std::mem::replace(&mut self.cosigner, cosigner)]
    }

    pub fn receipt(&mut self, by: usize, from: u64, to: u64) {
        self.receipt_with(by, from, to, |_| {});
    }

    pub fn receipt_with(&mut self, by: usize, from: u64, to: u64, change: impl FnOnce(&mut ReceiptClaim)) {
        let party = &self.devices[by];
        let mut claim = ReceiptClaim {
            certificate: party.hash(),
            room: self.room,
            time_ms: self.now_ms,
            head: self.seen(),
            level: Level::Delivered,
            from,
            to,
            unopened: Vec::new(),
        };
        change(&mut claim);
        let checkpoint = Checkpoint { origin: Origin::room(&self.organisation, self.room), head: claim.head };
        let device = party.certificate.identity().device().unwrap().clone();
        let name = device_name(&self.organisation, &party.user(), &device);
        let cosignature = Cosignature::sign(&checkpoint, &name, &party.key, self.now_ms / 1_000);
        let bytes = Object::sign(&claim, &party.key);
        self.receipts.push((bytes, cosignature));
    }

    pub fn directory_proofs(&self) -> (String, Vec<DirectoryProof>) {
        let mut tree = Tree::default();
        for leaf in &self.directory {
            tree.push(leaf.leaf_hash());
        }
        let head = TreeHead { size: tree.size(), root: tree.root() };
        let checkpoint = Checkpoint { origin: Origin::directory(&self.organisation), head };
        let signed = checkpoint.sign(&self.log.key, &self.cosigner.key, self.now_ms / 1_000);
        let proofs = self.directory.iter().zip(0..).map(|(leaf, index)| DirectoryProof {
            index,
            leaf: leaf.to_bytes(),
            path: tree.inclusion(index, head.size).unwrap().path,
        });
        (signed.as_text().to_owned(), proofs.collect())
    }

    pub fn export(&self, from: u64, to: u64) -> Export {
        let parties = self.devices.iter().chain([&self.log, &self.cosigner]);
        let (directory, directory_proofs) = self.directory_proofs();
        let scope = Scope {
            organisation: self.organisation.clone(),
            room: self.room,
            from,
            to,
            size: self.tree.size(),
        };
        Export {
            scope,
            name: Some("mission".to_owned()),
            root: self.root.certificate().to_vec(),
            certificates: parties.map(|party| party.chain.clone()).collect(),
            directory,
            directory_proofs,
            vouching: self.vouching.clone(),
            checkpoints: self.checkpoints.clone(),
            receipts: self.receipts.clone(),
            changes_before: self.changes.iter().copied().filter(|index| *index < from).collect(),
        }
    }

    pub fn item(&self, index: u64, show: Show) -> Item {
        let at = usize::try_from(index).unwrap();
        let entry = self.entries[at].clone();
        match (&self.contents[at], show) {
            (None, _) | (Some(_), Show::Nothing) => Item::Entry { index, entry },
            (Some(_), Show::PlaceOnly) => Item::Hidden { index, leaf: leaf_hash(&entry) },
            (Some(content), Show::All) => Item::Disclosed { index, entry, content: content.to_bytes() },
            (Some(content), Show::Fields(numbers)) => {
                Item::Opened { index, entry, opening: content.open(numbers) }
            }
        }
    }

    pub fn write(&self, export: &Export, show: impl Fn(u64) -> Show) -> Vec<u8> {
        let mut writer = Writer::start(Cursor::new(Vec::new()), export, &self.tree).unwrap();
        for index in export.changes_before.iter().copied().chain(export.scope.from..=export.scope.to) {
            writer.item(&self.item(index, show(index))).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    /// A bundle of everything, all shown.
    pub fn bundle(&self) -> Vec<u8> {
        self.write(&self.export(0, self.tree.size() - 1), |_| Show::All)
    }

    pub fn pinned(&self) -> Root {
        Root::Pinned(Fingerprint::of(self.root.certificate()))
    }

    pub fn verify(&self, bundle: &[u8]) -> (Verdict, Vec<Said>) {
        verify(bundle, self.pinned()).unwrap()
    }
}

fn issue(
    issuing: &IssuingCa,
    store: &TrustStore,
    directory: &mut Vec<Leaf>,
    holder: Holder,
    vouched: Option<Hash>,
) -> Party {
    issue_to(issuing, store, directory, holder, vouched, SigningKey::generate().unwrap())
}

fn issue_to(
    issuing: &IssuingCa,
    store: &TrustStore,
    directory: &mut Vec<Leaf>,
    holder: Holder,
    vouched: Option<Hash>,
    key: SigningKey,
) -> Party {
    let validity = Validity::days(START_MS - 1_000, 365).unwrap();
    let chain = issuing.issue_to_key(key.public(), &holder, &validity).unwrap();
    let certificate = store.verify_as_of(&chain, holder.usage(), START_MS).unwrap();
    directory.push(issue_leaf(&certificate, vouched, holder));
    Party { key, chain, certificate }
}

fn issue_leaf(certificate: &VerifiedCertificate, vouched: Option<Hash>, holder: Holder) -> Leaf {
    Leaf::Issue(Issue {
        certificate: certificate.hash(),
        vouched,
        subject: Subject::Holder(holder),
        serial: vec![1, 2, 3],
        time_ms: START_MS,
    })
}
