//! What runs while a client does: the connection and its renewal, the follower of the rooms' logs, the outbox.
//!
//! - [`Core`]: what all of it shares.
//! - [`mod@supervise`]: connects, logs in, reconnects; ends on what does not heal by itself.
//! - [`follow`]: one session's events, receipts and orderly end.

mod follow;
mod supervise;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use evidence::checkpoint::SignedCheckpoint;
use evidence::room::RoomId;
use pki::{Password, VerifiedCertificate};
use session::message::{Command, Reply, Role};
use tokio::sync::{Notify, broadcast, watch};

pub(crate) use supervise::supervise;

use crate::ClientError;
use crate::certificates::KnownCertificates;
use crate::clock::Clock;
use crate::connection::{Address, Connection};
use crate::directory::Held;
use crate::event::{self, Event};
use crate::file::{LostFiles, Spool};
use crate::home::{Home, Owner};
use crate::mls::Groups;
use crate::outbox::Waiters;
use crate::reply::expect_reply;
use crate::room::Room;
use crate::vault::{RoomRecord, RoomRow, Vault};

/// What all tasks of a client share.
pub(crate) struct Core {
    pub(crate) owner: Owner,
    pub(crate) vault: Vault,
    pub(crate) certificates: Arc<KnownCertificates>,
    /// Held while the directory is read on; `None` until it was read from the vault.
    pub(crate) directory: tokio::sync::Mutex<Option<Held>>,
    /// Its size, as far as it is read.
    pub(crate) directory_size: watch::Sender<u64>,
    pub(crate) clock: Clock,
    pub(crate) address: Address,
    pub(crate) password: Mutex<Arc<Password>>,
    pub(crate) lock_path: PathBuf,
    pub(crate) spool: Spool,
    pub(crate) lost_files: LostFiles,
    pub(crate) waiters: Waiters,
    pub(crate) groups: Groups,
    /// Rings when the outbox has something new, or a session began.
    pub(crate) outbox_bell: Notify,
    /// Rings when entries were stored whose contents are history for others, or may be had from them.
    pub(crate) history_bell: Notify,
    /// Whether entries were stored without a content since this was asked last.
    history_wanted: AtomicBool,
    /// Whether what others have was read once.
    pub(crate) history_settled: watch::Sender<bool>,
    pub(crate) session: watch::Sender<Option<Arc<Session>>>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) closing: watch::Sender<bool>,
    rooms: RwLock<HashMap<RoomId, Arc<Room>>>,
    events: broadcast::Sender<Event>,
}

/// A session in epoch 1.
pub(crate) struct Session {
    pub(crate) connection: Connection,
    pub(crate) role: Role,
    pub(crate) log: VerifiedCertificate,
    pub(crate) cosigner: VerifiedCertificate,
    /// Checkpoints verified last, newest first.
    pub(crate) last_checkpoint: Mutex<Vec<Arc<SignedCheckpoint>>>,
}

/// Where a client is.
#[derive(Debug, Clone)]
pub(crate) enum Status {
    /// Not logged in yet, or not all rooms read.
    Starting,
    /// Logged in once, and all rooms read.
    Ready,
    /// Over, and why.
    Ended(Arc<ClientError>),
}

impl Core {
    pub(crate) async fn new(home: Home, address: Option<Address>, clock: Clock) -> Result<Self, ClientError> {
        let (lock_path, spool) = (home.lock_path(), Spool::of(&home.folder));
        let Home { vault, password, owner, .. } = home;
        let certificates = Arc::new(KnownCertificates::load(&owner, &vault).await?);
        let core = Self {
            certificates,
            directory: tokio::sync::Mutex::default(),
            directory_size: watch::Sender::new(0),
            clock,
            address: address.unwrap_or_else(|| owner.address.clone()),
            password: Mutex::new(password),
            lock_path,
            spool,
            lost_files: LostFiles::default(),
            waiters: Waiters::default(),
            groups: Groups::default(),
            outbox_bell: Notify::new(),
            history_bell: Notify::new(),
            history_wanted: AtomicBool::new(false),
            history_settled: watch::Sender::new(false),
            session: watch::Sender::new(None),
            status: watch::Sender::new(Status::Starting),
            closing: watch::Sender::new(false),
            rooms: RwLock::default(),
            events: broadcast::Sender::new(event::QUEUE),
            owner,
            vault,
        };
        for row in core.vault.rooms().await? {
            let room = core.know(&row);
            core.load_receipts(&room).await?;
        }
        Ok(core)
    }

