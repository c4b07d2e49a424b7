//! One transaction for many rooms: entries get their indices, their checkpoint and their proofs; after the sync they are
//! acknowledged, then fanned out.

use std::collections::{HashMap, HashSet};

use evidence::entry::Entry;
use evidence::membership::Change;
use evidence::refusal::{Reason, Refusal, RefusalClaim};
use evidence::room::{ContentSuite, Context, KeyEpoch};
use minicbor::bytes::ByteArray;
use pki::{Name, Usage, VerifiedCertificate};
use session::message::{Event, FailureCode, Reply};
use store::{AppendError, Hash, MemberChange, NewEntry, NewEquivocation, NewRoom, RoomAppend, StoreError};
use tracing::{error, warn};

use super::keys::{self, Fault};
use super::room::{CertificateReader, Room};
use super::sequencer::{RevokeJob, Worker, added_too_many, others_added};
use super::verify::{Checked, Submission};
use crate::clock::now_ms;
use crate::failure;
use crate::revocation::REVOKED;

/// Entries under one checkpoint.
const PART_ENTRIES: usize = 512;
/// Bytes of statements and contents under one checkpoint: it has to fit into one message.
const PART_BYTES: usize = 256 * 1024;

/// Entries of one room under one checkpoint.
struct Part {
    append: RoomAppend,
    first: u64,
    bytes: usize,
    /// Devices that are sent these entries.
    to: Vec<Hash>,
    /// Devices that they make members.
    added: Vec<Hash>,
    waiting: Vec<Waiting>,
}

/// A submission to be acknowledged; none for the log's own entries.
struct Waiting {
    submission: Option<Submission>,
    index: u64,
}

/// The parts of one transaction.
#[derive(Default)]
pub(super) struct Batch {
    parts: Vec<Part>,
    /// The part of each room that still grows.
    growing: HashMap<Hash, usize>,
    /// What was handed in again, with the index of its entry.
    repeats: Vec<(Checked, u64)>,
    /// Blobs that its entries take, by device.
    taken: HashSet<(Hash, Hash)>,
}

impl Batch {
    /// Adds an entry that a room has accepted. `before` are the members before it.
    pub(super) fn push(&mut self, room: &mut Room, item: Checked, index: u64, before: Vec<Hash>, now: u64) {
        let Checked { submission, entry, .. } = item;
        self.add(room, &entry, submission.content.clone(), index, before, now, Some(submission));
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one entry with all that goes with it, private to this file"
    )]
    fn add(
        &mut self,
        room: &mut Room,
        entry: &Entry,
        content: Option<Vec<u8>>,
        index: u64,
        before: Vec<Hash>,
        now: u64,
        submission: Option<Submission>,
    ) {
        let id = room.state.id().0;
        let bytes = entry.bytes().len() + content.as_ref().map_or(0, Vec::len);
        let fits = |part: &Part| part.append.entries.len() < PART_ENTRIES && part.bytes + bytes <= PART_BYTES;
        let growing = self.growing.get(&id).copied().filter(|at| self.parts.get(*at).is_some_and(fits));
        let at = growing.unwrap_or_else(|| {
            self.parts.push(Part::new(id, index, before));
            self.parts.len() - 1
        });
        self.growing.insert(id, at);
        let Some(part) = self.parts.get_mut(at) else { return };
        part.bytes += bytes;
        let blobs = submission.as_ref().map_or_else(Vec::new, |submission| submission.blobs(entry));
        self.taken.extend(blobs.iter().map(|hash| (entry.certificate(), *hash)));
        part.append.entries.push(NewEntry {
            kind: kind(entry),
            statement: entry.bytes().to_vec(),
            ciphertext: content,
            sender: entry.certificate(),
            seq: entry.place().seq,
            leaf_hash: entry.leaf_hash(),
            received_ms: now,
            blobs,
            erases: erases(entry),
        });
        part.append.members.extend(changes(entry, index));
        part.added.extend(added(entry));
        part.append.epoch = room.state.epoch();
        part.append.frontier = room.tree.compact().to_bytes();
        part.waiting.push(Waiting { submission, index });
        if matches!(entry, Entry::Membership(_) | Entry::Revocation(_)) {
            // Whoever is removed here gets nothing that comes after, and whoever is added nothing before.
            self.growing.remove(&id);
        }
    }

    /// Remembers a repeated submission: it is answered with the entry's index once this batch stands.
    pub(super) fn repeat(&mut self, item: Checked, index: u64) {
        self.repeats.push((item, index));
    }

    /// Whether an entry of this batch takes this blob of a device.
    pub(super) fn takes(&self, device: &Hash, hash: &Hash) -> bool {
        self.taken.contains(&(*device, *hash))
    }

    /// The index in this batch of the entry with these bytes.
    pub(super) fn index_of(&self, room: &Hash, leaf: &Hash) -> Option<u64> {
        let parts = self.parts.iter().filter(|p| p.append.room == *room);
        let mut entries = parts.flat_map(|p| p.append.entries.iter().zip(p.first..));
        entries.find(|(entry, _)| entry.leaf_hash == *leaf).map(|(_, index)| index)
    }
}

