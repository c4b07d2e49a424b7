//! One task per connection: the socket, its channel, and what the peer may say in each phase.
//!
//! - here: bytes in and out, deadlines, the end.
//! - [`phase`]: which commands are taken before and after login.
//! - [`login`]: the second exchange.
//! - [`enrolment`]: joiners and new devices.
//! - [`command`]: what a logged-in device may ask.

mod command;
mod enrolment;
mod login;
mod phase;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use channel::{Connection, Event};
use session::limits::{IDLE_LIMIT_MS, MAX_MESSAGE_BEFORE_LOGIN};
use session::message::{MessageDecoder, Reply, Request, ServerMessage, encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, watch};
use tracing::debug;

pub(crate) use command::{new_invite, open_invites};
pub(crate) use enrolment::issue;

use crate::admission::ConnectionPermit;
use crate::clock::now_ms;
use crate::listener::stopped;
use crate::rooms::{Inbox, Outbound, outbound};
use crate::shared::Shared;
use phase::Phase;

/// Bytes read from a socket at a time.
const READ_BYTES: usize = 64 * 1024;
/// Bytes that wait for the socket before the peer is not heard and the outbound queue is left alone.
const WRITE_BYTES: usize = 256 * 1024;
/// The same two before login: a peer that nobody knows holds little of the server's memory.
const READ_BYTES_BEFORE_LOGIN: usize = 4 * 1024;
const WRITE_BYTES_BEFORE_LOGIN: usize = 16 * 1024;
/// Messages taken from the outbound queue at a time.
const TAKE_MESSAGES: usize = 256;
/// Milliseconds that the last bytes of a connection may take.
const LINGER_MS: u64 = 2_000;

