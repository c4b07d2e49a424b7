//! From one epoch to the next, under traffic (CH-50 to CH-59). Each direction goes over by itself, at a record that its
//! receiver knows to be the last of the epoch (CH-56).

use std::mem;

use wire::bytes::{Reader, Writer};

use super::Io;
use super::open::Open;
use crate::exchange::{self, Initiator, REQUEST_SIZE, RESPONSE_SIZE, SharedSecrets};
use crate::record::{Kind, Opener, Sealer};
use crate::schedule::epoch::{Confirm, EpochInputs, Side};
use crate::{Error, LoginBinding, Malformed, Misbehaviour, Misuse};

/// The login that the keys depend on from epoch 1 on (CH-51).
#[derive(Debug)]
pub(super) enum Login {
    /// The application has not given it yet.
    Awaited,
    /// Given; its session key is dropped with epoch 1.
    Given(LoginBinding),
}

/// How far a rekey has come.
#[derive(Debug)]
pub(super) enum Rekey {
    /// None is under way, but for a confirm that is still expected.
    Idle,
    /// Client: R1 is sent.
    Started(Box<Started>),
    /// Server: R1 is here and the login is not (CH-52).
    Requested(Vec<u8>),
    /// Server: R2 is sent, R3 is awaited.
    Answered(Box<Answered>),
}

/// What the client needs to take R2.
#[derive(Debug)]
pub(super) struct Started {
    shares: Initiator,
    request: Vec<u8>,
}

/// What the server takes up with R3.
#[derive(Debug)]
pub(super) struct Answered {
    opener: Opener,
    expected: Confirm,
}

impl Open {
    /// Whether a rekey has begun and its last confirm is not here.
    pub(super) fn is_rekeying(&self) -> bool {
        !matches!(self.rekey, Rekey::Idle) || self.expected.is_some()
    }

    /// A rekey needs both directions.
    fn require_both_open(&self) -> Result<(), Error> {
        if self.peer_has_closed() { Err(Misuse::Closed.into()) } else { self.require_sending() }
    }

    pub(super) fn start_rekey(&mut self, io: &mut Io<'_>) -> Result<(), Error> {
        if self.side != Side::Client {
            return Err(Misuse::WrongSide.into());
        }
        self.require_both_open()?;
        if !matches!(self.login, Login::Given(_)) {
            return Err(Misuse::NoLogin.into());
        }
        if self.is_rekeying() {
            return Err(Misuse::RekeyUnderWay.into());
        }
        let (shares, public) = Initiator::generate()?;
        self.send_rekey_request(shares, &public, io)
    }

    /// Sends R1 with these shares.
    pub(super) fn send_rekey_request(
        &mut self,
        shares: Initiator,
        public: &[u8; REQUEST_SIZE],
        io: &mut Io<'_>,
    ) -> Result<(), Error> {
        let request = numbered(self.next_number()?, public);
        self.sealer.seal(Kind::RekeyRequest, &request, io.limits, io.out)?;
        self.rekey = Rekey::Started(Box::new(Started { shares, request }));
        Ok(())
    }

    pub(super) fn request_rekey(&mut self, io: &mut Io<'_>) -> Result<(), Error> {
        if self.side != Side::Server {
            return Err(Misuse::WrongSide.into());
        }
        self.require_both_open()?;
        if self.secret.number() == 0 {
            return Err(Misuse::NoLogin.into());
        }
        if self.asked || self.is_rekeying() {
            return Err(Misuse::RekeyUnderWay.into());
        }
        self.sealer.seal(Kind::AskRekey, b"", io.limits, io.out)?;
        self.asked = true;
        Ok(())
    }

    /// R1, at the server.
    pub(super) fn take_rekey_request(&mut self, request: Vec<u8>, io: &mut Io<'_>) -> Result<(), Error> {
        if !matches!(self.rekey, Rekey::Idle) {
            return Err(Misbehaviour::UnexpectedRecord.into());
        }
        let _shares: &[u8; REQUEST_SIZE] = self.read_numbered(&request)?;
        if self.closed {
            return Ok(()); // CH-59
        }
        match self.login {
            Login::Awaited => {
                self.rekey = Rekey::Requested(request); // CH-52
                Ok(())
            }
            Login::Given(_) => self.answer_rekey(&request, io),
        }
    }

