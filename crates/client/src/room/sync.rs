//! Entries and checkpoints from the server: verified whole, then stored, then told (SE-18).
//!
//! What cannot be true stops the room: what shows it is kept, nothing of it is shown.

use std::collections::HashMap;
use std::sync::Arc;

use evidence::checkpoint::{Origin, SignedCheckpoint};
use evidence::entry::Entry;
use evidence::room::ContentSuite;
use minicbor::bytes::ByteArray;
use session::limits::FETCH_ENTRIES;
use session::message::{Command, Reply};

use super::log::Head;
use super::verify::{self, Checked, Item};
use super::{Log, Room};
use crate::ClientError;
use crate::engine::{Core, Session};
use crate::event::Event;
use crate::mls::{Before, Blobs, OpenGroup};
use crate::reply::expect_reply;
use crate::timeline::{Claims, item};
use crate::vault::{
    Alarm, CHECKPOINT_SPACING_S, OutboxRow, Step, VaultError, VerifiedHead, WriteTransaction,
};

/// Entries read from the vault at once.
const LOAD: usize = 4096;
/// How often another process may be first before this is given up.
const TRIES: usize = 8;

/// Entries of a room as they came, with the newest checkpoint of the room.
pub(crate) struct Batch {
    /// Index of the first.
    pub(crate) first: u64,
    pub(crate) entries: Vec<session::message::Entry>,
    pub(crate) checkpoint: Vec<u8>,
}

/// Why entries were not taken.
enum Trouble {
    /// What the server shows cannot be true.
    Contradiction { what: String, entry: Option<Vec<u8>> },
    /// Anything else.
    Other(ClientError),
}

impl<E: Into<ClientError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl Core {
    /// Reads a room's log up to the server's newest checkpoint.
    pub(crate) async fn catch_up(&self, room: &Room, session: &Session) -> Result<(), ClientError> {
        loop {
            room.check_not_stopped()?;
            let (from, held) = self.with_fresh_log(room, |log| (log.size(), log.held())).await?;
            let fetch = Command::Fetch { room: ByteArray::from(room.id.0), from, limit: FETCH_ENTRIES };
            let reply = session.connection.ask(fetch).await?;
            let (first, entries, checkpoint) = expect_reply!(reply,
                Reply::Entries { first, entries, checkpoint, .. } => (first, entries, checkpoint))?;
            if first != from && !entries.is_empty() {
                return Err(ClientError::unexpected());
            }
            let nothing = entries.is_empty();
            let batch = Batch { first: from, entries, checkpoint: checkpoint.clone() };
            let newest = self.take(room, session, batch).await?;
            // A former member is given the checkpoint at its removal, and may have read a later one when it left.
            if newest < held && room.facts().member {
                let what = format!("the server shows {newest} entries where it has shown {held}");
                self.stop(room, what, Some(checkpoint), None).await?;
                return Err(ClientError::Stopped(room.id));
            }
            if newest <= room.facts().size {
                return Ok(());
            }
            if nothing && !room.facts().member {
                // The log goes on without this device.
                return Ok(());
            }
            if nothing {
                return Err(ClientError::Untrusted("the server holds entries back".to_owned()));
            }
        }
    }

    /// Takes a batch: what is not held yet of it, if it follows what is. Returns the size of its checkpoint.
    pub(crate) async fn take(
        &self,
        room: &Room,
        session: &Session,
        batch: Batch,
    ) -> Result<u64, ClientError> {
        room.check_not_stopped()?;
        // Before the log is held, which others wait for.
        let mut blobs = self.prefetch(room, session, &batch).await?;
        let mut guard = room.log.lock().await;
        // Taken out while it moves: whatever interrupts this, nobody finds it ahead of what is stored.
        let mut held = guard.take();
        let mut stale = held.is_none();
        for _ in 0..TRIES {
            let outcome = async {
                if stale {
                    self.load(room, &mut held).await?;
                }
                let log = held.get_or_insert_default();
                let (first, checked) = self.check(room, session, log, &batch, &mut blobs).await?;
                self.fold(room, session, log, (first, checked, &blobs), &batch.checkpoint).await
            }
            .await;
            match outcome {
                Ok(newest) => {
                    *guard = held;
                    return Ok(newest);
                }
                // Another process of this home has moved the room: read what it stored and go on from there.
                Err(Trouble::Other(ClientError::Vault(VaultError::Moved))) => stale = true,
                Err(Trouble::Other(error)) => return Err(error),
                Err(Trouble::Contradiction { what, entry }) => {
                    drop(guard);
                    self.stop(room, what, Some(batch.checkpoint), entry).await?;
                    return Err(ClientError::Stopped(room.id));
                }
            }
        }
        Err(VaultError::Moved.into())
    }