/// Why a connection ended; only for the server's own log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error(transparent)]
    Channel(#[from] channel::Error),
    #[error(transparent)]
    Message(#[from] session::message::MessageError),
    #[error("the socket failed: {0}")]
    Socket(#[from] std::io::Error),
    #[error("silent for too long")]
    Silent,
    #[error("{0}")]
    Told(&'static str),
    #[error("closed by the peer")]
    Closed,
    #[error("the server stops")]
    Stopping,
}

/// Runs one connection to its end.
pub(crate) async fn run(
    shared: Arc<Shared>,
    stream: TcpStream,
    address: SocketAddr,
    permit: ConnectionPermit,
    mut stopping: watch::Receiver<bool>,
) {
    let now = now_ms();
    // Small messages must not wait for each other; a failure only costs time.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let (outbound, inbox) = outbound();
    let (number, evicted) = (permit.number(), permit.evicted());
    let mut task = Task {
        channel: Connection::server(shared.channel_config(), now),
        decoder: MessageDecoder::new(MAX_MESSAGE_BEFORE_LOGIN),
        phase: Phase::new(address, permit),
        outbound,
        heard_ms: now,
        pending: Vec::new(),
        written: 0,
        shared,
    };
    let ended = task.serve(reader, writer, inbox, &evicted, &mut stopping).await;
    debug!(connection = number, %address, "ended: {ended}");
    task.phase.leave(&task.shared);
}

/// A connection's state.
struct Task {
    shared: Arc<Shared>,
    channel: Connection,
    decoder: MessageDecoder,
    phase: Phase,
    outbound: Outbound,
    heard_ms: u64,
    pending: Vec<u8>,
    written: usize,
}

impl Task {
    async fn serve(
        &mut self,
        mut reader: OwnedReadHalf,
        mut writer: OwnedWriteHalf,
        mut inbox: Inbox,
        evicted: &Notify,
        stopping: &mut watch::Receiver<bool>,
    ) -> Ended {
        let mut buffer = vec![0; READ_BYTES_BEFORE_LOGIN];
        let mut taken = Vec::with_capacity(TAKE_MESSAGES);
        let ended = loop {
            self.collect();
            if self.phase.session().is_some() {
                buffer.resize(READ_BYTES, 0);
            }
            let crowded = self.is_crowded();
            let waiting = self.pending.len() > self.written;
            let now = now_ms();
            let deadline = self.deadline();
            let step: Result<(), Ended> = tokio::select! {
                biased;
                () = stopped(stopping) => Err(Ended::Stopping),
                reason = inbox.end.reason() => Err(Ended::Told(reason)),
                () = evicted.notified() => Err(Ended::Told("its place went to a newer handshake")),
                wrote = writer.write(self.pending.get(self.written..).unwrap_or_default()), if waiting => {
                    wrote.map_err(Ended::from).map(|n| self.wrote(n))
                }
                count = inbox.queue.recv_many(&mut taken, TAKE_MESSAGES), if !crowded && count_ready(&self.channel) => {
                    if count == 0 { Err(Ended::Closed) } else { self.send_taken(&mut taken, &inbox) }
                }
                read = reader.read(&mut buffer), if !crowded => match read {
                    Ok(0) => Err(self.end_of_stream()),
                    Ok(n) => self.heard(buffer.get(..n).unwrap_or_default()).await,
                    Err(e) => Err(e.into()),
                },
                () = tokio::time::sleep(Duration::from_millis(deadline.saturating_sub(now))) => self.timeout(),
            };
            if let Err(ended) = step {
                break ended;
            }
        };
        self.say_goodbye(&ended, &mut writer, &mut inbox).await;
        ended
    }

    /// Moves what the channel has to send to the end of what waits for the socket.
    fn collect(&mut self) {
        if self.written == self.pending.len() {
            self.pending.clear();
            self.written = 0;
        }
        while let Some(bytes) = self.channel.poll_transmit() {
            if self.pending.is_empty() {
                self.pending = bytes;
            } else {
                self.pending.extend_from_slice(&bytes);
            }
        }
    }

    /// Whether so much waits for the socket that nothing may be added; it ends when all of it is written.
    fn is_crowded(&self) -> bool {
        let most = if self.phase.session().is_some() { WRITE_BYTES } else { WRITE_BYTES_BEFORE_LOGIN };
        self.pending.len() >= most
    }

    fn wrote(&mut self, count: usize) {
        if self.is_crowded() {
            // It is not read from at the moment; that it takes what it is sent shows that it is there.
            self.heard_ms = now_ms();
        }
        self.written += count;
    }

    /// Sends the messages together: fewer records, fewer writes.
    fn send_taken(&mut self, taken: &mut Vec<Arc<[u8]>>, inbox: &Inbox) -> Result<(), Ended> {
        let together: Vec<u8> = taken.concat();
        for message in taken.drain(..) {
            inbox.taken(&message);
        }
        Ok(self.channel.send(&together)?)
    }

    async fn heard(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        let now = now_ms();
        self.heard_ms = now;
        let outcome = self.channel.handle_input(bytes, now);
        // What came before the fault was authenticated and is acted on.
        while let Some(event) = self.channel.poll_event() {
            match event {
                Event::Established { peer, .. } => {
                    self.phase.established(peer, &self.channel.exporter()?, now)?;
                }
                Event::EpochChanged(epoch) => {
                    if self.phase.epoch_changed(epoch, &self.shared, &self.outbound) {
                        self.decoder.set_limit(session::limits::MAX_MESSAGE);
                    }
                }
                Event::Data(bytes) => {
                    self.decoder.push(&bytes);
                    while let Some(request) = self.decoder.poll::<Request>()? {
                        self.request(request).await?;
                    }
                }
                Event::PeerClosed => return Err(Ended::Closed),
            }
        }
        Ok(outcome?)
    }

    async fn request(&mut self, request: Request) -> Result<(), Ended> {
        let id = request.id;
        let answer = self.phase.request(request, &self.shared, &mut self.channel).await;
        if let Some(reply) = answer {
            // Before login a reply does not pass the queue: the channel's next step waits for it.
            if self.phase.session().is_some() {
                self.outbound.reply(id, reply);
            } else {
                self.channel.send(&encode(&ServerMessage::Reply { id, reply }))?;
            }
        }
        Ok(())
    }

    fn deadline(&self) -> u64 {
        let own = self.phase.deadline_ms().unwrap_or(self.heard_ms.saturating_add(IDLE_LIMIT_MS));
        self.channel.deadline().map_or(own, |d| d.min(own))
    }

    fn timeout(&mut self) -> Result<(), Ended> {
        let now = now_ms();
        self.channel.handle_timeout(now)?;
        let own = self.phase.deadline_ms().unwrap_or(self.heard_ms.saturating_add(IDLE_LIMIT_MS));
        if now >= own { Err(Ended::Silent) } else { Ok(()) }
    }

    fn end_of_stream(&mut self) -> Ended {
        match self.channel.handle_eof() {
            Ok(()) => Ended::Closed,
            Err(e) => e.into(),
        }
    }

    /// Says why, closes in order if the channel still can, and waits a little for the last bytes to leave.
    async fn say_goodbye(&mut self, ended: &Ended, writer: &mut OwnedWriteHalf, inbox: &mut Inbox) {
        let reason = match ended {
            Ended::Told(reason) => Some(*reason),
            Ended::Stopping => Some("the server stops; connect again in a moment"),
            Ended::Silent => Some("nothing was heard for too long"),
            _ => None,
        };
        if matches!(ended, Ended::Stopping) {
            while let Ok(message) = inbox.queue.try_recv() {
                let _ = self.channel.send(&message);
            }
        }
        if let (Some(reason), true) = (reason, self.phase.session().is_some()) {
            let event = session::message::Event::Closing { reason: reason.to_owned() };
            let _ = self.channel.send(&encode(&ServerMessage::Event { event }));
        }
        let _ = self.channel.close();
        self.collect();
        let rest = self.pending.get(self.written..).unwrap_or_default();
        let write = async {
            writer.write_all(rest).await?;
            writer.shutdown().await
        };
        let _ = tokio::time::timeout(Duration::from_millis(LINGER_MS), write).await;
    }
}

/// Whether the channel can take data: messages for a peer that has not finished its handshake wait.
fn count_ready(channel: &Connection) -> bool {
    channel.epoch().is_some()
}

/// A refusal of a command in the wrong phase (SE-5).
fn not_allowed(message: &str) -> Reply {
    Reply::Failed {
        code: session::message::FailureCode::NotAllowed,
        message: message.to_owned(),
        retry_ms: None,
    }
}
