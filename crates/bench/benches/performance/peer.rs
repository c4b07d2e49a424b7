//! A client of our server as small as the protocol allows (`docs/session.md`): joins, logs in, asks. It blocks, and
//! all it does is done on the thread of its caller.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use channel::{
    ClientConfig, ClientIdentity, Connection, Event, LoginBinding, OpaqueSessionKey, ServerTrust, Suite,
};
use pki::ed25519::SigningKey;
use pki::{Chain, Fingerprint, Name, NoRevocations, TrustAnchor, TrustStore, sha256};
use session::limits::MAX_MESSAGE;
use session::login::{ClientLogin, ClientRegistration, METHOD_OPAQUE, Parties};
use session::message::{Command, MessageDecoder, Reply, Request, ServerMessage, encode};

use crate::measure::unix_ms;

const PASSWORD: &str = "a passphrase of the benchmark";
const DEVICE: &str = "bench";
const READ_BYTES: usize = 64 * 1024;

/// Where the server is and how it is known.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) root: Fingerprint,
}

/// A member with its certificate.
pub(crate) struct Member {
    pub(crate) user: Name,
    pub(crate) key: SigningKey,
    pub(crate) certificate: [u8; 32],
    chain: Chain,
    root: Vec<u8>,
}

/// A connection to the server.
pub(crate) struct Peer {
    stream: TcpStream,
    channel: Connection,
    decoder: MessageDecoder,
    buffer: Vec<u8>,
    heard: VecDeque<ServerMessage>,
    epoch: u32,
    next_id: u32,
}

impl Member {
    /// Joins by an invite's token.
    pub(crate) fn join(target: &Target, token: &[u8], user: &Name) -> Result<Self> {
        let trust = ServerTrust::PinnedRoot(target.root);
        let mut peer = Peer::connect(target, ClientConfig { trust, identity: None, suites: suites() })?;
        let key = SigningKey::generate()?;
        let request = pki::request::create(&key)?;
        let exporter = peer.channel.exporter()?;
        let (registration, registration_request) = ClientRegistration::start(PASSWORD)?;
        let start = Command::JoinStart {
            token: token.to_vec(),
            user: user.to_string(),
            email: None,
            device: DEVICE.to_owned(),
            registration_request,
        };
        let Reply::JoinChallenge { registration_response, .. } = peer.ask(start)? else {
            bail!("not invited")
        };
        let parties = Parties { user: user.as_str(), root: &target.root.0 };
        let registration_upload = registration.finish(PASSWORD, &registration_response, parties)?;
        let proof = pki::request::prove_possession(&key, exporter.as_bytes(), &request).to_vec();
        let finish = Command::JoinFinish { registration_upload, request, proof };
        let Reply::Joined { chain, root, .. } = peer.ask(finish)? else { bail!("not joined") };
        let chain = Chain(chain.into_iter().map(Vec::from).collect());
        let certificate = sha256(chain.leaf().context("a leaf")?);
        Ok(Self { user: user.clone(), key, certificate, chain, root })
    }

    /// Logs in.
    pub(crate) fn log_in(&self, target: &Target) -> Result<Peer> {
        let anchor = TrustAnchor::from_root(&self.root)?;
        let organisation = anchor.organisation().clone();
        let key = SigningKey::from_pkcs8(&self.key.to_pkcs8()?)?;
        let config = ClientConfig {
            trust: ServerTrust::Anchors {
                store: Arc::new(TrustStore::new(vec![anchor])),
                organisation,
                revocations: Arc::new(NoRevocations),
            },
            identity: Some(Arc::new(ClientIdentity::new(&self.chain, key)?)),
            suites: suites(),
        };
        let mut peer = Peer::connect(target, config)?;
        let exporter = peer.channel.exporter()?;
        let (login, ke1) = ClientLogin::start(PASSWORD)?;
        let Reply::LoginChallenge { ke2 } = peer.ask(Command::LoginStart { ke1 })? else {
            bail!("no challenge")
        };
        let parties = Parties { user: self.user.as_str(), root: &target.root.0 };
        let done = login.finish(PASSWORD, &ke2, parties, exporter.as_bytes())?;
        let Reply::Welcome { .. } = peer.ask(Command::LoginFinish { ke3: done.ke3 })? else {
            bail!("not welcome")
        };
        peer.channel.bind_login(LoginBinding {
            method: METHOD_OPAQUE,
            user: self.user.as_str().into(),
            device: DEVICE.into(),
            opaque_session_key: Some(OpaqueSessionKey::new(*done.session_key.as_bytes())),
        })?;
        peer.channel.start_rekey()?;
        while peer.epoch == 0 {
            peer.exchange()?;
        }
        Ok(peer)
    }
}

impl Peer {
    fn connect(target: &Target, config: ClientConfig) -> Result<Self> {
        let stream = TcpStream::connect(target.address)?;
        stream.set_nodelay(true)?;
        let mut peer = Self {
            stream,
            channel: Connection::client(config, unix_ms()?)?,
            decoder: MessageDecoder::new(MAX_MESSAGE),
            buffer: vec![0; READ_BYTES],
            heard: VecDeque::new(),
            epoch: 0,
            next_id: 0,
        };
        while peer.channel.epoch().is_none() {
            peer.exchange()?;
        }
        Ok(peer)
    }

    /// Asks and waits for the reply.
    pub(crate) fn ask(&mut self, command: Command) -> Result<Reply> {
        self.queue(command)?;
        loop {
            if let ServerMessage::Reply { reply, .. } = self.hear()? {
                return Ok(reply);
            }
        }
    }

    /// Asks at the next [`Self::flush`].
    pub(crate) fn queue(&mut self, command: Command) -> Result<()> {
        self.next_id += 1;
        Ok(self.channel.send(&encode(&Request { id: self.next_id, command }))?)
    }

    /// Sends what was queued.
    pub(crate) fn flush(&mut self) -> Result<()> {
        while let Some(bytes) = self.channel.poll_transmit() {
            self.stream.write_all(&bytes)?;
        }
        Ok(())
    }

    /// Waits for the next message.
    pub(crate) fn hear(&mut self) -> Result<ServerMessage> {
        loop {
            if let Some(message) = self.heard.pop_front() {
                return Ok(message);
            }
            self.exchange()?;
        }
    }

    /// Sends what there is to send, and waits for the next bytes.
    fn exchange(&mut self) -> Result<()> {
        self.flush()?;
        let count = self.stream.read(&mut self.buffer)?;
        ensure!(count > 0, "the server has hung up");
        self.channel.handle_input(self.buffer.get(..count).unwrap_or_default(), unix_ms()?)?;
        while let Some(event) = self.channel.poll_event() {
            match event {
                Event::Data(data) => self.decoder.push(&data),
                Event::EpochChanged(epoch) => self.epoch = epoch,
                Event::Established { .. } => {}
                Event::PeerClosed => bail!("the server has closed"),
            }
        }
        while let Some(message) = self.decoder.poll()? {
            self.heard.push_back(message);
        }
        self.flush()
    }
}

fn suites() -> Vec<Suite> {
    Suite::ALL.to_vec()
}
