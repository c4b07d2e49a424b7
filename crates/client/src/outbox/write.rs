//! From drafts to rows: number, commitment, statement, signature, one synced transaction for all that wait.

use std::collections::HashMap;
use std::sync::Arc;

use evidence::Hash;
use evidence::content::Content;
use evidence::erasure::{Erased, ErasureReason};
use evidence::membership::Change;
use tokio::sync::{mpsc, oneshot};

use super::SendHandle;
use super::waiting::ticket;
use crate::ClientError;
use crate::engine::Core;
use crate::mls::{OpenGroup, Package, Plan};
use crate::room::{Facts, Log, Room};
use crate::vault::{
    GroupRecords, OutboxRow, OutboxState, Parcel, RoomKey, RoomRecord, UploadId, WriteTransaction,
};

/// Drafts that share a transaction.
const GROUP: usize = 256;

/// What is to be said.
pub(crate) enum Draft {
    /// A message.
    Said(Content),
    /// A message that waited for its files, which are with the server now.
    Uploaded(Content, UploadId),
    /// A change of the members of a room that stands, with key packages of those added in suite 1.
    Change(Change, Vec<Package>),
    /// What was said is erased, for a reason.
    Erase(Erased, ErasureReason),
}

/// A draft, and who wants to know.
pub(crate) struct Job {
    pub(crate) room: Arc<Room>,
    pub(crate) draft: Draft,
    pub(crate) reply: oneshot::Sender<Result<SendHandle, ClientError>>,
}

/// Writes drafts as they come, until no more can come.
pub(crate) async fn write(core: Arc<Core>, mut jobs: mpsc::Receiver<Job>) {
    let mut group = Vec::new();
    while jobs.recv_many(&mut group, GROUP).await > 0 {
        write_group(&core, std::mem::take(&mut group)).await;
        core.outbox_bell.notify_one();
    }
}

async fn write_group(core: &Core, group: Vec<Job>) {
    let mut ready = Vec::with_capacity(group.len());
    for job in group {
        match prepare(core, &job).await {
            Ok((facts, lingering)) => ready.push(Ready { job, facts, lingering }),
            // Whoever asked may have gone.
            Err(error) => drop(job.reply.send(Err(error))),
        }
    }
    let (mut written, mut replies) = (Vec::new(), Vec::new());
    match store(core, ready, &mut written, &mut replies).await {
        Ok(handles) => {
            for (handle, reply) in handles.into_iter().zip(replies) {
                // The message goes out all the same.
                let _ = reply.send(Ok(handle));
            }
        }
        Err(error) => {
            let cause = Arc::new(error);
            for (_, row) in written {
                core.waiters.failed(&ticket(&row.parcel), &cause);
            }
            for reply in replies {
                let _ = reply.send(Err(ClientError::Ended(Arc::clone(&cause))));
            }
        }
    }
}

/// A draft that can be written.
struct Ready {
    job: Job,
    facts: Facts,
    /// The devices that linger, if members are to be changed.
    lingering: Vec<Hash>,
}

/// What is wrong with a draft is found before it gets a number.
async fn prepare(core: &Core, job: &Job) -> Result<(Facts, Vec<Hash>), ClientError> {
    job.room.check_not_stopped()?;
    let (mut facts, mut lingering) = (job.room.facts(), Vec::new());
    let changes = matches!(job.draft, Draft::Change(..));
    if changes || !facts.loaded {
        let own = core.owner.certificate.hash();
        let look = |log: &Log| (log.facts(&own, false), log.lingering());
        (facts, lingering) = core.with_log(&job.room, look).await?;
    }
    if !facts.member {
        return Err(ClientError::NotAMember);
    }
    let says = matches!(job.draft, Draft::Said(_) | Draft::Uploaded(..));
    if facts.keys.is_none() && says {
        return Err(ClientError::Unencrypted);
    }
    Ok((facts, lingering))
}

type Reply = oneshot::Sender<Result<SendHandle, ClientError>>;

/// Numbers, signs and stores drafts in one transaction; in `written` and `replies` is what of it was begun.
async fn store(
    core: &Core,
    ready: Vec<Ready>,
    written: &mut Vec<(RoomKey, OutboxRow)>,
    replies: &mut Vec<Reply>,
) -> Result<Vec<SendHandle>, ClientError> {
    let mut by_room: HashMap<RoomKey, Vec<Ready>> = HashMap::new();
    for draft in ready {
        by_room.entry(draft.job.room.key).or_default().push(draft);
    }
    let mut transaction = core.vault.begin().await?;
    let (mut rooms, mut groups) = (Vec::new(), Vec::new());
    for drafts in by_room.into_values() {
        let Some(room) = drafts.first().map(|draft| Arc::clone(&draft.job.room)) else { continue };
        let size = core.vault.room_size(&mut transaction, room.key).await?;
        let mut writer = RoomWriter {
            // What is to take the group's place is a commit under way (GR-18).
            waits: core.vault.has_unsigned(&mut transaction, room.key).await?
                || core.vault.has_group_records(&mut transaction, GroupRecords::Returning(room.key)).await?,
            unsealed: false,
            size,
            open: core.open_group(&mut transaction, &room).await?,
        };
        for draft in drafts {
            writer.add(core, &mut transaction, draft, written, replies, &mut rooms).await?;
        }
        core.store_group(&mut transaction, &room, &mut writer.open).await?;
        groups.push((room, writer.open));
    }
    core.vault.put_outbox(&mut transaction, written).await?;
    let handles = rooms
        .iter()
        .zip(&*written)
        .map(|(room, (_, row))| core.waiters.add(room.id, row.seq, ticket(&row.parcel)))
        .collect();
    transaction.commit().await?;
    written.iter().for_each(|(_, row)| core.waiters.stored(&ticket(&row.parcel)));
    groups.into_iter().for_each(|(room, open)| core.keep_group(&room, open));
    Ok(handles)
}

