//! A listener in the middle of a connection: it records what passes and, with a [`Hand`], changes it (LA-11).

mod marks;

pub use marks::Marks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::LabError;
use crate::capture::{Capture, End};
use crate::stage::PATIENCE;

/// Bytes that one end may send without a whole message among them.
const MAX_UNFINISHED: usize = 1024 * 1024;
/// Connections that pass through a tap at a time; more are closed.
const MAX_CONNECTIONS: usize = 64;
/// How long the listener rests when the system has no more files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Events of both ends that wait for the hand.
const WAITING: usize = 64;

/// What a hand does with a message: any of these, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Sends a message on to the other end.
    On(Vec<u8>),
    /// Sends a message back to the end that this one came from.
    Back(Vec<u8>),
    /// Says something of the message that came, in the capture.
    Note(String),
    /// Cuts the connection.
    Cut,
}

/// An attacker in the middle of one connection. Messages come and go without their marks, as [`Marks`] has it.
pub trait Hand: Send {
    /// What to do with a message of one end.
    fn message(&mut self, from: End, message: &[u8]) -> Vec<Act>;

    /// What to send to each end once both are connected, before anything came.
    fn begin(&mut self) -> Vec<(End, Vec<u8>)> {
        Vec::new()
    }
}

/// A hand that only listens.
pub struct Listening;

impl Hand for Listening {
    fn message(&mut self, _: End, message: &[u8]) -> Vec<Act> {
        vec![Act::On(message.to_vec())]
    }
}

/// A tap; it ends when it is dropped.
pub struct Tap {
    address: SocketAddr,
    task: JoinHandle<()>,
    /// How many connections pass through it.
    open: watch::Receiver<usize>,
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tap {
    /// Listens on a free port of this machine and passes connections on to `target`, through a hand of its own for each. The
    /// capture has two flows for each connection: before the hand and behind it.
    ///
    /// # Errors
    /// [`LabError::Io`].
    pub async fn start<H: Hand + 'static>(
        target: SocketAddr,
        marks: Marks,
        capture: Capture,
        hands: impl Fn() -> H + Send + Sync + 'static,
    ) -> Result<Self, LabError> {
        Self::run(target, marks, capture, hands, "client and attacker", Some("attacker and server")).await
    }

    /// Only listens; the capture has one flow for each connection.
    ///
    /// # Errors
    /// [`LabError::Io`].
    pub async fn listen(target: SocketAddr, marks: Marks, capture: Capture) -> Result<Self, LabError> {
        Self::listen_to("client and server", target, marks, capture).await
    }

    /// As [`Tap::listen`], with a name for the flows: who is at their ends, in words.
    ///
    /// # Errors
    /// [`LabError::Io`].
    pub async fn listen_to(
        flows: &'static str,
        target: SocketAddr,
        marks: Marks,
        capture: Capture,
    ) -> Result<Self, LabError> {
        Self::run(target, marks, capture, || Listening, flows, None).await
    }

    async fn run<H: Hand + 'static>(
        target: SocketAddr,
        marks: Marks,
        capture: Capture,
        hands: impl Fn() -> H + Send + Sync + 'static,
        near: &'static str,
        far: Option<&'static str>,
    ) -> Result<Self, LabError> {
        let listener =
            TcpListener::bind(("127.0.0.1", 0)).await.map_err(LabError::io("cannot listen on loopback"))?;
        let address = listener.local_addr().map_err(LabError::io("cannot listen on loopback"))?;
        let hands = Arc::new(hands);
        let (count, open) = watch::channel(0_usize);
        let count = Arc::new(count);
        let task = tokio::spawn(async move {
            // They end with the tap.
            let mut connections = JoinSet::new();
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    Some(_) = connections.join_next() => continue,
                };
                let (client, peer) = match accepted {
                    Ok(accepted) if connections.len() < MAX_CONNECTIONS => accepted,
                    Ok(_) => continue,
                    // No more files: some will be closed.
                    Err(_) => {
                        sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                let Ok(server) = TcpStream::connect(target).await else { continue };
                let Ok(local) = server.local_addr() else { continue };
                let (near, far) = match far {
                    Some(far) => {
                        let near = capture.flow(near, peer, address);
                        (near, Some(capture.flow(far, local, target)))
                    }
                    None => (capture.flow(near, peer, target), None),
                };
                let middle = Middle { hand: Box::new(hands()), marks, capture: capture.clone(), near, far };
                let count = Arc::clone(&count);
                count.send_modify(|open| *open = open.saturating_add(1));
                connections.spawn(async move {
                    middle.run(client, server).await;
                    count.send_modify(|open| *open = open.saturating_sub(1));
                });
            }
        });
        Ok(Self { address, task, open })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until every connection that passed through it is over, so that the capture has all of it.
    ///
    /// # Errors
    /// [`LabError::Stage`] if one is not within [`PATIENCE`].
    pub async fn over(&self) -> Result<(), LabError> {
        let mut open = self.open.clone();
        let over = timeout(PATIENCE, open.wait_for(|open| *open == 0)).await;
        over.map_err(|_| LabError::stage("a connection did not end"))?.map_err(LabError::stage).map(|_| ())
    }
}