    /// Fetches what a batch will need, as far as that is known without the log.
    async fn prefetch(&self, room: &Room, session: &Session, batch: &Batch) -> Result<Blobs, ClientError> {
        let (facts, mut blobs) = (room.facts(), Blobs::default());
        let skip = usize::try_from(facts.size.saturating_sub(batch.first)).unwrap_or(usize::MAX);
        if let Some(fresh) = batch.entries.get(skip..).filter(|_| facts.loaded && batch.first <= facts.size) {
            // What cannot be read is told when it is checked.
            let items = verify::parse(fresh).unwrap_or_default();
            let entries = items.iter().map(|item| &item.entry);
            self.fetch_needed(room, session, facts.member, entries, &mut blobs).await?;
        }
        Ok(blobs)
    }

    /// Verifies those entries of a batch that the log does not have, and fetches what is needed to follow them; none if the batch does not
    /// reach that far down, the first of them if what they need is large.
    async fn check(
        &self,
        room: &Room,
        session: &Session,
        log: &Log,
        batch: &Batch,
        blobs: &mut Blobs,
    ) -> Result<(u64, Vec<Checked>), Trouble> {
        let size = log.size();
        let skip = size.saturating_sub(batch.first);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        if batch.first > size || skip >= batch.entries.len() {
            return Ok((size, Vec::new()));
        }
        let fresh = batch.entries.get(skip..).unwrap_or_default();
        let contradiction = |(at, fault): (usize, String)| {
            let index = size.saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
            let entry = batch.entries.get(skip + at).map(|entry| entry.statement.clone());
            Trouble::Contradiction { what: format!("the entry at index {index} cannot be: {fault}"), entry }
        };
        let mut items: Vec<Item> = verify::parse(fresh).map_err(contradiction)?;
        let suite =
            log.suite().or_else(|| verify::suite(items.first()?)).unwrap_or(ContentSuite::ServerReads);
        let needed = verify::needed(&items);
        self.certificates.fetch(&needed, &self.owner, &self.vault, &session.connection).await?;
        if let Some(at) = items.iter().position(|item| item.entry.place().room != room.id) {
            return Err(contradiction((at, "of another room".to_owned())));
        }
        if suite == ContentSuite::EndToEnd {
            let member = log.member_since(&self.owner.certificate.hash()).is_some();
            let entries = items.iter().map(|item| &item.entry);
            let count = self.fetch_needed(room, session, member, entries, blobs).await?;
            items.truncate(count);
        }
        let checked = verify::verify(items, &self.certificates, suite).await.map_err(contradiction)?;
        Ok((size, checked))
    }

