//! A listener with a task for each connection.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Event, Reporter, What};
use crate::ClassicError;
use crate::limits::{LEAVE_DEADLINE, MAX_CONNECTIONS};

/// How long the listener rests when the system has no more files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whether a server was told to stop.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// A handle to stop with, and what the sessions look at. Dropping the handle stops too.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Waits until it is told.
    pub async fn told(&mut self) {
        // A handle that is gone can tell nothing else.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// Accepts connections until `stop`, at most [`MAX_CONNECTIONS`] at a time, and has `session` speak on each. After
/// `stop` the sessions have [`LEAVE_DEADLINE`] to leave.
///
/// # Errors
/// [`ClassicError::Io`] for a listener that fails.
pub async fn serve<H, F>(
    listener: TcpListener,
    mut stop: Stop,
    sink: Arc<dyn Fn(Event) + Send + Sync>,
    session: H,
) -> Result<(), ClassicError>
where
    H: Fn(TcpStream, Reporter) -> F,
    F: Future<Output = Result<(), ClassicError>> + Send + 'static,
{
    let mut sessions = JoinSet::new();
    let mut number = 0_u64;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.told() => break,
            Some(_) = sessions.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if fatal(error.kind()) => {
                return Err(ClassicError::io("cannot accept connections", error));
            }
            Err(_) => {
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        number += 1;
        let reporter = Reporter::new(number, peer, Arc::clone(&sink));
        if sessions.len() >= MAX_CONNECTIONS {
            let full = ClassicError::Limit { what: "connections of one server", limit: MAX_CONNECTIONS };
            reporter.tell(What::Disconnected { error: Some(full.to_string()) });
            continue;
        }
        // Without it, small messages wait for the other side's acknowledgement of the last one.
        let _ = stream.set_nodelay(true);
        reporter.tell(What::Connected);
        let running = session(stream, reporter.clone());
        sessions.spawn(async move {
            let error = running.await.err().map(|error| error.to_string());
            reporter.tell(What::Disconnected { error });
        });
    }
    drop(listener);
    let _ = timeout(LEAVE_DEADLINE, async { while sessions.join_next().await.is_some() {} }).await;
    Ok(())
}

fn fatal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::InvalidInput | ErrorKind::NotFound | ErrorKind::Unsupported)
}
