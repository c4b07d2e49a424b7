//! From drafts to rows: number, commitment, statement, signature, one synced transaction for all that wait.

use std::collections::HashMap;
use std::sync::Arc;

use evidence::content::Content;
use evidence::entry::Place;
use evidence::membership::{Change, Membership, MembershipClaim, MlsHashes};
use evidence::statement::{Statement, StatementClaim};
use tokio::sync::{mpsc, oneshot};

use super::SendHandle;
use super::waiting::ticket;
use crate::ClientError;
use crate::engine::Core;
use crate::room::{Facts, Room};
use crate::vault::{OutboxRow, OutboxState, Parcel, RoomKey, VaultError};

/// Drafts that share a transaction.
const GROUP: usize = 256;

/// What is to be said.
pub(crate) enum Draft {
    /// A message.
    Said(Content),
    /// A change of the members; index 0 of a room among them.
    Change(Change),
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
            Ok(facts) => ready.push(Ready { job, facts }),
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
            let cause = Arc::new(ClientError::Vault(error));
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
}

/// What is wrong with a draft is found before it gets a number.
async fn prepare(core: &Core, job: &Job) -> Result<Facts, ClientError> {
    job.room.check_not_stopped()?;
    let mut facts = job.room.facts();
    if !facts.loaded {
        let own = core.owner.certificate.hash();
        facts = core.with_log(&job.room, |log| log.facts(&own, false)).await?;
    }
    let creates = matches!(job.draft, Draft::Change(Change::Create { .. }));
    if creates || facts.member { Ok(facts) } else { Err(ClientError::NotAMember) }
}

type Reply = oneshot::Sender<Result<SendHandle, ClientError>>;

/// Numbers, signs and stores drafts in one transaction; in `written` and `replies` is what of it was begun.
async fn store(
    core: &Core,
    ready: Vec<Ready>,
    written: &mut Vec<(RoomKey, OutboxRow)>,
    replies: &mut Vec<Reply>,
) -> Result<Vec<SendHandle>, VaultError> {
    let mut by_room: HashMap<RoomKey, Vec<Ready>> = HashMap::new();
    for draft in ready {
        by_room.entry(draft.job.room.key).or_default().push(draft);
    }
    let mut transaction = core.vault.begin().await?;
    let mut rooms = Vec::new();
    for (key, drafts) in by_room {
        let waits = core.vault.has_unsigned(&mut transaction, key).await?;
        // A change is made for the members as they are now: it does not wait behind what must be signed again.
        let (drafts, late): (Vec<_>, Vec<_>) =
            drafts.into_iter().partition(|draft| !waits || matches!(draft.job.draft, Draft::Said(_)));
        late.into_iter().for_each(|draft| drop(draft.job.reply.send(Err(ClientError::Offline))));
        let count = u64::try_from(drafts.len()).unwrap_or(u64::MAX);
        let first = core.vault.take_seqs(&mut transaction, key, count).await?;
        for (seq, Ready { job: Job { room, draft, reply }, facts }) in (first..).zip(drafts) {
            let parcel = match draft {
                Draft::Said(content) => {
                    let bytes = content.to_bytes();
                    let signed = (!waits).then(|| core.sign_content(&room, facts, seq, &content, &bytes));
                    Parcel { entry: signed.unwrap_or_default(), content: Some(bytes) }
                }
                Draft::Change(change) => {
                    Parcel { entry: core.sign_change(&room, facts, seq, change), content: None }
                }
            };
            let state = if waits { OutboxState::Unsigned } else { OutboxState::Signed };
            written.push((key, OutboxRow { seq, state, parcel }));
            replies.push(reply);
            rooms.push(room);
        }
    }
    core.vault.put_outbox(&mut transaction, written).await?;
    let handles = rooms
        .iter()
        .zip(&*written)
        .map(|(room, (_, row))| core.waiters.add(room.id, row.seq, ticket(&row.parcel)))
        .collect();
    transaction.commit().await?;
    written.iter().for_each(|(_, row)| core.waiters.stored(&ticket(&row.parcel)));
    Ok(handles)
}

impl Core {
    fn place(&self, room: &Room, facts: Facts, seq: u64) -> Place {
        Place { room: room.id, seq, time_ms: (self.clock)(), epoch: facts.epoch, seen: facts.head }
    }

    /// Signs a statement that commits to `content`, sent as `bytes` (suite 0).
    pub(super) fn sign_content(
        &self,
        room: &Room,
        facts: Facts,
        seq: u64,
        content: &Content,
        bytes: &[u8],
    ) -> Vec<u8> {
        let owner = &self.owner;
        let place = self.place(room, facts, seq);
        let claim = StatementClaim::new(&owner.user, owner.certificate.hash(), place, content, bytes);
        Statement::sign(&claim, &owner.key)
    }

    /// Signs a membership statement.
    fn sign_change(&self, room: &Room, facts: Facts, seq: u64, change: Change) -> Vec<u8> {
        let claim = MembershipClaim {
            certificate: self.owner.certificate.hash(),
            place: self.place(room, facts, seq),
            change,
            mls: MlsHashes::default(),
        };
        Membership::sign(&claim, &self.owner.key)
    }
}
