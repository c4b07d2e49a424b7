//! The two roles: what each is given, and a session of it from the first byte to the last.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::chat::{Party, chat};
use super::place::Transcripts;
use super::wire::Wire;
use super::{Dialect, Role, line, pkcs1, pss};
use crate::ClassicError;
use crate::certificate::{Certificate, Expectation, Identity, check};
use crate::cipher::CipherKey;
use crate::conversation::{Clock, Lines, Reporter, Says, Stop, What};
use crate::dh::Group;
use crate::frame::FrameReader;
use crate::limits::HANDSHAKE_DEADLINE;
use crate::users::UserStore;

/// A server.
pub struct Server {
    /// The dialect it speaks.
    pub dialect: Dialect,
    /// Its certificate, key and CA.
    pub identity: Identity,
    /// The name that a client's certificate has to have; the dialect's usual one if `None`.
    pub expected_name: Option<String>,
    /// Its users.
    pub users: Arc<dyn UserStore>,
    /// Where transcripts and receipts go.
    pub transcripts: Option<Transcripts>,
    /// The group of its Diffie-Hellmans.
    pub group: Group,
    /// What it says.
    pub says: Says,
    /// The time.
    pub clock: Clock,
}

/// A client.
pub struct Client {
    /// The dialect it speaks.
    pub dialect: Dialect,
    /// Its certificate, key and CA.
    pub identity: Identity,
    /// The name that the server's certificate has to have; the dialect's usual one if `None`.
    pub expected_name: Option<String>,
    /// Who it is.
    pub account: Account,
    /// Where transcripts and receipts go.
    pub transcripts: Option<Transcripts>,
    /// The group of its Diffie-Hellmans.
    pub group: Group,
    /// Whether it sends on without waiting for the answer to each message.
    pub pipelined: bool,
    /// The time.
    pub clock: Clock,
}

/// Who a client is.
pub struct Account {
    /// E-mail address.
    pub email: String,
    /// User name, to make the account with; `None` to log in.
    pub register: Option<String>,
    /// Password.
    pub password: Zeroizing<String>,
}

/// What stands after the handshake.
pub(super) struct Agreed {
    pub peer: Certificate,
    /// What the other side is called in events.
    pub peer_name: String,
    pub session: CipherKey,
}

impl Server {
    /// Speaks with one client until it has left.
    ///
    /// # Errors
    /// [`ClassicError`]; the client was told what the protocol has a word for.
    pub async fn session<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        reporter: &Reporter,
        stop: Stop,
    ) -> Result<(), ClassicError> {
        let (reader, mut writer) = split(stream);
        let mut reader = FrameReader::new(reader, self.dialect.framing());
        let mut wire = Wire { reader: &mut reader, writer: &mut writer, dialect: self.dialect };
        let outcome = in_time(async {
            match self.dialect {
                Dialect::Pss => pss::server::handshake(self, &mut wire, reporter).await,
                Dialect::Pkcs1 => pkcs1::server::handshake(self, &mut wire, reporter).await,
                Dialect::Line => line::server::handshake(self, &mut wire, reporter).await,
            }
        });
        let agreed = match outcome.await {
            Ok(agreed) => agreed,
            Err(error) => {
                wire.name_fault(&error, reporter).await;
                wire.end().await;
                return Err(error);
            }
        };
        let party = self.party(agreed);
        let outcome = chat(&mut reader, &mut writer, party, self.says.lines(), reporter, stop).await;
        if outcome.is_err() {
            let mut wire = Wire { reader: &mut reader, writer: &mut writer, dialect: self.dialect };
            wire.end().await;
        }
        outcome
    }

    /// Serves the accounts port of `cianr-line`.
    ///
    /// # Errors
    /// [`ClassicError`].
    pub async fn accounts_session<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        reporter: &Reporter,
    ) -> Result<(), ClassicError> {
        let (reader, mut writer) = split(stream);
        let mut reader = FrameReader::new(reader, self.dialect.framing());
        let mut wire = Wire { reader: &mut reader, writer: &mut writer, dialect: self.dialect };
        let outcome = in_time(line::server::accounts(self, &mut wire, reporter)).await;
        if let Err(error) = &outcome {
            wire.name_fault(error, reporter).await;
            wire.end().await;
        }
        outcome
    }

    /// Checks a client's certificate.
    ///
    /// # Errors
    /// [`ClassicError::BadCertificate`].
    pub(super) fn check(&self, peer: &Certificate, reporter: &Reporter) -> Result<(), ClassicError> {
        let name = self.expected_name.as_deref().unwrap_or(self.dialect.common_name(Role::Client));
        check_peer(peer, self.identity.ca(), self.dialect.expectation(name), (self.clock)(), reporter)
    }

    fn party(&self, agreed: Agreed) -> Party<'_> {
        Party {
            dialect: self.dialect,
            side: Role::Server,
            signer: self.identity.key(),
            own: self.identity.certificate(),
            peer: agreed.peer,
            peer_name: agreed.peer_name,
            session: agreed.session,
            clock: self.clock,
            transcripts: self.transcripts.as_ref(),
            in_turn: false,
        }
    }
}

