//! The one task that orders entries. Stage one checks signatures on all cores; stage two, alone, gives indices, appends
//! many rooms' entries in one transaction, and only then acknowledges and fans out (SE-20).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use evidence::entry::Entry;
use pki::TrustStore;
use session::limits::{ADDED_PEOPLE_PER_HOUR, ERASURES_PER_HOUR, REFUSALS_PER_HOUR, ROOMS_PER_HOUR};
use session::message::{FailureCode, Reply};
use store::{Hash, Store};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Hub;
use super::append::Batch;
use super::keys::{self, Fault};
use super::quota::HourlyQuota;
use super::room::{LogCertificates, Room};
use super::verify::{Checked, Submission, verify};
use crate::clock::now_ms;
use crate::failure;
use crate::organisation::Authority;

/// Submissions that wait for their signatures to be checked; a connection that hands in more waits.
const QUEUE: usize = 4096;
/// Submissions taken together.
const BATCH: usize = 1024;
/// Submissions in a batch from which on more are taken to be on their way.
const BUSY: usize = 4;
/// How long those are waited for: together they cost one sync, one checkpoint and one event.
const GATHER: Duration = Duration::from_millis(10);
/// Batches checked ahead of the one that is being appended.
const AHEAD: usize = 2;
/// Rooms kept in memory between batches.
const MAX_OPEN_ROOMS: usize = 1024;

/// What the sequencer works with.
pub(crate) struct SequencerParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) trust: Arc<TrustStore>,
    pub(crate) keys: LogCertificates,
    pub(crate) hub: Arc<Hub>,
    /// Rung when something was erased.
    pub(crate) erased: Arc<Notify>,
}

/// A certificate to be revoked in every room that it is in.
pub(super) struct RevokeJob {
    pub(super) certificate: Hash,
    pub(super) reason: pki::trust::Reason,
    done: oneshot::Sender<bool>,
}

enum Job {
    Append(Vec<Checked>),
    Revoke(RevokeJob),
    Renewed(LogCertificates),
}

/// The way to the sequencer.
#[derive(Clone)]
pub(crate) struct Sequencer {
    submissions: mpsc::Sender<Submission>,
    jobs: mpsc::Sender<Job>,
}

impl Sequencer {
    /// Starts both stages; they end when every way to them is dropped, and say which they were.
    pub(crate) fn start(parts: SequencerParts) -> (Self, JoinSet<&'static str>) {
        let (submissions, to_check) = mpsc::channel(QUEUE);
        let (jobs, to_do) = mpsc::channel(AHEAD);
        let worker = Worker {
            parts,
            rooms: HashMap::new(),
            batches: 0,
            created: HourlyQuota::new(ROOMS_PER_HOUR),
            refusals: HourlyQuota::new(REFUSALS_PER_HOUR),
            added: HourlyQuota::new(ADDED_PEOPLE_PER_HOUR),
            erasures: HourlyQuota::new(ERASURES_PER_HOUR),
        };
        let mut stages = JoinSet::new();
        let checked = jobs.clone();
        stages.spawn(async {
            check_all(to_check, checked).await;
            "the check of signatures"
        });
        stages.spawn(async {
            worker.run(to_do).await;
            "the sequencer"
        });
        (Self { submissions, jobs }, stages)
    }

    /// Hands in a statement; the reply comes by the session, but for a server that stops.
    pub(crate) async fn submit(&self, submission: Submission) -> Option<Reply> {
        match self.submissions.send(submission).await {
            Ok(()) => None,
            Err(_) => Some(unavailable()),
        }
    }

    /// Enters a revocation in every room that the certificate is in, and says whether it stands in all of them.
    pub(crate) async fn revoke(&self, certificate: Hash, reason: pki::trust::Reason) -> bool {
        let (done, finished) = oneshot::channel();
        let sent = self.jobs.send(Job::Revoke(RevokeJob { certificate, reason, done })).await;
        // A sequencer that stops finishes at the next start: the directory says what is revoked.
        sent.is_ok() && finished.await.unwrap_or(false)
    }

    /// Signs from now on under renewed certificates of the same keys.
    pub(crate) async fn renewed(&self, keys: LogCertificates) {
        // A sequencer that stops signs nothing more.
        let _ = self.jobs.send(Job::Renewed(keys)).await;
    }
}

async fn check_all(mut to_check: mpsc::Receiver<Submission>, jobs: mpsc::Sender<Job>) {
    let mut batch = Vec::with_capacity(BATCH);
    while to_check.recv_many(&mut batch, BATCH).await > 0 {
        let busy = batch.len() >= BUSY;
        let taken = std::mem::take(&mut batch);
        let Ok(checked) = tokio::task::spawn_blocking(move || verify(taken)).await else { return };
        if !checked.is_empty() && jobs.send(Job::Append(checked)).await.is_err() {
            return;
        }
        if busy {
            sleep(GATHER).await;
        }
    }
}

pub(super) struct Worker {
    pub(super) parts: SequencerParts,
    /// Rooms in memory; one that did not get appended as planned is dropped and opened again.
    pub(super) rooms: HashMap<Hash, Room>,
    /// Batches so far.
    batches: u64,
    /// Rooms created by each device (SE-18).
    created: HourlyQuota,
    /// Statements of each device that were refused for good (SE-20).
    pub(super) refusals: HourlyQuota,
    /// People whom each device added to rooms (SE-21).
    pub(super) added: HourlyQuota,
    /// Erasures by each device.
    erasures: HourlyQuota,
}

