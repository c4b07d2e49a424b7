//! Which edits and deletions a room has, and what comes of them.

use std::collections::BTreeMap;

use evidence::Hash;
use evidence::content::Content;
use evidence::entry::{Entry, UnverifiedEntry};
use evidence::log::leaf_hash;
use evidence::relation::{Act, Edited, Fate, Relations, Target};
use evidence::room::Certificates as _;

use super::item::{Claims, TimelineItem, What};
use crate::ClientError;
use crate::engine::Core;
use crate::room::Room;
use crate::vault::{StoredEntry, VaultError};

/// Entries read at a time.
const PAGE: usize = 512;

/// The edits and deletions in a stretch of a room's log. It begins where a reader began, as nothing before an entry
/// changes it, and grows with the log.
#[derive(Default)]
pub(crate) struct Acts {
    from: u64,
    to: u64,
    /// By the index that they refer to, then by their own.
    by_target: BTreeMap<u64, BTreeMap<u64, Change>>,
}

/// An edit or a deletion, its reference not looked at.
struct Change {
    user: Option<String>,
    act: Act,
}

impl Acts {
    fn concern(&self, index: u64) -> bool {
        self.by_target.contains_key(&index)
    }

    fn fate(&self, index: u64, target: &Target<'_>) -> Fate {
        let changes = self.by_target.get(&index).into_iter().flatten();
        let good = changes.filter(|(at, change)| {
            change.act.is_good(**at, change.user.as_deref(), Some(target)) == Some(true)
        });
        Fate::of(good.map(|(at, change)| (*at, &change.act)))
    }

    fn add(&mut self, index: u64, seen: &Seen) {
        if let Some(act) = seen.act().filter(Act::changes) {
            let change = Change { user: seen.user.clone(), act };
            self.by_target.entry(change.act.reference().index).or_default().insert(index, change);
        }
    }
}

/// An entry as far as it has to do with others.
pub(crate) struct Seen {
    pub(crate) leaf: Hash,
    pub(crate) is_statement: bool,
    pub(crate) user: Option<String>,
    content: Option<Content>,
}

impl Seen {
    pub(crate) fn act(&self) -> Option<Act> {
        Act::of(self.content.as_ref()?.fields())
    }

    /// Whether it is neither an edit nor a reaction nor a deletion; `None` if its content is not here.
    pub(crate) fn is_plain(&self) -> Option<bool> {
        self.content.as_ref().map(|_| self.act().is_none_or(|act| act.is_reply()))
    }

    fn target(&self) -> Target<'_> {
        Target {
            leaf: self.leaf,
            is_statement: Some(self.is_statement),
            user: self.user.as_deref(),
            is_plain: self.is_plain(),
        }
    }
}

impl Core {
    fn see(&self, entry: &StoredEntry) -> Result<Seen, ClientError> {
        let parsed = Entry::parse(&entry.entry).map_err(|_| VaultError::Damaged("segment"))?;
        let signer = self.certificates.certificate(&Claims::from(&parsed).certificate());
        Ok(Seen {
            leaf: leaf_hash(&entry.entry),
            is_statement: matches!(parsed, UnverifiedEntry::Statement(_)),
            user: signer.and_then(|signer| signer.identity().user().map(ToString::to_string)),
            content: entry.content.as_deref().and_then(|bytes| Content::from_bytes(bytes).ok()),
        })
    }

    /// The entry at `index`, if it is under a verified checkpoint.
    pub(crate) async fn seen_at(&self, room: &Room, index: u64) -> Result<Option<Seen>, ClientError> {
        let held = self.vault.room(&room.id.0).await?.map_or(0, |row| row.held);
        if index >= held {
            return Ok(None);
        }
        let entry = self.vault.entries(room.key, index, 1).await?.pop();
        entry.map(|(_, entry)| self.see(&entry)).transpose()
    }

    /// Indices of the edits of the message at `index` by its own user, as far as their content is here.
    pub(crate) async fn own_edits(&self, room: &Room, index: u64) -> Result<Vec<u64>, ClientError> {
        let held = self.vault.room(&room.id.0).await?.map_or(0, |row| row.held);
        let mut acts = room.acts.lock().await;
        self.find_acts(room, &mut acts, index.min(held), held).await?;
        let Some(seen) = self.seen_at(room, index).await? else { return Ok(Vec::new()) };
        let target = seen.target();
        let changes = acts.by_target.get(&index).into_iter().flatten();
        let edits = changes.filter(|(at, change)| {
            matches!(change.act, Act::Edit(_))
                && change.user == seen.user
                && change.act.is_good(**at, change.user.as_deref(), Some(&target)) != Some(false)
        });
        Ok(edits.map(|(at, _)| *at).collect())
    }

    /// Brings what is known of edits and deletions to the entries from `from` up to `held`.
    pub(super) async fn find_acts(
        &self,
        room: &Room,
        acts: &mut Acts,
        from: u64,
        held: u64,
    ) -> Result<(), ClientError> {
        if acts.to == 0 {
            (acts.from, acts.to) = (from, from);
        }
        if from < acts.from {
            self.scan(room, acts, from, acts.from).await?;
            acts.from = from;
        }
        if acts.to < held {
            self.scan(room, acts, acts.to, held).await?;
            acts.to = held;
        }
        Ok(())
    }

    async fn scan(&self, room: &Room, acts: &mut Acts, from: u64, to: u64) -> Result<(), ClientError> {
        let mut next = from;
        while next < to {
            let page = self.vault.entries(room.key, next, PAGE).await?;
            let Some((last, _)) = page.last() else { return Err(VaultError::Damaged("segment").into()) };
            next = last + 1;
            for (index, entry) in page.iter().filter(|(index, entry)| *index < to && entry.content.is_some())
            {
                let content = entry.content.as_deref().and_then(|bytes| Content::from_bytes(bytes).ok());
                let act = content.and_then(|content| Act::of(content.fields()));
                if act.is_some_and(|act| act.changes()) {
                    acts.add(*index, &self.see(entry)?);
                }
            }
        }
        Ok(())
    }

    /// Tells of a message whether its reference is good, and what later ones have made of it.
    pub(super) async fn relate(
        &self,
        room: &Room,
        acts: &mut Acts,
        entry: &StoredEntry,
        item: &mut TimelineItem,
        held: u64,
    ) -> Result<(), ClientError> {
        let index = item.index;
        let What::Said { relations, edited, deleted, .. } = &mut item.what else { return Ok(()) };
        if !(relations.refer() || acts.concern(index)) {
            return Ok(());
        }
        let own = self.see(entry)?;
        let fate = match own.act() {
            None | Some(Act::Reply(_)) => acts.fate(index, &own.target()),
            Some(_) => Fate::default(),
        };
        *deleted = fate.deleted;
        if let Some(at) = fate.edited {
            let text = self.seen_at(room, at).await?.and_then(|edit| Some(edit.content?.text()?.to_owned()));
            *edited = Some(Edited { index: at, text });
        }
        let (Some(act), Some(content)) = (own.act(), &own.content) else { return Ok(()) };
        let to = act.reference().index;
        let target = if to < index { self.seen_at(room, to).await? } else { None };
        let good = act.is_good(index, own.user.as_deref(), target.as_ref().map(Seen::target).as_ref());
        *relations = Relations::new(content.fields(), good);
        if let (Act::Edit(_), Some(true), Some(target)) = (&act, good, &target) {
            // The text of an edit is not shown any more either.
            self.find_acts(room, acts, to, held).await?;
            *deleted = acts.fate(to, &target.target()).deleted;
        }
        Ok(())
    }
}
