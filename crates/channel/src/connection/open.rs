//! The state after the handshake: records in both directions (CH-40 to CH-64).

use std::mem;

use subtle::ConstantTimeEq;
use wire::frame::Header;

use super::Io;
use super::rekey::{Login, Rekey};
use crate::limits::{EpochLimits, MAX_LOGIN_NAME};
use crate::record::{Kind, Opener, Record, Sealer};
use crate::schedule::epoch::{Confirm, EpochSecret, Side};
use crate::schedule::transcript::Th7;
use crate::{
    Alert, Error, Event, Exporter, LocalFailure, LoginBinding, MAX_RECORD_CONTENT, Malformed, Misbehaviour,
    Misuse, Suite,
};

/// Epochs and their keys, in both directions.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) side: Side,
    pub(super) suite: Suite,
    pub(super) exporter: Exporter,
    /// The newest epoch whose keys are known; the next one is derived from it.
    pub(super) secret: EpochSecret,
    /// When that epoch began.
    pub(super) began_ms: u64,
    /// The epoch that the application was told of.
    pub(super) reached: u32,
    pub(super) sealer: Sealer,
    pub(super) opener: Opener,
    /// What the next record must confirm, if it is the first of its epoch (CH-24, CH-55).
    pub(super) expected: Option<Confirm>,
    pub(super) login: Login,
    pub(super) rekey: Rekey,
    /// Whether a rekey was asked for in the current epoch (CH-58).
    pub(super) asked: bool,
    pub(super) closed: bool,
    peer_closed: bool,
}

impl Open {
    pub(super) fn new(
        side: Side,
        suite: Suite,
        secret: EpochSecret,
        exporter: Exporter,
        th7: &Th7,
        now_ms: u64,
    ) -> Result<Self, LocalFailure> {
        let expected = match side {
            Side::Client => Some(secret.confirm(Side::Server, th7.as_bytes())?),
            Side::Server => None,
        };
        Ok(Self {
            side,
            suite,
            exporter,
            began_ms: now_ms,
            reached: 0,
            sealer: Sealer::new(secret.traffic(suite, side)?, 0),
            opener: Opener::new(secret.traffic(suite, side.other())?, 0),
            secret,
            expected,
            login: Login::Awaited,
            rekey: Rekey::Idle,
            asked: false,
            closed: false,
            peer_closed: false,
        })
    }

    /// The server's first record (CH-24).
    pub(super) fn confirm_first_epoch(
        &mut self,
        th7: &Th7,
        limits: &EpochLimits,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let confirm = self.secret.confirm(Side::Server, th7.as_bytes())?;
        self.sealer.seal(Kind::Confirm, &confirm, limits, out)
    }

    pub(super) fn exporter(&self) -> Exporter {
        self.exporter.duplicate()
    }

    pub(super) fn epoch(&self) -> u32 {
        self.reached
    }

    pub(super) fn peer_has_closed(&self) -> bool {
        self.peer_closed
    }

    pub(super) fn admit(&self, header: &Header) -> Result<(), Error> {
        // CH-64
        if self.peer_closed {
            return Err(Misbehaviour::AfterClose.into());
        }
        self.opener.admit(header)
    }

    pub(super) fn send(&mut self, data: &[u8], io: &mut Io<'_>) -> Result<(), Error> {
        self.require_sending()?;
        for content in data.chunks(MAX_RECORD_CONTENT) {
            self.sealer.seal(Kind::Data, content, io.limits, io.out)?;
        }
        Ok(())
    }

    pub(super) fn close(&mut self, io: &mut Io<'_>) -> Result<(), Error> {
        if self.closed {
            return Ok(());
        }
        self.sealer.seal(Kind::Close, b"", io.limits, io.out)?;
        self.closed = true;
        Ok(())
    }

    /// Seals the one alert of a failed connection; nothing, if a close was the last record or the epoch has room for
    /// no other (CH-60, CH-72).
    pub(super) fn send_alert(&mut self, alert: Alert, limits: &EpochLimits, out: &mut Vec<u8>) {
        if !self.closed {
            // The connection ends with or without it.
            let _ = self.sealer.seal(Kind::Alert, &[alert.code()], limits, out);
        }
    }