    /// Sends R2 and the confirm; the server's sending direction is in the new epoch then (CH-53).
    pub(super) fn answer_rekey(&mut self, request: &[u8], io: &mut Io<'_>) -> Result<(), Error> {
        let number = self.next_number()?;
        let (public, shared) = exchange::respond(self.read_numbered(request)?)?;
        let response = numbered(number, &public);
        self.sealer.seal(Kind::RekeyResponse, &response, io.limits, io.out)?;
        let th = self.enter_epoch(number, shared, request, &response, io.now_ms)?;
        self.sealer = Sealer::new(self.secret.traffic(self.suite, Side::Server)?, number);
        let confirm = self.secret.confirm(Side::Server, &th)?;
        self.sealer.seal(Kind::Confirm, &confirm, io.limits, io.out)?;
        self.rekey = Rekey::Answered(Box::new(Answered {
            opener: Opener::new(self.secret.traffic(self.suite, Side::Client)?, number),
            expected: self.secret.confirm(Side::Client, &th)?,
        }));
        Ok(())
    }

    /// R2, at the client: both directions go over to the new epoch (CH-54).
    pub(super) fn take_rekey_response(&mut self, response: &[u8], io: &mut Io<'_>) -> Result<(), Error> {
        let Rekey::Started(started) = mem::replace(&mut self.rekey, Rekey::Idle) else {
            return Err(Misbehaviour::UnexpectedRecord.into());
        };
        let number = self.next_number()?;
        let Started { shares, request } = *started;
        let shared = shares.finish(self.read_numbered::<RESPONSE_SIZE>(response)?)?;
        let th = self.enter_epoch(number, shared, &request, response, io.now_ms)?;
        self.opener = Opener::new(self.secret.traffic(self.suite, Side::Server)?, number);
        self.expected = Some(self.secret.confirm(Side::Server, &th)?);
        if self.closed {
            return Ok(()); // CH-59
        }
        self.sealer.seal(Kind::RekeyDone, &number.to_be_bytes(), io.limits, io.out)?;
        self.sealer = Sealer::new(self.secret.traffic(self.suite, Side::Client)?, number);
        let confirm = self.secret.confirm(Side::Client, &th)?;
        self.sealer.seal(Kind::Confirm, &confirm, io.limits, io.out)
    }

    /// R3, at the server: its receiving direction goes over to the new epoch (CH-54).
    pub(super) fn take_rekey_done(&mut self, content: &[u8]) -> Result<(), Error> {
        let Rekey::Answered(answered) = mem::replace(&mut self.rekey, Rekey::Idle) else {
            return Err(Misbehaviour::UnexpectedRecord.into());
        };
        let number: [u8; 4] = content.try_into().map_err(|_| Malformed::Record)?;
        // CH-57
        if u32::from_be_bytes(number) != self.secret.number() {
            return Err(Misbehaviour::BadEpochNumber.into());
        }
        self.opener = answered.opener;
        self.expected = Some(answered.expected);
        Ok(())
    }

    /// The server's request for a rekey, at the client (CH-58).
    pub(super) fn take_asked_rekey(&mut self, content: &[u8], io: &mut Io<'_>) -> Result<(), Error> {
        if !content.is_empty() {
            return Err(Malformed::Record.into());
        }
        if self.asked || self.secret.number() == 0 {
            return Err(Misbehaviour::UnexpectedRecord.into());
        }
        self.asked = true;
        if self.closed || self.is_rekeying() { Ok(()) } else { self.start_rekey(io) }
    }

    /// Derives the new epoch's secret and erases the old one and the login's session key.
    fn enter_epoch(
        &mut self,
        number: u32,
        shared: SharedSecrets,
        request: &[u8],
        response: &[u8],
        now_ms: u64,
    ) -> Result<[u8; 32], Error> {
        let Login::Given(login) = &mut self.login else { return Err(Misuse::NoLogin.into()) };
        let session_key = login.opaque_session_key.take();
        let inputs =
            EpochInputs { method: login.method, user: &login.user, device: &login.device, request, response };
        let (secret, th) = self.secret.next(number, shared, session_key.as_ref(), &self.exporter, &inputs)?;
        self.secret = secret;
        self.began_ms = now_ms;
        self.asked = false;
        Ok(th)
    }

    /// CH-73.
    fn next_number(&self) -> Result<u32, Error> {
        self.secret.number().checked_add(1).ok_or(Error::EpochUsedUp)
    }

    /// The shares behind the number of the next epoch (CH-57).
    fn read_numbered<'a, const N: usize>(&self, content: &'a [u8]) -> Result<&'a [u8; N], Error> {
        let malformed = |_| Malformed::Record;
        let mut reader = Reader::new(content);
        let number = reader.u32().map_err(malformed)?;
        let shares = reader.array().map_err(malformed)?;
        reader.finish().map_err(malformed)?;
        if number == self.next_number()? { Ok(shares) } else { Err(Misbehaviour::BadEpochNumber.into()) }
    }
}

fn numbered(number: u32, shares: &[u8]) -> Vec<u8> {
    let mut out = Writer::with_capacity(4 + shares.len());
    out.u32(number).bytes(shares);
    out.into_vec()
}
