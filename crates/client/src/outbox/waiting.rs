//! Who waits for the answer to a message.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evidence::Hash;
use evidence::cose::Kind as _;
use evidence::entry::Entry;
use evidence::erasure::ErasureClaim;
use evidence::room::RoomId;
use tokio::sync::watch;

use crate::ClientError;
use crate::engine::Core;
use crate::event::Event;
use crate::room::Room;
use crate::vault::Parcel;

/// A message's place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logged {
    /// Its number among this device's entries in the room.
    pub seq: u64,
    /// Log index.
    pub index: u64,
    /// SHA-256 of the signed entry.
    pub statement: Hash,
}

#[derive(Debug, Clone)]
pub(super) enum SendState {
    Queued,
    Logged(Logged),
    Failed(Arc<ClientError>),
}

/// A message that is stored on this device and on its way.
#[derive(Debug, Clone)]
pub struct SendHandle {
    room: RoomId,
    seq: u64,
    state: watch::Receiver<SendState>,
}

impl SendHandle {
    /// The room.
    pub fn room(&self) -> RoomId {
        self.room
    }

    /// The number it was stored under; it may get another if the server refuses this one.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Waits until the message is in the log: on the server's disk, synced, its proof checked.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if the server refused it for good; [`ClientError::Ended`] if the client ended before: the
    /// message stays in the outbox then.
    pub async fn logged(&mut self) -> Result<Logged, ClientError> {
        let settled = self.state.wait_for(|state| !matches!(state, SendState::Queued)).await;
        match settled.as_deref() {
            Ok(SendState::Logged(logged)) => Ok(*logged),
            Ok(SendState::Failed(error)) => Err(ClientError::Ended(Arc::clone(error))),
            Ok(SendState::Queued) | Err(_) => Err(ClientError::Closed),
        }
    }
}

/// What stays the same of a message through all changes of number, keys and signature: SHA-256 of its content, whose salts are
/// random; of an erasure, of what it erases and why; of a change of members, which is never signed again, of the entry.
pub(super) type Ticket = Hash;

/// The ticket of a row.
pub(super) fn ticket(parcel: &Parcel) -> Ticket {
    match (&parcel.content, parcel.as_erasure()) {
        (Some(content), _) => pki::sha256(content),
        (None, Some(erasure)) => ticket_of_erasure(&erasure),
        (None, None) => pki::sha256(&parcel.entry),
    }
}

/// The ticket of what became this entry with this content.
fn ticket_of(entry: &Entry, content: Option<&[u8]>) -> Ticket {
    match (content, entry) {
        (Some(content), _) => pki::sha256(content),
        (None, Entry::Erasure(erasure)) => ticket_of_erasure(erasure),
        (None, _) => pki::sha256(entry.bytes()),
    }
}

fn ticket_of_erasure(erasure: &ErasureClaim) -> Ticket {
    pki::sha256(&erasure.encode().1)
}

struct Waiter {
    room: RoomId,
    state: watch::Sender<SendState>,
    /// Whether the row is in the outbox for good.
    stored: bool,
}

/// All who wait.
#[derive(Default)]
pub(crate) struct Waiters {
    by_ticket: Mutex<HashMap<Ticket, Waiter>>,
    changed: tokio::sync::Notify,
}

impl Waiters {
    fn lock(&self) -> MutexGuard<'_, HashMap<Ticket, Waiter>> {
        self.by_ticket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, room: RoomId, seq: u64, ticket: Ticket) -> SendHandle {
        let (sender, state) = watch::channel(SendState::Queued);
        self.lock().insert(ticket, Waiter { room, state: sender, stored: false });
        SendHandle { room, seq, state }
    }

    pub(super) fn stored(&self, ticket: &Ticket) {
        if let Some(waiter) = self.lock().get_mut(ticket) {
            waiter.stored = true;
        }
    }

    /// Whose rows were stored and have no answer.
    pub(super) fn open(&self) -> Vec<(RoomId, Ticket)> {
        let waiters = self.lock();
        waiters
            .iter()
            .filter(|(_, waiter)| waiter.stored)
            .map(|(ticket, waiter)| (waiter.room, *ticket))
            .collect()
    }

    /// Whether somebody waited.
    pub(super) fn failed(&self, ticket: &Ticket, error: &Arc<ClientError>) -> bool {
        self.settle(ticket, SendState::Failed(Arc::clone(error)))
    }

    /// Whether somebody waited.
    fn settle(&self, ticket: &Ticket, state: SendState) -> bool {
        let Some(waiter) = self.lock().remove(ticket) else { return false };
        waiter.state.send_replace(state);
        self.changed.notify_waiters();
        true
    }

    pub(crate) fn fail_all(&self, error: &Arc<ClientError>) {
        for (_, waiter) in self.lock().drain() {
            waiter.state.send_replace(SendState::Failed(Arc::clone(error)));
        }
        self.changed.notify_waiters();
    }

    /// Waits until nobody waits.
    pub(crate) async fn settled(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.lock().is_empty() {
                return;
            }
            changed.await;
        }
    }
}

impl Core {
    /// Tells that a message of this device is in the log.
    pub(super) fn message_logged(&self, room: &Room, ticket: &Ticket, logged: Logged) {
        if self.waiters.settle(ticket, SendState::Logged(logged)) {
            self.emit(Event::Logged { room: room.id, seq: logged.seq, index: logged.index });
        }
    }

    /// Tells that a message, or a change, will not be in the log; of changes only whoever waits is told, who makes them again.
    pub(super) fn message_failed(&self, room: &Room, ticket: &Ticket, error: ClientError, said: bool) {
        let error = Arc::new(error);
        self.waiters.failed(ticket, &error);
        if said {
            tracing::warn!(room = %room.id, "a message is not sent: {error}");
            self.emit(Event::NotSent { room: room.id, why: error });
        }
    }

    /// Notes an entry that is in the log, if it is this device's.
    pub(crate) fn own_entry_logged(&self, room: &Room, index: u64, entry: &Entry, content: Option<&[u8]>) {
        if entry.certificate() == self.owner.certificate.hash() {
            let statement = pki::sha256(entry.bytes());
            let logged = Logged { seq: entry.place().seq, index, statement };
            self.message_logged(room, &ticket_of(entry, content), logged);
        }
    }
}
