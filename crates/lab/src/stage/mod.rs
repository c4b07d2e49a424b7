//! Servers and people to attack, all of them on this machine.

mod broadcast;
mod cianr;
pub mod countersign;
mod key_transport;
mod peer;
mod person;
mod server;

pub use broadcast::Room;
pub use cianr::{CianrServer, Port, Said, dialect, enter, open, say};
pub use peer::Peer;
pub use person::Person;
pub use server::{ClassicServer, listen};

use std::path::Path;
use std::time::Duration;

use classic::conversation::{Event, What};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::LabError;

/// How long the stage waits for something that has to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How long it waits for something that is not to happen.
pub const SILENCE: Duration = Duration::from_millis(400);

/// The e-mail address of the person who is attacked.
pub const EMAIL: &str = "alice@example.org";
/// Her user name.
pub const ALICE: &str = "alice";
/// Her password.
pub const PASSWORD: &str = "correct horse battery";

/// A place for certificates, transcripts and Countersign's folders. It goes away when it is dropped.
pub struct Stage {
    folder: TempDir,
    clock: fn() -> u64,
    certificates: cianr::Certificates,
    countersign: countersign::Made,
}

impl Stage {
    /// An empty stage; the clock gives Unix milliseconds.
    ///
    /// # Errors
    /// [`LabError::Io`] without a place for temporary files.
    pub fn new(clock: fn() -> u64) -> Result<Self, LabError> {
        Self::within(&std::env::temp_dir(), clock)
    }

    /// An empty stage whose folder is in another one.
    ///
    /// # Errors
    /// [`LabError::Io`].
    pub fn within(parent: &Path, clock: fn() -> u64) -> Result<Self, LabError> {
        let folder = private_folder(parent)?;
        Ok(Self {
            folder,
            clock,
            certificates: cianr::Certificates::default(),
            countersign: countersign::Made::default(),
        })
    }

    /// The stage's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The time, Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        (self.clock)()
    }

    /// The clock.
    pub fn clock(&self) -> fn() -> u64 {
        self.clock
    }
}

/// A temporary folder that nobody else can look into: there will be keys in it.
///
/// # Errors
/// [`LabError::Io`].
pub fn private_folder(parent: &Path) -> Result<TempDir, LabError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("countersign-lab-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o700));
    }
    builder.tempdir_in(parent).map_err(LabError::io("cannot make a folder"))
}

/// What a classic server tells.
pub struct Events(mpsc::UnboundedReceiver<Event>);

impl Events {
    /// A sink for a server, and what comes out of it.
    pub fn new() -> (std::sync::Arc<dyn Fn(Event) + Send + Sync>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let sink = std::sync::Arc::new(move |event| {
            // Nobody listens any more once the attack is over.
            let _ = sender.send(event);
        });
        (sink, Self(receiver))
    }

    /// What nobody tells.
    pub(crate) fn silent() -> Self {
        Self(mpsc::unbounded_channel().1)
    }

    /// Whatever comes next; `None` once nothing more will.
    pub(crate) async fn recv(&mut self) -> Option<Event> {
        self.0.recv().await
    }

    /// The next thing that `wanted` takes; `None` if there is none within [`PATIENCE`].
    pub async fn next<T>(&mut self, wanted: impl Fn(&What) -> Option<T>) -> Option<T> {
        self.within(PATIENCE, wanted).await
    }

    /// The next thing that `wanted` takes within a time.
    pub async fn within<T>(&mut self, time: Duration, wanted: impl Fn(&What) -> Option<T>) -> Option<T> {
        let search = async {
            while let Some(event) = self.0.recv().await {
                if let Some(found) = wanted(&event.what) {
                    return Some(found);
                }
            }
            None
        };
        timeout(time, search).await.unwrap_or_default()
    }

    /// Everything that is told until the next session is over, or nothing has come for [`PATIENCE`].
    pub async fn next_session(&mut self) -> Vec<What> {
        let mut all = Vec::new();
        while let Ok(Some(event)) = timeout(PATIENCE, self.0.recv()).await {
            let over = matches!(event.what, What::Disconnected { .. });
            all.push(event.what);
            if over {
                break;
            }
        }
        all
    }

    /// Texts that came and errors that were named, until nothing has come for [`SILENCE`].
    pub async fn rest(&mut self) -> Vec<What> {
        let mut all = Vec::new();
        while let Ok(Some(event)) = timeout(SILENCE, self.0.recv()).await {
            all.push(event.what);
        }
        all
    }

    /// What a session told until its end, which is the last of it.
    ///
    /// # Errors
    /// [`LabError::Stage`] for one that does not end within [`PATIENCE`].
    pub async fn session(&mut self, number: u64) -> Result<Vec<What>, LabError> {
        let all = async {
            let mut told = Vec::new();
            while let Some(event) = self.0.recv().await {
                if event.session == number {
                    told.push(event.what);
                }
                if let Some(What::Disconnected { .. }) = told.last() {
                    break;
                }
            }
            told
        };
        timeout(PATIENCE, all).await.map_err(|_| LabError::stage("a session did not end"))
    }

    /// The texts that come until `last` does, without it.
    ///
    /// # Errors
    /// [`LabError::Stage`] if it does not come within [`PATIENCE`].
    pub async fn texts_until(&mut self, last: &str) -> Result<Vec<String>, LabError> {
        let mut texts = Vec::new();
        loop {
            let text = self.next(|what| match what {
                What::Message { text, .. } => Some(text.clone()),
                _ => None,
            });
            match text.await {
                Some(text) if text == last => return Ok(texts),
                Some(text) => texts.push(text),
                None => return Err(LabError::stage(format!("nobody was told: {last}"))),
            }
        }
    }
}

/// The texts among what was told.
pub fn texts(told: &[What]) -> Vec<&str> {
    told.iter()
        .filter_map(|what| match what {
            What::Message { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// The errors among what was told.
pub fn errors(told: &[What]) -> Vec<&str> {
    told.iter()
        .filter_map(|what| match what {
            What::Rejected { error }
            | What::Refused { error }
            | What::Disconnected { error: Some(error) } => Some(error.as_str()),
            _ => None,
        })
        .collect()
}
