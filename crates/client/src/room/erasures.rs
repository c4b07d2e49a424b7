//! What is erased of a room (docs/session.md, SE-51).

use evidence::entry::Entry;

use super::verify::Checked;
use super::{Log, Room};
use crate::engine::Core;
use crate::vault::{VaultError, WriteTransaction, reason_when_erased};

impl Core {
    /// Drops what accepted entries erase (SE-51), stored before or among them; whether any does.
    pub(super) async fn erase(
        &self,
        transaction: &mut WriteTransaction,
        room: &Room,
        log: &mut Log,
        (first, checked, unopened): (u64, &mut [Checked], &mut [Option<u8>]),
    ) -> Result<bool, VaultError> {
        let erasures: Vec<(u64, Vec<u64>)> = (first..)
            .zip(&*checked)
            .filter_map(|(by, entry)| match &entry.entry {
                Entry::Erasure(erasure) => Some((by, erasure.erased.indices().collect())),
                _ => None,
            })
            .collect();
        for (by, erased) in &erasures {
            self.vault.erase(transaction, room.key, *by, erased).await?;
            log.erase(erased);
            let here = erased.iter().filter_map(|index| usize::try_from(index.checked_sub(first)?).ok());
            for at in here {
                if let (Some(entry), Some(reason)) = (checked.get_mut(at), unopened.get_mut(at)) {
                    entry.erased = true;
                    *reason = reason.map(reason_when_erased);
                }
            }
        }
        Ok(!erasures.is_empty())
    }
}
