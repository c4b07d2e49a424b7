//! The handle that an application holds.

mod changes;
mod messages;
mod names;
mod people;
mod renewal;
mod rooms;
mod verification;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use evidence::Hash;
use evidence::room::RoomId;
use session::message::Role;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use messages::{Contradiction, Outgoing, Queued};
pub use people::{Device, DeviceRequest, Invite, InviteSummary, User};
pub(crate) use people::{FIRST_LOGIN_POLL, FIRST_LOGIN_WAIT};
pub use rooms::{MemberDevice, RoomSummary};
pub use verification::{Compared, Person, PersonDevice, Voucher};

use crate::ClientError;
use crate::clock::{Clock, system_clock};
use crate::connection::Address;
use crate::engine::{Core, Status, supervise};
use crate::event::Events;
use crate::file::resume;
use crate::history;
use crate::home::Home;
use crate::outbox::{Draft, Job, SendHandle, push, write};
use crate::room::Room;

/// Drafts that wait to be written.
const JOBS: usize = 4096;
/// How long a close waits for messages that are under way, and for each task's end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// How a client runs.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Where the server is, if not where it was at joining.
    pub server: Option<Address>,
    /// The clock.
    pub clock: Clock,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { server: None, clock: system_clock }
    }
}

/// A running client. Clones are handles to the same one; when the last is dropped it ends without ceremony.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    core: Arc<Core>,
    jobs: mpsc::Sender<Job>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.core.closing.send_replace(true);
    }
}