    /// Puts verified entries where they belong, compares the checkpoint, stores all in one transaction, tells it.
    /// After [`VaultError::Moved`] the log is as it was; after any other failure it is not to be used.
    async fn fold(
        &self,
        room: &Room,
        session: &Session,
        log: &mut Log,
        (first, mut checked, blobs): (u64, Vec<Checked>, &Blobs),
        checkpoint: &[u8],
    ) -> Result<u64, Trouble> {
        let own = self.owner.certificate.hash();
        let head = self.verified_head(room, session, log, checkpoint)?;
        let (newest, held_before) = (head.head.size, log.held());
        let to = first.saturating_add(u64::try_from(checked.len()).unwrap_or(u64::MAX));
        let covers = newest <= to && newest > held_before;
        if checked.is_empty() && !covers {
            compare(log, &head)?;
            return Ok(newest);
        }
        let own_last = checked.iter().filter(|entry| entry.entry.certificate() == own);
        let own_last = own_last.map(|entry| entry.entry.place().seq).max();
        let stored_head = VerifiedHead { size: newest, seconds: head.time_s, note: &head.note };
        let step = Step {
            from: first,
            to,
            next_seq: own_last.map_or(0, |seq| seq.saturating_add(1)),
            head: covers.then_some(stored_head),
        };
        let mut transaction = self.vault.begin().await?;
        self.vault.move_room(&mut transaction, room.key, &step).await?;
        let mut open = None;
        let mut unopened = self.accept(&mut transaction, room, log, &mut checked, blobs, &mut open).await?;
        compare(log, &head)?;
        let erased = self.erase(&mut transaction, room, log, (first, &mut checked, &mut unopened)).await?;
        if let Some(seq) = own_last {
            self.vault.clear_outbox(&mut transaction, room.key, 0, seq).await?;
        }
        let facts = log.facts(&own, false);
        let mut care = false;
        if let Some(open) = &mut open {
            self.store_group(&mut transaction, room, open).await?;
            if newest <= to {
                // What was asked for before may be possible now, if the group was changed.
                let changed = checked.iter().any(|entry| matches!(entry.entry, Entry::Membership(_)));
                let asked = self.ask_for_care(&mut transaction, room, &facts, open).await?;
                care = match asked {
                    Some(new) => new || changed,
                    // What waited for the group can be sealed.
                    None => changed && self.vault.has_unsigned(&mut transaction, room.key).await?,
                };
                if changed && facts.keys.is_some_and(|keys| !open.is_lost(keys.at)) {
                    room.set_stuck(false);
                }
            }
        }
        let rows: Vec<_> =
            checked.iter().zip(&unopened).map(|(entry, unopened)| entry.to_store(*unopened)).collect();
        self.vault.append(&mut transaction, room.key, first, &rows).await?;
        if covers && head.time_s >= log.kept_s.saturating_add(CHECKPOINT_SPACING_S) {
            self.vault.keep_checkpoint(&mut transaction, room.key, stored_head).await?;
            log.kept_s = head.time_s;
        }
        transaction.commit().await?;

        if covers {
            log.head = Some(head);
        }
        room.set_facts(log.facts(&own, false));
        if erased {
            // What was said of others is partly gone.
            *room.acts.lock().await = Default::default();
            if let Err(error) = self.vault.empty_log().await {
                tracing::info!(room = %room.id, "what was erased is overwritten later: {error}");
            }
        }
        if let Some(open) = open {
            self.keep_group(room, open);
        }
        if care {
            self.outbox_bell.notify_one();
        }
        let (mut said, mut lacking) = (false, false);
        for entry in checked.iter().filter(|entry| matches!(entry.entry, Entry::Statement(_))) {
            said = true;
            lacking |= entry.content.is_none() && !entry.erased;
        }
        if said {
            self.history_grows(lacking);
        }
        if own_last.is_some() {
            for (index, entry) in (first..).zip(&checked) {
                self.own_entry_logged(room, index, &entry.entry, entry.content.as_deref());
            }
        }
        self.tell(room, held_before, first, &checked, &unopened).await?;
        Ok(newest)
    }

    /// Accepts entries one after the other, and in suite 1 takes the group along, which is put into `open`; of each, why its content is
    /// missing if it should not be.
    async fn accept(
        &self,
        transaction: &mut WriteTransaction,
        room: &Room,
        log: &mut Log,
        checked: &mut [Checked],
        blobs: &Blobs,
        open: &mut Option<OpenGroup>,
    ) -> Result<Vec<Option<u8>>, Trouble> {
        let own = self.owner.certificate.hash();
        let mine = self.own_rows(transaction, room, checked).await?;
        let mut unopened = Vec::with_capacity(checked.len());
        for entry in checked {
            let before = Before {
                member: log.member_since(&own).is_some(),
                lingering: log.lingering(),
                blobs,
                own: &mine,
            };
            let index = log.accept(&entry.entry, &*self.certificates, &own).map_err(|fault| {
                Trouble::Contradiction {
                    what: format!("the entry at index {} cannot be: {fault}", log.size()),
                    entry: Some(entry.entry.bytes().to_vec()),
                }
            })?;
            if log.suite() == Some(ContentSuite::EndToEnd) {
                if open.is_none() {
                    *open = Some(self.open_group(transaction, room).await?);
                }
                let Some(open) = open.as_mut() else { continue };
                match &entry.entry {
                    Entry::Statement(_) if !before.member => {}
                    Entry::Statement(statement) => {
                        let ciphertext = entry.ciphertext.as_deref();
                        match self.open_content(room, open, statement, ciphertext, &mine)? {
                            Ok(content) => entry.content = Some(content),
                            Err(missing) if entry.ciphertext.is_some() => entry.missing = missing,
                            Err(_) => {}
                        }
                    }
                    Entry::Erasure(_) => {}
                    changed => {
                        self.follow_change(transaction, room, open, log, changed, &before).await?;
                    }
                }
            }
            let missing = entry.unopened(before.member);
            log.unopened.extend(missing.map(|reason| (index, reason)));
            unopened.push(missing);
            if let Entry::Revocation(revocation) = &entry.entry {
                self.certificates.revoked_in_a_room(revocation.revoked);
                self.certificates.ring();
            }
        }
        Ok(unopened)
    }

