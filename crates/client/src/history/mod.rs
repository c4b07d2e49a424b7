//! What this user's devices keep for each other (docs/group.md, section 8): pieces of history, handed in and read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evidence::Hash;
use evidence::content::Content;
use evidence::entry::{Entry, UnverifiedEntry};
use group::{PiecePlace, key_id_of};
use minicbor::bytes::{ByteArray, ByteVec};
use session::limits::MAX_HISTORY_PIECE;
use session::message::{Command, FailureCode, HistoryPiece, Reply};
use tokio::time::{Instant, sleep, timeout};

use crate::ClientError;
use crate::engine::{Core, Session, Status};
use crate::reply::expect_reply;
use crate::room::{Log, Room};
use crate::vault::HistoryKeys;

/// Bytes of contents in one piece, the last of which may go beyond.
const PIECE_BYTES: usize = 256 * 1024;
/// Entries looked at for one piece.
const PIECE_ENTRIES: usize = 1024;
/// How long what was said waits for more before it is handed in.
const PUT_WAIT: Duration = Duration::from_secs(10);
/// How long what is missing waits for more before it is looked for.
const READ_WAIT: Duration = Duration::from_millis(500);
/// How often it is looked for keys and pieces of other devices.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How often pieces are looked for after something is missing: others hand theirs in a little later.
const LOOKS: u32 = 6;
/// In each of so many rounds pieces are looked for in any case.
const LOOK_AGAIN: u32 = 20;
/// Requests under way at once.
const WINDOW: usize = 32;
/// How long a device that is new waits for its first keys, and how often it asks.
const FIRST_KEYS: Duration = Duration::from_secs(10);
const FIRST_KEYS_EVERY: Duration = Duration::from_millis(500);
/// How old a device may be that is new, in milliseconds.
const NEW_MS: u64 = 10 * 60 * 1000;
/// How long an end or an approval waits for what is handed in.
const PUT_PATIENCE: Duration = Duration::from_secs(5);

/// Keeps the history: in each session reads what others have, and hands in what is new.
pub(crate) async fn keep(core: Arc<Core>) {
    let kept = async {
        if !core.is_ready().await {
            return;
        }
        let mut sessions = core.session.subscribe();
        while let Ok(session) = sessions.wait_for(Option::is_some).await.map(|session| session.clone()) {
            let Some(session) = session else { continue };
            let outcome = in_session(&core, &session).await;
            core.history_settled.send_replace(true);
            tracing::info!("the history is not kept now: {outcome:?}");
            if session.connection.has_ended() {
                let other =
                    |now: &Option<Arc<Session>>| !now.as_ref().is_some_and(|now| Arc::ptr_eq(now, &session));
                if sessions.wait_for(other).await.is_err() {
                    return;
                }
            } else {
                sleep(LOOK_EVERY).await;
            }
        }
    };
    tokio::select! {
        () = kept => {}
        _ = core.over() => {}
    }
}

async fn in_session(core: &Core, session: &Session) -> Result<(), ClientError> {
    core.take_history_keys(session).await?;
    core.wait_for_first_keys(session).await?;
    core.read_history(session).await?;
    core.history_settled.send_replace(true);
    core.compare_history(session).await?;
    let (mut looks, mut round, mut full) = (LOOKS, 0_u32, false);
    // The directory of which all that may have the keys have them.
    let mut shared_at = None;
    loop {
        full = full || !core.put_history(session).await?;
        let size = *core.directory_size.borrow();
        if shared_at != Some(size) {
            let all = core.give_history_keys(session).await?.values().all(|has| *has);
            shared_at = all.then_some(size);
        }
        tokio::select! {
            () = core.history_bell.notified() => sleep(if core.wants_history() { READ_WAIT } else { PUT_WAIT }).await,
            () = sleep(LOOK_EVERY) => {}
        }
        round = round.wrapping_add(1);
        if core.take_history_wanted() {
            looks = LOOKS;
        }
        let (_, others) = core.own_devices().await?;
        if others && core.take_history_keys(session).await? {
            looks = LOOKS;
        }
        if looks > 0 || (others && round.is_multiple_of(LOOK_AGAIN)) {
            looks = looks.saturating_sub(1);
            core.read_history(session).await?;
        }
    }
}

