//! What this user's devices keep for each other (docs/group.md, section 8): pieces of history, handed in and read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evidence::content::Content;
use evidence::entry::{Entry, UnverifiedEntry};
use group::{HistoryKey, PiecePlace};
use minicbor::bytes::{ByteArray, ByteVec};
use session::message::{Command, HistoryPiece, Reply};
use tokio::time::sleep;

use crate::ClientError;
use crate::engine::{Core, Session, Status};
use crate::reply::expect_reply;
use crate::room::{Log, Room};

/// Bytes of contents in one piece, the last of which may go beyond.
const PIECE_BYTES: usize = 256 * 1024;
/// Largest sequence of contents that is read: [`session::limits::MAX_HISTORY_PIECE`].
const MAX_PIECE: usize = session::limits::MAX_HISTORY_PIECE;
/// Entries looked at for one piece.
const PIECE_ENTRIES: usize = 1024;
/// How long what was said waits for more before it is handed in.
const PUT_WAIT: Duration = Duration::from_secs(10);
/// How often a device that has no history key asks for it after its start.
const KEY_TRIES: u32 = 20;
/// How long it waits in between.
const KEY_WAIT: Duration = Duration::from_millis(500);

/// Keeps the history: in each session reads what others have, and hands in what is new.
pub(crate) async fn keep(core: Arc<Core>) {
    let mut sessions = core.session.subscribe();
    loop {
        tokio::select! {
            ready = core.is_ready() => if !ready { return },
            _ = core.over() => return,
        }
        let session = tokio::select! {
            session = sessions.wait_for(Option::is_some) => match session {
                Ok(session) => session.clone(),
                Err(_) => return,
            },
            _ = core.over() => return,
        };
        let Some(session) = session else { continue };
        let ended = async {
            let _ =
                sessions.wait_for(|now| !now.as_ref().is_some_and(|now| Arc::ptr_eq(now, &session))).await;
        };
        tokio::select! {
            outcome = in_session(&core, &session) => {
                if let Err(error) = outcome {
                    tracing::info!("the history is not kept now: {error}");
                    sleep(PUT_WAIT).await;
                }
            }
            () = ended => {}
            _ = core.over() => return,
        }
        core.history_settled.send_replace(true);
    }
}

async fn in_session(core: &Core, session: &Session) -> Result<(), ClientError> {
    let mut key = core.history_key(session).await?;
    for _ in 0..KEY_TRIES {
        if key.is_some() {
            break;
        }
        sleep(KEY_WAIT).await;
        key = core.history_key(session).await?;
    }
    let Some(key) = key else {
        core.history_settled.send_replace(true);
        // The next session asks again.
        return std::future::pending().await;
    };
    core.read_history(session, &key).await?;
    core.history_settled.send_replace(true);
    core.give_history_key(session, &key, None).await?;
    loop {
        core.put_history(session, &key).await?;
        core.history_bell.notified().await;
        if core.take_history_wanted() {
            core.read_history(session, &key).await?;
        }
        sleep(PUT_WAIT).await;
    }
}

impl Core {
    async fn is_ready(&self) -> bool {
        let mut status = self.status.subscribe();
        let settled = status.wait_for(|status| !matches!(status, Status::Starting)).await;
        settled.is_ok_and(|status| matches!(*status, Status::Ready))
    }

    /// Hands in what this device has opened or said and not handed in yet.
    pub(crate) async fn put_history(&self, session: &Session, key: &HistoryKey) -> Result<(), ClientError> {
        for room in self.rooms() {
            while self.put_piece(&room, session, key).await? {}
        }
        Ok(())
    }

