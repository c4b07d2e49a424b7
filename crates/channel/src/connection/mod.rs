//! The connection: bytes and the time in; bytes, events and the next deadline out.
//!
//! - [`Connection`]: the way in; holds the state, the unfinished frame and what is to be sent.
//! - [`open`]: the state after the handshake.
//! - [`rekey`]: the step from one epoch to the next.

mod open;
mod rekey;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;

use wire::frame::{Frame, FrameError, FrameReader, FrameType, Header};

use self::open::Open;
use crate::handshake::{alert, client, message, server};
use crate::limits::{EpochLimits, HANDSHAKE_TIMEOUT_MS};
use crate::schedule::epoch::Side;
use crate::schedule::handshake::HandshakeKey;
use crate::schedule::transcript::Th1;
use crate::{
    ClientConfig, Error, Event, Exporter, LoginBinding, Malformed, Misbehaviour, Misuse, Peer, ServerConfig,
};

/// One end of a channel, client or server.
///
/// Whoever holds it moves bytes between [`poll_transmit`](Self::poll_transmit),
/// [`handle_input`](Self::handle_input) and a socket, calls [`handle_timeout`](Self::handle_timeout) at
/// [`deadline`](Self::deadline) and [`handle_eof`](Self::handle_eof) at the end of the stream, and takes events until
/// there are none. All times are Unix milliseconds.
///
/// A call that fails with anything but [`Error::Misuse`] leaves the connection dead: it takes nothing more, and
/// [`poll_transmit`](Self::poll_transmit) holds the last bytes for the peer, its alert among them.
pub struct Connection {
    side: Side,
    state: State,
    reader: FrameReader,
    out: Vec<u8>,
    events: VecDeque<Event>,
    limits: EpochLimits,
    started_ms: u64,
    now_ms: u64,
}

enum State {
    AwaitServerHello(Box<client::AwaitServerHello>),
    AwaitConfirm(Box<AwaitConfirm>),
    AwaitClientHello(Box<server::AwaitClientHello>),
    AwaitClientFinish(Box<server::AwaitClientFinish>),
    Open(Box<Open>),
    Dead,
}

/// The client has sent M3.
struct AwaitConfirm {
    /// Takes the confirm and nothing else.
    open: Open,
    /// What the application hears once the confirm is there.
    established: Event,
    server_key: HandshakeKey,
    th1: Th1,
}

impl Connection {
    /// Starts as client; M1 is in [`poll_transmit`](Self::poll_transmit).
    ///
    /// # Errors
    /// [`Misuse::NoSuite`] without suites; [`Error::Local`].
    pub fn client(config: ClientConfig, now_ms: u64) -> Result<Self, Error> {
        let (state, client_hello) = client::AwaitServerHello::start(config)?;
        Ok(Self::new(Side::Client, State::AwaitServerHello(Box::new(state)), client_hello, now_ms))
    }

    /// Starts as server.
    #[must_use]
    pub fn server(config: ServerConfig, now_ms: u64) -> Self {
        let state = server::AwaitClientHello::new(config);
        Self::new(Side::Server, State::AwaitClientHello(Box::new(state)), Vec::new(), now_ms)
    }