    /// The rows of the outbox that entries of this device came from, by number.
    async fn own_rows(
        &self,
        transaction: &mut WriteTransaction,
        room: &Room,
        checked: &[Checked],
    ) -> Result<HashMap<u64, OutboxRow>, VaultError> {
        let own = self.owner.certificate.hash();
        let seqs = checked.iter().filter(|entry| entry.entry.certificate() == own);
        let seqs = seqs.map(|entry| entry.entry.place().seq);
        let Some((first, last)) = seqs.clone().min().zip(seqs.max()) else { return Ok(HashMap::new()) };
        let count = usize::try_from(last - first + 1).unwrap_or(usize::MAX);
        let rows = self.vault.outbox_on(transaction, room.key, first, count).await?;
        Ok(rows.into_iter().map(|row| (row.seq, row)).collect())
    }

    /// Verifies a checkpoint's signatures.
    fn verified_head(
        &self,
        room: &Room,
        session: &Session,
        log: &Log,
        checkpoint: &[u8],
    ) -> Result<Head, Trouble> {
        if let Some(head) = log.head.as_ref().filter(|head| head.note == checkpoint) {
            return Ok(head.clone());
        }
        let origin = Origin::room(&self.owner.organisation, room.id);
        Ok(Head::from(&*session.verify_checkpoint(&origin, checkpoint)?))
    }

    /// Folds what the vault holds beyond what is loaded.
    pub(crate) async fn load(&self, room: &Room, guard: &mut Option<Log>) -> Result<(), ClientError> {
        let row = self.vault.room(&room.id.0).await?.ok_or(VaultError::Damaged("room"))?;
        if row.stopped {
            room.stop();
            return Err(ClientError::Stopped(room.id));
        }
        let own = self.owner.certificate.hash();
        let log = guard.get_or_insert_default();
        let held_before = log.head.as_ref().map(|head| head.head.size);
        while log.size() < row.size {
            let entries = self.vault.opened_entries(room.key, log.size(), LOAD).await?;
            if entries.is_empty() {
                return Err(VaultError::Damaged("segment").into());
            }
            let (mut parts, mut unopened) = (Vec::new(), Vec::new());
            let mut contents = Vec::with_capacity(entries.len());
            for (index, entry) in entries {
                parts.push(session::message::Entry { statement: entry.entry, content: None });
                contents.push(entry.content);
                unopened.extend(entry.unopened.map(|reason| (index, reason)));
            }
            let items = verify::parse(&parts).map_err(|_| VaultError::Damaged("segment"))?;
            let checked = verify::verify(items, &self.certificates, ContentSuite::ServerReads)
                .await
                .map_err(|_| VaultError::Damaged("segment"))?;
            for (entry, content) in checked.into_iter().zip(contents) {
                let index = log
                    .accept(&entry.entry, &*self.certificates, &own)
                    .map_err(|_| VaultError::Damaged("segment"))?;
                if let Entry::Revocation(revocation) = &entry.entry {
                    self.certificates.revoked_in_a_room(revocation.revoked);
                }
                if let Entry::Erasure(erasure) = &entry.entry {
                    // What another process has erased was held here as it was before.
                    log.erase(&erasure.erased.indices().collect::<Vec<_>>());
                    *room.acts.lock().await = Default::default();
                }
                self.own_entry_logged(room, index, &entry.entry, content.as_deref());
            }
            log.unopened.extend(unopened);
        }
        if let Some(note) = row.head.filter(|_| held_before != Some(row.held)) {
            let root = log.tree.root_at(row.held).ok_or(VaultError::Damaged("room head"))?;
            let head = evidence::log::TreeHead { size: row.held, root };
            log.head = Some(Head { head, time_s: 0, note });
        }
        room.set_facts(log.facts(&own, false));
        Ok(())
    }

