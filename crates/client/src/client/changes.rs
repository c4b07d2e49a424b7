//! Saying something about what was said: replies, edits, reactions, deletions, mentions (EV-6); and erasing it (EV-48).

use std::collections::BTreeSet;

use evidence::content::{Content, Field, Reaction, Reference};
use evidence::erasure::{Erased, ErasureReason};
use evidence::limits::MAX_MENTIONS;
use evidence::relation::Act;
use evidence::room::RoomId;
use pki::Name;

use super::Client;
use crate::ClientError;
use crate::outbox::{Draft, SendHandle};
use crate::room::Room;
use crate::timeline::{Seen, What};

impl Client {
    /// Gives the user's own message at log index `index` another text, and queues that like [`Self::send`]. What was said
    /// before stays on record.
    ///
    /// # Errors
    /// Those of [`Self::send`]; [`ClientError::NotFound`] for an index that this device does not hold;
    /// [`ClientError::Input`] for a message of somebody else, for one that was deleted, for an entry that is no message,
    /// and for an empty text.
    pub async fn edit(&self, room: RoomId, index: u64, text: &str) -> Result<SendHandle, ClientError> {
        let room = self.room(&room)?;
        if text.is_empty() {
            return Err(ClientError::Input(
                "an edit needs a text; to take a message back, delete it".to_owned(),
            ));
        }
        let edit = Field::Edit(self.own_message(&room, index).await?);
        let mentions = self.mentions(&room, text).await?;
        let fields = [Field::Text(text.to_owned()), edit].into_iter().chain(mentions).collect();
        self.queue(room, Draft::Said(content(fields)?)).await
    }

    /// Gives a reaction to the message at log index `index`, or takes it back, and queues that like [`Self::send`].
    ///
    /// # Errors
    /// Those of [`Self::send`]; [`ClientError::NotFound`] for an index that this device does not hold;
    /// [`ClientError::Input`] for an entry that is no message, and for a text that is no reaction.
    pub async fn react(
        &self,
        room: RoomId,
        index: u64,
        text: &str,
        given: bool,
    ) -> Result<SendHandle, ClientError> {
        let room = self.room(&room)?;
        let to = self.reference(&room, index).await?;
        let reaction = Reaction::new(to, text, given).map_err(|e| ClientError::Input(e.to_string()))?;
        self.queue(room, Draft::Said(content(vec![Field::Reaction(reaction)])?)).await
    }

    /// Asks readers not to show the user's own message at log index `index` any more, and queues that like
    /// [`Self::send`]. What was said stays on record (EV-44).
    ///
    /// # Errors
    /// As [`Self::edit`].
    pub async fn delete(&self, room: RoomId, index: u64) -> Result<SendHandle, ClientError> {
        let room = self.room(&room)?;
        let deletion = Field::Deletion(self.own_message(&room, index).await?);
        self.queue(room, Draft::Said(content(vec![deletion])?)).await
    }

    /// What goes when the user's own messages at these log indices are erased: they, and the user's edits of them that this device
    /// knows, ascending.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] for an index that this device does not hold; [`ClientError::Input`] for a message of somebody else, for
    /// one that was erased before, and for an entry that is no message.
    pub async fn erasable(&self, room: RoomId, indices: &[u64]) -> Result<Vec<u64>, ClientError> {
        let room = self.room(&room)?;
        let mut found = BTreeSet::new();
        for index in indices {
            let (_, seen) = self.own_reference(&room, *index, "erase it").await?;
            if seen.act().is_some_and(|act| matches!(act, Act::Delete(_))) {
                return Err(ClientError::Input(format!(
                    "what stands at {index} takes a message back: without it that is shown again. Erase the message itself"
                )));
            }
            found.insert(*index);
            found.extend(self.core().own_edits(&room, *index).await?);
        }
        Ok(found.into_iter().collect())
    }

    /// Erases the user's own messages at these log indices, and the user's edits of them, for a reason that everybody can read, the
    /// server too; queued like [`Self::send`]. The server and the clients of the room then drop what they said, for good; copies that
    /// somebody made stay (EV-49).
    ///
    /// # Errors
    /// Those of [`Self::erasable`]; [`ClientError::Input`] for a reason that is none, and for too many messages at once;
    /// [`ClientError::NotAMember`], [`ClientError::Stopped`], [`ClientError::Vault`].
    pub async fn erase(
        &self,
        room: RoomId,
        indices: &[u64],
        reason: &str,
    ) -> Result<SendHandle, ClientError> {
        let input = |error: &dyn std::fmt::Display| ClientError::Input(error.to_string());
        let reason = ErasureReason::parse(reason).map_err(|error| input(&error))?;
        let indices = self.erasable(room, indices).await?;
        let room = self.room(&room)?;
        self.check_no_edit_waits(&room, &indices).await?;
        let mut erased = Vec::with_capacity(indices.len());
        for index in indices {
            erased.push(self.reference(&room, index).await?);
        }
        let erased = Erased::new(erased).map_err(|error| input(&error))?;
        self.queue(room, Draft::Erase(erased, reason)).await
    }