    /// Takes bytes from the stream, split anywhere.
    ///
    /// # Errors
    /// [`Error`]: whatever is wrong with them. The connection is dead then. Events that were made before stand.
    pub fn handle_input(&mut self, bytes: &[u8], now_ms: u64) -> Result<(), Error> {
        self.require_alive()?;
        self.now_ms = now_ms;
        self.check_time()?;
        let mut input = bytes;
        while !input.is_empty() {
            let state = &self.state;
            let frame = match self.reader.read(&mut input, |header| state.admit(header)) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(FrameError::UnknownType(byte)) => return self.fail(Malformed::FrameType(byte).into()),
                Err(FrameError::Refused(error)) => return self.fail(error),
            };
            self.take_frame(frame)?;
        }
        self.start_due_rekey()
    }

    /// Tells that the stream has ended.
    ///
    /// # Errors
    /// [`Error::Truncated`] unless the peer had closed (CH-64).
    pub fn handle_eof(&mut self) -> Result<(), Error> {
        self.require_alive()?;
        match &self.state {
            State::Open(open) if open.peer_has_closed() && self.reader.is_between_frames() => Ok(()),
            _ => self.fail(Error::Truncated),
        }
    }

    /// Tells the time, at [`deadline`](Self::deadline) or whenever.
    ///
    /// # Errors
    /// [`Error::TooSlow`] or [`Error::EpochUsedUp`]; the connection is dead then.
    pub fn handle_timeout(&mut self, now_ms: u64) -> Result<(), Error> {
        self.require_alive()?;
        self.now_ms = now_ms;
        self.check_time()?;
        self.start_due_rekey()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), Unix milliseconds.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        match &self.state {
            State::Dead => None,
            State::Open(open) => open.deadline(&self.limits),
            _ => Some(self.started_ms.saturating_add(HANDSHAKE_TIMEOUT_MS)),
        }
    }

    /// All bytes that are ready for the socket, often several records.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        if self.out.is_empty() { None } else { Some(std::mem::take(&mut self.out)) }
    }

    /// How many bytes wait for [`poll_transmit`](Self::poll_transmit).
    #[must_use]
    pub fn buffered_transmit(&self) -> usize {
        self.out.len()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Sends application data, in records of at most 16 KiB.
    ///
    /// # Errors
    /// [`Misuse`] before the connection is established, after [`close`](Self::close) or an error;
    /// [`Error::EpochUsedUp`] or [`Error::Local`], and the connection is dead.
    pub fn send(&mut self, data: &[u8]) -> Result<(), Error> {
        self.drive(|open, io| open.send(data, io))?;
        self.start_due_rekey()
    }

    /// E: a secret that both sides share and that depends on the whole handshake.
    ///
    /// # Errors
    /// [`Misuse`] before the connection is established or after an error.
    pub fn exporter(&self) -> Result<Exporter, Error> {
        Ok(self.open()?.exporter())
    }

    /// Gives the login that epoch 1 and all later ones depend on; both sides, once, before epoch 1 (CH-51).
    /// A server answers a rekey that is already waiting.
    ///
    /// # Errors
    /// [`Misuse::BadLogin`] a second time or with a name above 255 bytes; what is wrong with the waiting rekey; as
    /// [`send`](Self::send).
    pub fn bind_login(&mut self, login: LoginBinding) -> Result<(), Error> {
        self.drive(|open, io| open.bind_login(login, io))
    }

    /// Starts a rekey; the first makes epoch 1. Client only.
    ///
    /// # Errors
    /// [`Misuse::WrongSide`], [`Misuse::NoLogin`], [`Misuse::RekeyUnderWay`], [`Misuse::Closed`] once either side has closed;
    /// as [`send`](Self::send).
    pub fn start_rekey(&mut self) -> Result<(), Error> {
        self.drive(|open, io| open.start_rekey(io))
    }

    /// Asks the client for a rekey, from epoch 1 on. Server only.
    ///
    /// # Errors
    /// [`Misuse::WrongSide`], [`Misuse::NoLogin`], [`Misuse::RekeyUnderWay`] also for a second request in one epoch; as
    /// [`send`](Self::send).
    pub fn request_rekey(&mut self) -> Result<(), Error> {
        self.drive(|open, io| open.request_rekey(io))
    }

    /// Sends the last record of this side. What the peer still sends is taken until it closes too. A second call
    /// does nothing.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn close(&mut self) -> Result<(), Error> {
        self.drive(|open, io| open.close(io))
    }

    /// The epoch that both directions have reached; none before the connection is established.
    #[must_use]
    pub fn epoch(&self) -> Option<u32> {
        match &self.state {
            State::Open(open) => Some(open.epoch()),
            _ => None,
        }
    }

    fn new(side: Side, state: State, out: Vec<u8>, now_ms: u64) -> Self {
        Self {
            side,
            state,
            reader: FrameReader::default(),
            out,
            events: VecDeque::new(),
            limits: EpochLimits::DEFAULT,
            started_ms: now_ms,
            now_ms,
        }
    }

    fn open(&self) -> Result<&Open, Error> {
        match &self.state {
            State::Open(open) => Ok(open),
            State::Dead => Err(Misuse::Dead.into()),
            _ => Err(Misuse::NotEstablished.into()),
        }
    }

    fn require_alive(&self) -> Result<(), Error> {
        if matches!(self.state, State::Dead) { Err(Misuse::Dead.into()) } else { Ok(()) }
    }

    /// Runs a call of the application on the open state; ends the connection if it fails by more than misuse.
    fn drive(&mut self, call: impl FnOnce(&mut Open, &mut Io<'_>) -> Result<(), Error>) -> Result<(), Error> {
        self.open()?;
        let State::Open(open) = &mut self.state else { return Ok(()) };
        let mut io =
            Io { out: &mut self.out, events: &mut self.events, limits: &self.limits, now_ms: self.now_ms };
        match call(open, &mut io) {
            Ok(()) => Ok(()),
            Err(Error::Misuse(misuse)) => Err(misuse.into()),
            Err(error) => self.fail(error),
        }
    }

    fn check_time(&mut self) -> Result<(), Error> {
        let error = match &self.state {
            State::Open(open) if open.is_used_up(self.now_ms, &self.limits) => Error::EpochUsedUp,
            State::Open(_) => return Ok(()),
            _ if self.now_ms.saturating_sub(self.started_ms) >= HANDSHAKE_TIMEOUT_MS => Error::TooSlow,
            _ => return Ok(()),
        };
        self.fail(error)
    }

    /// CH-72: the client's rekeys by time and volume.
    fn start_due_rekey(&mut self) -> Result<(), Error> {
        match &self.state {
            State::Open(open) if open.wants_rekey(self.now_ms, &self.limits) => self.start_rekey(),
            _ => Ok(()),
        }
    }

    fn take_frame(&mut self, frame: Frame) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Dead) {
            State::AwaitServerHello(state) => self.take_as_new_client(*state, frame),
            State::AwaitConfirm(state) => self.take_confirm(*state, frame),
            State::AwaitClientHello(state) => match state.answer(&frame.body) {
                Ok((state, server_hello)) => {
                    self.out.extend_from_slice(&server_hello);
                    self.state = State::AwaitClientFinish(Box::new(state));
                    Ok(())
                }
                Err(error) => self.fail_in_clear(error),
            },
            State::AwaitClientFinish(state) => self.take_client_finish(*state, frame),
            State::Open(mut open) => {
                let mut io = Io {
                    out: &mut self.out,
                    events: &mut self.events,
                    limits: &self.limits,
                    now_ms: self.now_ms,
                };
                let result = open.take_record(&frame.header, frame.body, &mut io);
                self.state = State::Open(open);
                result.or_else(|error| self.fail(error))
            }
            State::Dead => Err(Misuse::Dead.into()),
        }
    }

    fn take_as_new_client(&mut self, state: client::AwaitServerHello, frame: Frame) -> Result<(), Error> {
        if frame.header.frame_type == FrameType::ClearAlert {
            return Err(alert::received_clear(&frame.body));
        }
        let agreed = match state.agree(&frame.body) {
            Ok(agreed) => agreed,
            Err(error) => return self.fail_in_clear(error),
        };
        let server = match agreed.authenticate(self.now_ms) {
            Ok(server) => server,
            Err(error) => return self.fail_sealed(error, agreed.alert_key()),
        };
        let (finished, client_finish) = agreed.finish(server)?;
        let client::Finished { suite, epoch, exporter, th7, .. } = finished;
        let open = Open::new(Side::Client, suite, epoch, exporter, &th7, self.now_ms)?;
        self.out.extend_from_slice(&client_finish);
        self.state = State::AwaitConfirm(Box::new(AwaitConfirm {
            open,
            established: Event::Established {
                peer: Peer::Certified(finished.certificate),
                suite,
                pinned_root: finished.pinned_root,
            },
            server_key: finished.server_key,
            th1: finished.th1,
        }));
        Ok(())
    }

    fn take_confirm(&mut self, state: AwaitConfirm, frame: Frame) -> Result<(), Error> {
        if frame.header.frame_type == FrameType::SealedAlert {
            return Err(alert::received_sealed(frame.body, &state.server_key, &state.th1));
        }
        let AwaitConfirm { mut open, established, .. } = state;
        let mut no_events = VecDeque::new();
        let mut io =
            Io { out: &mut self.out, events: &mut no_events, limits: &self.limits, now_ms: self.now_ms };
        let result = open.take_record(&frame.header, frame.body, &mut io);
        self.state = State::Open(Box::new(open));
        match result {
            Ok(()) => {
                self.events.push_back(established);
                Ok(())
            }
            Err(error) => self.fail(error),
        }
    }

    fn take_client_finish(&mut self, state: server::AwaitClientFinish, frame: Frame) -> Result<(), Error> {
        match frame.header.frame_type {
            FrameType::ClearAlert => return Err(alert::received_clear(&frame.body)),
            FrameType::SealedAlert => {
                let (key, th1) = state.peer_alert_key();
                return Err(alert::received_sealed(frame.body, key, th1));
            }
            _ => {}
        }
        let client = match state.authenticate(&frame.body, self.now_ms) {
            Ok(client) => client,
            Err(error) => return self.fail_sealed(error, state.alert_key()),
        };
        let server::Finished { suite, epoch, exporter, th7, peer } = state.finish(client)?;
        let mut open = Open::new(Side::Server, suite, epoch, exporter, &th7, self.now_ms)?;
        open.confirm_first_epoch(&th7, &self.limits, &mut self.out)?;
        self.state = State::Open(Box::new(open));
        self.events.push_back(Event::Established { peer, suite, pinned_root: None });
        Ok(())
    }

    /// Ends the connection, with the alert that its state can still send (CH-60, CH-65).
    fn fail(&mut self, error: Error) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Dead) {
            State::AwaitServerHello(_) | State::AwaitClientHello(_) => self.fail_in_clear(error),
            State::AwaitClientFinish(state) => self.fail_sealed(error, state.alert_key()),
            State::AwaitConfirm(state) => self.fail_open(error, state.open),
            State::Open(open) => self.fail_open(error, *open),
            State::Dead => Err(error),
        }
    }

    fn fail_in_clear(&mut self, error: Error) -> Result<(), Error> {
        if let Some(code) = error.alert() {
            self.out.extend_from_slice(&alert::clear(code));
        }
        Err(error)
    }

    fn fail_sealed(&mut self, error: Error, (key, th1): (&HandshakeKey, &Th1)) -> Result<(), Error> {
        if let Some(code) = error.alert() {
            self.out.extend_from_slice(&alert::seal(code, key, th1)?);
        }
        Err(error)
    }

    fn fail_open(&mut self, error: Error, mut open: Open) -> Result<(), Error> {
        if let Some(code) = error.alert() {
            open.send_alert(code, &self.limits, &mut self.out);
        }
        Err(error)
    }
}

