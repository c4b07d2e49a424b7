//! Who is connected, and what is on its way to them. Fan-out is a hint: what does not fit is dropped with the
//! connection, and its client reads the log on from its own position (SE-22).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pki::VerifiedCertificate;
use session::limits::{MAX_MESSAGE, OUTBOUND_BYTES};
use session::message::{Event, FailureCode, Reply, ServerMessage, encode};
use store::Hash;
use tokio::sync::{Notify, mpsc};

use crate::failure;

/// A logged-in connection as the rest of the server sees it.
pub struct Session {
    /// Number of the connection.
    pub number: u64,
    /// Canonical user name.
    pub user: String,
    /// Hash of the device's certificate.
    pub certificate: Hash,
    /// The device's certificate as the handshake verified it.
    pub signer: VerifiedCertificate,
    outbound: Outbound,
    watching: AtomicBool,
}

/// The way to one connection; clones go the same way.
#[derive(Clone)]
pub struct Outbound {
    queue: mpsc::UnboundedSender<Arc<[u8]>>,
    queued: Arc<AtomicUsize>,
    end: Arc<End>,
}

/// The connection's side of an [`Outbound`].
pub struct Inbox {
    /// Framed messages to send.
    pub queue: mpsc::UnboundedReceiver<Arc<[u8]>>,
    queued: Arc<AtomicUsize>,
    /// Set when the connection has to end.
    pub end: Arc<End>,
}

/// Why a connection has to end, said once.
#[derive(Default)]
pub struct End {
    reason: Mutex<Option<&'static str>>,
    said: Notify,
}

impl End {
    fn say(&self, reason: &'static str) {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.said.notify_one();
    }

    /// Waits until there is a reason.
    pub async fn reason(&self) -> &'static str {
        loop {
            let said = self.said.notified();
            if let Some(reason) = *self.reason.lock().unwrap_or_else(PoisonError::into_inner) {
                return reason;
            }
            said.await;
        }
    }
}

/// A way to a connection and the connection's side of it.
pub fn outbound() -> (Outbound, Inbox) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let queued = Arc::new(AtomicUsize::new(0));
    let end = Arc::new(End::default());
    let outbound = Outbound { queue: sender, queued: Arc::clone(&queued), end: Arc::clone(&end) };
    (outbound, Inbox { queue: receiver, queued, end })
}

impl Inbox {
    /// Says that a message left the queue.
    pub fn taken(&self, message: &[u8]) {
        self.queued.fetch_sub(message.len(), Ordering::Relaxed);
    }
}

impl Outbound {
    /// Queues a framed message; a connection that would hold more than [`OUTBOUND_BYTES`] is ended (SE-22).
    pub fn send(&self, message: Arc<[u8]>) {
        let length = message.len();
        if self.queued.fetch_add(length, Ordering::Relaxed) + length > OUTBOUND_BYTES {
            self.end.say("you read too slowly; connect again and read on from your position");
        } else if self.queue.send(message).is_err() {
            self.queued.fetch_sub(length, Ordering::Relaxed);
        }
    }

    /// Answers a request.
    pub fn reply(&self, id: u32, reply: Reply) {
        let message = encode(&ServerMessage::Reply { id, reply });
        if message.len() > MAX_MESSAGE {
            let why = "the answer is too large for one message; ask for less at a time";
            let reply = failure::failed(FailureCode::TooLarge, why);
            return self.send(encode(&ServerMessage::Reply { id, reply }).into());
        }
        self.send(message.into());
    }
}

impl Session {
    /// A logged-in connection.
    pub fn new(number: u64, user: String, signer: VerifiedCertificate, outbound: Outbound) -> Self {
        let certificate = signer.hash();
        Self { number, user, certificate, signer, outbound, watching: AtomicBool::new(false) }
    }

    /// Answers a request of this session.
    pub fn reply(&self, id: u32, reply: Reply) {
        self.outbound.reply(id, reply);
    }

    /// From now on events are sent.
    pub fn watch(&self) {
        self.watching.store(true, Ordering::Release);
    }
}

/// Every logged-in connection, by its device's certificate.
#[derive(Default)]
pub struct Hub(Mutex<HashMap<Hash, Vec<Arc<Session>>>>);

impl Hub {
    /// Adds a connection.
    pub fn enter(&self, session: Arc<Session>) {
        self.lock().entry(session.certificate).or_default().push(session);
    }

    /// Removes a connection.
    pub fn leave(&self, session: &Session) {
        let mut sessions = self.lock();
        if let Some(here) = sessions.get_mut(&session.certificate) {
            here.retain(|s| s.number != session.number);
            if here.is_empty() {
                sessions.remove(&session.certificate);
            }
        }
    }

    /// Sends an event to the watching sessions of these devices; it is encoded once.
    pub fn publish<'a>(&self, event: Event, certificates: impl IntoIterator<Item = &'a Hash>) {
        let targets: Vec<Arc<Session>> = {
            let sessions = self.lock();
            let here = certificates.into_iter().filter_map(|c| sessions.get(c)).flatten();
            here.filter(|s| s.watching.load(Ordering::Acquire)).cloned().collect()
        };
        if targets.is_empty() {
            return;
        }
        let message: Arc<[u8]> = encode(&ServerMessage::Event { event }).into();
        for session in targets {
            session.outbound.send(Arc::clone(&message));
        }
    }

    /// Ends the sessions that `which` names (SE-23).
    pub fn end(&self, reason: &'static str, which: impl Fn(&Session) -> bool) {
        for session in self.lock().values().flatten().filter(|s| which(s)) {
            session.outbound.end.say(reason);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Vec<Arc<Session>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
