//! People who talk through a classic client.

use std::net::SocketAddr;
use std::sync::Arc;

use classic::ClassicError;
use classic::conversation::{Event, Lines, Reporter};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Events, PATIENCE, Said};
use crate::LabError;

/// Lines that a person may be ahead of the client.
const WAITING: usize = 16;

/// Somebody whose client is connected.
pub struct Person {
    /// What the client tells.
    pub events: Events,
    pub(crate) lines: mpsc::Sender<String>,
    pub(crate) session: JoinHandle<Result<(), ClassicError>>,
}

impl Person {
    /// Connects and has `client` speak.
    ///
    /// # Errors
    /// [`LabError::Io`] if nobody listens.
    pub(super) async fn connect<F>(
        address: SocketAddr,
        client: impl FnOnce(TcpStream, Lines, Reporter) -> F,
    ) -> Result<Self, LabError>
    where
        F: Future<Output = Result<(), ClassicError>> + Send + 'static,
    {
        let stream = TcpStream::connect(address).await.map_err(LabError::io("cannot connect on loopback"))?;
        let _ = stream.set_nodelay(true);
        let (sender, receiver) = mpsc::unbounded_channel();
        let sink = Arc::new(move |event: Event| {
            // Nobody listens any more once the attack is over.
            let _ = sender.send(event);
        });
        let (lines, typed) = mpsc::channel(WAITING);
        let session = client(stream, Lines::Typed(typed), Reporter::new(1, address, sink));
        Ok(Self { events: Events(receiver), lines, session: tokio::spawn(session) })
    }

    /// Says some lines, and nothing more to a client that has ended.
    pub async fn say(&self, lines: &[&str]) {
        for line in lines {
            let _ = self.lines.send((*line).to_owned()).await;
        }
    }

    /// Leaves; what the client told since anybody looked, and how its session ended.
    ///
    /// # Errors
    /// [`LabError::Stage`] for a client that does not end within [`PATIENCE`].
    pub async fn leave(self) -> Result<Said, LabError> {
        let Self { mut events, lines, session } = self;
        drop(lines);
        let ended = timeout(PATIENCE, session).await.map_err(|_| LabError::stage("a client did not end"))?;
        let outcome = ended.map_err(LabError::stage)?;
        let told = std::iter::from_fn(|| events.0.try_recv().ok()).map(|event| event.what).collect();
        Ok(Said { told, outcome })
    }
}