/// Contents by log index, sealed one by one or all together.
type Contents = Vec<(u64, ByteVec)>;

/// The place for which the content at `index` is sealed by itself (GR-28).
fn place_of_content(piece: &PiecePlace, index: u64) -> PiecePlace {
    PiecePlace { first: index, end: index.saturating_add(1), ..*piece }
}

/// The contents of a piece that open; one under a key that is not here is read anew when further keys come, and what somebody has changed is of
/// no use.
fn open_piece(place: &PiecePlace, keys: &HistoryKeys, piece: &[u8]) -> BTreeMap<u64, Vec<u8>> {
    let open = |place: &PiecePlace, sealed: &[u8]| {
        let id = key_id_of(sealed)?;
        keys.all().find(|key| key.id() == id)?.open(place, sealed).ok()
    };
    // An earlier version sealed all contents of a piece together.
    if let Some(opened) = open(place, piece) {
        let contents: Contents = wire::cbor::from_slice(&opened, MAX_HISTORY_PIECE).unwrap_or_default();
        return contents.into_iter().map(|(index, content)| (index, Vec::from(content))).collect();
    }
    let sealed: Contents = wire::cbor::from_slice(piece, MAX_HISTORY_PIECE).unwrap_or_default();
    let opened = sealed.into_iter().filter_map(|(index, sealed)| {
        let content = open(&place_of_content(place, index), &sealed)?;
        Some((index, content.to_vec()))
    });
    opened.collect()
}

impl Core {
    async fn is_ready(&self) -> bool {
        let mut status = self.status.subscribe();
        let settled = status.wait_for(|status| !matches!(status, Status::Starting)).await;
        settled.is_ok_and(|status| matches!(*status, Status::Ready))
    }

    /// A device that was vouched for a moment ago is about to be given keys.
    async fn wait_for_first_keys(&self, session: &Session) -> Result<(), ClientError> {
        let age_ms = (self.clock)().saturating_sub(self.owner.certificate.not_before_ms());
        let deadline = Instant::now() + FIRST_KEYS;
        while !self.owner.first
            && !self.owner.is_recovery_key()
            && age_ms < NEW_MS
            && self.vault.history_keys().await?.others.is_empty()
            && Instant::now() < deadline
        {
            sleep(FIRST_KEYS_EVERY).await;
            self.take_history_keys(session).await?;
        }
        Ok(())
    }

    /// Hands in what there is, and gives a new device of this user the keys to it, as far as that is done in time: what is not, is done later.
    pub(crate) async fn share_history(&self, session: &Session, device: Hash, deadline: Instant) {
        self.settle_history(session).await;
        let given = async {
            while self.give_history_keys(session).await?.get(&device) != Some(&true) {
                sleep(FIRST_KEYS_EVERY).await;
            }
            Ok::<_, ClientError>(())
        };
        let outcome = timeout(deadline.saturating_duration_since(Instant::now()), given).await;
        if !matches!(outcome, Ok(Ok(()))) {
            tracing::info!("the new device gets the history later: {outcome:?}");
        }
    }

    /// Hands in what there is, and gives the keys to it, as far as that is done at once.
    pub(crate) async fn settle_history(&self, session: &Session) {
        let settled = async {
            self.put_history(session).await?;
            self.give_history_keys(session).await
        };
        if let Ok(Err(error)) = timeout(PUT_PATIENCE, settled).await {
            tracing::info!("history is handed in, or the keys to it given, later: {error}");
        }
    }

    /// Goes by what the server has: less than it was given if it was set back to a copy, more if this home was.
    async fn compare_history(&self, session: &Session) -> Result<(), ClientError> {
        for rooms in self.rooms().chunks(WINDOW) {
            let mut asked = Vec::with_capacity(rooms.len());
            for room in rooms {
                let put = self.vault.history_progress(room.key).await?.put;
                let room_id = ByteArray::from(room.id.0);
                let ask = Command::HistoryPut { room: room_id, first: 0, end: 0, piece: Vec::new() };
                asked.push((room, put, session.connection.request(ask).await));
            }
            for (room, put, mut answer) in asked {
                if let Reply::HistoryHeld { end: held } = answer.wait().await?
                    && held != put
                {
                    self.vault.reset_history_end(room.key, held.min(room.facts().held)).await?;
                }
            }
        }
        Ok(())
    }