/// Once all rooms are read, adds to them the devices of this user that are missing, as they had no key packages when they could have been
/// added (docs/group.md, GR-21), and whenever the directory has grown those of others who come back with a recovery key (GR-34).
async fn complete_rooms(core: Arc<Core>, client: Weak<Inner>) {
    if core.owner.is_recovery_key() {
        return;
    }
    let mut status = core.status.subscribe();
    let ready = status.wait_for(|status| !matches!(status, Status::Starting)).await;
    if !ready.is_ok_and(|status| matches!(*status, Status::Ready)) {
        return;
    }
    let mut directory = core.directory_size.subscribe();
    {
        let Some(client) = client.upgrade().map(Client) else { return };
        if let Err(error) = client.add_own_devices().await {
            tracing::info!("devices of this user are not in all of its rooms: {error}");
        }
    }
    // Others have not started just now.
    let mut at_once = true;
    loop {
        directory.mark_unchanged();
        {
            let Some(client) = client.upgrade().map(Client) else { return };
            if let Err(error) = client.add_recovered(std::mem::take(&mut at_once)).await {
                tracing::info!("devices of users who came back are not in all of their rooms: {error}");
            }
        }
        tokio::select! {
            changed = directory.changed() => if changed.is_err() { return },
            _ = core.over() => return,
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("user", &self.0.core.owner.user).finish_non_exhaustive()
    }
}

impl Client {
    /// Starts: connects, logs in, follows the rooms, sends what waits in the outbox, and reconnects by itself.
    ///
    /// # Errors
    /// [`ClientError::Vault`]; what goes wrong with the connection is told by [`Self::ready`] and [`Self::events`].
    pub async fn start(home: Home, options: ClientOptions) -> Result<Self, ClientError> {
        let core = Arc::new(Core::new(home, options.server, options.clock).await?);
        let (jobs, job_receiver) = mpsc::channel(JOBS);
        let tasks = vec![
            tokio::spawn(supervise(Arc::clone(&core))),
            tokio::spawn(push(Arc::clone(&core))),
            tokio::spawn(write(Arc::clone(&core), job_receiver)),
        ];
        tokio::spawn(resume(Arc::clone(&core), jobs.downgrade()));
        tokio::spawn(history::keep(Arc::clone(&core)));
        let client = Self(Arc::new(Inner { core, jobs, tasks: Mutex::new(tasks) }));
        tokio::spawn(complete_rooms(Arc::clone(client.core()), Arc::downgrade(&client.0)));
        Ok(client)
    }

    /// What happens from now on.
    pub fn events(&self) -> Events {
        Events(self.core().listen())
    }

    /// Waits until the client has logged in and read all rooms up to date.
    ///
    /// # Errors
    /// What ended the client for good; what heals by itself is waited for.
    pub async fn ready(&self) -> Result<(), ClientError> {
        let mut status = self.core().status.subscribe();
        let settled = status.wait_for(|status| !matches!(status, Status::Starting)).await;
        match settled.as_deref() {
            Ok(Status::Ended(cause)) => Err(ClientError::Ended(Arc::clone(cause))),
            Ok(_) => Ok(()),
            Err(_) => Err(ClientError::Closed),
        }
    }

    /// Waits until what other devices of this user have opened was read once; at once on a first device, which there was no other before.
    pub async fn history_read(&self) {
        if !self.core().owner.first {
            let mut settled = self.core().history_settled.subscribe();
            tokio::select! {
                _ = settled.wait_for(|settled| *settled) => {}
                _ = self.core().over() => {}
            }
        }
    }

    /// Ends in order: messages under way get their answers, receipts for all that is held are given, the connection is
    /// closed. What has no answer then stays in the outbox for the next start.
    pub async fn close(&self) {
        let core = self.core();
        if core.session().is_ok() {
            let _ = timeout(CLOSE_TIMEOUT, core.waiters.settled()).await;
        }
        if let Ok(session) = core.session() {
            core.settle_history(&session).await;
        }
        core.closing.send_replace(true);
        let mut tasks = std::mem::take(&mut *self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        // The writer goes on until the last handle is dropped.
        tasks.truncate(2);
        for mut task in tasks {
            // A server that does not answer keeps nobody here.
            if timeout(CLOSE_TIMEOUT, &mut task).await.is_err() {
                task.abort();
            }
        }
        core.vault.close().await;
    }

    /// Role of the account, if logged in.
    pub fn role(&self) -> Option<Role> {
        Some(self.core().session().ok()?.role)
    }

    /// The server's time less this machine's, milliseconds.
    ///
    /// # Errors
    /// [`ClientError::Offline`]; [`ClientError`].
    pub async fn clock_skew_ms(&self) -> Result<i64, ClientError> {
        let core = self.core();
        core.clock_skew_ms(&*core.session()?).await
    }

    /// Canonical user name.
    pub fn user(&self) -> &str {
        self.core().owner.user.as_str()
    }

    /// Device name.
    pub fn device(&self) -> &str {
        self.core().owner.device.as_str()
    }

    /// SHA-256 of this device's certificate.
    pub fn certificate(&self) -> Hash {
        self.core().owner.certificate.hash()
    }

    /// Waits until the first `size` entries of a room are stored here, under a verified checkpoint.
    ///
    /// # Errors
    /// [`ClientError::Stopped`]; [`ClientError::Ended`]; [`ClientError::NotFound`].
    pub async fn synced(&self, room: RoomId, size: u64) -> Result<(), ClientError> {
        let room = self.room(&room)?;
        let (mut facts, mut status) = (room.watch(), self.core().status.subscribe());
        tokio::select! {
            _ = facts.wait_for(|facts| facts.held >= size || facts.stopped) => room.check_not_stopped(),
            ended = status.wait_for(|status| matches!(status, Status::Ended(_))) => match ended.as_deref() {
                Ok(Status::Ended(cause)) => Err(ClientError::Ended(Arc::clone(cause))),
                _ => Err(ClientError::Closed),
            },
        }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    pub(crate) fn room(&self, id: &RoomId) -> Result<Arc<Room>, ClientError> {
        self.core().room(id)
    }

    async fn queue(&self, room: Arc<Room>, draft: Draft) -> Result<SendHandle, ClientError> {
        self.enqueue(room, draft).await?.await.map_err(|_| ClientError::Closed)?
    }

    /// Hands a draft to the writer; the receiver is told once it is stored.
    async fn enqueue(
        &self,
        room: Arc<Room>,
        draft: Draft,
    ) -> Result<oneshot::Receiver<Result<SendHandle, ClientError>>, ClientError> {
        let (reply, receiver) = oneshot::channel();
        self.0.jobs.send(Job { room, draft, reply }).await.map_err(|_| ClientError::Closed)?;
        Ok(receiver)
    }
}
