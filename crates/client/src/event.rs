//! What a client tells while it runs.

use std::sync::Arc;
use std::time::Duration;

use evidence::receipt::Level;
use evidence::room::RoomId;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::ClientError;
use crate::directory::DirectoryNews;
use crate::timeline::TimelineItem;

/// Events that wait for one reader; a slower one misses some and is told so.
pub(crate) const QUEUE: usize = 4096;

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Logged in.
    Connected,
    /// The connection is gone; the next try comes by itself.
    Disconnected {
        /// Why, for people.
        why: String,
        /// When the next try comes.
        retry_in: Duration,
    },
    /// The client has ended: this does not heal by itself.
    Ended(Arc<ClientError>),
    /// A room is known that was not before.
    RoomAdded {
        /// The room.
        room: RoomId,
    },
    /// The log has a new entry, stored and under a verified checkpoint.
    Item {
        /// The room.
        room: RoomId,
        /// The entry.
        item: Arc<TimelineItem>,
    },
    /// A message of this device is in the log: synced to the server's disk, proof checked.
    Logged {
        /// The room.
        room: RoomId,
        /// Its number.
        seq: u64,
        /// Its log index.
        index: u64,
    },
    /// A message of this device was refused for good, or cannot be sent now.
    NotSent {
        /// The room.
        room: RoomId,
        /// Why.
        why: Arc<ClientError>,
    },
    /// A message that waited for its files is given up, or goes out without one of them.
    FileLost {
        /// The room.
        room: RoomId,
        /// Why.
        why: Arc<ClientError>,
    },
    /// A member's device has given a receipt.
    Receipt {
        /// The room.
        room: RoomId,
        /// The user.
        user: String,
        /// The device.
        device: String,
        /// How far the messages came.
        level: Level,
        /// Last index of the range.
        to: u64,
    },
    /// Something contradicts what this device holds; what shows it is kept in the home.
    Alarm {
        /// The room.
        room: RoomId,
        /// What, for people.
        what: String,
        /// Whether the room is not followed any more.
        stopped: bool,
    },
    /// The directory has something new that concerns this user. [`crate::Client::directory_news`] has what was missed.
    Directory(DirectoryNews),
    /// A new device of this user waits for a word.
    DeviceRequested {
        /// Number of the request.
        id: [u8; 32],
        /// The name that it asks for.
        device: String,
        /// Short code of its key, to be compared with the one that it shows.
        code: String,
    },
    /// The reader was too slow: this many events were dropped. Timelines have everything.
    Missed(u64),
}

/// A reader of events.
#[derive(Debug)]
pub struct Events(pub(crate) broadcast::Receiver<Event>);

impl Events {
    /// The next event; `None` when the client is gone.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(count)) => Some(Event::Missed(count)),
            Err(RecvError::Closed) => None,
        }
    }
}