    /// Hands in what this device has opened or said and not handed in yet; false if the server takes no more of it.
    async fn put_history(&self, session: &Session) -> Result<bool, ClientError> {
        // A device that was revoked meanwhile is to be known before anything is sealed.
        self.complete_directory(session).await?;
        for room in self.rooms() {
            loop {
                match self.put_piece(&room, session).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(ClientError::Failed { code: FailureCode::TooLarge, message, .. }) => {
                        tracing::warn!("no more history is handed in: {message}");
                        return Ok(false);
                    }
                    // It goes on a little later.
                    Err(ClientError::Failed { code: FailureCode::RateLimited, .. }) => return Ok(true),
                    Err(error @ (ClientError::Connection(_) | ClientError::Closed)) => return Err(error),
                    Err(error) => {
                        tracing::info!(room = %room.id, "history is not handed in now: {error}");
                        break;
                    }
                }
            }
        }
        Ok(true)
    }

    /// Hands in one piece of a room's history; whether there may be more.
    async fn put_piece(&self, room: &Room, session: &Session) -> Result<bool, ClientError> {
        let first = self.vault.history_progress(room.key).await?.end;
        let held = room.facts().held;
        let (mut found, mut bytes, mut end) = (Vec::new(), 0, first);
        for (index, entry) in self.vault.opened_entries(room.key, first, PIECE_ENTRIES).await? {
            if index >= held || bytes >= PIECE_BYTES {
                break;
            }
            end = index.saturating_add(1);
            if let Some(content) = entry.content {
                bytes += content.len();
                found.push((index, content));
            }
        }
        if end == first {
            return Ok(false);
        }
        let put = !found.is_empty();
        if put {
            let place = PiecePlace { room: room.id.0, device: self.owner.certificate.hash(), first, end };
            let keys = self.history_keys().await?;
            let (key, _) = keys.own.first().ok_or(ClientError::Cryptography)?;
            let mut contents: Contents = Vec::with_capacity(found.len());
            for (index, content) in found {
                let sealed = key.seal(&place_of_content(&place, index), &content)?;
                contents.push((index, sealed.into()));
            }
            let piece = wire::cbor::to_vec(&contents);
            let command = Command::HistoryPut { room: ByteArray::from(room.id.0), first, end, piece };
            let reply = session.connection.ask(command).await?;
            let held = expect_reply!(reply, Reply::HistoryHeld { end } => end)?;
            // An earlier answer may have been lost, and no piece was larger than this one.
            if held <= first || held > first.saturating_add(PIECE_ENTRIES as u64) {
                return Err(ClientError::unexpected());
            }
            end = held;
        }
        self.vault.put_history_end(room.key, end, put).await?;
        Ok(true)
    }

    /// Reads what other devices of this user have opened of entries that this one has not.
    async fn read_history(&self, session: &Session) -> Result<(), ClientError> {
        let own = self.owner.certificate.hash();
        let keys = self.vault.history_keys().await?;
        if keys.others.is_empty() {
            return Ok(());
        }
        let mut rooms = Vec::new();
        for room in self.rooms() {
            let lacks = |log: &Log| log.member_since(&own) != Some(0) || log.lacks_content();
            if !room.facts().stopped && self.with_log(&room, lacks).await? {
                rooms.push(room);
            }
        }
        for part in rooms.chunks(WINDOW) {
            self.read_rooms(session, &keys, part).await?;
        }
        Ok(())
    }

    async fn read_rooms(
        &self,
        session: &Session,
        keys: &HistoryKeys,
        rooms: &[Arc<Room>],
    ) -> Result<(), ClientError> {
        let mut rooms: Vec<(&Room, bool)> = rooms.iter().map(|room| (&**room, false)).collect();
        while !rooms.is_empty() {
            let mut asked = Vec::with_capacity(rooms.len());
            for (room, reset) in rooms.drain(..) {
                let after = self.vault.history_progress(room.key).await?.read;
                let get = Command::HistoryGet { room: ByteArray::from(room.id.0), after };
                asked.push((room, reset, after, session.connection.request(get).await));
            }
            for (room, reset, after, mut answer) in asked {
                let reply = answer.wait().await?;
                match self.take_answer(room, keys, (after, reset), reply).await {
                    Ok(Some(reset)) => rooms.push((room, reset)),
                    Ok(None) => {}
                    Err(error @ (ClientError::Connection(_) | ClientError::Closed)) => return Err(error),
                    Err(error) => tracing::info!(room = %room.id, "history is not read now: {error}"),
                }
            }
        }
        Ok(())
    }

    /// Takes an answer to what comes behind a position; if there may be more, whether the positions began anew.
    async fn take_answer(
        &self,
        room: &Room,
        keys: &HistoryKeys,
        (after, reset): (u64, bool),
        reply: Reply,
    ) -> Result<Option<bool>, ClientError> {
        let (last, pieces) = expect_reply!(reply, Reply::History { last, pieces } => (last, pieces))?;
        if last < after && !reset {
            // The server was set back: what it has is counted anew.
            let began = self.vault.put_history(room.key, (after, 0), &[]).await?;
            return Ok(began.then_some(true));
        }
        let more = !pieces.is_empty() && self.take_pieces(room, keys, after, pieces).await?;
        Ok(more.then_some(reset))
    }

    /// Takes pieces as far as the log is read; whether all of them were.
    async fn take_pieces(
        &self,
        room: &Room,
        keys: &HistoryKeys,
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
            let from = std::mem::replace(&mut after, position);
            let place = PiecePlace { room: room.id.0, device: *certificate, first, end };
            let contents = open_piece(&place, keys, &piece);
            let good = self.check_history(room, &place, contents).await?;
            if !self.vault.put_history(room.key, (from, position), &good).await? {
                return Ok(false);
            }
            if !good.is_empty() {
                // What was shown of this room was without them.
                *room.acts.lock().await = Default::default();
            }
        }
        Ok(true)
    }

    /// Those contents that the statements at their indices commit to, and that are not here.
    async fn check_history(
        &self,
        room: &Room,
        place: &PiecePlace,
        contents: BTreeMap<u64, Vec<u8>>,
    ) -> Result<Vec<(u64, Vec<u8>)>, ClientError> {
        let mut good = Vec::new();
        let mut at = place.first;
        while at < place.end && !contents.is_empty() {
            let limit = usize::try_from(place.end - at).unwrap_or(PIECE_ENTRIES).min(PIECE_ENTRIES);
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

#[cfg(test)]
mod tests {
    use group::HistoryKey;

    use super::*;

    /// GR-28: each content opens by itself, in its place alone; what an earlier version sealed as a whole opens too.
    #[test]
    fn contents_of_a_piece_open_one_by_one_or_all_together() {
        let key = HistoryKey::generate().unwrap();
        let place = PiecePlace { room: [1; 32], device: [2; 32], first: 3, end: 9 };
        let contents = [(3, b"three".to_vec()), (5, b"five".to_vec())];
        let seal = |place: &PiecePlace, bytes: &[u8]| ByteVec::from(key.seal(place, bytes).unwrap());
        let mut apart: Contents = contents
            .iter()
            .map(|(index, content)| (*index, seal(&place_of_content(&place, *index), content)))
            .collect();
        let together: Contents =
            contents.iter().map(|(index, content)| (*index, content.clone().into())).collect();
        let earlier = seal(&place, &wire::cbor::to_vec(&together));
        let keys = HistoryKeys { own: Vec::new(), others: vec![key] };
        for piece in [&wire::cbor::to_vec(&apart), &*earlier] {
            assert_eq!(open_piece(&place, &keys, piece), contents.clone().into());
        }
        apart.iter_mut().for_each(|(index, _)| *index += 1);
        apart.push((6, ByteVec::from(b"x".to_vec())));
        assert_eq!(open_piece(&place, &keys, &wire::cbor::to_vec(&apart)), BTreeMap::new());
        assert_eq!(open_piece(&place, &HistoryKeys::default(), &earlier), BTreeMap::new());
    }
}