impl Client {
    /// Speaks with a server until `lines` end or say the quit word, or the server leaves.
    ///
    /// # Errors
    /// [`ClassicError`].
    pub async fn session<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        lines: Lines,
        reporter: &Reporter,
        stop: Stop,
    ) -> Result<(), ClassicError> {
        let (reader, mut writer) = split(stream);
        let mut reader = FrameReader::new(reader, self.dialect.framing());
        let mut wire = Wire { reader: &mut reader, writer: &mut writer, dialect: self.dialect };
        let agreed = in_time(async {
            match self.dialect {
                Dialect::Pss => pss::client::handshake(self, &mut wire, reporter).await,
                Dialect::Pkcs1 => pkcs1::client::handshake(self, &mut wire, reporter).await,
                Dialect::Line => line::client::handshake(self, &mut wire, reporter).await,
            }
        })
        .await?;
        let party = Party {
            dialect: self.dialect,
            side: Role::Client,
            signer: self.identity.key(),
            own: self.identity.certificate(),
            peer: agreed.peer,
            peer_name: agreed.peer_name,
            session: agreed.session,
            clock: self.clock,
            transcripts: self.transcripts.as_ref(),
            in_turn: !self.pipelined,
        };
        chat(&mut reader, writer, party, lines, reporter, stop).await
    }

    /// Registers or logs in at the accounts port of `cianr-line`.
    ///
    /// # Errors
    /// [`ClassicError`].
    pub async fn account_session<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        reporter: &Reporter,
    ) -> Result<(), ClassicError> {
        let (reader, mut writer) = split(stream);
        let mut reader = FrameReader::new(reader, self.dialect.framing());
        let mut wire = Wire { reader: &mut reader, writer: &mut writer, dialect: self.dialect };
        in_time(line::client::accounts(self, &mut wire, reporter)).await
    }

    /// Checks the server's certificate.
    ///
    /// # Errors
    /// [`ClassicError::BadCertificate`].
    pub(super) fn check(&self, peer: &Certificate, reporter: &Reporter) -> Result<(), ClassicError> {
        let name = self.expected_name.as_deref().unwrap_or(self.dialect.common_name(Role::Server));
        check_peer(peer, self.identity.ca(), self.dialect.expectation(name), (self.clock)(), reporter)
    }

    /// Tells that the account was made or logged in.
    pub(super) fn tell_admitted(&self, reporter: &Reporter) {
        reporter.tell(match &self.account.register {
            Some(name) => What::Registered { user: name.clone(), email: Some(self.account.email.clone()) },
            None => What::LoggedIn { user: self.account.email.clone() },
        });
    }
}

fn check_peer(
    peer: &Certificate,
    ca: &Certificate,
    expected: Expectation<'_>,
    now_ms: u64,
    reporter: &Reporter,
) -> Result<(), ClassicError> {
    check(peer, ca, expected, now_ms).map_err(ClassicError::BadCertificate)?;
    let name = peer.common_name().unwrap_or_default().to_owned();
    reporter.tell(What::Certified { name, fingerprint: peer.fingerprint() });
    Ok(())
}

async fn in_time<T>(handshake: impl Future<Output = Result<T, ClassicError>>) -> Result<T, ClassicError> {
    let late = ClassicError::Late { what: "for the handshake", seconds: HANDSHAKE_DEADLINE.as_secs() };
    timeout(HANDSHAKE_DEADLINE, handshake).await.map_err(|_| late)?
}
