//! What tests of the protocols share: events are collected, streams are read with a limit of time.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml exempts test functions and not what they call"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use classic::conversation::{Event, Lines, Reporter, What};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::timeout;

/// More than any test waits for anything.
pub const LONG: Duration = Duration::from_secs(120);

/// Events as they come.
pub struct Watch(UnboundedReceiver<Event>);

impl Watch {
    /// A sink, and what comes out of it.
    pub fn new() -> (Arc<dyn Fn(Event) + Send + Sync>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Arc::new(move |event| drop(sender.send(event))), Self(receiver))
    }

    /// A reporter of session 1, and what it tells.
    pub fn one() -> (Reporter, Self) {
        let (sink, watch) = Self::new();
        (Reporter::new(1, SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000)), sink), watch)
    }

    /// The next event.
    pub async fn next(&mut self) -> What {
        timeout(LONG, self.0.recv()).await.unwrap().unwrap().what
    }

    /// Passes events over until one is `wanted`.
    pub async fn until(&mut self, wanted: &What) {
        while self.next().await != *wanted {}
    }

    /// The texts that were heard, until all reporters are gone.
    pub async fn messages(&mut self) -> Vec<String> {
        let mut messages = Vec::new();
        while let Some(event) = timeout(LONG, self.0.recv()).await.unwrap() {
            if let What::Message { text, .. } = event.what {
                messages.push(text);
            }
        }
        messages
    }
}

/// A script.
pub fn script(lines: &[&str]) -> Lines {
    Lines::Script(lines.iter().map(ToString::to_string).collect::<Vec<_>>().into_iter())
}

/// What comes until the end of the stream, which has to come.
pub async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    match timeout(LONG, stream.read_to_end(&mut bytes)).await {
        Ok(Ok(_)) => bytes,
        // What was not read when the other side closed is answered so.
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => bytes,
        other => panic!("the stream did not end: {other:?}"),
    }
}