    /// Refuses while an edit of one of these messages is still to be sent: it would say again what is erased.
    async fn check_no_edit_waits(&self, room: &Room, indices: &[u64]) -> Result<(), ClientError> {
        let rows = self.core().vault.outbox(room.key, 0, usize::MAX).await?;
        let edits = rows.iter().filter_map(|row| {
            match Act::of(Content::from_bytes(row.parcel.content.as_deref()?).ok()?.fields())? {
                Act::Edit(reference) => Some(reference.index),
                _ => None,
            }
        });
        match edits.into_iter().find(|index| indices.contains(index)) {
            Some(index) => Err(ClientError::Input(format!(
                "an edit of the message at index {index} still waits to be sent: erase it once that is logged"
            ))),
            None => Ok(()),
        }
    }

    /// The reference to the message at `index`.
    pub(super) async fn reference(&self, room: &Room, index: u64) -> Result<Reference, ClientError> {
        match self.core().seen_at(room, index).await? {
            Some(seen) if seen.is_statement => Ok(Reference { index, leaf: seen.leaf }),
            Some(_) => Err(ClientError::Input(format!(
                "the entry at index {index} is a change of the room, not a message; name the index of a message"
            ))),
            None => Err(not_held(index)),
        }
    }

    /// The reference to a message of this user's that was not erased, and what else is known of it.
    async fn own_reference(
        &self,
        room: &Room,
        index: u64,
        what: &str,
    ) -> Result<(Reference, Seen), ClientError> {
        let reference = self.reference(room, index).await?;
        let core = self.core();
        let seen = core.seen_at(room, index).await?.ok_or_else(|| not_held(index))?;
        if seen.user.as_deref() != Some(self.user()) {
            return Err(ClientError::Input(format!(
                "the message at index {index} is not yours; only {} can {what}",
                seen.user.as_deref().unwrap_or("its sender")
            )));
        }
        match core.vault.erased(room.key, index, index.saturating_add(1)).await?.get(&index) {
            Some(at) => Err(ClientError::Input(format!(
                "the message at index {index} was erased at {at}; nothing changes it any more"
            ))),
            None => Ok((reference, seen)),
        }
    }

    /// The reference to a message that this user may change.
    async fn own_message(&self, room: &Room, index: u64) -> Result<Reference, ClientError> {
        let core = self.core();
        let (reference, seen) = self.own_reference(room, index, "edit or delete it").await?;
        match seen.is_plain() {
            Some(true) => {}
            Some(false) => {
                return Err(ClientError::Input(format!(
                    "what is at index {index} is itself an edit, a reaction or a deletion; name the message that it is about"
                )));
            }
            None => {
                return Err(ClientError::Input(format!(
                    "this device does not hold what the message at index {index} says, so it cannot change it; use a device \
                     that does"
                )));
            }
        }
        let item = core.timeline(room, index, 1).await?.pop().map(|item| item.what);
        match item {
            Some(What::Said { deleted: Some(at), .. }) => Err(ClientError::Input(format!(
                "the message at index {index} was deleted at {at}; nothing changes it any more"
            ))),
            _ => Ok(reference),
        }
    }

    /// The members of a room whom a text mentions.
    pub(super) async fn mentions(&self, room: &Room, text: &str) -> Result<Option<Field>, ClientError> {
        if !text.contains('@') {
            return Ok(None);
        }
        let members = self.core().with_log(room, |log| {
            let members = log.state().into_iter().flat_map(|state| state.members());
            members.map(|(_, member)| member.user.clone()).collect::<BTreeSet<Name>>()
        });
        let mentioned = mentioned(text, &members.await?);
        Ok((!mentioned.is_empty()).then(|| Field::Mentions(mentioned.into_iter().collect())))
    }
}

fn content(fields: Vec<Field>) -> Result<Content, ClientError> {
    Content::new(fields).map_err(|error| ClientError::Input(error.to_string()))
}

fn not_held(index: u64) -> ClientError {
    ClientError::NotFound(format!(
        "there is no entry at index {index} in this home; the number before a message is its index"
    ))
}

/// Names of members that stand after an `@` as words of their own, the first [`MAX_MENTIONS`] of them.
fn mentioned(text: &str, members: &BTreeSet<Name>) -> BTreeSet<Name> {
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let in_word = |c: char| c.is_alphanumeric() || c == '_' || c == '@';
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices('@') {
        let (before, after) = text.split_at(at);
        let after = after.trim_start_matches('@');
        let word = after.split(|c| !in_name(c)).next().unwrap_or_default();
        let behind = after.get(word.len()..).and_then(|rest| rest.chars().next());
        // Part of an address or of a longer word is no mention.
        let apart = !before.ends_with(in_word) && !behind.is_some_and(in_word);
        let name = Name::parse(word.trim_end_matches('-')).ok();
        if apart && found.len() < MAX_MENTIONS {
            found.extend(name.filter(|name| members.contains(name)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_mentioned_by_words_that_begin_with_an_at_sign() {
        let members = ["alice", "bob", "mary-ann"].map(|name| Name::parse(name).unwrap()).into();
        for (text, names) in [
            ("@bob", &["bob"][..]),
            ("@Bob, @alice: see this.", &["alice", "bob"]),
            ("(@mary-ann)", &["mary-ann"]),
            ("@bob- and @bob again", &["bob"]),
            ("Grüße @bob's", &["bob"]),
            ("bob", &[]),
            ("mail bob@alice", &[]),
            ("@bob@example", &[]),
            ("@bobby @bob_ @bobé", &[]),
            ("@carol @all @", &[]),
            ("@mary", &[]),
        ] {
            let found: Vec<String> = mentioned(text, &members).iter().map(ToString::to_string).collect();
            assert_eq!(found, names, "{text}");
        }
    }
}
