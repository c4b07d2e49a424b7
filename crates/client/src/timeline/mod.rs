//! A room's log as people read it.

mod acts;
mod item;

pub(crate) use acts::{Acts, Seen};
pub(crate) use item::{Claims, item};
pub use item::{MessageState, TimelineItem, What};

use evidence::content::{Attachment, Content};
use evidence::entry::{Entry, UnverifiedEntry};
use evidence::room::Certificates as _;

use crate::ClientError;
use crate::engine::Core;
use crate::room::Room;
use crate::vault::VaultError;

impl Core {
    /// Up to `limit` entries from index `from` that are under a verified checkpoint.
    pub(crate) async fn timeline(
        &self,
        room: &Room,
        from: u64,
        limit: usize,
    ) -> Result<Vec<TimelineItem>, ClientError> {
        let held = self.vault.room(&room.id.0).await?.map_or(0, |row| row.held);
        let entries = self.vault.entries(room.key, from, limit).await?;
        let erased = self.vault.erased(room.key, from, held).await?;
        let mut acts = room.acts.lock().await;
        self.find_acts(room, &mut acts, from.min(held), held).await?;
        let mut items = Vec::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().take_while(|(index, _)| *index < held) {
            let parsed = Entry::parse(&entry.entry).map_err(|_| VaultError::Damaged("segment"))?;
            let known = |hash: &_| self.certificates.certificate(hash);
            let claims = Claims::from(&parsed);
            let mut line =
                item(index, &claims, &entry.entry, entry.content.as_deref(), entry.unopened, known);
            match erased.get(&index) {
                Some(at) => line.what = self.why_erased(room, *at).await?,
                None => self.relate(room, &mut acts, &entry, &mut line, held).await?,
            }
            let by = room.received().users(index, &line.from);
            if !by.is_empty() {
                line.state = MessageState::Received { by };
            }
            items.push(line);
        }
        Ok(items)
    }

    async fn why_erased(&self, room: &Room, at: u64) -> Result<What, ClientError> {
        let entry = self.vault.opened_entries(room.key, at, 1).await?.pop();
        let (_, entry) = entry.ok_or(VaultError::Damaged("segment"))?;
        match Entry::parse(&entry.entry) {
            Ok(UnverifiedEntry::Erasure(erasure)) => {
                Ok(What::Erased { at, reason: erasure.claim().reason.as_str().to_owned() })
            }
            _ => Err(VaultError::Damaged("segment").into()),
        }
    }

    /// The files of the message at `index`, if that is under a verified checkpoint.
    pub(crate) async fn attachments(&self, room: &Room, index: u64) -> Result<Vec<Attachment>, ClientError> {
        let held = self.vault.room(&room.id.0).await?.map_or(0, |row| row.held);
        let Some((_, entry)) = self.vault.entries(room.key, index, 1).await?.pop().filter(|_| index < held)
        else {
            return Err(ClientError::NotFound(format!("there is no entry at index {index} in this home")));
        };
        let content = entry.content.and_then(|bytes| Content::from_bytes(&bytes).ok());
        Ok(content.map(|content| content.attachments().to_vec()).unwrap_or_default())
    }
}
