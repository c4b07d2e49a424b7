//! From the outbox to the server. One process of a home pushes at a time, under a file lock; requests are pipelined.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use evidence::checkpoint::Origin;
use evidence::log::{InclusionProof, leaf_hash};
use evidence::membership::{Change, Membership};
use evidence::refusal::{Reason, Refusal, RefusalClaim};
use evidence::room::RoomId;
use minicbor::bytes::ByteArray;
use session::message::{Command, FailureCode, Reply};
use tokio::time::sleep;

use super::rework::Reworked;
use super::waiting::{Logged, Ticket, ticket};
use crate::ClientError;
use crate::connection::Answer;
use crate::engine::{Core, Session};
use crate::event::Event;
use crate::file::hand_in_again;
use crate::mls::upload;
use crate::platform;
use crate::room::Room;
use crate::vault::{OutboxRow, OutboxState};

/// Requests under way at once.
const WINDOW: usize = 256;
/// How long to wait for another process that pushes.
const LOCK_WAIT: Duration = Duration::from_millis(20);
/// How long to wait after the server could not do it.
const RETRY_WAIT: Duration = Duration::from_millis(500);

/// Pushes whenever the bell rings and there is a session, until the client is closed.
pub(crate) async fn push(core: Arc<Core>) {
    let mut put_off = None;
    loop {
        tokio::select! {
            () = core.outbox_bell.notified() => {}
            () = pass(put_off) => {}
            () = core.closed() => return,
        }
        put_off = None;
        let Ok(session) = core.session() else { continue };
        match push_all(&core, &session).await {
            Ok(until) => put_off = until,
            Err(error) => {
                tracing::info!("the outbox waits: {error}");
                if session.connection.has_ended() {
                    continue;
                }
                sleep(RETRY_WAIT).await;
                core.outbox_bell.notify_one();
            }
        }
    }
}

/// Waits for a time; without one, for ever.
async fn pass(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}

async fn push_all(core: &Arc<Core>, session: &Arc<Session>) -> Result<Option<Duration>, ClientError> {
    let lock = Lock::take(core, session).await?;
    let outcome = Push::new(core, session).run().await;
    lock.give_back()?;
    outcome
}

/// The lock of the outbox.
struct Lock(File);

impl Lock {
    async fn take(core: &Core, session: &Session) -> Result<Self, ClientError> {
        let file = platform::open_private_file(&core.lock_path)?;
        while !platform::try_lock(&file)? {
            if session.connection.has_ended() {
                return Err(ClientError::Offline);
            }
            sleep(LOCK_WAIT).await;
        }
        Ok(Self(file))
    }

    fn give_back(self) -> Result<(), ClientError> {
        Ok(platform::unlock(&self.0)?)
    }
}

/// How long a room waits whose rows cannot be sent now.
const LONG_WAIT: Duration = Duration::from_secs(60);
/// How often a room's rows are looked at in one push without anything of them getting into the log.
const MAX_ROUNDS: u32 = 16;

/// Told of a room whose keys are lost for good.
const STUCK: &str = "the room's keys are lost here, and what the newest change of them shows leads nobody back: what is said waits. If others say so too, one of you renews the room's keys, without whoever made that change";

/// A row that was sent.
struct Sent {
    room: Arc<Room>,
    row: OutboxRow,
    answer: Answer,
}

/// Everything in the outbox, once. Gives the time after which the server takes what it has put off.
struct Push<'a> {
    core: &'a Arc<Core>,
    session: &'a Arc<Session>,
    under_way: VecDeque<Sent>,
    /// Whether the outbox may hold rows that were not read.
    unread: bool,
    /// Highest number sent, or found unsigned, by room.
    seen: HashMap<RoomId, u64>,
    /// Rooms with refusals, and why.
    refused: HashMap<RoomId, HashMap<Ticket, Reason>>,
    /// Rooms that cannot go on in this session.
    blocked: HashSet<RoomId>,
    /// When the first of them can be tried again.
    put_off: Option<Duration>,
    /// How often each room's rows were looked at since something that was said got into the log.
    rounds: HashMap<RoomId, u32>,
    /// How often each row was signed again.
    tries: HashMap<Ticket, u32>,
}