impl Part {
    fn new(room: Hash, first: u64, to: Vec<Hash>) -> Self {
        let append = RoomAppend {
            room,
            expected_size: first,
            entries: Vec::new(),
            frontier: Vec::new(),
            checkpoint: Vec::new(),
            members: Vec::new(),
            epoch: 0,
        };
        Self { append, first, bytes: 0, to, added: Vec::new(), waiting: Vec::new() }
    }

    fn size(&self) -> u64 {
        self.first + self.append.entries.len() as u64
    }
}

impl Worker {
    /// Signs, appends, acknowledges, fans out: in this order. Says whether all of it stands.
    pub(super) async fn commit(&mut self, mut batch: Batch) -> bool {
        let mut stands = true;
        let now = now_ms();
        for part in &mut batch.parts {
            let size = part.size();
            if let Some(room) = self.rooms.get_mut(&part.append.room) {
                part.append.checkpoint = room.sign_at(size, &self.parts.authority, now);
            }
        }
        if !batch.parts.is_empty() {
            let appends = batch.parts.iter().map(|p| p.append.clone()).collect();
            let results = match self.parts.store.append(appends).await {
                Ok(results) => results,
                Err(e) => {
                    self.give_up(batch, &e);
                    return false;
                }
            };
            for (part, result) in batch.parts.into_iter().zip(results) {
                match result {
                    Ok(()) => self.announce(part),
                    Err(e) => {
                        self.take_back(part, &e);
                        stands = false;
                    }
                }
            }
        }
        for (item, index) in batch.repeats {
            self.acknowledge_again(&item, index).await;
        }
        stands
    }

    /// Acknowledges and fans out what is on disk.
    fn announce(&self, part: Part) {
        let id = part.append.room;
        let Some(room) = self.rooms.get(&id) else { return };
        let (size, checkpoint) = (part.size(), part.append.checkpoint);
        if part.append.entries.iter().any(|entry| !entry.erases.is_empty()) {
            self.parts.erased.notify_one();
        }
        for Waiting { submission, index } in part.waiting {
            let Some(submission) = submission else { continue };
            submission.reply(appended(room, index, size, checkpoint.clone()));
        }
        let entries = part
            .append
            .entries
            .into_iter()
            .map(|e| session::message::Entry { statement: e.statement, content: e.ciphertext });
        let event =
            Event::Entries { room: id.into(), first: part.first, entries: entries.collect(), checkpoint };
        self.parts.hub.publish(event, &part.to);
        if !part.added.is_empty() {
            self.parts.hub.publish(Event::RoomAdded { room: id.into() }, &part.added);
        }
    }

