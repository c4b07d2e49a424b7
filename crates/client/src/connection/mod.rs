//! One connection to the server: TCP, channel, messages.
//!
//! [`Connection`] is a handle; a task owns the socket. Requests are pipelined: [`Connection::request`] may be called
//! again before the answer is there, and requests go out in the order of the calls. Events queue up to a limit;
//! beyond it they are dropped, which [`Events::missed`] tells: the log is read again then (SE-18).

mod error;
mod task;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use channel::{ClientConfig, LoginBinding};
use pki::VerifiedCertificate;
use session::message::{Command, Event, Reply};
use tokio::sync::{mpsc, oneshot, watch};

pub use error::ConnectionError;

use crate::clock::Clock;

/// Bytes of events that wait for their reader.
const MAX_QUEUED_EVENTS: usize = 16 * 1024 * 1024;
/// Calls that wait for the task.
const CALLS: usize = 1024;

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host name or address; IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A handle to an established connection.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    calls: mpsc::Sender<Call>,
    end: watch::Receiver<Option<Arc<ConnectionError>>>,
}

/// What the handshake gave.
pub(crate) struct Established {
    pub(crate) connection: Connection,
    pub(crate) events: Events,
    /// The server.
    pub(crate) server: VerifiedCertificate,
    /// The root certificate that matched the invite's fingerprint.
    pub(crate) pinned_root: Option<Vec<u8>>,
    /// E.
    pub(crate) exporter: channel::Exporter,
}

/// An answer that is on its way.
pub(crate) struct Answer {
    reply: oneshot::Receiver<Reply>,
    end: watch::Receiver<Option<Arc<ConnectionError>>>,
}

enum Call {
    Request { command: Box<Command>, reply: oneshot::Sender<Reply> },
    Bind { login: Box<LoginBinding>, bound: oneshot::Sender<()> },
    Close,
}

impl Connection {
    /// Connects and shakes hands.
    ///
    /// # Errors
    /// [`ConnectionError`].
    pub(crate) async fn open(
        address: &Address,
        config: ClientConfig,
        clock: Clock,
    ) -> Result<Established, Arc<ConnectionError>> {
        let (calls, call_receiver) = mpsc::channel(CALLS);
        let (end_sender, end) = watch::channel(None);
        let (event_sender, events) = event_queue();
        let task = task::Task::connect(address, config, clock, event_sender).await.map_err(Arc::new)?;
        let (task, opened) = task.shake_hands().await.map_err(Arc::new)?;
        tokio::spawn(async move {
            let end = task.run(call_receiver).await;
            let _ = end_sender.send(Some(Arc::new(end)));
        });
        let connection = Self { calls, end };
        Ok(Established {
            connection,
            events,
            server: opened.server,
            pinned_root: opened.pinned_root,
            exporter: opened.exporter,
        })
    }

    /// Sends a request; the answer is awaited separately.
    pub(crate) async fn request(&self, command: Command) -> Answer {
        let (reply, receiver) = oneshot::channel();
        // If the task is gone, so is `reply`, and the answer tells why.
        let _ = self.calls.send(Call::Request { command: Box::new(command), reply }).await;
        Answer { reply: receiver, end: self.end.clone() }
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn ask(&self, command: Command) -> Result<Reply, Arc<ConnectionError>> {
        self.request(command).await.wait().await
    }

    /// Starts epoch 1 with this login and waits until it stands (SE-8).
    pub(crate) async fn bind(&self, login: LoginBinding) -> Result<(), Arc<ConnectionError>> {
        let (bound, receiver) = oneshot::channel();
        let _ = self.calls.send(Call::Bind { login: Box::new(login), bound }).await;
        match receiver.await {
            Ok(()) => Ok(()),
            Err(_) => Err(reason(&self.end)),
        }
    }

    /// Ends the connection in order and waits until it has ended.
    pub(crate) async fn close(&self) {
        let _ = self.calls.send(Call::Close).await;
        self.ended().await;
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.end.borrow().is_some()
    }

    /// Waits for the end.
    pub(crate) async fn ended(&self) -> Arc<ConnectionError> {
        let mut end = self.end.clone();
        let _ = end.wait_for(Option::is_some).await;
        reason(&end)
    }
}

impl Answer {
    /// Waits for the answer.
    pub(crate) async fn wait(&mut self) -> Result<Reply, Arc<ConnectionError>> {
        match (&mut self.reply).await {
            Ok(reply) => Ok(reply),
            Err(_) => {
                let _ = self.end.wait_for(Option::is_some).await;
                Err(reason(&self.end))
            }
        }
    }
}

fn reason(end: &watch::Receiver<Option<Arc<ConnectionError>>>) -> Arc<ConnectionError> {
    end.borrow().clone().unwrap_or_else(|| Arc::new(ConnectionError::Ended))
}

/// Events as they came.
pub(crate) struct Events {
    receiver: mpsc::UnboundedReceiver<(usize, Event)>,
    shared: Arc<Queue>,
}

struct EventSender {
    sender: mpsc::UnboundedSender<(usize, Event)>,
    shared: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    bytes: AtomicUsize,
    missed: AtomicBool,
}

fn event_queue() -> (EventSender, Events) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let shared = Arc::new(Queue::default());
    (EventSender { sender, shared: Arc::clone(&shared) }, Events { receiver, shared })
}

impl EventSender {
    fn send(&self, event: Event) {
        let size = size_of::<Event>() + payload(&event);
        if self.shared.bytes.fetch_add(size, Ordering::Relaxed) + size > MAX_QUEUED_EVENTS {
            self.shared.bytes.fetch_sub(size, Ordering::Relaxed);
            self.shared.missed.store(true, Ordering::Relaxed);
            return;
        }
        // Without a reader (a joiner has none) events are dropped.
        let _ = self.sender.send((size, event));
    }
}

fn payload(event: &Event) -> usize {
    match event {
        Event::Entries { entries, checkpoint, .. } => {
            let of = |entry: &session::message::Entry| {
                size_of::<session::message::Entry>()
                    + entry.statement.len()
                    + entry.content.as_ref().map_or(0, Vec::len)
            };
            checkpoint.len() + entries.iter().map(of).sum::<usize>()
        }
        Event::Receipt { receipt, cosignature, .. } => receipt.len() + cosignature.len(),
        Event::RoomAdded { .. } | Event::DeviceRequested { .. } | Event::Closing { .. } => 0,
    }
}

impl Events {
    /// The next event; `None` once the connection has ended and all were taken.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        let (size, event) = self.receiver.recv().await?;
        self.shared.bytes.fetch_sub(size, Ordering::Relaxed);
        Some(event)
    }

    /// The next event if one is there.
    pub(crate) fn try_next(&mut self) -> Option<Event> {
        let (size, event) = self.receiver.try_recv().ok()?;
        self.shared.bytes.fetch_sub(size, Ordering::Relaxed);
        Some(event)
    }

    /// Whether events were dropped since the last call.
    pub(crate) fn missed(&self) -> bool {
        self.shared.missed.swap(false, Ordering::Relaxed)
    }
}
