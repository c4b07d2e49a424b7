//! Reading a sealed file from the server, opened piece by piece.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use aws_lc_rs::digest;
use evidence::Hash;
use evidence::content::{Attachment, FileBytes, SealedFile};
use evidence::room::RoomId;
use group::{Chunks, FILE_CHUNK, FileKey};
use minicbor::bytes::ByteArray;
use session::message::{Command, FailureCode, Reply};

use super::spool::finish;
use super::{Told, Transfer, advance};
use crate::ClientError;
use crate::connection::Connection;
use crate::engine::Core;
use crate::platform;
use crate::reply::expect_reply;

/// Pieces asked for at once.
const WINDOW: usize = 4;

/// A file that is whole, and locked until it has its name.
#[derive(Debug)]
pub struct Fetched {
    _locked: File,
}

impl Core {
    /// Writes a message's file to `to`, which goes on if an earlier try was cut off there.
    pub(crate) async fn fetch_file(
        &self,
        room: RoomId,
        file: &Attachment,
        to: &Path,
        told: &Told,
    ) -> Result<Fetched, ClientError> {
        let target = platform::open_own_file(to)?;
        if !platform::try_lock(&target)? {
            return Err(ClientError::Input(format!("another process is writing {}", to.display())));
        }
        told.send_replace(Transfer { done: 0, total: file.size() });
        let sealed = match file.bytes() {
            FileBytes::Inline(bytes) => {
                write_whole(&target, bytes)?;
                return Ok(Fetched { _locked: target });
            }
            FileBytes::Sealed(sealed) => sealed,
        };
        let connection = &self.session()?.connection;
        let begun = resumed(target.try_clone()?, file, sealed, told).await?;
        let had_some = begun.next > 0;
        match fetch(connection, room, sealed, begun, told).await {
            // What was there before the cut is not what it was.
            Err(ClientError::Untrusted(_)) if had_some => {
                target.set_len(0)?;
                told.send_replace(Transfer { done: 0, total: file.size() });
                let anew = resumed(target.try_clone()?, file, sealed, told).await?;
                fetch(connection, room, sealed, anew, told).await?;
            }
            outcome => outcome?,
        }
        Ok(Fetched { _locked: target })
    }
}

/// [`Opening::resume`], off the runtime's threads.
async fn resumed(
    target: File,
    file: &Attachment,
    sealed: &SealedFile,
    told: &Told,
) -> Result<Opening, ClientError> {
    let (file, sealed, told) = (file.clone(), sealed.clone(), told.clone());
    let opened = tokio::task::spawn_blocking(move || Opening::resume(target, &file, &sealed, &told)).await;
    opened.map_err(|_| ClientError::Cryptography)?
}

fn write_whole(mut target: &File, bytes: &[u8]) -> std::io::Result<()> {
    target.set_len(0)?;
    target.write_all(bytes)?;
    target.sync_all()
}

/// A file as far as it is opened.
struct Opening {
    target: File,
    key: FileKey,
    chunks: Chunks,
    /// Number of the next chunk.
    next: u64,
    plain: digest::Context,
    sealed: digest::Context,
    /// What they have to be in the end.
    hashes: (Hash, Hash),
}

impl Opening {
    /// Begins, or goes on behind the chunks that are there, which are read and sealed for the hashes alone: what comes of it stays here. Blocks.
    fn resume(
        mut target: File,
        file: &Attachment,
        sealed: &SealedFile,
        told: &Told,
    ) -> Result<Self, ClientError> {
        let chunks = Chunks::of(file.size());
        let whole = target.metadata()?.len() / FILE_CHUNK as u64;
        // The last one comes anew in any case.
        let there = whole.min(chunks.count().saturating_sub(1));
        target.set_len(there.saturating_mul(FILE_CHUNK as u64))?;
        target.seek(SeekFrom::Start(0))?;
        let mut opening = Self {
            target,
            key: FileKey::new(&sealed.key)?,
            chunks,
            next: 0,
            plain: digest::Context::new(&digest::SHA256),
            sealed: digest::Context::new(&digest::SHA256),
            hashes: (*file.sha256(), sealed.ciphertext),
        };
        for number in 0..there {
            let chunk = chunks.get(number).ok_or_else(ClientError::unexpected)?;
            let mut bytes = vec![0; chunk.bytes];
            opening.target.read_exact(&mut bytes)?;
            opening.plain.update(&bytes);
            opening.key.seal(chunk, &mut bytes)?;
            opening.sealed.update(&bytes);
            advance(told, chunk.bytes);
        }
        opening.next = there;
        Ok(opening)
    }

    /// Takes the next piece of the ciphertext, and says how many bytes of the file it is. Blocks.
    fn take(&mut self, mut bytes: Vec<u8>) -> Result<usize, ClientError> {
        let chunk = self.chunks.get(self.next).ok_or_else(not_the_file)?;
        self.sealed.update(&bytes);
        self.key.open(chunk, &mut bytes).map_err(|_| not_the_file())?;
        self.plain.update(&bytes);
        self.target.write_all(&bytes)?;
        self.next = self.next.saturating_add(1);
        Ok(bytes.len())
    }

    /// The file is whole: on disk, and the one that was signed (GR-24). Blocks.
    fn finish(self) -> Result<(), ClientError> {
        if (finish(self.plain)?, finish(self.sealed)?) != self.hashes {
            return Err(not_the_file());
        }
        Ok(self.target.sync_all()?)
    }
}

async fn fetch(
    connection: &Connection,
    room: RoomId,
    sealed: &SealedFile,
    mut opening: Opening,
    told: &Told,
) -> Result<(), ClientError> {
    let chunks = opening.chunks;
    let get = |offset| Command::BlobGet {
        room: ByteArray::from(room.0),
        hash: ByteArray::from(sealed.ciphertext),
        offset,
    };
    let (mut asked, mut under_way) = (opening.next, VecDeque::new());
    loop {
        while under_way.len() < WINDOW
            && let Some(chunk) = chunks.get(asked)
        {
            under_way.push_back(connection.request(get(chunk.sealed_offset())).await);
            asked = asked.saturating_add(1);
        }
        let Some(mut answer) = under_way.pop_front() else { break };
        let (size, bytes) = match answer.wait().await? {
            Reply::Failed { code: FailureCode::NotFound | FailureCode::NotAllowed, .. } => {
                return Err(ClientError::NotFound(
                    "the server does not give this file: it was not handed in with its message, or was said before this device \
                     was a member"
                        .to_owned(),
                ));
            }
            reply => expect_reply!(reply, Reply::Blob { size, bytes } => (size, bytes))?,
        };
        if size != chunks.sealed_size() {
            return Err(not_the_file());
        }
        let taken = tokio::task::spawn_blocking(move || opening.take(bytes).map(|bytes| (opening, bytes)));
        let (rest, bytes) = taken.await.map_err(|_| ClientError::Cryptography)??;
        opening = rest;
        advance(told, bytes);
    }
    tokio::task::spawn_blocking(move || opening.finish()).await.map_err(|_| ClientError::Cryptography)?
}

fn not_the_file() -> ClientError {
    ClientError::Untrusted("the file that came is not the one that was signed".to_owned())
}