    async fn acknowledge_again(&self, item: &Checked, index: u64) {
        let room = self.rooms.get(&item.submission.room);
        let reply = room.and_then(|room| {
            let checkpoint = room.checkpoint.as_ref()?;
            Some(appended(room, index, checkpoint.head().size, checkpoint.as_text().as_bytes().to_vec()))
        });
        if reply.is_some() {
            // Nothing else is placed now: this batch is on disk.
            keys::discard(self.parts.store.as_ref(), item, &Batch::default()).await;
        }
        item.submission.reply(reply.unwrap_or_else(again));
    }

    /// The room moved on under us, or what we planned does not fit what is stored: open it again.
    fn take_back(&mut self, part: Part, error: &AppendError) {
        warn!("an append was refused by the store: {error}");
        if let AppendError::RevokedCertificate(sender) = error {
            // Another process revoked it, and the watch has not come to it yet.
            self.parts.hub.end(REVOKED, |session| session.certificate == *sender);
        }
        self.rooms.remove(&part.append.room);
        part.waiting.into_iter().filter_map(|w| w.submission).for_each(|s| s.reply(again()));
    }

    /// The outcome is unknown: nothing is acknowledged, and every room is read again before it goes on.
    fn give_up(&mut self, batch: Batch, error: &StoreError) {
        error!("the store failed: {}", failure::chain(error));
        for part in batch.parts {
            self.rooms.remove(&part.append.room);
            part.waiting
                .into_iter()
                .filter_map(|w| w.submission)
                .for_each(|s| s.reply(failure::store(error)));
        }
        batch.repeats.into_iter().for_each(|(item, _)| item.submission.reply(failure::store(error)));
    }

    /// A number that its sender has used: the same bytes get the same answer, others are proof of equivocation (SE-20).
    pub(super) async fn repeat(&mut self, item: Checked, batch: &mut Batch) {
        let (id, sender) = (item.submission.room, item.submission.session.certificate);
        let leaf = item.entry.leaf_hash();
        if let Some(index) = batch.index_of(&id, &leaf) {
            return batch.repeat(item, index);
        }
        let stored = match self.parts.store.entry_by_seq(&id, &sender, item.entry.place().seq).await {
            Ok(stored) => stored,
            Err(e) => return item.submission.reply(failure::store(&e)),
        };
        match stored {
            Some(stored) if stored.leaf_hash == leaf => batch.repeat(item, stored.index),
            Some(stored) => {
                let proof = NewEquivocation {
                    room: id,
                    device: sender,
                    seq: stored.seq,
                    first: stored.statement,
                    second: item.submission.statement.clone(),
                    found_ms: now_ms(),
                };
                if let Err(e) = self.parts.store.put_equivocation(proof).await {
                    error!("cannot keep a proof of equivocation: {}", failure::chain(&e));
                }
                self.refuse(item, Reason::Sequence, batch).await;
            }
            // Its place is in this batch, under other bytes.
            None => self.refuse(item, Reason::Sequence, batch).await,
        }
    }

    /// Sends the refusal that stands; it was counted when it was made.
    pub(super) async fn refuse_again(&mut self, item: Checked, batch: &Batch) {
        let Submission { room, ref session, ref statement, .. } = item.submission;
        let statement = pki::sha256(statement);
        let seq = item.entry.place().seq;
        match self.parts.store.final_refusals(&room, &session.certificate, seq).await {
            Ok(stored) => match stored.into_iter().find(|r| r.statement_hash == statement) {
                Some(standing) => {
                    keys::discard(self.parts.store.as_ref(), &item, batch).await;
                    item.submission.reply(Reply::Refused { refusal: standing.refusal });
                }
                // The store failed when it was to be kept.
                None => self.refuse(item, Reason::Sequence, batch).await,
            },
            Err(e) => item.submission.reply(failure::store(&e)),
        }
    }