impl<'a> Push<'a> {
    fn new(core: &'a Arc<Core>, session: &'a Arc<Session>) -> Self {
        Self {
            core,
            session,
            under_way: VecDeque::new(),
            unread: true,
            seen: HashMap::new(),
            refused: HashMap::new(),
            blocked: HashSet::new(),
            put_off: None,
            rounds: HashMap::new(),
            tries: HashMap::new(),
        }
    }

    async fn run(mut self) -> Result<Option<Duration>, ClientError> {
        loop {
            if self.unread && self.under_way.len() <= WINDOW / 2 {
                self.fill().await?;
            }
            let Some(mut sent) = self.under_way.pop_front() else {
                if !self.unread && !self.rework().await? {
                    self.settle().await?;
                    return Ok(self.put_off);
                }
                self.unread = true;
                continue;
            };
            tokio::select! {
                biased;
                reply = sent.answer.wait() => {
                    let reply = reply?;
                    self.take_answer(sent, reply).await?;
                }
                () = self.core.outbox_bell.notified() => {
                    self.unread = true;
                    self.under_way.push_front(sent);
                }
            }
        }
    }

    /// Answers those who wait for rows that another process of this home has settled: they are in the log, or were
    /// given up.
    async fn settle(&self) -> Result<(), ClientError> {
        let open = self.core.waiters.open();
        let rooms: HashSet<RoomId> = open.iter().map(|(room, _)| *room).collect();
        for id in rooms {
            let Ok(room) = self.core.room(&id) else { continue };
            let rows = self.core.vault.outbox(room.key, 0, usize::MAX).await?;
            let queued: HashSet<Ticket> = rows.iter().map(|row| ticket(&row.parcel)).collect();
            // What is in the log is answered by reading it.
            if let Err(error) = self.core.with_fresh_log(&room, |_| ()).await {
                // A room that is stopped does not hold up the others.
                let cause = Arc::new(error);
                for (_, ticket) in open.iter().filter(|(of, _)| *of == id) {
                    self.core.waiters.failed(ticket, &cause);
                }
                continue;
            }
            let gone = open.iter().filter(|(of, ticket)| *of == id && !queued.contains(ticket));
            let cause = Arc::new(ClientError::Refused(Reason::Sequence));
            for (_, ticket) in gone {
                self.core.waiters.failed(ticket, &cause);
            }
        }
        Ok(())
    }

