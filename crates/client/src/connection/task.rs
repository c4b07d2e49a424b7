//! The task that owns the socket.

use std::collections::HashMap;
use std::time::Duration;

use channel::{ClientConfig, Event as ChannelEvent, Peer};
use pki::VerifiedCertificate;
use session::limits::{KEEPALIVE_MS, MAX_MESSAGE};
use session::message::{Command, Event, MessageDecoder, Reply, Request, ServerMessage, encode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Address, Call, ConnectionError, EventSender};
use crate::clock::Clock;

/// How long a TCP connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Milliseconds of silence after which a server is given up: three unanswered keep-alives.
const SILENCE_MS: u64 = 3 * KEEPALIVE_MS;
/// How long the server may take to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes read from the socket at once.
const READ_BUFFER: usize = 64 * 1024;
/// Bytes that wait for the socket before no more calls are taken.
const MAX_UNSENT: usize = 1024 * 1024;
/// Bytes of requests that go out together.
const BATCH: usize = 64 * 1024;

/// What the handshake gave.
pub(super) struct Opened {
    pub(super) server: VerifiedCertificate,
    pub(super) pinned_root: Option<Vec<u8>>,
    pub(super) exporter: channel::Exporter,
}

/// The socket, the channel and the requests under way.
pub(super) struct Task {
    stream: TcpStream,
    channel: channel::Connection,
    decoder: MessageDecoder,
    waiting: HashMap<u32, oneshot::Sender<Reply>>,
    next_id: u32,
    binding: Option<oneshot::Sender<()>>,
    established: Option<(VerifiedCertificate, Option<Vec<u8>>)>,
    peer_closed: bool,
    closing: Option<String>,
    events: EventSender,
    clock: Clock,
    sent_ms: u64,
    received_ms: u64,
    unsent: Vec<u8>,
    written: usize,
    buffer: Vec<u8>,
}

impl Task {
    pub(super) async fn connect(
        address: &Address,
        config: ClientConfig,
        clock: Clock,
        events: EventSender,
    ) -> Result<Self, ConnectionError> {
        let unreachable = |cause| ConnectionError::Unreachable { address: address.to_string(), cause };
        let connecting = TcpStream::connect((address.host.as_str(), address.port));
        let stream = timeout(CONNECT_TIMEOUT, connecting)
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(unreachable)?;
        stream.set_nodelay(true)?;
        let now = clock();
        Ok(Self {
            stream,
            channel: channel::Connection::client(config, now)?,
            decoder: MessageDecoder::new(MAX_MESSAGE),
            waiting: HashMap::new(),
            next_id: 0,
            binding: None,
            established: None,
            peer_closed: false,
            closing: None,
            events,
            clock,
            sent_ms: now,
            received_ms: now,
            unsent: Vec::new(),
            written: 0,
            buffer: vec![0; READ_BUFFER],
        })
    }

    /// Runs until the channel is established.
    pub(super) async fn shake_hands(mut self) -> Result<(Self, Opened), ConnectionError> {
        loop {
            if let Some((server, pinned_root)) = self.established.take() {
                let exporter = self.channel.exporter()?;
                return Ok((self, Opened { server, pinned_root, exporter }));
            }
            let outcome = self.turn(None).await;
            self.flush_alert(&outcome).await;
            outcome?;
        }
    }

    /// Runs until the end and tells why it came.
    pub(super) async fn run(mut self, mut calls: mpsc::Receiver<Call>) -> ConnectionError {
        loop {
            match self.turn(Some(&mut calls)).await {
                Ok(()) if self.peer_closed => {
                    let _ = self.channel.close();
                    let _ = self.flush().await;
                    return ConnectionError::Closed { reason: self.closing };
                }
                Ok(()) => {}
                Err(ConnectionError::Ended) => {
                    let _ = timeout(CLOSE_TIMEOUT, self.close()).await;
                    return ConnectionError::Ended;
                }
                Err(error) => {
                    let outcome = Err(error);
                    self.flush_alert(&outcome).await;
                    let error = outcome.err().unwrap_or(ConnectionError::Ended);
                    return match (error, self.closing) {
                        (ConnectionError::Channel(channel::Error::Truncated), Some(reason)) => {
                            ConnectionError::Closed { reason: Some(reason) }
                        }
                        (error, _) => error,
                    };
                }
            }
        }
    }

