//! A room while the client runs: its log, its members, who has received what.
//!
//! - [`Room`]: what all tasks share.
//! - [`Log`]: the log folded, from index 0; held by whoever moves it.
//! - [`sync`]: takes entries and checkpoints from the server; the way into the vault.
//! - [`erasures`]: what entries erase of what is stored.
//! - [`verify`]: signatures and contents of many entries at once.
//! - [`receipts`]: this device's receipts and others'.

mod erasures;
mod log;
mod receipts;
mod received;
mod sync;
mod verify;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use evidence::log::TreeHead;
use evidence::room::{KeyEpoch, RoomId};
use tokio::sync::watch;

pub(crate) use log::Log;
pub(crate) use received::Received;
pub(crate) use sync::Batch;

use crate::ClientError;
use crate::mls::Renewal;
use crate::timeline::Acts;
use crate::vault::{RoomKey, RoomRow};

/// A room that this device knows.
pub(crate) struct Room {
    pub(crate) id: RoomId,
    pub(crate) key: RoomKey,
    /// Name and other party as the server lists them, until index 0 is held.
    pub(crate) listed_name: String,
    pub(crate) direct_with: Option<String>,
    /// Held while the log moves; `None` until it was read from the vault.
    pub(crate) log: tokio::sync::Mutex<Option<Log>>,
    facts: watch::Sender<Facts>,
    received: Mutex<Received>,
    told: Mutex<Told>,
    /// Edits and deletions, as far as somebody read the timeline.
    pub(crate) acts: tokio::sync::Mutex<Acts>,
    acknowledged: AtomicU64,
    /// Whether a copy of this home has changed the room's keys, and this one has not since (GR-22).
    copied: AtomicBool,
    /// What its keys are to be renewed with, if its user wants that.
    renewal: watch::Sender<Option<Renewal>>,
    /// Whether its keys are lost, and the way back does not lead in.
    stuck: AtomicBool,
}

/// What others need to know of a room's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Whether the log was read from the vault; until then all but sizes is unknown.
    pub(crate) loaded: bool,
    /// Entries stored.
    pub(crate) size: u64,
    /// Entries under a verified checkpoint.
    pub(crate) held: u64,
    /// That checkpoint.
    pub(crate) head: TreeHead,
    /// The room's epoch.
    pub(crate) epoch: u64,
    /// Whether this device is a member.
    pub(crate) member: bool,
    /// How far the room's group is; none in suite 0, and while the log is empty.
    pub(crate) keys: Option<KeyFacts>,
    /// Whether the log contradicted itself.
    pub(crate) stopped: bool,
}

/// Statements after which a device gives itself fresh keys before it goes on (GR-18).
const UPDATE_AFTER_STATEMENTS: u64 = 2_000;
/// Milliseconds after which it does: 7 days.
const UPDATE_AFTER_MS: u64 = 7 * 86_400_000;

/// What a room's log says of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyFacts {
    /// The key epoch (EV-45).
    pub(crate) at: KeyEpoch,
    /// Whether devices linger.
    pub(crate) lingering: bool,
    /// Statements of this device under the keys that it has in the group.
    pub(crate) said: u64,
    /// Since when it has them, Unix milliseconds.
    pub(crate) fresh_ms: u64,
}

impl KeyFacts {
    /// Whether this device is to give itself fresh keys.
    pub(crate) fn due(&self, now_ms: u64) -> bool {
        self.said >= UPDATE_AFTER_STATEMENTS || now_ms.saturating_sub(self.fresh_ms) >= UPDATE_AFTER_MS
    }
}

/// How far this device's own receipts are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    /// Entries covered, level delivered.
    pub(crate) delivered: u64,
    /// Entries shown to the user.
    pub(crate) shown: u64,
    /// Entries covered, level shown.
    pub(crate) shown_told: u64,
}

impl Room {
    pub(crate) fn new(row: &RoomRow) -> Self {
        let facts = Facts {
            loaded: false,
            size: row.size,
            held: row.held,
            head: TreeHead::empty(),
            epoch: 0,
            member: false,
            keys: None,
            stopped: row.stopped,
        };
        Self {
            id: RoomId(*row.record.room),
            key: row.key,
            listed_name: row.record.name.clone(),
            direct_with: row.record.direct_with.clone(),
            log: tokio::sync::Mutex::new(None),
            facts: watch::Sender::new(facts),
            received: Mutex::default(),
            told: Mutex::new(Told { delivered: row.delivered, shown: row.shown, shown_told: row.shown_told }),
            acts: tokio::sync::Mutex::default(),
            acknowledged: AtomicU64::new(0),
            copied: AtomicBool::new(false),
            renewal: watch::Sender::new(None),
            stuck: AtomicBool::new(false),
        }
    }

    pub(crate) fn facts(&self) -> Facts {
        *self.facts.borrow()
    }

    pub(crate) fn set_facts(&self, facts: Facts) {
        self.facts.send_replace(facts);
    }

    /// Notes that the room is not followed any more.
    pub(crate) fn stop(&self) {
        self.facts.send_modify(|facts| facts.stopped = true);
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Facts> {
        self.facts.subscribe()
    }

    pub(crate) fn check_not_stopped(&self) -> Result<(), ClientError> {
        if self.facts().stopped { Err(ClientError::Stopped(self.id)) } else { Ok(()) }
    }

    pub(crate) fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Highest number of this device that the server has proved to hold. It is in the log for ever, and so are those
    /// before: they are not sent again while they wait to be read there.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    pub(crate) fn set_acknowledged(&self, seq: u64) {
        self.acknowledged.fetch_max(seq, Ordering::Relaxed);
    }

    /// The log was read to its end and has this as the last number: a server that has lost what it acknowledged is sent
    /// it again.
    pub(crate) fn limit_acknowledged(&self, seq: u64) {
        self.acknowledged.fetch_min(seq, Ordering::Relaxed);
    }

    pub(crate) fn set_copied(&self, copied: bool) {
        self.copied.store(copied, Ordering::Relaxed);
    }

    pub(crate) fn is_copied(&self) -> bool {
        self.copied.load(Ordering::Relaxed)
    }

    /// What the room's keys are to be renewed with.
    pub(crate) fn renewal(&self) -> Option<Renewal> {
        self.renewal.borrow().clone()
    }

    pub(crate) fn set_renewal(&self, renewal: Option<Renewal>) {
        self.renewal.send_replace(renewal);
    }

    /// Waits until there is nothing to be renewed with any more.
    pub(crate) async fn renewal_settled(&self) {
        // The sender is the room's own.
        let _ = self.renewal.subscribe().wait_for(Option::is_none).await;
    }

    /// Notes whether the way back into the room's keys leads in; whether that is new.
    pub(crate) fn set_stuck(&self, stuck: bool) -> bool {
        self.stuck.swap(stuck, Ordering::Relaxed) != stuck
    }

    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Relaxed)
    }

    pub(crate) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