    /// Looks at a room's log as the vault holds it.
    pub(crate) async fn with_log<T>(
        &self,
        room: &Room,
        look: impl FnOnce(&Log) -> T,
    ) -> Result<T, ClientError> {
        let mut guard = room.log.lock().await;
        if let Some(log) = &*guard {
            return Ok(look(log));
        }
        if let Err(error) = self.load(room, &mut guard).await {
            *guard = None;
            return Err(error);
        }
        Ok(look(guard.get_or_insert_default()))
    }

    /// [`Self::with_log`], after reading what other processes of this home have stored.
    pub(crate) async fn with_fresh_log<T>(
        &self,
        room: &Room,
        look: impl FnOnce(&Log) -> T,
    ) -> Result<T, ClientError> {
        let mut guard = room.log.lock().await;
        if let Err(error) = self.load(room, &mut guard).await {
            *guard = None;
            return Err(error);
        }
        Ok(look(guard.get_or_insert_default()))
    }

    /// Tells of entries that are now under a verified checkpoint.
    async fn tell(
        &self,
        room: &Room,
        held_before: u64,
        first: u64,
        checked: &[Checked],
        unopened: &[Option<u8>],
    ) -> Result<(), ClientError> {
        let held = room.facts().held;
        if !self.has_listeners() || held <= held_before {
            return Ok(());
        }
        if held_before < first {
            // Stored before, without a checkpoint that covered them.
            let limit = usize::try_from(first.min(held) - held_before).unwrap_or(usize::MAX);
            for item in self.timeline(room, held_before, limit).await? {
                self.emit(Event::Item { room: room.id, item: Arc::new(item) });
            }
        }
        for ((index, entry), unopened) in (first..held).zip(checked).zip(unopened) {
            let known = |hash: &_| evidence::room::Certificates::certificate(&*self.certificates, hash);
            let bytes = entry.entry.bytes();
            let mut item = item(index, &Claims::from(&entry.entry), bytes, entry.kept(), *unopened, known);
            if item.refers() || entry.erased {
                item = self.timeline(room, index, 1).await?.pop().unwrap_or(item);
            }
            self.emit(Event::Item { room: room.id, item: Arc::new(item) });
        }
        Ok(())
    }

    /// Stops following a room and keeps what shows why.
    pub(crate) async fn stop(
        &self,
        room: &Room,
        what: String,
        shown: Option<Vec<u8>>,
        entry: Option<Vec<u8>>,
    ) -> Result<(), ClientError> {
        let held = self.vault.room(&room.id.0).await?.and_then(|row| row.head);
        let alarm = Alarm { what: what.clone(), held, shown, entry };
        self.vault.stop_room(room.key, (self.clock)(), &alarm).await?;
        room.stop();
        tracing::info!(room = %room.id, "room stopped: {what}");
        self.emit(Event::Alarm { room: room.id, what, stopped: true });
        Ok(())
    }
}

/// Holds a verified checkpoint against the log, as far as the log goes.
fn compare(log: &Log, head: &Head) -> Result<(), Trouble> {
    match log.tree.root_at(head.head.size) {
        Some(root) if root != head.head.root => Err(Trouble::Contradiction {
            what: format!("the server signed another history of the first {} entries", head.head.size),
            entry: None,
        }),
        _ => Ok(()),
    }
}

impl Session {
    /// Verifies a checkpoint under the keys that sign now; the last one is remembered.
    pub(crate) fn verify_checkpoint(
        &self,
        origin: &Origin,
        note: &[u8],
    ) -> Result<Arc<SignedCheckpoint>, ClientError> {
        let mut last = self.last_checkpoint.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = last
            .iter()
            .find(|known| known.as_text().as_bytes() == note && known.checkpoint().origin == *origin)
        {
            return Ok(Arc::clone(known));
        }
        let signed = SignedCheckpoint::verify(note, origin, &self.log, &self.cosigner)
            .map_err(|error| ClientError::Untrusted(error.to_string()))?;
        let signed = Arc::new(signed);
        last.truncate(7);
        last.insert(0, Arc::clone(&signed));
        Ok(signed)
    }
}
