//! Handing sealed files in, and the message that names them once they are there.

use std::collections::{HashSet, VecDeque};
use std::io::{self, Read as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evidence::Hash;
use evidence::content::{Attachment, Content, SealedFile};
use evidence::limits::{MAX_FILES, MAX_INLINE_ATTACHMENT};
use evidence::room::RoomId;
use minicbor::bytes::ByteArray;
use session::limits::BLOB_PIECE;
use session::message::{Command, FailureCode, Reply};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::spool::Claimed;
use super::{Ciphertext, FileToSend, Spool, Told, Transfer, sealed_files};
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
/// How long to wait after it would not, if it does not say.
const LONG_WAIT: Duration = Duration::from_secs(60);
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
    let mut sealed: Vec<(Attachment, Claimed)> = Vec::with_capacity(files.len());
    for (file, size) in files.into_iter().zip(sizes) {
        let (worker, told) = (spool.clone(), told.clone());
        let one = tokio::task::spawn_blocking(move || worker.seal(file, size, &told)).await;
        match one.unwrap_or(Err(ClientError::Cryptography)) {
            Ok(one) => sealed.push(one),
            Err(error) => {
                sealed.iter().for_each(|(_, claimed)| spool.remove(&claimed.hash));
                return Err(error);
            }
        }
    }
    Ok(Prepared::Sealed(sealed))
}

/// What files would be if they were sealed: a message that cannot name them is refused before they are.
pub(crate) fn placeholders(files: &[FileToSend]) -> Vec<Attachment> {
    let place = SealedFile { key: Zeroizing::default(), ciphertext: [0; 32] };
    let placeholder = |file: &FileToSend| {
        Attachment::sealed(file.name.clone(), file.media_type.clone(), 0, [0; 32], place.clone())
    };
    files.iter().map(placeholder).collect()
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
        let (room, mut reply) = (delivery.room.id, Some(reply));
        let outcome = tokio::select! {
            outcome = run(&core, &jobs, delivery, &mut reply) => outcome,
            error = core.over() => Err(error),
        };
        match (reply, outcome) {
            // Whoever asked may have gone.
            (Some(reply), outcome) => drop(reply.send(outcome)),
            (None, Err(error)) => tell_lost(&core, room, error),
            (None, Ok(_)) => {}
        }
    });
    Upload { handle }
}

type Answer = oneshot::Sender<Result<SendHandle, ClientError>>;

async fn run(
    core: &Core,
    jobs: &mpsc::Sender<Job>,
    delivery: Delivery,
    reply: &mut Option<Answer>,
) -> Result<SendHandle, ClientError> {
    let Delivery { room, id, content, files, told } = delivery;
    let files: Vec<Arc<Claimed>> = files.into_iter().map(Arc::new).collect();
    let mut sessions = core.session.subscribe();
    loop {
        let session = sessions.wait_for(Option::is_some).await.map_err(|_| ClientError::Closed)?.clone();
        let Some(session) = session else { continue };
        let wait = match hand_in_all(&session.connection, &files, &told).await {
            Ok(()) => break,
            // The next session goes on where this one ended.
            Err(ClientError::Connection(_)) => {
                let ended =
                    |now: &Option<Arc<Session>>| !now.as_ref().is_some_and(|now| Arc::ptr_eq(now, &session));
                sessions.wait_for(ended).await.map_err(|_| ClientError::Closed)?;
                continue;
            }
            Err(ClientError::Failed { code: FailureCode::Unavailable, .. }) => RETRY_WAIT,
            Err(error) if is_lost(&error) => {
                give_up(core, id, &files).await?;
                return Err(error);
            }
            Err(error) => {
                let wait = match &error {
                    ClientError::Failed { retry_ms: Some(ms), .. } => Duration::from_millis(*ms),
                    _ => LONG_WAIT,
                };
                if let Some(reply) = reply.take() {
                    let _ = reply.send(Err(ClientError::Waits(Arc::new(error))));
                }
                wait
            }
        };
        sleep(wait).await;
    }
    let (answer, receiver) = oneshot::channel();
    let draft = Draft::Uploaded(content, id);
    jobs.send(Job { room, draft, reply: answer }).await.map_err(|_| ClientError::Closed)?;
    let outcome = receiver.await.map_err(|_| ClientError::Closed)?;
    if let Err(ClientError::NotAMember | ClientError::Unencrypted | ClientError::Stopped(_)) = &outcome {
        give_up(core, id, &files).await?;
    }
    outcome
}

/// Whether a sealed file is not what it was, or cannot be read: it is of no use any more.
fn is_lost(error: &ClientError) -> bool {
    matches!(error, ClientError::Write(_) | ClientError::Failed { code: FailureCode::Malformed, .. })
}