impl Core {
    /// Writes a room that this device creates together with its first entry: a room of which there is nothing to send never was.
    pub(crate) async fn write_room(
        &self,
        record: RoomRecord,
        change: Change,
        packages: &[Package],
    ) -> Result<(Arc<Room>, SendHandle), ClientError> {
        let mut transaction = self.vault.begin().await?;
        let row = self.vault.new_room(&mut transaction, record).await?;
        let room = Room::new(&row);
        let mut open = self.open_group(&mut transaction, &room).await?;
        let seq = self.vault.take_seqs(&mut transaction, room.key, 1).await?;
        let facts = Log::default().facts(&self.owner.certificate.hash(), false);
        let plan = Plan { change, packages, lingering: &[] };
        let parcel = self.sign_change(&room, &facts, seq, plan, &mut open)?;
        self.store_group(&mut transaction, &room, &mut open).await?;
        let ticket = ticket(&parcel);
        let written = [(room.key, OutboxRow { seq, state: OutboxState::Signed, parcel })];
        self.vault.put_outbox(&mut transaction, &written).await?;
        let handle = self.waiters.add(room.id, seq, ticket);
        if let Err(error) = transaction.commit().await {
            let cause = Arc::new(ClientError::from(error));
            self.waiters.failed(&ticket, &cause);
            return Err(ClientError::Ended(cause));
        }
        self.waiters.stored(&ticket);
        let room = self.know(&row);
        self.keep_group(&room, open);
        self.outbox_bell.notify_one();
        Ok((room, handle))
    }
}

/// The drafts of one room.
struct RoomWriter {
    /// Whether rows wait to be signed, so that what follows waits behind them.
    waits: bool,
    /// Whether one of these drafts waits.
    unsealed: bool,
    /// Entries stored of the room: what is known of one with another number is out of date.
    size: u64,
    open: OpenGroup,
}

impl RoomWriter {
    /// Takes a draft, or answers why it cannot be.
    async fn add(
        &mut self,
        core: &Core,
        transaction: &mut WriteTransaction,
        ready: Ready,
        written: &mut Vec<(RoomKey, OutboxRow)>,
        replies: &mut Vec<Reply>,
        rooms: &mut Vec<Arc<Room>>,
    ) -> Result<(), ClientError> {
        let Ready { job: Job { room, draft, reply }, facts, lingering } = ready;
        let (state, seq, parcel) = match draft {
            Draft::Uploaded(_, id) if !core.vault.take_upload(transaction, id).await? => {
                drop(reply.send(Err(ClientError::NotFound("the message was sent or given up".to_owned()))));
                return Ok(());
            }
            Draft::Said(content) | Draft::Uploaded(content, _) => {
                let seq = core.vault.take_seqs(transaction, room.key, 1).await?;
                let (state, parcel) = self.say(core, &room, &facts, seq, &content)?;
                (state, seq, parcel)
            }
            Draft::Erase(erased, reason) => {
                // What is signed for a room that has moved on is signed again, in its turn.
                self.waits |= facts.size != self.size;
                self.unsealed |= self.waits;
                let seq = core.vault.take_seqs(transaction, room.key, 1).await?;
                let state = if self.waits { OutboxState::Unsigned } else { OutboxState::Signed };
                (state, seq, core.sign_erasure(&room, &facts, seq, erased, reason))
            }
            Draft::Change(change, packages) => {
                // A change is made for the members as they are now: it does not wait behind what must be signed again. Who leaves
                // needs no care for keys.
                let leaves = matches!(change, Change::Leave(_));
                if self.waits && leaves && !self.unsealed {
                    self.waits = !core.vault.drop_care(transaction, room.key).await?;
                }
                if self.waits || facts.size != self.size {
                    drop(reply.send(Err(ClientError::Offline)));
                    return Ok(());
                }
                let seq = core.vault.take_seqs(transaction, room.key, 1).await?;
                let plan = Plan { change, packages: &packages, lingering: &lingering };
                match core.sign_change(&room, &facts, seq, plan, &mut self.open) {
                    Ok(parcel) => (OutboxState::Signed, seq, parcel),
                    Err(error) => {
                        self.open.undo(&room)?;
                        core.vault.reset_seq(transaction, room.key, seq).await?;
                        drop(reply.send(Err(error)));
                        return Ok(());
                    }
                }
            }
        };
        written.push((room.key, OutboxRow { seq, state, parcel }));
        replies.push(reply);
        rooms.push(room);
        Ok(())
    }

    /// A row for a message: signed, or to be signed once rows before it are, or the room's group can seal it.
    fn say(
        &mut self,
        core: &Core,
        room: &Room,
        facts: &Facts,
        seq: u64,
        content: &Content,
    ) -> Result<(OutboxState, Parcel), ClientError> {
        let current = facts.size == self.size;
        self.waits |= !current || !self.open.can_seal(facts, (core.clock)());
        if self.waits {
            self.unsealed = true;
            return Ok((OutboxState::Unsigned, Parcel::unsealed(content.to_bytes())));
        }
        Ok((OutboxState::Signed, core.sign_content(room, facts, seq, content, &mut self.open)?))
    }
}
