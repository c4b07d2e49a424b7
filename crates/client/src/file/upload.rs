//! Handing sealed files in, and the message that names them once they are there.

use std::collections::VecDeque;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use evidence::content::{Attachment, Content};
use evidence::limits::{MAX_FILES, MAX_INLINE_ATTACHMENT};
use minicbor::bytes::ByteArray;
use session::limits::BLOB_PIECE;
use session::message::{Command, FailureCode, Reply};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::spool::Claimed;
use super::{FileToSend, Spool, Told, Transfer, sealed_files};
use crate::ClientError;
use crate::connection::Connection;
use crate::engine::{Core, Session};
use crate::event::Event;
use crate::outbox::{Draft, Job, SendHandle};
use crate::reply::expect_reply;
use crate::room::Room;
use crate::vault::{UploadId, UploadRow};

/// Pieces under way at once.
const WINDOW: usize = 4;
/// How long to wait after the server could not do it.
const RETRY_WAIT: Duration = Duration::from_millis(500);
/// How often the server may have another piece than the one that is next before this is given up.
const MAX_ROUNDS: u32 = 16;

/// A message with files that is stored on this device and on its way.
#[derive(Debug)]
pub struct Upload {
    handle: oneshot::Receiver<Result<SendHandle, ClientError>>,
}

impl Upload {
    /// One whose files stand in the message.
    pub(crate) fn of(queued: SendHandle) -> Self {
        let (reply, handle) = oneshot::channel();
        let _ = reply.send(Ok(queued));
        Self { handle }
    }

    /// Waits until all files are with the server and the message is in the outbox.
    ///
    /// # Errors
    /// [`ClientError::Failed`] if the server takes no files now, [`ClientError::Closed`] if the client ends before: the message stays
    /// here, and goes out when the client is connected next.
    pub async fn queued(self) -> Result<SendHandle, ClientError> {
        self.handle.await.map_err(|_| ClientError::Closed)?
    }
}

/// What a message's files become.
pub(crate) enum Prepared {
    /// They fit into the message.
    Inline(Vec<Attachment>),
    /// They are sealed apart from it.
    Sealed(Vec<(Attachment, Claimed)>),
}

/// Reads files into the message, if all of them fit, or seals them into the home.
///
/// # Errors
/// [`ClientError::Input`] if they are too large, or cannot be read, or change meanwhile; [`ClientError::Write`].
pub(crate) async fn prepare(
    spool: &Spool,
    files: Vec<FileToSend>,
    told: &Told,
) -> Result<Prepared, ClientError> {
    let mut sizes = Vec::with_capacity(files.len());
    for file in &files {
        sizes.push(file.size()?);
    }
    let total = sizes.iter().copied().fold(0, u64::saturating_add);
    if total > MAX_FILES {
        return Err(ClientError::Input(format!(
            "the files of a message have at most 2 GiB together, {MAX_FILES} bytes (MAX_FILES); send them one by one, or in parts"
        )));
    }
    if total <= MAX_INLINE_ATTACHMENT as u64 {
        return Ok(Prepared::Inline(files.into_iter().zip(sizes).map(read).collect::<Result<_, _>>()?));
    }
    // Each byte is sealed first, and then handed in.
    told.send_replace(Transfer { done: 0, total: total.saturating_mul(2) });
    let mut sealed = Vec::with_capacity(files.len());
    for (file, size) in files.into_iter().zip(sizes) {
        let (spool, told) = (spool.clone(), told.clone());
        let one = tokio::task::spawn_blocking(move || spool.seal(file, size, &told)).await;
        sealed.push(one.map_err(|_| ClientError::Cryptography)??);
    }
    Ok(Prepared::Sealed(sealed))
}

