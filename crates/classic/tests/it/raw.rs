//! The other side by hand, over an in-memory connection: it sends what it likes.

use std::net::SocketAddr;
use std::sync::Arc;

use classic::ClassicError;
use classic::cianr::{Client, Dialect, Server};
use classic::conversation::{Event, Lines, Reporter, Stop, What};
use classic::frame::{FrameReader, write_frame};
use classic::json;
use serde_json::Value;
use tokio::io::{AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// A connection with one of ours at the other end.
pub struct Raw {
    dialect: Dialect,
    reader: FrameReader<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
    ours: JoinHandle<Result<(), ClassicError>>,
    events: mpsc::UnboundedReceiver<Event>,
    _stop: watch::Sender<bool>,
}

impl Raw {
    /// A session with our server.
    pub fn to_server(server: Server) -> Self {
        Self::start(server.dialect, move |stream, reporter, stop| async move {
            server.session(stream, &reporter, stop).await
        })
    }

    /// A session with its accounts port.
    pub fn to_accounts(server: Server) -> Self {
        Self::start(server.dialect, move |stream, reporter, _| async move {
            server.accounts_session(stream, &reporter).await
        })
    }

    /// A session that our client begins.
    pub fn from_client(client: Client, lines: Vec<String>) -> Self {
        Self::start(client.dialect, move |stream, reporter, stop| async move {
            client.session(stream, Lines::Script(lines.into_iter()), &reporter, stop).await
        })
    }

    /// A session that our client begins with the accounts port.
    pub fn from_account_client(client: Client) -> Self {
        Self::start(client.dialect, move |stream, reporter, _| async move {
            client.account_session(stream, &reporter).await
        })
    }

    fn start<F>(dialect: Dialect, session: impl FnOnce(DuplexStream, Reporter, Stop) -> F) -> Self
    where
        F: Future<Output = Result<(), ClassicError>> + Send + 'static,
    {
        let (near, far) = duplex(1024 * 1024);
        let (reader, writer) = split(near);
        let (sender, events) = mpsc::unbounded_channel();
        let address = SocketAddr::from(([127, 0, 0, 1], 50_000));
        let reporter = Reporter::new(1, address, Arc::new(move |event| drop(sender.send(event))));
        let (handle, stop) = Stop::new();
        Self {
            dialect,
            reader: FrameReader::new(reader, dialect.framing()),
            writer,
            ours: tokio::spawn(session(far, reporter, stop)),
            events,
            _stop: handle,
        }
    }

    /// Sends bytes in a frame. Nobody may be there to read them any more.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = write_frame(&mut self.writer, self.dialect.framing(), bytes).await;
    }

    /// Sends a message.
    pub async fn send(&mut self, message: &Value) {
        self.send_bytes(&json::write(message).unwrap()).await;
    }

    /// Sends bytes without a frame.
    pub async fn send_unframed(&mut self, bytes: &[u8]) {
        let _ = self.writer.write_all(bytes).await;
    }

    /// The next message's bytes; `None` once ours has ended the connection.
    pub async fn next_bytes(&mut self) -> Option<Vec<u8>> {
        self.reader.next().await.unwrap()
    }

    /// The next message, which has to be of a `type`.
    pub async fn next(&mut self, kind: &str) -> Value {
        let message: Value = serde_json::from_slice(&self.next_bytes().await.unwrap()).unwrap();
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// Ends the connection: how ours ended, and what it told.
    pub async fn ended(mut self) -> (Result<(), ClassicError>, Vec<What>) {
        let _ = self.writer.shutdown().await;
        let outcome = self.ours.await.unwrap();
        let mut told = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            told.push(event.what);
        }
        (outcome, told)
    }
}
