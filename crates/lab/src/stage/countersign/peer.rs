//! One end of a Countersign session by hand: it says whatever an attacker wants said.

use std::collections::VecDeque;
use std::net::SocketAddr;

use channel::{ClientConfig, Connection, Event, LoginBinding, OpaqueSessionKey};
use session::limits::MAX_MESSAGE;
use session::login::{ClientLogin, METHOD_OPAQUE, Parties};
use session::message::{Command, MessageDecoder, Reply, Request, ServerMessage, encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes read at a time.
const BUFFER: usize = 65_536;

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
    /// In words, what ended it: the channel's error, or the other side's.
    pub async fn connect(
        address: SocketAddr,
        config: ClientConfig,
        clock: fn() -> u64,
    ) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
        let mut peer = Self {
            stream,
            channel: Connection::client(config, clock()).map_err(|e| e.to_string())?,
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
    /// In words, what ended the connection before it.
    pub async fn ask(&mut self, command: Command) -> Result<Reply, String> {
        self.next = self.next.wrapping_add(1);
        let id = self.next;
        self.channel.send(&encode(&Request { id, command })).map_err(|e| e.to_string())?;
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
    /// In words, if there is none yet.
    pub fn exporter(&self) -> Result<[u8; 32], String> {
        Ok(*self.channel.exporter().map_err(|e| e.to_string())?.as_bytes())
    }

    /// Logs in and starts epoch 1; the reply is `Welcome` or why not.
    ///
    /// # Errors
    /// In words, what ended the connection, or why OPAQUE failed on this side.
    pub async fn login(
        &mut self,
        parties: Parties<'_>,
        device: &str,
        password: &str,
    ) -> Result<Reply, String> {
        let (login, ke1) = ClientLogin::start(password).map_err(|e| e.to_string())?;
        let ke2 = match self.ask(Command::LoginStart { ke1 }).await? {
            Reply::LoginChallenge { ke2 } => ke2,
            other => return Ok(other),
        };
        let exporter = self.exporter()?;
        let done = login.finish(password, &ke2, parties, &exporter).map_err(|e| e.to_string())?;
        let reply = self.ask(Command::LoginFinish { ke3: done.ke3 }).await?;
        if matches!(reply, Reply::Welcome { .. }) {
            let binding = LoginBinding {
                method: METHOD_OPAQUE,
                user: parties.user.as_bytes().to_vec(),
                device: device.as_bytes().to_vec(),
                opaque_session_key: Some(OpaqueSessionKey::new(*done.session_key.as_bytes())),
            };
            self.channel.bind_login(binding).map_err(|e| e.to_string())?;
            self.channel.start_rekey().map_err(|e| e.to_string())?;
            while self.epoch == 0 {
                self.turn().await?;
            }
        }
        Ok(reply)
    }

    async fn flush(&mut self) -> Result<(), String> {
        while let Some(bytes) = self.channel.poll_transmit() {
            self.stream.write_all(&bytes).await.map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    async fn turn(&mut self) -> Result<(), String> {
        self.flush().await?;
        let mut buffer = vec![0; BUFFER];
        let count = self.stream.read(&mut buffer).await.map_err(|e| e.to_string())?;
        if count == 0 {
            self.channel.handle_eof().map_err(|e| e.to_string())?;
            return Err("the server closed in order".to_owned());
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
        while let Some(message) = self.decoder.poll::<ServerMessage>().map_err(|e| e.to_string())? {
            if let ServerMessage::Reply { id, reply } = message {
                self.replies.push_back((id, reply));
            }
        }
        self.flush().await?;
        outcome.map_err(|e| e.to_string())
    }
}
