//! One end of a Countersign session by hand: it says whatever an attacker wants said.

use std::collections::VecDeque;
use std::net::SocketAddr;

use channel::{ClientConfig, Connection, Event, LoginBinding, OpaqueSessionKey};
use session::limits::MAX_MESSAGE;
use session::login::{ClientLogin, LoginError, METHOD_OPAQUE, Parties};
use session::message::{Command, MessageDecoder, MessageError, Reply, Request, ServerMessage, encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes read at a time.
const BUFFER: usize = 65_536;

/// What ended a connection by hand.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The channel, by this side's word or the other's.
    #[error(transparent)]
    Channel(#[from] channel::Error),
    /// The socket.
    #[error("the socket failed: {0}")]
    Socket(#[from] std::io::Error),
    /// What the server sent cannot be read.
    #[error("the server sent {0}")]
    Message(#[from] MessageError),
    /// OPAQUE failed on this side.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The server closed in order.
    #[error("the server closed in order")]
    Closed,
}

/// A connection to a server.
pub struct Peer {
    stream: TcpStream,
    channel: Connection,
    decoder: MessageDecoder,
    replies: VecDeque<(u32, Reply)>,
    clock: fn() -> u64,
    next: u32,
    epoch: u32,
    established: bool,
}

impl Peer {
    /// Connects and completes the handshake.
    ///
    /// # Errors
    /// [`PeerError`].
    pub async fn connect(
        address: SocketAddr,
        config: ClientConfig,
        clock: fn() -> u64,
    ) -> Result<Self, PeerError> {
        let stream = TcpStream::connect(address).await?;
        let mut peer = Self {
            stream,
            channel: Connection::client(config, clock())?,
            decoder: MessageDecoder::new(MAX_MESSAGE),
            replies: VecDeque::new(),
            clock,
            next: 0,
            epoch: 0,
            established: false,
        };
        while !peer.established {
            peer.turn().await?;
        }
        Ok(peer)
    }

    /// Asks and waits for the reply.
    ///
    /// # Errors
    /// [`PeerError`], if the connection ended before it.
    pub async fn ask(&mut self, command: Command) -> Result<Reply, PeerError> {
        self.next = self.next.wrapping_add(1);
        let id = self.next;
        self.channel.send(&encode(&Request { id, command }))?;
        loop {
            if let Some(at) = self.replies.iter().position(|(found, _)| *found == id)
                && let Some((_, reply)) = self.replies.remove(at)
            {
                return Ok(reply);
            }
            self.turn().await?;
        }
    }

    /// E of this connection (channel.md, CH-16).
    ///
    /// # Errors
    /// [`PeerError::Channel`], if there is none yet.
    pub fn exporter(&self) -> Result<[u8; 32], PeerError> {
        Ok(*self.channel.exporter()?.as_bytes())
    }

    /// Logs in and starts epoch 1; the reply is `Welcome` or why not.
    ///
    /// # Errors
    /// [`PeerError`]; [`PeerError::Login`] if OPAQUE failed on this side.
    pub async fn login(
        &mut self,
        parties: Parties<'_>,
        device: &str,
        password: &str,
    ) -> Result<Reply, PeerError> {
        let (login, ke1) = ClientLogin::start(password)?;
        let ke2 = match self.ask(Command::LoginStart { ke1 }).await? {
            Reply::LoginChallenge { ke2 } => ke2,
            other => return Ok(other),
        };
        let exporter = self.exporter()?;
        let done = login.finish(password, &ke2, parties, &exporter)?;
        let reply = self.ask(Command::LoginFinish { ke3: done.ke3 }).await?;
        if matches!(reply, Reply::Welcome { .. }) {
            let binding = LoginBinding {
                method: METHOD_OPAQUE,
                user: parties.user.as_bytes().to_vec(),
                device: device.as_bytes().to_vec(),
                opaque_session_key: Some(OpaqueSessionKey::new(*done.session_key.as_bytes())),
            };
            self.channel.bind_login(binding)?;
            self.channel.start_rekey()?;
            while self.epoch == 0 {
                self.turn().await?;
            }
        }
        Ok(reply)
    }

    async fn flush(&mut self) -> Result<(), PeerError> {
        while let Some(bytes) = self.channel.poll_transmit() {
            self.stream.write_all(&bytes).await?;
        }
        Ok(())
    }

    async fn turn(&mut self) -> Result<(), PeerError> {
        self.flush().await?;
        let mut buffer = vec![0; BUFFER];
        let count = self.stream.read(&mut buffer).await?;
        if count == 0 {
            self.channel.handle_eof()?;
            return Err(PeerError::Closed);
        }
        buffer.truncate(count);
        let outcome = self.channel.handle_input(&buffer, (self.clock)());
        while let Some(event) = self.channel.poll_event() {
            match event {
                Event::Established { .. } => self.established = true,
                Event::EpochChanged(epoch) => self.epoch = epoch,
                Event::Data(data) => self.decoder.push(&data),
                Event::PeerClosed => {}
            }
        }
        while let Some(message) = self.decoder.poll::<ServerMessage>()? {
            if let ServerMessage::Reply { id, reply } = message {
                self.replies.push_back((id, reply));
            }
        }
        // An alert that cannot be sent any more is no reason to hide why it was due.
        let flushed = self.flush().await;
        outcome?;
        flushed
    }
}