    /// Hands in one piece of a room's history; whether there may be more.
    async fn put_piece(&self, room: &Room, session: &Session, key: &HistoryKey) -> Result<bool, ClientError> {
        let first = self.vault.history_progress(room.key).await?.end;
        let held = room.facts().held;
        let (mut contents, mut bytes, mut end) = (Vec::new(), 0, first);
        for (index, entry) in self.vault.opened_entries(room.key, first, PIECE_ENTRIES).await? {
            if index >= held || bytes >= PIECE_BYTES {
                break;
            }
            end = index.saturating_add(1);
            if let Some(content) = entry.content {
                bytes += content.len();
                contents.push((index, ByteVec::from(content)));
            }
        }
        if end == first {
            return Ok(false);
        }
        if !contents.is_empty() {
            let own = self.owner.certificate.hash();
            let place = PiecePlace { room: room.id.0, device: own, first, end };
            let piece = key.seal(&place, &wire::cbor::to_vec(&contents))?;
            let put = Command::HistoryPut { room: ByteArray::from(room.id.0), first, end, piece };
            let reply = session.connection.ask(put).await?;
            // An earlier answer may have been lost.
            end = expect_reply!(reply, Reply::HistoryHeld { end } => end)?;
        }
        if end <= first {
            return Err(ClientError::unexpected());
        }
        self.vault.put_history_end(room.key, end).await?;
        Ok(true)
    }

    /// Reads what other devices of this user have opened of entries that this one has not.
    async fn read_history(&self, session: &Session, key: &HistoryKey) -> Result<(), ClientError> {
        let own = self.owner.certificate.hash();
        for room in self.rooms() {
            let lacks = |log: &Log| log.member_since(&own) != Some(0) || !log.unopened.is_empty();
            if room.facts().stopped || !self.with_log(&room, lacks).await? {
                continue;
            }
            loop {
                let after = self.vault.history_progress(room.key).await?.read;
                let get = Command::HistoryGet { room: ByteArray::from(room.id.0), after };
                let reply = session.connection.ask(get).await?;
                let pieces = expect_reply!(reply, Reply::History { pieces } => pieces)?;
                if pieces.is_empty() || !self.take_pieces(&room, key, after, pieces).await? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Takes pieces as far as the log is read; whether all of them were.
    async fn take_pieces(
        &self,
        room: &Room,
        key: &HistoryKey,
        mut after: u64,
        pieces: Vec<HistoryPiece>,
    ) -> Result<bool, ClientError> {
        for piece in pieces {
            let HistoryPiece { position, certificate, first, end, piece } = piece;
            if position <= after {
                return Err(ClientError::unexpected());
            }
            if end > room.facts().held {
                return Ok(false);
            }
            after = position;
            let place = PiecePlace { room: room.id.0, device: *certificate, first, end };
            // One under another key, or that somebody has changed, is of no use.
            let opened = key.open(&place, &piece).unwrap_or_default();
            let contents: Vec<(u64, ByteVec)> =
                wire::cbor::from_slice(&opened, MAX_PIECE).unwrap_or_default();
            let contents = contents.into_iter().map(|(index, content)| (index, Vec::from(content))).collect();
            let good = self.check_history(room, first, end, contents).await?;
            self.vault.put_history(room.key, position, &good).await?;
        }
        Ok(true)
    }

    /// Those contents that the statements at their indices commit to, and that are not here.
    async fn check_history(
        &self,
        room: &Room,
        first: u64,
        end: u64,
        contents: BTreeMap<u64, Vec<u8>>,
    ) -> Result<Vec<(u64, Vec<u8>)>, ClientError> {
        let mut good = Vec::new();
        let mut at = first;
        while at < end {
            let limit = usize::try_from(end - at).unwrap_or(PIECE_ENTRIES).min(PIECE_ENTRIES);
            let entries = self.vault.opened_entries(room.key, at, limit).await?;
            let Some((last, _)) = entries.last() else { break };
            at = last.saturating_add(1);
            for (index, entry) in entries {
                let Some(bytes) = contents.get(&index).filter(|_| entry.content.is_none()) else { continue };
                let Ok(UnverifiedEntry::Statement(statement)) = Entry::parse(&entry.entry) else { continue };
                let claim = statement.claim();
                let known = self.certificates.accepted(&claim.certificate);
                let user = known.as_ref().and_then(|known| known.certificate.identity().user());
                if let (Some(user), Ok(content)) = (user, Content::from_bytes(bytes))
                    && claim.is_commitment_to(user, &content)
                {
                    good.push((index, bytes.clone()));
                }
            }
        }
        Ok(good)
    }
}