impl State {
    /// CH-4, CH-14; with them the largest frame before the connection is established (CH-71).
    fn admit(&self, header: &Header) -> Result<(), Error> {
        let length = usize::from(header.length);
        let of_form = |right: bool| -> Result<(), Error> {
            if right && header.epoch == 0 { Ok(()) } else { Err(Malformed::FrameHeader.into()) }
        };
        match (self, header.frame_type) {
            (Self::AwaitClientHello(_), FrameType::ClientHello) => {
                of_form(length == message::CLIENT_HELLO_SIZE)
            }
            (Self::AwaitServerHello(_), FrameType::ServerHello) => {
                of_form(message::is_server_hello_size(length))
            }
            (Self::AwaitClientFinish(_), FrameType::ClientFinish) => {
                of_form(length == message::CLIENT_FINISH_SIZE)
            }
            (Self::AwaitServerHello(_) | Self::AwaitClientFinish(_), FrameType::ClearAlert) => {
                of_form(length == alert::CLEAR_SIZE)
            }
            (Self::AwaitConfirm(_) | Self::AwaitClientFinish(_), FrameType::SealedAlert) => {
                of_form(length == alert::SEALED_SIZE)
            }
            (Self::AwaitConfirm(state), FrameType::Record) => state.open.admit(header),
            (Self::Open(open), FrameType::Record) => open.admit(header),
            _ => Err(Misbehaviour::UnexpectedFrame.into()),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::AwaitServerHello(_) => "awaits M2",
            Self::AwaitConfirm(_) => "awaits confirm",
            Self::AwaitClientHello(_) => "awaits M1",
            Self::AwaitClientFinish(_) => "awaits M3",
            Self::Open(_) => "open",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("side", &self.side)
            .field("state", &self.state.name())
            .field("epoch", &self.epoch())
            .finish_non_exhaustive()
    }
}

/// What the open state writes to, and what it goes by.
struct Io<'a> {
    out: &'a mut Vec<u8>,
    events: &'a mut VecDeque<Event>,
    limits: &'a EpochLimits,
    now_ms: u64,
}