    /// Signs and stores a final refusal, then sends it.
    pub(super) async fn refuse(&mut self, item: Checked, reason: Reason, batch: &Batch) {
        let submission = &item.submission;
        if let Err(wait_ms) = self.refusals.take(submission.session.certificate, 1, now_ms()) {
            let what = "too many statements of this device were refused";
            return submission.reply(failure::too_often(what, wait_ms));
        }
        let statement = pki::sha256(&submission.statement);
        let claim = RefusalClaim {
            certificate: self.parts.keys.log.hash(),
            room: evidence::room::RoomId(submission.room),
            time_ms: now_ms(),
            statement,
            device: submission.session.certificate,
            seq: item.entry.place().seq,
            reason,
        };
        let refusal = store::FinalRefusal {
            room: submission.room,
            device: submission.session.certificate,
            seq: claim.seq,
            statement_hash: statement,
            refusal: Refusal::sign(&claim, self.parts.authority.log_key()),
        };
        // Whatever becomes of the transaction: it may have happened, though the store says that it failed.
        if let Some(room) = self.rooms.get_mut(&submission.room) {
            room.refused.insert(statement);
        }
        match self.parts.store.put_final_refusal(refusal).await {
            Ok(standing) => {
                keys::discard(self.parts.store.as_ref(), &item, batch).await;
                submission.reply(Reply::Refused { refusal: standing.refusal });
            }
            Err(e) => submission.reply(failure::store(&e)),
        }
    }

    /// Makes a room, in a transaction of its own (SE-21).
    pub(super) async fn create(&mut self, item: Checked) {
        let now = now_ms();
        let id = item.submission.room;
        match self.open(&id).await {
            Ok(false) => {}
            // The same create again, after a lost answer.
            Ok(true) => {
                let mut batch = Batch::default();
                self.repeat(item, &mut batch).await;
                self.commit(batch).await;
                return;
            }
            Err(e) => return item.submission.reply(failure::store(&e)),
        }
        let certificates = match self.learn(&item.entry, now).await {
            Ok(certificates) => certificates,
            Err(e) => return item.submission.reply(failure::store(&e)),
        };
        let created = {
            let roots = evidence::log::Tree::default();
            Room::create(
                &item.entry,
                &Context { certificates: &certificates, roots: &roots, now_ms: Some(now) },
            )
        };
        let mut room = match created {
            Ok(room) => room,
            Err(e) => {
                let why = format!("the room cannot be created: {e}");
                return item.submission.reply(failure::failed(FailureCode::Malformed, why));
            }
        };
        let creation = room.state.creation();
        if creation.organisation != *self.parts.authority.organisation() {
            let why = "the room is of another organisation";
            return item.submission.reply(failure::failed(FailureCode::Malformed, why));
        }
        // EV-4: rooms that the server can read are those of earlier versions.
        if creation.suite == ContentSuite::ServerReads {
            let why = "the room would not be encrypted end to end, and such rooms are created no more; create another with a newer version of this program";
            return item.submission.reply(failure::failed(FailureCode::Malformed, why));
        }
        match keys::fault(&item, Some(KeyEpoch::FIRST)) {
            None => {}
            Some(Fault::Missing) => return item.submission.reply(failure::missing_blob()),
            Some(Fault::Refused(reason)) => {
                let why = format!("the room cannot be created: {reason}");
                return item.submission.reply(failure::failed(FailureCode::Malformed, why));
            }
        }
        if let Err(wait_ms) = self.added.take(item.submission.session.certificate, others_added(&item), now) {
            return item.submission.reply(added_too_many(wait_ms));
        }
        let direct = creation.parties.as_ref().map(|[a, b]| direct_pair(a, b));
        let new = NewRoom {
            id,
            name: room.state.name().map(|name| name.as_str().to_owned()),
            mode: 0,
            suite: creation.suite.number().into(),
            direct,
            created_ms: now,
        };
        let mut batch = Batch::default();
        batch.push(&mut room, item, 0, Vec::new(), now);
        let Some(mut part) = batch.parts.pop() else { return };
        part.append.checkpoint = room.sign_at(1, &self.parts.authority, now);
        match self.parts.store.create_room(new, part.append.clone()).await {
            Ok(()) => {
                self.rooms.insert(id, room);
                part.to.clone_from(&part.added);
                self.announce(part);
            }
            Err(e) => part
                .waiting
                .into_iter()
                .filter_map(|w| w.submission)
                .for_each(|s| s.reply(failure::store(&e))),
        }
    }

