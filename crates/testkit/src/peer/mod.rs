//! One end of a session by hand.

use std::collections::VecDeque;
use std::net::SocketAddr;

use channel::{ClientConfig, Connection, Event as ChannelEvent, LoginBinding, OpaqueSessionKey};
use session::limits::MAX_MESSAGE;
use session::login::{ClientLogin, METHOD_OPAQUE, Parties};
use session::message::{Command, Event, MessageDecoder, Reply, Request, ServerMessage, encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection to a server.
pub struct Peer {
    stream: TcpStream,
    channel: Connection,
    decoder: MessageDecoder,
    replies: VecDeque<(u32, Reply)>,
    events: VecDeque<Event>,
    next: u32,
    epoch: u32,
    established: bool,
    /// The root that a joiner was shown.
    pub root: Option<Vec<u8>>,
}

/// Unix milliseconds.
#[expect(clippy::disallowed_methods, reason = "tests run on the machine's clock")]
pub fn now_ms() -> u64 {
    let since =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    u64::try_from(since.as_millis()).expect("a clock before the year 500 million")
}

impl Peer {
    /// Connects and completes the handshake.
    ///
    /// # Errors
    /// The channel's error, or the end of the stream.
    pub async fn connect(address: SocketAddr, config: ClientConfig) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
        let channel = Connection::client(config, now_ms()).map_err(|e| e.to_string())?;
        let mut peer = Self {
            stream,
            channel,
            decoder: MessageDecoder::new(MAX_MESSAGE),
            replies: VecDeque::new(),
            events: VecDeque::new(),
            next: 0,
            epoch: 0,
            established: false,
            root: None,
        };
        while !peer.established {
            peer.turn().await?;
        }
        Ok(peer)
    }

    /// Sends a request and returns its id.
    pub async fn send(&mut self, command: Command) -> u32 {
        self.next += 1;
        let bytes = encode(&Request { id: self.next, command });
        self.send_bytes(&bytes).await;
        self.next
    }

    /// Sends bytes as they are, inside the channel.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.channel.send(bytes).expect("the channel takes data");
        self.flush().await.expect("the socket takes data");
    }

    /// The reply to a request.
    ///
    /// # Errors
    /// Why the connection ended before it.
    pub async fn reply(&mut self, id: u32) -> Result<Reply, String> {
        loop {
            if let Some(at) = self.replies.iter().position(|(found, _)| *found == id) {
                return Ok(self.replies.remove(at).expect("found").1);
            }
            self.turn().await?;
        }
    }

    /// Asks and waits for the reply.
    ///
    /// # Errors
    /// Why the connection ended before it.
    pub async fn ask(&mut self, command: Command) -> Result<Reply, String> {
        let id = self.send(command).await;
        self.reply(id).await
    }

    /// The next event.
    ///
    /// # Errors
    /// Why the connection ended before it.
    pub async fn event(&mut self) -> Result<Event, String> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            self.turn().await?;
        }
    }

    /// E of this connection.
    pub fn exporter(&self) -> [u8; 32] {
        *self.channel.exporter().expect("established").as_bytes()
    }

    /// Logs in with a password and starts epoch 1; the reply is `Welcome` or why not.
    ///
    /// # Errors
    /// Why the connection ended, or why OPAQUE failed on this side.
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
        let done = login.finish(password, &ke2, parties, &self.exporter()).map_err(|e| e.to_string())?;
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
            self.flush().await?;
            while self.epoch == 0 {
                self.turn().await?;
            }
        }
        Ok(reply)
    }

    /// The bare socket, for a peer that stops taking part.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Closes in order and waits for the other side's end.
    pub async fn close(mut self) {
        self.channel.close().expect("close");
        let _ = self.flush().await;
        while self.turn().await.is_ok() {}
    }

    async fn flush(&mut self) -> Result<(), String> {
        while let Some(bytes) = self.channel.poll_transmit() {
            self.stream.write_all(&bytes).await.map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    async fn turn(&mut self) -> Result<(), String> {
        self.flush().await?;
        let mut buffer = vec![0; 65_536];
        let count = self.stream.read(&mut buffer).await.map_err(|e| e.to_string())?;
        if count == 0 {
            self.channel.handle_eof().map_err(|e| e.to_string())?;
            return Err("closed".into());
        }
        let outcome = self.channel.handle_input(buffer.get(..count).expect("read"), now_ms());
        while let Some(event) = self.channel.poll_event() {
            match event {
                ChannelEvent::Established { pinned_root, .. } => {
                    self.established = true;
                    self.root = pinned_root;
                }
                ChannelEvent::EpochChanged(epoch) => self.epoch = epoch,
                ChannelEvent::Data(data) => self.decoder.push(&data),
                ChannelEvent::PeerClosed => {}
            }
        }
        while let Some(message) = self.decoder.poll::<ServerMessage>().map_err(|e| e.to_string())? {
            match message {
                ServerMessage::Reply { id, reply } => self.replies.push_back((id, reply)),
                ServerMessage::Event { event } => self.events.push_back(event),
            }
        }
        self.flush().await?;
        outcome.map_err(|e| e.to_string())
    }
}
