//! One session: rooms are read up to date, then followed; receipts are given; the end is orderly.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use evidence::room::RoomId;
use pki::short_code;
use session::message::{Command, Event as ServerEvent, FailureCode, Reply, RoomInfo};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, sleep_until};

use super::{Core, Session, Status};
use crate::ClientError;
use crate::connection::Events;
use crate::event::Event;
use crate::mls::refill;
use crate::reply::expect_reply;
use crate::room::{Batch, Room};
use crate::vault::RoomRecord;

/// Shortest time between two commits of incoming entries, so that one line a time does not cost a sync each.
const COMMIT_SPACING: Duration = Duration::from_millis(100);
/// Incoming entries after which there is no waiting.
const COMMIT_ENTRIES: usize = 1024;
/// Time between two looks at how many key packages the server has left.
const PACKAGES_SPACING: Duration = Duration::from_secs(3600);
/// Longest time without a look at the directory: what is entered there rings no bell by itself.
const DIRECTORY_SPACING: Duration = Duration::from_secs(600);
/// Shortest time between two receipts of a room.
const RECEIPT_SPACING: Duration = Duration::from_secs(1);

/// Follows all rooms until the client closes (`Ok`) or the session fails.
pub(super) async fn follow(
    core: &Arc<Core>,
    session: &Session,
    mut events: Events,
) -> Result<(), ClientError> {
    // Events first: what happens while rooms are read is not missed.
    expect_reply!(session.connection.ask(Command::Watch).await?, Reply::Done => ())?;
    core.see_to_packages(session).await?;
    core.refresh_rooms(session).await?;
    core.refresh_directory(session).await?;
    if matches!(*core.status.borrow(), Status::Starting) {
        core.status.send_replace(Status::Ready);
    }
    let mut incoming = Incoming::default();
    let mut packages = interval_at(Instant::now() + PACKAGES_SPACING, PACKAGES_SPACING);
    let mut directory = interval_at(Instant::now() + DIRECTORY_SPACING, DIRECTORY_SPACING);
    let mut receipts = interval(RECEIPT_SPACING);
    receipts.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = events.next() => {
                let Some(event) = event else { return Err(session.connection.ended().await.into()) };
                let mut next = Some(event);
                while let Some(event) = next {
                    take_event(core, session, &mut incoming, event).await?;
                    next = events.try_next();
                }
                if events.missed() {
                    core.refresh_rooms(session).await?;
                }
                if incoming.entries >= COMMIT_ENTRIES {
                    incoming.commit(core, session).await?;
                }
            }
            () = sleep_until(incoming.due), if incoming.entries > 0 => incoming.commit(core, session).await?,
            _ = receipts.tick() => core.give_receipts(session).await?,
            _ = directory.tick() => core.certificates.ring(),
            _ = packages.tick() => core.see_to_packages(session).await?,
            () = core.closed() => {
                incoming.commit(core, session).await?;
                core.give_receipts(session).await?;
                return core.complete_directory(session).await;
            }
        }
    }
}

async fn take_event(
    core: &Arc<Core>,
    session: &Session,
    incoming: &mut Incoming,
    event: ServerEvent,
) -> Result<(), ClientError> {
    match event {
        ServerEvent::Entries { room, first, entries, checkpoint } => {
            incoming.add(core, session, RoomId(*room), Batch { first, entries, checkpoint }).await?;
        }
        ServerEvent::RoomAdded { .. } => core.refresh_rooms(session).await?,
        ServerEvent::Receipt { room, receipt, cosignature } => {
            if let Ok(room) = core.room(&RoomId(*room)) {
                core.take_receipt(&room, session, receipt, cosignature).await?;
            }
        }
        ServerEvent::DeviceRequested { id, device, request } => {
            if let Ok(request) = pki::CertificateRequest::parse(&request) {
                core.emit(Event::DeviceRequested { id: *id, device, code: short_code(request.key()) });
            }
        }
        ServerEvent::Closing { .. } => {}
    }
    Ok(())
}

/// Entries that came and are not stored yet.
struct Incoming {
    by_room: HashMap<RoomId, Batch>,
    entries: usize,
    /// When to store them.
    due: Instant,
    stored: Instant,
}

