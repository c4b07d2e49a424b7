//! From drafts to rows: number, commitment, statement, signature, one synced transaction for all that wait.

use std::sync::Arc;

use evidence::content::{Content, Field};
use evidence::entry::Place;
use evidence::membership::{Change, Membership, MembershipClaim, MlsHashes};
use evidence::statement::{Statement, StatementClaim};
use tokio::sync::{mpsc, oneshot};

use super::SendHandle;
use super::waiting::{Ticket, ticket};
use crate::ClientError;
use crate::engine::Core;
use crate::room::{Facts, Room};
use crate::vault::{OutboxRow, OutboxState, Parcel, VaultError, WriteTransaction};

/// Drafts that share a transaction.
const GROUP: usize = 256;

/// What is to be said.
pub(crate) enum Draft {
    /// A message.
    Said(Vec<Field>),
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
    let (mut written, mut replies) = (Vec::new(), Vec::new());
    let outcome = async {
        let mut ready = Vec::with_capacity(group.len());
        for job in group {
            match facts(core, &job).await {
                Ok(facts) => ready.push((job, facts)),
                Err(error) => drop(job.reply.send(Err(error))),
            }
        }
        let mut transaction = core.vault.begin().await?;
        for (Job { room, draft, reply }, facts) in ready {
            match write_one(core, &mut transaction, &room, draft, facts).await {
                Ok((seq, ticket)) => {
                    written.push((room, seq, ticket));
                    replies.push(reply);
                }
                // What is wrong with one draft is its own; the vault's failure is everybody's.
                Err(ClientError::Vault(error)) => {
                    replies.push(reply);
                    return Err(error);
                }
                Err(error) => drop(reply.send(Err(error))),
            }
        }
        let handles: Vec<SendHandle> =
            written.iter().map(|(room, seq, ticket)| core.waiters.add(room.id, *seq, *ticket)).collect();
        transaction.commit().await.map_err(VaultError::from)?;
        written.iter().for_each(|(_, _, ticket)| core.waiters.stored(ticket));
        Ok(handles)
    }
    .await;
    match outcome {
        Ok(handles) => {
            for (handle, reply) in handles.into_iter().zip(replies) {
                // Whoever asked may have gone; the message goes out all the same.
                let _ = reply.send(Ok(handle));
            }
        }
        Err(error) => {
            let cause = Arc::new(ClientError::Vault(error));
            for (_, _, ticket) in written {
                core.waiters.failed(&ticket, &cause);
            }
            for reply in replies {
                let _ = reply.send(Err(ClientError::Ended(Arc::clone(&cause))));
            }
        }
    }
}

async fn facts(core: &Core, job: &Job) -> Result<Facts, ClientError> {
    job.room.check_not_stopped()?;
    let mut facts = job.room.facts();
    if !facts.loaded {
        let own = core.owner.certificate.hash();
        facts = core.with_log(&job.room, |log| log.facts(&own, false)).await?;
    }
    let creates = matches!(job.draft, Draft::Change(Change::Create { .. }));
    if !creates && !facts.member {
        return Err(ClientError::NotAMember);
    }
    Ok(facts)
}

async fn write_one(
    core: &Core,
    transaction: &mut WriteTransaction,
    room: &Room,
    draft: Draft,
    facts: Facts,
) -> Result<(u64, Ticket), ClientError> {
    let waits = core.vault.has_unsigned(transaction, room.key).await?;
    let content = match &draft {
        Draft::Said(fields) => {
            Some(Content::new(fields.clone()).map_err(|error| ClientError::Input(error.to_string()))?)
        }
        // A change is made for the members as they are now: it does not wait behind what must be signed again.
        Draft::Change(_) if waits => return Err(ClientError::Offline),
        Draft::Change(_) => None,
    };
    let seq = core.vault.take_seq(transaction, room.key).await?;
    let bytes = content.as_ref().map(Content::to_bytes);
    let entry = match (&draft, &content, &bytes) {
        _ if waits => Vec::new(),
        (Draft::Change(change), _, _) => core.sign_change(room, facts, seq, change.clone()),
        (_, Some(content), Some(bytes)) => core.sign_content(room, facts, seq, content, bytes),
        _ => return Err(ClientError::Cryptography),
    };
    let state = if waits { OutboxState::Unsigned } else { OutboxState::Signed };
    let row = OutboxRow { seq, state, parcel: Parcel { entry, content: bytes } };
    core.vault.put_outbox(transaction, room.key, &row).await?;
    Ok((seq, ticket(&row.parcel)))
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