    /// Waits for one thing to do, and does it.
    async fn turn(&mut self, mut calls: Option<&mut mpsc::Receiver<Call>>) -> Result<(), ConnectionError> {
        self.collect();
        let deadline = self.deadline(calls.is_some());
        let may_call = calls.is_some() && self.unsent.len() - self.written < MAX_UNSENT;
        let (mut reader, mut writer) = self.stream.split();
        let unsent = self.unsent.get(self.written..).unwrap_or_default();
        let happened = tokio::select! {
            read = reader.read(&mut self.buffer) => Happened::Read(read?),
            wrote = writer.write(unsent), if !unsent.is_empty() => Happened::Wrote(wrote?),
            call = next(calls.as_deref_mut()), if may_call => Happened::Call(call.unwrap_or(Call::Close)),
            () = sleep_until(deadline) => Happened::Time,
        };
        match happened {
            Happened::Read(count) => self.take_input(count),
            Happened::Wrote(count) => {
                self.written += count;
                if self.written >= self.unsent.len() {
                    self.unsent.clear();
                    self.written = 0;
                }
                Ok(())
            }
            Happened::Call(first) => self.take_calls(first, calls),
            Happened::Time => self.tick(),
        }
    }

    /// Moves what the channel has ready behind what is unsent.
    fn collect(&mut self) {
        while let Some(bytes) = self.channel.poll_transmit() {
            if self.unsent.is_empty() {
                self.unsent = bytes;
            } else {
                self.unsent.extend_from_slice(&bytes);
            }
        }
    }

    fn deadline(&self, established: bool) -> Instant {
        let now = (self.clock)();
        let mut at = self.channel.deadline().unwrap_or(u64::MAX);
        if established {
            at = at
                .min(self.sent_ms.saturating_add(KEEPALIVE_MS))
                .min(self.received_ms.saturating_add(SILENCE_MS));
        }
        Instant::now() + Duration::from_millis(at.saturating_sub(now).min(KEEPALIVE_MS))
    }

    fn tick(&mut self) -> Result<(), ConnectionError> {
        let now = (self.clock)();
        if self.channel.deadline().is_some_and(|deadline| deadline <= now) {
            self.channel.handle_timeout(now)?;
        }
        if self.channel.epoch().is_none() {
            return Ok(());
        }
        if now.saturating_sub(self.received_ms) >= SILENCE_MS {
            return Err(ConnectionError::Silent);
        }
        if now.saturating_sub(self.sent_ms) >= KEEPALIVE_MS {
            // SE-10; nobody waits for the answer.
            let (ignored, _) = oneshot::channel();
            let message = self.register(Command::Time, ignored);
            self.channel.send(&message)?;
            self.sent_ms = now;
        }
        Ok(())
    }

    fn take_input(&mut self, count: usize) -> Result<(), ConnectionError> {
        self.received_ms = (self.clock)();
        let result = if count == 0 {
            self.channel.handle_eof().map(|()| self.peer_closed = true)
        } else {
            self.channel.handle_input(self.buffer.get(..count).unwrap_or_default(), self.received_ms)
        };
        // What came before an error stands.
        self.take_channel_events()?;
        Ok(result?)
    }