    pub(crate) fn emit(&self, event: Event) {
        // Without listeners nobody is told.
        let _ = self.events.send(event);
    }

    pub(crate) fn has_listeners(&self) -> bool {
        self.events.receiver_count() > 0
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// All rooms that this device knows.
    pub(crate) fn rooms(&self) -> Vec<Arc<Room>> {
        self.rooms.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(crate) fn room(&self, id: &RoomId) -> Result<Arc<Room>, ClientError> {
        let rooms = self.rooms.read().unwrap_or_else(PoisonError::into_inner);
        rooms.get(id).cloned().ok_or_else(|| ClientError::NotFound(format!("no room {id} is known here")))
    }

    /// Makes a room known; whether it was not before.
    pub(crate) async fn ensure_room(&self, record: &RoomRecord) -> Result<(Arc<Room>, bool), ClientError> {
        if let Ok(room) = self.room(&RoomId(*record.room)) {
            return Ok((room, false));
        }
        self.vault.ensure_room(record).await?;
        let row = self.vault.room(&record.room).await?.ok_or_else(ClientError::unexpected)?;
        let room = self.know(&row);
        self.load_receipts(&room).await?;
        Ok((room, true))
    }

    pub(crate) fn forget_room(&self, id: &RoomId) {
        self.rooms.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Makes a room known that is in the vault.
    pub(crate) fn know(&self, row: &RoomRow) -> Arc<Room> {
        let room = Arc::new(Room::new(row));
        let mut rooms = self.rooms.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(rooms.entry(room.id).or_insert(room))
    }

    /// The session now.
    pub(crate) fn session(&self) -> Result<Arc<Session>, ClientError> {
        if let Status::Ended(cause) = &*self.status.borrow() {
            return Err(ClientError::Ended(Arc::clone(cause)));
        }
        self.session.borrow().clone().ok_or(ClientError::Offline)
    }

    /// The server's time less this machine's, milliseconds.
    pub(crate) async fn clock_skew_ms(&self, session: &Session) -> Result<i64, ClientError> {
        let reply = session.connection.ask(Command::Time).await?;
        let server = expect_reply!(reply, Reply::Time { time } => time)?;
        let signed = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        Ok(signed(server).saturating_sub(signed((self.clock)())))
    }

    pub(crate) fn password(&self) -> Arc<Password> {
        Arc::clone(&self.password.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a password that the server has accepted: for later logins and for the vault.
    pub(crate) async fn adopt_password(&self, password: Arc<Password>) -> Result<(), ClientError> {
        *self.password.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&password);
        self.vault.rewrap(password).await?;
        Ok(self.vault.put_next_password(None).await?)
    }

    /// Waits until the client is to end.
    pub(crate) async fn closed(&self) {
        // The sender is ours: it cannot be gone.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// Says that statements were stored, `lacking` if one of them has no content.
    pub(crate) fn history_grows(&self, lacking: bool) {
        self.history_wanted.fetch_or(lacking, Ordering::AcqRel);
        self.history_bell.notify_one();
    }

    /// Whether one had none since this was taken last.
    pub(crate) fn wants_history(&self) -> bool {
        self.history_wanted.load(Ordering::Acquire)
    }

    pub(crate) fn take_history_wanted(&self) -> bool {
        self.history_wanted.swap(false, Ordering::AcqRel)
    }

    /// Waits until the client is to end, or cannot go on, and says which.
    pub(crate) async fn over(&self) -> ClientError {
        let mut status = self.status.subscribe();
        tokio::select! {
            () = self.closed() => ClientError::Closed,
            ended = status.wait_for(|status| matches!(status, Status::Ended(_))) => match ended.as_deref() {
                // The end that was asked for is one thing, whichever of the two is seen first.
                Ok(Status::Ended(cause)) if !matches!(**cause, ClientError::Closed) => {
                    ClientError::Ended(Arc::clone(cause))
                }
                _ => ClientError::Closed,
            },
        }
    }

    pub(crate) fn end(&self, cause: ClientError) {
        let cause = Arc::new(cause);
        self.waiters.fail_all(&cause);
        self.status.send_replace(Status::Ended(Arc::clone(&cause)));
        self.emit(Event::Ended(cause));
    }
}