fn tell_lost(core: &Core, room: RoomId, error: ClientError) {
    if !matches!(error, ClientError::Closed | ClientError::Ended(_)) {
        core.emit(Event::FileLost { room, why: Arc::new(error) });
    }
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
    let mut held = held(connection, Ciphertext { hash: file.hash, size: file.size }).await?;
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

/// Files of messages in the outbox that the server has lost.
#[derive(Default)]
pub(crate) struct LostFiles {
    /// Those that are not here any more either: their messages go out without them.
    gone: Mutex<HashSet<Hash>>,
    /// Messages whose files are handed in again now, by the SHA-256 of their contents.
    under_way: Mutex<HashSet<Hash>>,
}

impl LostFiles {
    /// Whether a file is nowhere any more.
    pub(crate) fn is_gone(&self, hash: &Hash) -> bool {
        lock(&self.gone).contains(hash)
    }
}

fn lock(set: &Mutex<HashSet<Hash>>) -> MutexGuard<'_, HashSet<Hash>> {
    set.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands in again what a message in the outbox names and the server has not any more, beside everything else that is sent; the outbox
/// is looked at again after it.
pub(crate) fn hand_in_again(core: Arc<Core>, session: Arc<Session>, room: RoomId, content: Vec<u8>) {
    let name = pki::sha256(&content);
    if !lock(&core.lost_files.under_way).insert(name) {
        return;
    }
    tokio::spawn(async move {
        for file in sealed_files(&content) {
            let outcome = tokio::select! {
                outcome = hand_in_lost(&core, &session, file) => outcome,
                _ = core.over() => break,
            };
            if let Err(error) = outcome
                && is_lost(&error)
            {
                core.spool.remove(&file.hash);
                lock(&core.lost_files.gone).insert(file.hash);
                core.emit(Event::FileLost { room, why: Arc::new(error) });
            }
        }
        lock(&core.lost_files.under_way).remove(&name);
        core.outbox_bell.notify_one();
    });
}

async fn hand_in_lost(core: &Core, session: &Session, file: Ciphertext) -> Result<(), ClientError> {
    let connection = &session.connection;
    if held(connection, file).await? == file.size {
        return Ok(());
    }
    match core.spool.claim(&file.hash)? {
        Some(claimed) => hand_in(connection, &Arc::new(claimed), |_| {}).await,
        // Another process is at it.
        None => Ok(()),
    }
}

/// How much of a file the server has from this device, of one that no entry names yet.
async fn held(connection: &Connection, file: Ciphertext) -> Result<u64, ClientError> {
    let ask = Command::BlobPut { hash: file.hash.into(), size: file.size, offset: 0, bytes: Vec::new() };
    expect_reply!(connection.ask(ask).await?, Reply::BlobHeld { held } => held)
}

/// In each session, and now and then: goes on with messages whose files an earlier process did not hand in, and deletes sealed files
/// that nothing names.
pub(crate) async fn resume(core: Arc<Core>, jobs: mpsc::WeakSender<Job>) {
    let mut sessions = core.session.subscribe();
    loop {
        tokio::select! {
            session = sessions.wait_for(Option::is_some) => if session.is_err() { return },
            _ = core.over() => return,
        }
        let Some(jobs) = jobs.upgrade() else { return };
        if let Err(error) = resume_all(&core, &jobs).await {
            tracing::warn!("files that wait are not sent now: {error}");
        }
        drop(jobs);
        tokio::select! {
            ended = sessions.wait_for(Option::is_none) => if ended.is_err() { return },
            () = sleep(LONG_WAIT) => {}
            _ = core.over() => return,
        }
    }
}

async fn resume_all(core: &Arc<Core>, jobs: &mpsc::Sender<Job>) -> Result<(), ClientError> {
    for row in core.vault.uploads().await? {
        let Some(room) = core.rooms().into_iter().find(|room| room.key == row.room) else { continue };
        let Ok(content) = Content::from_bytes(&row.content) else { continue };
        let claimed = claim(core, &row);
        // Another process may have sent it before the files were claimed.
        if !core.vault.has_upload(row.id).await? {
            continue;
        }
        match claimed {
            Ok(None) => {}
            Ok(Some(files)) => {
                let (room_id, told) = (room.id, Told::new(Transfer::default()));
                let delivery = Delivery { room, id: row.id, content, files, told };
                let upload = deliver(Arc::clone(core), jobs.clone(), delivery);
                tokio::spawn(tell(Arc::clone(core), room_id, upload));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                core.vault.drop_upload(row.id).await?;
                let why =
                    "a message is not sent, as the file that was to go with it is not in this home any more";
                core.emit(Event::FileLost {
                    room: room.id,
                    why: Arc::new(ClientError::Input(why.to_owned())),
                });
            }
            Err(error) => tracing::warn!("files that wait cannot be read now: {error}"),
        }
    }
    let idle = core.spool.idle()?;
    if idle.is_empty() {
        return Ok(());
    }
    let mut named = Vec::new();
    for row in core.vault.uploads().await? {
        named.extend(sealed_files(&row.content));
    }
    for key in core.vault.outbox_rooms().await? {
        for row in core.vault.outbox(key, 0, usize::MAX).await? {
            named.extend(row.files());
        }
    }
    Ok(idle.clean(&named)?)
}

/// The files of a message, unless another process is at them.
fn claim(core: &Core, row: &UploadRow) -> io::Result<Option<Vec<Claimed>>> {
    sealed_files(&row.content).iter().map(|file| core.spool.claim(&file.hash)).collect()
}

/// Tells what became of a message that nobody waits for.
async fn tell(core: Arc<Core>, room: RoomId, upload: Upload) {
    match upload.queued().await {
        Ok(_) | Err(ClientError::Waits(_)) => {}
        Err(error) => tell_lost(&core, room, error),
    }
}