    /// Enters a revocation in every room that the certificate is in (EV-18); says whether it stands in all of them.
    pub(super) async fn revoke(&mut self, job: &RevokeJob) -> bool {
        let rooms = match self.parts.store.rooms_of_device(&job.certificate).await {
            Ok(rooms) => rooms,
            Err(e) => {
                error!("cannot read the rooms of a revoked device: {}", failure::chain(&e));
                return false;
            }
        };
        let mut batch = Batch::default();
        let mut opened = true;
        for id in rooms {
            if let Err(e) = self.open(&id).await {
                error!("cannot open a room of a revoked device: {}", failure::chain(&e));
                opened = false;
            }
            let Some(room) = self.rooms.get_mut(&id) else { continue };
            let now = now_ms();
            let before = room.member_certificates();
            match room.revocation(job, &self.parts.keys.log, &self.parts.authority, now) {
                Ok((entry, index)) => batch.add(room, &entry, None, index, before, now, None),
                Err(e) => warn!("a revocation does not fit a room: {e}"),
            }
        }
        self.commit(batch).await && opened
    }

    /// The certificates that an entry names, as far as they are good now.
    pub(super) async fn learn(
        &self,
        entry: &Entry,
        now: u64,
    ) -> Result<HashMap<Hash, VerifiedCertificate>, StoreError> {
        let Entry::Membership(membership) = entry else { return Ok(HashMap::new()) };
        let mut reader = CertificateReader::new(self.parts.store.as_ref(), &self.parts.trust);
        for device in membership.change.added() {
            let revoked =
                self.parts.store.certificate(&device.certificate).await?.is_some_and(|c| c.revoked.is_some());
            if !revoked {
                reader.read(&device.certificate, Usage::Device, now).await?;
            }
        }
        Ok(reader.known().clone())
    }
}

/// The key of the one direct room of two users. That of content suite 0 was without the last line: who has such a room makes one of suite 1
/// beside it.
fn direct_pair(a: &Name, b: &Name) -> Hash {
    pki::sha256(format!("{a}\n{b}\n{}", ContentSuite::EndToEnd.number()).as_bytes())
}

fn appended(room: &Room, index: u64, size: u64, checkpoint: Vec<u8>) -> Reply {
    let proof = room.tree.inclusion(index, size).map(|p| p.path).unwrap_or_default();
    Reply::Appended { index, checkpoint, proof: proof.into_iter().map(ByteArray::from).collect() }
}

fn again() -> Reply {
    failure::failed(FailureCode::Conflict, "the room moved on meanwhile; send it again")
}

/// Kind of a statement in the store.
pub(crate) const STATEMENT: u8 = 0;

fn kind(entry: &Entry) -> u8 {
    match entry {
        Entry::Statement(_) => STATEMENT,
        Entry::Membership(_) => 1,
        Entry::Revocation(_) => 2,
        Entry::Erasure(_) => 3,
    }
}

fn erases(entry: &Entry) -> Vec<u64> {
    match entry {
        Entry::Erasure(erasure) => erasure.erased.indices().collect(),
        _ => Vec::new(),
    }
}

fn added(entry: &Entry) -> Vec<Hash> {
    match entry {
        Entry::Membership(m) => m.change.added().iter().map(|d| d.certificate).collect(),
        _ => Vec::new(),
    }
}

fn changes(entry: &Entry, index: u64) -> Vec<MemberChange> {
    match entry {
        Entry::Statement(_) | Entry::Erasure(_) => Vec::new(),
        Entry::Membership(m) => {
            let change: &Change = &m.change;
            let removed =
                change.removed().iter().map(|d| MemberChange::Removed { certificate: d.certificate, index });
            removed
                .chain(
                    change.added().iter().map(|d| MemberChange::Added { certificate: d.certificate, index }),
                )
                .collect()
        }
        Entry::Revocation(r) => vec![MemberChange::Removed { certificate: r.revoked, index }],
    }
}