    fn take_channel_events(&mut self) -> Result<(), ConnectionError> {
        while let Some(event) = self.channel.poll_event() {
            match event {
                ChannelEvent::Established { peer: Peer::Certified(server), pinned_root, .. } => {
                    self.established = Some((server, pinned_root));
                }
                ChannelEvent::Established { peer: Peer::Anonymous, .. } => {
                    return Err(ConnectionError::Protocol("a server without a certificate"));
                }
                ChannelEvent::Data(bytes) => {
                    self.decoder.push(&bytes);
                    self.take_messages()?;
                }
                ChannelEvent::EpochChanged(1) => {
                    if let Some(bound) = self.binding.take() {
                        let _ = bound.send(());
                    }
                }
                ChannelEvent::EpochChanged(_) => {}
                ChannelEvent::PeerClosed => self.peer_closed = true,
            }
        }
        Ok(())
    }

    fn take_messages(&mut self) -> Result<(), ConnectionError> {
        while let Some(message) = self.decoder.poll::<ServerMessage>()? {
            match message {
                ServerMessage::Reply { id, reply } => {
                    let waiting =
                        self.waiting.remove(&id).ok_or(ConnectionError::Protocol("an answer to nothing"))?;
                    // Whoever asked may have gone.
                    let _ = waiting.send(reply);
                }
                ServerMessage::Event { event: Event::Closing { reason } } => self.closing = Some(reason),
                ServerMessage::Event { event } => self.events.send(event),
            }
        }
        Ok(())
    }

    /// Takes a call and those behind it, so that their requests go out together.
    fn take_calls(
        &mut self,
        first: Call,
        mut calls: Option<&mut mpsc::Receiver<Call>>,
    ) -> Result<(), ConnectionError> {
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(call) = next {
            match call {
                Call::Request { command, reply } => {
                    let message = self.register(*command, reply);
                    batch.extend_from_slice(&message);
                }
                Call::Bind { login, bound } => {
                    self.send(&mut batch)?;
                    self.channel.bind_login(*login)?;
                    self.binding = Some(bound);
                    self.channel.start_rekey()?;
                }
                Call::Close => {
                    self.send(&mut batch)?;
                    return Err(ConnectionError::Ended);
                }
            }
            if batch.len() >= BATCH {
                break;
            }
            next = calls.as_mut().and_then(|calls| calls.try_recv().ok());
        }
        self.send(&mut batch)
    }

    fn register(&mut self, command: Command, reply: oneshot::Sender<Reply>) -> Vec<u8> {
        while self.waiting.contains_key(&self.next_id) {
            self.next_id = self.next_id.wrapping_add(1);
        }
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        self.waiting.insert(id, reply);
        encode(&Request { id, command })
    }

    fn send(&mut self, batch: &mut Vec<u8>) -> Result<(), ConnectionError> {
        if !batch.is_empty() {
            self.channel.send(batch)?;
            self.sent_ms = (self.clock)();
            batch.clear();
        }
        Ok(())
    }

    /// Sends what is left, the alert of a failed channel among it.
    async fn flush_alert(&mut self, outcome: &Result<(), ConnectionError>) {
        if outcome.is_err() {
            let _ = timeout(CLOSE_TIMEOUT, self.flush()).await;
        }
    }

    async fn flush(&mut self) -> Result<(), ConnectionError> {
        self.collect();
        self.stream.write_all(self.unsent.get(self.written..).unwrap_or_default()).await?;
        self.unsent.clear();
        self.written = 0;
        Ok(())
    }

    /// Closes this side and reads until the other has closed.
    async fn close(&mut self) -> Result<(), ConnectionError> {
        self.channel.close()?;
        while !self.peer_closed {
            self.flush().await?;
            let count = self.stream.read(&mut self.buffer).await?;
            self.take_input(count)?;
        }
        Ok(())
    }
}

/// What a turn waited for.
enum Happened {
    Read(usize),
    Wrote(usize),
    Call(Call),
    Time,
}

async fn next(calls: Option<&mut mpsc::Receiver<Call>>) -> Option<Call> {
    match calls {
        Some(calls) => calls.recv().await,
        None => std::future::pending().await,
    }
}