impl Worker {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.recv().await {
            match job {
                Job::Append(checked) => self.append(checked).await,
                Job::Revoke(job) => {
                    let stands = self.revoke(&job).await;
                    let _ = job.done.send(stands);
                }
                Job::Renewed(keys) => self.parts.keys = keys,
            }
        }
    }

    async fn append(&mut self, checked: Vec<Checked>) {
        self.batches += 1;
        let mut batch = Batch::default();
        for item in checked {
            if item.submission.creates {
                match self.created.take(item.submission.session.certificate, 1, now_ms()) {
                    Ok(()) => {
                        // It is a transaction of its own, and must not take a blob that an entry before it needs.
                        self.commit(std::mem::take(&mut batch)).await;
                        self.create(item).await;
                    }
                    Err(wait_ms) => item
                        .submission
                        .reply(failure::too_often("this device has created too many rooms", wait_ms)),
                }
            } else {
                self.place(item, &mut batch).await;
            }
        }
        self.commit(batch).await;
        self.close_rooms();
    }

    /// Forgets the rooms that were not used for longest. Between batches only: what a batch holds is not on disk yet.
    fn close_rooms(&mut self) {
        while self.rooms.len() > MAX_OPEN_ROOMS {
            let Some(oldest) = self.rooms.iter().min_by_key(|(_, room)| room.used).map(|(id, _)| *id) else {
                return;
            };
            self.rooms.remove(&oldest);
        }
    }

    /// Gives an entry its index in memory, or answers why it has none.
    async fn place(&mut self, mut item: Checked, batch: &mut Batch) {
        let now = now_ms();
        let id = item.submission.room;
        match self.open(&id).await {
            Ok(true) => {}
            Ok(false) => return item.submission.reply(not_there()),
            Err(e) => return item.submission.reply(failure::store(&e)),
        }
        let device = item.submission.session.certificate;
        // Nothing is kept for, read for, or told to, a device that never was here.
        let was_here = |room: &Room| room.state.member(&device).is_some() || room.state.last_seq(&device) > 0;
        if !self.rooms.get(&id).is_some_and(was_here) {
            return item.submission.reply(not_there());
        }
        let certificates = match self.learn(&item.entry, now).await {
            Ok(certificates) => certificates,
            Err(e) => return item.submission.reply(failure::store(&e)),
        };
        match keys::still_there(self.parts.store.as_ref(), &item, batch, now).await {
            Ok(true) => {}
            Ok(false) => item.submission.named = None,
            Err(e) => return item.submission.reply(failure::store(&e)),
        }
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.used = self.batches;
        let statement = pki::sha256(&item.submission.statement);
        // Before its number is looked at: that another stands under it now is no equivocation (EV-32).
        if room.refused.contains(&statement) {
            return self.refuse_again(item, batch).await;
        }
        let known = room.state.last_seq(&device);
        if item.entry.place().seq <= known {
            return self.repeat(item, batch).await;
        }
        if let Some(reason) = item.refused {
            return self.refuse(item, reason, batch).await;
        }
        if let Some(fault) = keys::fault(&item, room.state.key_epoch()) {
            // What does not fit the room at all is told first: a stale message is one of a stale statement.
            return match (room.check(&item.entry, &certificates, Some(now)), fault) {
                (Err(e), _) => self.refuse(item, e.into(), batch).await,
                (Ok(()), Fault::Refused(reason)) => self.refuse(item, reason, batch).await,
                (Ok(()), Fault::Missing) => item.submission.reply(failure::missing_blob()),
            };
        }
        if let Err(wait_ms) = self.added.take(device, others_added(&item), now) {
            return item.submission.reply(added_too_many(wait_ms));
        }
        if let Entry::Erasure(_) = item.entry
            && let Err(wait_ms) = self.erasures.take(device, 1, now)
        {
            let why = "this device has erased too often; one erasure names many messages";
            return item.submission.reply(failure::too_often(why, wait_ms));
        }
        let before = room.member_certificates();
        match room.accept(&item.entry, &certificates, Some(now)) {
            Ok(index) => batch.push(room, item, index, before, now),
            Err(e) => self.refuse(item, e.into(), batch).await,
        }
    }

    /// Opens a room if it is not in memory; says whether there is one.
    pub(super) async fn open(&mut self, id: &Hash) -> Result<bool, store::StoreError> {
        if self.rooms.contains_key(id) {
            return Ok(true);
        }
        let parts = &self.parts;
        let Some(room) = Room::open(id, parts.store.as_ref(), &parts.trust, &parts.keys).await? else {
            return Ok(false);
        };
        self.rooms.insert(*id, room);
        Ok(true)
    }
}

/// People, others than its sender, whom an entry adds.
pub(super) fn others_added(item: &Checked) -> u32 {
    let Entry::Membership(membership) = &item.entry else { return 0 };
    let added = membership.change.added().iter().map(|device| device.user.as_str());
    let others: HashSet<&str> = added.filter(|user| *user != item.submission.session.user).collect();
    u32::try_from(others.len()).unwrap_or(u32::MAX)
}

pub(super) fn added_too_many(wait_ms: u64) -> Reply {
    failure::too_often("this device has added too many people to rooms", wait_ms)
}

pub(super) fn unavailable() -> Reply {
    failure::failed(FailureCode::Unavailable, "the server is stopping; send it again when it is back")
}

pub(super) fn not_there() -> Reply {
    failure::failed(FailureCode::NotFound, "you are in no such room")
}