    pub(super) fn bind_login(&mut self, login: LoginBinding, io: &mut Io<'_>) -> Result<(), Error> {
        // CH-51, CH-74
        if !matches!(self.login, Login::Awaited)
            || login.user.len() > MAX_LOGIN_NAME
            || login.device.len() > MAX_LOGIN_NAME
        {
            return Err(Misuse::BadLogin.into());
        }
        self.login = Login::Given(login);
        match mem::replace(&mut self.rekey, Rekey::Idle) {
            Rekey::Requested(request) if !self.closed => self.answer_rekey(&request, io),
            other => {
                self.rekey = other;
                Ok(())
            }
        }
    }

    pub(super) fn require_sending(&self) -> Result<(), Error> {
        if self.closed { Err(Misuse::Closed.into()) } else { Ok(()) }
    }

    /// Opens a record and does what it says.
    pub(super) fn take_record(
        &mut self,
        header: &Header,
        body: Vec<u8>,
        io: &mut Io<'_>,
    ) -> Result<(), Error> {
        let Record { kind, content } = self.opener.open(header, body, io.limits)?;
        // An alert may come in any place, or the peer could not say why it ends.
        if kind == Kind::Alert {
            let &[code] = &content[..] else { return Err(Malformed::Record.into()) };
            return Err(Error::Alert { alert: Alert::from_code(code), authenticated: true });
        }
        if let Some(expected) = self.expected.take() {
            return self.take_confirm(kind, &content, &expected, io);
        }
        match (kind, self.side) {
            // CH-43
            (Kind::Data, _) if content.is_empty() => Err(Malformed::Record.into()),
            (Kind::Data, _) => {
                io.events.push_back(Event::Data(content));
                Ok(())
            }
            (Kind::Close, _) => {
                if !content.is_empty() {
                    return Err(Malformed::Record.into());
                }
                self.peer_closed = true;
                io.events.push_back(Event::PeerClosed);
                Ok(())
            }
            (Kind::RekeyRequest, Side::Server) => self.take_rekey_request(content, io),
            (Kind::RekeyResponse, Side::Client) => self.take_rekey_response(&content, io),
            (Kind::RekeyDone, Side::Server) => self.take_rekey_done(&content),
            (Kind::AskRekey, Side::Client) => self.take_asked_rekey(&content, io),
            _ => Err(Misbehaviour::UnexpectedRecord.into()),
        }
    }

    /// CH-24, CH-55.
    fn take_confirm(
        &mut self,
        kind: Kind,
        content: &[u8],
        expected: &Confirm,
        io: &mut Io<'_>,
    ) -> Result<(), Error> {
        if kind != Kind::Confirm {
            return Err(Misbehaviour::UnexpectedRecord.into());
        }
        if !bool::from(content.ct_eq(expected)) {
            return Err(Misbehaviour::BadConfirm.into());
        }
        self.reached = self.secret.number();
        if self.reached > 0 {
            io.events.push_back(Event::EpochChanged(self.reached));
        }
        Ok(())
    }

    pub(super) fn deadline(&self, limits: &EpochLimits) -> Option<u64> {
        if self.closed && self.peer_closed {
            return None;
        }
        let age = if self.may_start_by_itself() {
            limits.rekey_age_ms()
        } else {
            limits.age_of(self.secret.number())
        };
        Some(self.began_ms.saturating_add(age))
    }

    /// CH-72: past the age of its epoch.
    pub(super) fn is_used_up(&self, now_ms: u64, limits: &EpochLimits) -> bool {
        !(self.closed && self.peer_closed)
            && now_ms.saturating_sub(self.began_ms) >= limits.age_of(self.secret.number())
    }

    /// CH-72: whether the client should start a rekey by itself.
    pub(super) fn wants_rekey(&self, now_ms: u64, limits: &EpochLimits) -> bool {
        let (sent, received) = (self.sealer.usage(), self.opener.usage());
        self.may_start_by_itself()
            && (now_ms.saturating_sub(self.began_ms) >= limits.rekey_age_ms()
                || limits.wants_rekey(sent.records, sent.bytes)
                || limits.wants_rekey(received.records, received.bytes))
    }

    fn may_start_by_itself(&self) -> bool {
        self.side == Side::Client
            && self.secret.number() > 0
            && !self.is_rekeying()
            && !self.closed
            && !self.peer_closed
    }
}
