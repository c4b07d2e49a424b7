//! What is said in the room of alice and bob, and what stands in its log.

use client::{Client, Outgoing, TimelineItem};
use tokio::time::timeout;

use super::World;
use crate::LabError;
use crate::stage::PATIENCE;

/// Entries of the room that are looked at: all that the lab ever makes.
const MAX_ENTRIES: usize = 4_096;

impl World {
    /// Says a text, and gives its index once it is in the log and the client holds the log up to it.
    ///
    /// # Errors
    /// [`LabError::Stage`] if that does not come about within [`PATIENCE`].
    pub async fn say(&self, client: &Client, text: &str) -> Result<u64, LabError> {
        let late = |_| LabError::stage("a message did not come into the log");
        let mut sent = client.send(self.room, Outgoing::text(text)).await.map_err(LabError::stage)?;
        let logged = timeout(PATIENCE, sent.logged()).await.map_err(late)?.map_err(LabError::stage)?;
        self.reaches(client, logged.index).await?;
        Ok(logged.index)
    }

    /// Waits until a client holds the log up to an index, inclusive.
    ///
    /// # Errors
    /// [`LabError::Stage`] if it does not within [`PATIENCE`].
    pub async fn reaches(&self, client: &Client, index: u64) -> Result<(), LabError> {
        let synced = timeout(PATIENCE, client.synced(self.room, index.saturating_add(1))).await;
        synced.map_err(|_| LabError::stage("a client did not read on"))?.map_err(LabError::stage)
    }

    /// The room as a client has it.
    ///
    /// # Errors
    /// [`LabError::Stage`].
    pub async fn timeline(&self, client: &Client) -> Result<Vec<TimelineItem>, LabError> {
        client.timeline(self.room, 0, MAX_ENTRIES).await.map_err(LabError::stage)
    }

    /// How often a text stands in the log, as a client has it.
    ///
    /// # Errors
    /// [`LabError::Stage`].
    pub async fn copies(&self, client: &Client, text: &str) -> Result<usize, LabError> {
        Ok(self.timeline(client).await?.iter().filter(|item| item.text() == Some(text)).count())
    }
}