    /// Sends rows that were not sent, as long as the window has room.
    async fn fill(&mut self) -> Result<(), ClientError> {
        self.unread = false;
        for key in self.core.vault.outbox_rooms().await? {
            let Some(room) = self.core.rooms().into_iter().find(|room| room.key == key) else { continue };
            if self.blocked.contains(&room.id) || room.facts().stopped {
                continue;
            }
            let from = self.seen.get(&room.id).copied().unwrap_or_default().max(room.acknowledged()) + 1;
            let space = WINDOW.saturating_sub(self.under_way.len());
            let rows = self.core.vault.outbox(key, from, space).await?;
            // A full window may have left some.
            self.unread |= rows.len() == space;
            for row in rows {
                self.seen.insert(room.id, row.seq);
                if row.state == OutboxState::Unsigned {
                    self.refused.entry(room.id).or_default();
                } else if !self.send(&room, row).await? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Sends a row, after what it names (SE-36); whether it could be.
    async fn send(&mut self, room: &Arc<Room>, row: OutboxRow) -> Result<bool, ClientError> {
        for blob in &row.parcel.blobs {
            match upload(&self.session.connection, blob).await {
                Ok(()) => {}
                Err(ClientError::Failed { code, message, retry_ms })
                    if !matches!(code, FailureCode::Unavailable | FailureCode::Conflict) =>
                {
                    self.put_off(room, &row, Reply::Failed { code, message, retry_ms });
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        let (id, statement) = (ByteArray::from(room.id.0), row.parcel.entry.clone());
        let command = if is_create(&row) {
            Command::RoomCreate { room: id, statement }
        } else {
            let content = row.parcel.ciphertext.clone();
            let files = row.files().into_iter().map(|file| file.hash);
            let files =
                files.filter(|hash| !self.core.lost_files.is_gone(hash)).map(ByteArray::from).collect();
            Command::Append { room: id, statement, content, files }
        };
        let answer = self.session.connection.request(command).await;
        self.under_way.push_back(Sent { room: Arc::clone(room), row, answer });
        Ok(true)
    }

    /// The server did not take a row, without a signed word: it stays, and its number with it.
    fn put_off(&mut self, room: &Room, row: &OutboxRow, reply: Reply) {
        let wait = match &reply {
            Reply::Failed { code: FailureCode::RateLimited, retry_ms, .. } => {
                retry_ms.map_or(RETRY_WAIT, Duration::from_millis).max(RETRY_WAIT)
            }
            _ => LONG_WAIT,
        };
        self.block(room.id, wait);
        let why = Arc::new(crate::reply::refused(reply));
        tracing::info!(room = %room.id, seq = row.seq, "a message waits: {why}");
        // Who was told is not told again each time that this is tried.
        if self.core.waiters.failed(&ticket(&row.parcel), &why) {
            self.core.emit(Event::NotSent { room: room.id, why });
        }
    }

    /// Leaves a room alone in this push, and looks after it again in a while.
    fn block(&mut self, room: RoomId, wait: Duration) {
        self.blocked.insert(room);
        self.put_off = Some(self.put_off.map_or(wait, |first| first.min(wait)));
    }

    async fn take_answer(&mut self, sent: Sent, reply: Reply) -> Result<(), ClientError> {
        let Sent { room, row, .. } = sent;
        match reply {
            Reply::Appended { index, checkpoint, proof } => {
                self.check_place(&room, &row, index, &checkpoint, proof)?;
                room.set_acknowledged(row.seq);
                if row.parcel.content.is_some() {
                    self.rounds.remove(&room.id);
                }
                row.files().iter().for_each(|file| self.core.spool.remove(&file.hash));
                let statement = pki::sha256(&row.parcel.entry);
                let logged = Logged { seq: row.seq, index, statement };
                self.core.message_logged(&room, &ticket(&row.parcel), logged);
                Ok(())
            }
            Reply::Refused { refusal } => {
                let reason = self.check_refusal(&room, &row, &refusal).await?;
                self.core.vault.put_refusal(room.key, &row, &refusal).await?;
                self.refused.entry(room.id).or_default().insert(ticket(&row.parcel), reason);
                Ok(())
            }
            Reply::Failed {
                code: code @ (FailureCode::Exists | FailureCode::Malformed),
                message,
                retry_ms,
            } if is_create(&row) => {
                // Somebody else was first to create this direct room, or it is too late for this one: ours never was.
                let error = ClientError::Failed { code, message, retry_ms };
                self.core.vault.drop_room(room.key).await?;
                self.core.forget_group(&room);
                self.core.forget_room(&room.id);
                self.core.message_failed(&room, &ticket(&row.parcel), error, false);
                Ok(())
            }
            Reply::Failed {
                code: code @ (FailureCode::Unavailable | FailureCode::Conflict),
                message,
                retry_ms,
            } => {
                let files = row.files();
                if let (FailureCode::Conflict, false, Some(content)) =
                    (code, files.is_empty(), &row.parcel.content)
                {
                    // The room waits for its files, and no other does.
                    self.block(room.id, LONG_WAIT);
                    let (core, session) = (Arc::clone(self.core), Arc::clone(self.session));
                    hand_in_again(core, session, room.id, content.clone());
                    return Ok(());
                }
                Err(ClientError::Failed { code, message, retry_ms })
            }
            reply => {
                self.put_off(&room, &row, reply);
                Ok(())
            }
        }
    }

    /// The proof that the server holds exactly these bytes at `index`, under a checkpoint that it signed.
    fn check_place(
        &self,
        room: &Room,
        row: &OutboxRow,
        index: u64,
        checkpoint: &[u8],
        proof: Vec<ByteArray<32>>,
    ) -> Result<(), ClientError> {
        let origin = Origin::room(&self.core.owner.organisation, room.id);
        let head = self.session.verify_checkpoint(&origin, checkpoint)?.head();
        let path = proof.into_iter().map(|hash| *hash).collect();
        InclusionProof { index, size: head.size, path }
            .verify(&leaf_hash(&row.parcel.entry), &head.root)
            .map_err(|error| ClientError::Untrusted(error.to_string()))
    }

    /// A refusal counts if it is of exactly these bytes, and signed by the log (EV-32).
    async fn check_refusal(
        &self,
        room: &Room,
        row: &OutboxRow,
        refusal: &[u8],
    ) -> Result<Reason, ClientError> {
        let untrusted =
            |error: String| ClientError::Untrusted(format!("a refusal that does not stand: {error}"));
        let unverified = Refusal::parse(refusal).map_err(|error| untrusted(error.to_string()))?;
        let core = self.core;
        let signer = [(unverified.certificate(), unverified.claim().time_ms)];
        core.certificates.fetch(&signer, &core.owner, &core.vault, &self.session.connection).await?;
        let log = core
            .certificates
            .accepted(&unverified.certificate())
            .ok_or_else(|| untrusted("unknown signer".to_owned()))?;
        let verified = unverified.verify(&log.certificate).map_err(|error| untrusted(error.to_string()))?;
        let RefusalClaim { room: of, statement, device, seq, reason, .. } = &*verified;
        let fits = *of == room.id
            && *statement == pki::sha256(&row.parcel.entry)
            && *device == core.owner.certificate.hash()
            && *seq == row.seq;
        if fits { Ok(*reason) } else { Err(untrusted("it is of another statement".to_owned())) }
    }

    /// Signs again what was refused; whether there is something to send now.
    async fn rework(&mut self) -> Result<bool, ClientError> {
        let mut again = false;
        for (id, reasons) in std::mem::take(&mut self.refused) {
            let Ok(room) = self.core.room(&id) else { continue };
            let rounds = self.rounds.entry(id).or_default();
            *rounds += 1;
            if *rounds > MAX_ROUNDS {
                tracing::warn!(room = %id, "the room's keys change all the time: its messages wait");
                self.block(id, LONG_WAIT);
                continue;
            }
            let outcome = self.core.rework(&room, self.session, &reasons, &mut self.tries).await;
            self.seen.remove(&id);
            match outcome {
                Ok(reworked @ (Reworked::More | Reworked::Nothing)) => {
                    again |= reworked == Reworked::More;
                    room.set_stuck(false);
                }
                Ok(Reworked::NoWayBack) => {
                    tracing::warn!(room = %id, "no way back into the room's keys yet: its messages wait");
                    self.block(id, LONG_WAIT);
                }
                // The room has to wait for something that this push cannot bring about; others go on.
                Err(
                    error @ (ClientError::Clock(_)
                    | ClientError::Stopped(_)
                    | ClientError::Keys(_)
                    | ClientError::Failed { .. }),
                ) if !error.heals() => {
                    if matches!(error, ClientError::Keys(_)) {
                        self.tell_stuck(&room);
                    }
                    self.block(id, LONG_WAIT);
                    let why = Arc::new(error);
                    let open = self.core.waiters.open();
                    let waiting: Vec<_> = open.iter().filter(|(of, _)| *of == id).collect();
                    let told = waiting.iter().filter(|(_, ticket)| self.core.waiters.failed(ticket, &why));
                    if told.count() > 0 {
                        self.core.emit(Event::NotSent { room: id, why });
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(again)
    }

    /// Tells once that a room's keys are lost and that nothing leads back into them (GR-35).
    fn tell_stuck(&self, room: &Room) {
        if room.set_stuck(true) {
            tracing::warn!(room = %room.id, "{STUCK}");
            self.core.emit(Event::Alarm { room: room.id, what: STUCK.to_owned(), stopped: false });
        }
    }
}

fn is_create(row: &OutboxRow) -> bool {
    row.seq == 1
        && row.parcel.content.is_none()
        && Membership::parse(&row.parcel.entry)
            .is_ok_and(|statement| matches!(statement.claim().change, Change::Create { .. }))
}
