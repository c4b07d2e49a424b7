//! A room's log as people read it.

mod item;

pub(crate) use item::{Claims, item};
pub use item::{MessageState, TimelineItem, What};

use evidence::entry::Entry;
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
        let mut items = Vec::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().take_while(|(index, _)| *index < held) {
            let parsed = Entry::parse(&entry.entry).map_err(|_| VaultError::Damaged("segment"))?;
            let known = |hash: &_| self.certificates.certificate(hash);
            let claims = Claims::from(&parsed);
            let mut line =
                item(index, &claims, &entry.entry, entry.content.as_deref(), entry.unopened, known);
            let by = room.received().users(index, &line.from);
            if !by.is_empty() {
                line.state = MessageState::Received { by };
            }
            items.push(line);
        }
        Ok(items)
    }
}