impl Default for Incoming {
    fn default() -> Self {
        let now = Instant::now();
        Self { by_room: HashMap::new(), entries: 0, due: now, stored: now }
    }
}

impl Incoming {
    async fn add(
        &mut self,
        core: &Arc<Core>,
        session: &Session,
        room: RoomId,
        batch: Batch,
    ) -> Result<(), ClientError> {
        if self.entries == 0 {
            self.due = Instant::now().max(self.stored + COMMIT_SPACING);
        }
        let count = batch.entries.len();
        match self.by_room.get_mut(&room) {
            Some(known) if known.end() == batch.first => {
                known.entries.extend(batch.entries);
                known.checkpoint = batch.checkpoint;
            }
            // Not in a row: what was there first is settled first.
            Some(_) => {
                self.commit(core, session).await?;
                self.by_room.insert(room, batch);
            }
            None => {
                self.by_room.insert(room, batch);
            }
        }
        self.entries += count;
        Ok(())
    }

    async fn commit(&mut self, core: &Arc<Core>, session: &Session) -> Result<(), ClientError> {
        self.entries = 0;
        for (id, batch) in std::mem::take(&mut self.by_room) {
            let outcome = match core.room(&id) {
                Ok(room) => match core.take(&room, session, batch).await {
                    // A gap: events are hints, the log is the truth.
                    Ok(newest) if newest > room.facts().size => core.catch_up(&room, session).await,
                    other => other.map(drop),
                },
                Err(_) => core.refresh_rooms(session).await,
            };
            match outcome {
                Ok(()) | Err(ClientError::Stopped(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.stored = Instant::now();
        Ok(())
    }
}

impl Batch {
    fn end(&self) -> u64 {
        self.first.saturating_add(u64::try_from(self.entries.len()).unwrap_or(u64::MAX))
    }
}

impl Core {
    /// Hands in key packages if few are left. Without them this device is not added to rooms, and goes on in those that it is in.
    async fn see_to_packages(&self, session: &Session) -> Result<(), ClientError> {
        // GR-32
        if self.owner.is_recovery_key() {
            return Ok(());
        }
        match refill(&self.owner, &self.vault, &session.connection, (self.clock)()).await {
            Err(error @ (ClientError::Connection(_) | ClientError::Vault(_))) => Err(error),
            Err(error) => {
                tracing::warn!("no key packages handed in: {error}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Lists the user's rooms and reads each up to date.
    pub(crate) async fn refresh_rooms(&self, session: &Session) -> Result<(), ClientError> {
        let mut after = 0;
        loop {
            let reply = session.connection.ask(Command::Rooms { after }).await?;
            let rooms = expect_reply!(reply, Reply::Rooms { rooms } => rooms)?;
            match rooms.last().map(|last| last.position) {
                Some(last) if last > after => after = last,
                Some(_) => return Err(ClientError::unexpected()),
                None => return Ok(()),
            }
            for info in rooms {
                match self.refresh_room(session, info).await {
                    Ok(()) | Err(ClientError::Stopped(_)) => {}
                    // Rooms of the user in which this device is not, or not any more.
                    Err(ClientError::Failed {
                        code: FailureCode::NotFound | FailureCode::NotAllowed,
                        ..
                    }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    async fn refresh_room(&self, session: &Session, info: RoomInfo) -> Result<(), ClientError> {
        let record = RoomRecord { room: info.room, name: info.name, direct_with: info.direct_with };
        let (room, fresh) = self.ensure_room(&record).await?;
        if fresh {
            self.emit(Event::RoomAdded { room: room.id });
        }
        if info.size != room.facts().held {
            self.catch_up(&room, session).await?;
        }
        if room.facts().member {
            self.fetch_receipts(&room, session).await?;
        }
        Ok(())
    }

    async fn give_receipts(&self, session: &Session) -> Result<(), ClientError> {
        let rooms: Vec<Arc<Room>> = self.rooms();
        for room in rooms {
            match self.give_receipt(&room, session).await {
                Ok(()) | Err(ClientError::Stopped(_)) => {}
                Err(error) => return Err(error),
            }
            self.store_receipts(&room).await?;
        }
        Ok(())
    }
}
