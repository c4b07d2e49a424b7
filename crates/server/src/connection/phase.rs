//! What a peer is at the moment, and so which commands it may send (SE-5).

use std::net::SocketAddr;
use std::sync::Arc;

use channel::{Connection, Exporter, Peer};
use session::limits::LOGIN_DEADLINE_MS;
use session::message::{Command, Reply, Request};

use super::enrolment::Enrolment;
use super::login::Login;
use super::{Ended, command, not_allowed};
use crate::admission::{ConnectionPermit, Pool};
use crate::clock::now_ms;
use crate::rooms::{Outbound, Session};
use crate::shared::Shared;

/// The phases of a connection.
enum State {
    /// The handshake is under way.
    Handshake,
    /// A joiner or a new device.
    Anonymous(Box<Enrolment>),
    /// A certified device that has not logged in.
    Certified(Box<Login>),
    /// Logged in, epoch 1 stands.
    LoggedIn(Arc<Session>),
}

/// A connection's phase.
pub(super) struct Phase {
    state: State,
    address: SocketAddr,
    number: u64,
    /// End of the handshake, Unix milliseconds.
    established_ms: u64,
    deadline_ms: Option<u64>,
    permit: Option<ConnectionPermit>,
}

impl Phase {
    pub(super) fn new(address: SocketAddr, permit: ConnectionPermit) -> Self {
        Self {
            state: State::Handshake,
            address,
            number: permit.number(),
            established_ms: 0,
            deadline_ms: Some(u64::MAX),
            permit: Some(permit),
        }
    }

    /// When this phase has to be over; none once logged in. The handshake's own time is the channel's.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        self.deadline_ms
    }

    pub(super) fn session(&self) -> Option<&Arc<Session>> {
        match &self.state {
            State::LoggedIn(session) => Some(session),
            _ => None,
        }
    }

    /// The handshake is done.
    pub(super) fn established(&mut self, peer: Peer, exporter: &Exporter, now: u64) -> Result<(), Ended> {
        let exporter = *exporter.as_bytes();
        let (pool, time_ms);
        (self.state, pool, time_ms) = match peer {
            Peer::Anonymous => {
                let enrolment = Enrolment::new(exporter, self.address.ip());
                let time_ms = enrolment.time_ms();
                (State::Anonymous(Box::new(enrolment)), Pool::Anonymous, time_ms)
            }
            Peer::Certified(certificate) => {
                let login = Login::new(certificate, exporter, self.address.ip())
                    .ok_or(Ended::Told("a certificate that names no device"))?;
                (State::Certified(Box::new(login)), Pool::Certified, LOGIN_DEADLINE_MS)
            }
        };
        self.established_ms = now;
        self.deadline_ms = Some(now.saturating_add(time_ms));
        let moved = self.permit.take().and_then(|permit| permit.into_pool(pool));
        self.permit = Some(moved.ok_or(Ended::Told("too many connections without login"))?);
        Ok(())
    }

    /// The peer has proved a new epoch's key; the first one ends the login (SE-8). Says whether it did.
    pub(super) fn epoch_changed(&mut self, epoch: u32, shared: &Arc<Shared>, outbound: &Outbound) -> bool {
        let State::Certified(login) = &mut self.state else {
            return false;
        };
        let (1, Some((user, certificate))) = (epoch, login.logged_in()) else {
            return false;
        };
        let session = Arc::new(Session::new(self.number, user, certificate, outbound.clone()));
        shared.hub.enter(Arc::clone(&session));
        self.state = State::LoggedIn(session);
        self.deadline_ms = None;
        self.permit = None;
        true
    }

    /// Handles a request; no reply means that it comes later, by the outbound queue.
    pub(super) async fn request(
        &mut self,
        request: Request,
        shared: &Arc<Shared>,
        channel: &mut Connection,
    ) -> Option<Reply> {
        if matches!(request.command, Command::Time) {
            return Some(Reply::Time { time: now_ms() });
        }
        match &mut self.state {
            State::Handshake => Some(not_allowed("the handshake is not done")),
            State::Anonymous(enrolment) => {
                let reply = enrolment.request(request.command, shared).await;
                let longer = self.established_ms.saturating_add(enrolment.time_ms());
                self.deadline_ms = self.deadline_ms.map(|deadline| deadline.max(longer));
                Some(reply)
            }
            State::Certified(login) => Some(login.request(request.command, shared, channel).await),
            State::LoggedIn(session) => command::handle(request, shared, session).await,
        }
    }

    /// Takes the connection out of the hub.
    pub(super) fn leave(&self, shared: &Shared) {
        if let Some(session) = self.session() {
            shared.hub.leave(session);
        }
    }
}