struct Middle {
    hand: Box<dyn Hand>,
    marks: Marks,
    capture: Capture,
    /// The flow to the client.
    near: usize,
    /// The flow to the server, if it is recorded by itself.
    far: Option<usize>,
}

impl Middle {
    async fn run(mut self, client: TcpStream, server: TcpStream) {
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (client_read, mut client_write) = client.into_split();
        let (server_read, mut server_write) = server.into_split();
        let (sender, mut heard) = mpsc::channel(WAITING);
        let readers = [
            tokio::spawn(read(client_read, End::Client, self.marks, sender.clone())),
            tokio::spawn(read(server_read, End::Server, self.marks, sender)),
        ];
        for (to, message) in self.hand.begin() {
            let of_attacker = Some("what the attacker sends first");
            let _ = self.send(to, &message, of_attacker, &mut client_write, &mut server_write).await;
        }
        while let Some((from, message)) = heard.recv().await {
            let Some(message) = message else {
                // One end has closed: the other is told when all that came before is through.
                let write = if from == End::Client { &mut server_write } else { &mut client_write };
                let _ = write.shutdown().await;
                continue;
            };
            if !self.handle(from, &message, &mut client_write, &mut server_write).await {
                break;
            }
        }
        readers.iter().for_each(JoinHandle::abort);
    }

    async fn handle(
        &mut self,
        from: End,
        message: &[u8],
        client: &mut OwnedWriteHalf,
        server: &mut OwnedWriteHalf,
    ) -> bool {
        let acts = self.hand.message(from, message);
        let note = acts.iter().find_map(|act| match act {
            Act::Note(text) => Some(text.clone()),
            _ => None,
        });
        let flow = if from == End::Client { self.near } else { self.far.unwrap_or(self.near) };
        let of_attacker = note.as_ref().map(|_| "what the attacker sends then");
        self.capture.frame(flow, from, &self.marks.frame(message), note);
        for act in acts {
            let (to, message) = match act {
                Act::On(message) => (from.other(), message),
                Act::Back(message) => (from, message),
                Act::Note(_) => continue,
                Act::Cut => return false,
            };
            if self.send(to, &message, of_attacker, client, server).await.is_err() {
                return true;
            }
        }
        true
    }

    async fn send(
        &mut self,
        to: End,
        message: &[u8],
        note: Option<&str>,
        client: &mut OwnedWriteHalf,
        server: &mut OwnedWriteHalf,
    ) -> std::io::Result<()> {
        let bytes = self.marks.frame(message);
        let write = if to == End::Client { client } else { server };
        if let Some(far) = self.far {
            let flow = if to == End::Client { self.near } else { far };
            self.capture.frame(flow, to.other(), &bytes, note.map(str::to_owned));
        }
        write.write_all(&bytes).await
    }
}

/// Reads whole messages; `None` is the end of the stream. What is no whole message at its end is not passed on.
async fn read(
    mut stream: OwnedReadHalf,
    from: End,
    marks: Marks,
    sender: mpsc::Sender<(End, Option<Vec<u8>>)>,
) {
    let mut buffer = Vec::new();
    loop {
        while let Some((message, taken)) = marks.split(&buffer) {
            buffer.drain(..taken);
            if sender.send((from, Some(message))).await.is_err() {
                return;
            }
        }
        if buffer.len() > MAX_UNFINISHED || !matches!(stream.read_buf(&mut buffer).await, Ok(n) if n > 0) {
            let _ = sender.send((from, None)).await;
            return;
        }
    }
}
