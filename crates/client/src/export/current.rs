//! What the server has beyond what is held, as far as it gives it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::ClientError;
use crate::engine::Core;
use crate::room::Room;

/// How long a server has to give what is newer before evidence is made without it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads entries, receipts and directory on; why that was not done to the end, if it was not.
pub(super) async fn bring_up_to_date(
    core: &Arc<Core>,
    room: &Arc<Room>,
) -> Result<Option<String>, ClientError> {
    let (all, here) = (Arc::clone(core), Arc::clone(room));
    // A task of its own goes on to its end when it is not waited for any more.
    let asked = tokio::spawn(async move { all.read_all(&here).await });
    let outcome = match timeout(PATIENCE, asked).await {
        Ok(outcome) => outcome.unwrap_or(Err(ClientError::Closed)),
        Err(_) => return Ok(Some(format!("it did not answer within {} s", PATIENCE.as_secs()))),
    };
    match outcome {
        Ok(()) => Ok(None),
        Err(error) if error.is_local() => Err(error),
        Err(error) => Ok(Some(error.to_string())),
    }
}

impl Core {
    async fn read_all(&self, room: &Room) -> Result<(), ClientError> {
        self.store_receipts(room).await?;
        let session = self.session()?;
        let entries = async {
            self.catch_up(room, &session).await?;
            if room.facts().member {
                self.give_receipt(room, &session).await?;
                self.fetch_receipts(room, &session).await?;
            }
            Ok(())
        }
        .await;
        // The entries of a room that is stopped can be proved as far as they are held.
        entries.and(self.refresh_directory(&session).await)
    }
}