/// A file that stands in the message.
fn read((file, size): (FileToSend, u64)) -> Result<Attachment, ClientError> {
    let mut bytes = Vec::new();
    file.file.take(size.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != size {
        return Err(ClientError::Input("the file changed while it was read; send it again".to_owned()));
    }
    Ok(Attachment::inline(file.name, file.media_type, bytes))
}

/// A message whose files are handed in by this process.
pub(crate) struct Delivery {
    pub(crate) room: Arc<Room>,
    pub(crate) id: UploadId,
    pub(crate) content: Content,
    pub(crate) files: Vec<Claimed>,
    pub(crate) told: Told,
}

/// Hands a message's files in and says it; whoever waits is told where it is.
pub(crate) fn deliver(core: Arc<Core>, jobs: mpsc::Sender<Job>, delivery: Delivery) -> Upload {
    let (reply, handle) = oneshot::channel();
    tokio::spawn(async move {
        let outcome = tokio::select! {
            outcome = run(&core, &jobs, delivery) => outcome,
            () = core.closed() => Err(ClientError::Closed),
        };
        // Whoever asked may have gone.
        let _ = reply.send(outcome);
    });
    Upload { handle }
}

async fn run(core: &Core, jobs: &mpsc::Sender<Job>, delivery: Delivery) -> Result<SendHandle, ClientError> {
    let Delivery { room, id, content, files, told } = delivery;
    let files: Vec<Arc<Claimed>> = files.into_iter().map(Arc::new).collect();
    let mut sessions = core.session.subscribe();
    loop {
        let session = sessions.wait_for(Option::is_some).await.map_err(|_| ClientError::Closed)?.clone();
        let Some(session) = session else { continue };
        match hand_in_all(&session.connection, &files, &told).await {
            Ok(()) => break,
            // The next session goes on where this one ended.
            Err(ClientError::Connection(_)) if session.connection.has_ended() => {
                let ended =
                    |now: &Option<Arc<Session>>| !now.as_ref().is_some_and(|now| Arc::ptr_eq(now, &session));
                sessions.wait_for(ended).await.map_err(|_| ClientError::Closed)?;
            }
            Err(ClientError::Failed { code: FailureCode::Unavailable, .. }) => sleep(RETRY_WAIT).await,
            // What is sealed here is not what it was.
            Err(error @ ClientError::Failed { code: FailureCode::Malformed, .. }) => {
                give_up(core, id, &files).await?;
                return Err(error);
            }
            Err(error) => return Err(error),
        }
    }
    let (reply, receiver) = oneshot::channel();
    let draft = Draft::Uploaded(content, id);
    jobs.send(Job { room, draft, reply }).await.map_err(|_| ClientError::Closed)?;
    let outcome = receiver.await.map_err(|_| ClientError::Closed)?;
    if let Err(ClientError::NotAMember | ClientError::Unencrypted | ClientError::Stopped(_)) = &outcome {
        give_up(core, id, &files).await?;
    }
    outcome
}

/// Forgets a message that will never be sent, and its files.
async fn give_up(core: &Core, id: UploadId, files: &[Arc<Claimed>]) -> Result<(), ClientError> {
    core.vault.drop_upload(id).await?;
    files.iter().for_each(|file| core.spool.remove(&file.hash));
    Ok(())
}

async fn hand_in_all(
    connection: &Connection,
    files: &[Arc<Claimed>],
    told: &Told,
) -> Result<(), ClientError> {
    let total = files.iter().map(|file| file.size).fold(0, u64::saturating_add);
    // What was sealed counts as much as what is to be handed in.
    let mut before = total;
    for file in files {
        hand_in(connection, file, |held| {
            told.send_replace(Transfer { done: before.saturating_add(held), total: total.saturating_mul(2) });
        })
        .await?;
        before = before.saturating_add(file.size);
    }
    Ok(())
}

/// Hands a sealed file in, from where an earlier try ended (SE-35).
async fn hand_in(
    connection: &Connection,
    file: &Arc<Claimed>,
    told: impl Fn(u64),
) -> Result<(), ClientError> {
    let put =
        |offset, bytes| Command::BlobPut { hash: ByteArray::from(file.hash), size: file.size, offset, bytes };
    let mut held =
        expect_reply!(connection.ask(put(0, Vec::new())).await?, Reply::BlobHeld { held } => held)?;
    for _ in 0..MAX_ROUNDS {
        let (mut next, mut under_way) = (held, VecDeque::new());
        loop {
            told(held);
            while next < file.size && under_way.len() < WINDOW {
                let bytes = piece(file, next).await?;
                let end = next.saturating_add(bytes.len() as u64);
                under_way.push_back((connection.request(put(next, bytes)).await, end));
                next = end;
            }
            let Some((mut answer, end)) = under_way.pop_front() else { break };
            held = expect_reply!(answer.wait().await?, Reply::BlobHeld { held } => held)?;
            if held != end {
                // It was not the next: what is on its way behind it is not either.
                break;
            }
        }
        if held >= file.size {
            return Ok(());
        }
        for (mut answer, _) in under_way {
            held = expect_reply!(answer.wait().await?, Reply::BlobHeld { held } => held)?;
        }
    }
    Err(ClientError::unexpected())
}

async fn piece(file: &Arc<Claimed>, offset: u64) -> Result<Vec<u8>, ClientError> {
    let rest = file.size.saturating_sub(offset).min(BLOB_PIECE as u64);
    let mut bytes = vec![0; usize::try_from(rest).unwrap_or(BLOB_PIECE)];
    let file = Arc::clone(file);
    let read = tokio::task::spawn_blocking(move || file.read(offset, &mut bytes).map(|()| bytes)).await;
    Ok(read.map_err(|_| ClientError::Cryptography)??)
}

impl Core {
    /// Hands in again what a message names that the server has not any more; what is not here any more either, nobody can read.
    pub(crate) async fn hand_in_again(&self, session: &Session, content: &[u8]) -> Result<(), ClientError> {
        for hash in sealed_files(content) {
            if let Ok(Some(file)) = self.spool.claim(&hash) {
                hand_in(&session.connection, &Arc::new(file), |_| {}).await?;
            }
        }
        Ok(())
    }
}

/// In each session: goes on with messages whose files an earlier process did not hand in, and deletes sealed files that nothing names.
pub(crate) async fn resume(core: Arc<Core>, jobs: mpsc::WeakSender<Job>) {
    let mut sessions = core.session.subscribe();
    loop {
        tokio::select! {
            session = sessions.wait_for(Option::is_some) => if session.is_err() { return },
            () = core.closed() => return,
        }
        let Some(jobs) = jobs.upgrade() else { return };
        if let Err(error) = resume_all(&core, &jobs).await {
            tracing::warn!("files that wait are not sent now: {error}");
        }
        drop(jobs);
        tokio::select! {
            ended = sessions.wait_for(Option::is_none) => if ended.is_err() { return },
            () = core.closed() => return,
        }
    }
}

async fn resume_all(core: &Arc<Core>, jobs: &mpsc::Sender<Job>) -> Result<(), ClientError> {
    if core.spool.is_empty() {
        return Ok(());
    }
    for row in core.vault.uploads().await? {
        let Some(room) = core.rooms().into_iter().find(|room| room.key == row.room) else { continue };
        let Ok(content) = Content::from_bytes(&row.content) else { continue };
        match claim(core, &row) {
            Ok(None) => {}
            Ok(Some(files)) => {
                let told = Told::new(Transfer::default());
                let delivery = Delivery { room: Arc::clone(&room), id: row.id, content, files, told };
                tokio::spawn(tell(Arc::clone(core), room, deliver(Arc::clone(core), jobs.clone(), delivery)));
            }
            Err(error) => {
                core.vault.drop_upload(row.id).await?;
                let why = ClientError::Input(format!(
                    "a file that was to be sent cannot be read any more: {error}"
                ));
                core.emit(Event::NotSent { room: room.id, why: Arc::new(why) });
            }
        }
    }
    let mut named = Vec::new();
    for row in core.vault.uploads().await? {
        named.extend(sealed_files(&row.content));
    }
    for key in core.vault.outbox_rooms().await? {
        for row in core.vault.outbox(key, 0, usize::MAX).await? {
            named.extend(row.parcel.content.iter().flat_map(|content| sealed_files(content)));
        }
    }
    Ok(core.spool.clean(&named)?)
}

/// The files of a message, unless another process is at them.
fn claim(core: &Core, row: &UploadRow) -> std::io::Result<Option<Vec<Claimed>>> {
    sealed_files(&row.content).iter().map(|hash| core.spool.claim(hash)).collect()
}

/// Tells what became of a message that nobody waits for.
async fn tell(core: Arc<Core>, room: Arc<Room>, upload: Upload) {
    match upload.queued().await {
        Ok(_) | Err(ClientError::Closed) => {}
        Err(error) => core.emit(Event::NotSent { room: room.id, why: Arc::new(error) }),
    }
}
