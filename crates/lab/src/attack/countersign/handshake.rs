//! Exhibits 2, 3, 6, 9, 11 and 12: before anybody is logged in.

use std::net::SocketAddr;
use std::sync::Arc;

use channel::{ClientConfig, Connection, ServerConfig, ServerIdentity, Suite};
use pki::ca::{RootCa, Validity};
use pki::ed25519::SigningKey;
use pki::trust::{NoRevocations, TrustAnchor, TrustStore};
use pki::{Chain, Holder, Organisation};
use session::login::{ClientLogin, Parties};
use session::message::{Command, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End};
use crate::stage::countersign::{ORGANISATION, Papers, Peer, World};
use crate::stage::{ALICE, PASSWORD, PATIENCE, Stage};
use crate::tap::{Act, Hand, Marks, Tap};

/// Where the X25519 share stands in the frames M1 and M2 (channel.md, CH-1, CH-7, CH-9), and its size.
const SHARE_IN_M1: usize = 7 + 50;
const SHARE_IN_M2: usize = 7 + 34;
const SHARE: usize = 32;
/// Where the offered suites stand in M1, and their size.
const SUITES: std::ops::Range<usize> = 9..25;
/// A day, in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// Puts shares of its own in the place of both sides'.
struct OwnShares([u8; SHARE]);

impl Hand for OwnShares {
    fn message(&mut self, from: End, message: &[u8]) -> Vec<Act> {
        let at = match (from, message.first()) {
            (End::Client, Some(1)) => SHARE_IN_M1,
            (End::Server, Some(2)) => SHARE_IN_M2,
            _ => return vec![Act::On(message.to_vec())],
        };
        let mut changed = message.to_vec();
        for (to, from) in changed.iter_mut().skip(at).zip(self.0) {
            *to = from;
        }
        vec![
            Act::Note("the attacker puts its own share in the place of this one".to_owned()),
            Act::On(changed),
        ]
    }
}

/// A Diffie-Hellman of its own with each side.
pub(super) async fn own_shares(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let key = aws_lc_rs::agreement::PrivateKey::generate(&aws_lc_rs::agreement::X25519);
    let share = key.and_then(|key| key.compute_public_key()).map_err(|_| LabError::stage("no randomness"))?;
    let share: [u8; SHARE] = share.as_ref().try_into().map_err(LabError::stage)?;
    let hands = move || OwnShares(share);
    let tap = Tap::start(world.address, Marks::Countersign, capture.clone(), hands).await?;
    Ok(refused(Peer::connect(tap.address(), world.config(None)?, stage.clock()).await, "The client"))
}

/// A server of an organisation that the attacker made under the same name.
pub(super) async fn impostor(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let (world, impostor) = (stage.organisation().await?, stage.impostor().await?);
    let tap = Tap::listen(impostor.address, Marks::Countersign, capture.clone()).await?;
    Ok(refused(Peer::connect(tap.address(), world.config(None)?, stage.clock()).await, "The client"))
}

/// A server that has a good certificate, of a device.
pub(super) async fn device_as_server(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let (chain, key) = world.papers(ALICE, "laptop", stage.now_ms())?;
    let identity = ServerIdentity::new(&chain.with_root(world.authority.root()), key);
    let organisation = Organisation::parse(ORGANISATION).map_err(LabError::stage)?;
    let anchor = TrustAnchor::new(world.authority.root(), organisation).map_err(LabError::stage)?;
    let config = ServerConfig {
        identity: Arc::new(identity.map_err(LabError::stage)?),
        trust: Arc::new(TrustStore::new(vec![anchor])),
        revocations: Arc::new(NoRevocations),
        suites: Suite::ALL.to_vec(),
    };
    let listener =
        TcpListener::bind(("127.0.0.1", 0)).await.map_err(LabError::io("cannot listen on loopback"))?;
    let address = listener.local_addr().map_err(LabError::io("cannot listen on loopback"))?;
    let clock = stage.clock();
    let serving = tokio::spawn(async move {
        if let Ok((stream, _)) = listener.accept().await {
            answer(stream, Connection::server(config, clock()), clock).await;
        }
    });
    let tap = Tap::listen(address, Marks::Countersign, capture.clone()).await?;
    let outcome = Peer::connect(tap.address(), world.config(None)?, clock).await;
    serving.abort();
    Ok(refused(outcome, "The client"))
}

async fn answer(mut stream: TcpStream, mut channel: Connection, clock: fn() -> u64) {
    let mut buffer = vec![0; 4_096];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let input = buffer.get(..count).unwrap_or_default();
        let alive = channel.handle_input(input, clock()).is_ok();
        while let Some(bytes) = channel.poll_transmit() {
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
        }
        if !alive {
            return;
        }
    }
}

/// What is wrong with a client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// It signed itself.
    SelfSigned,
    /// It ended.
    Expired,
    /// It is of an authority that the attacker made under the same name.
    OtherCa,
    /// It names somebody else than the one whose password is used.
    OtherName,
}

/// A client with a bad certificate.
pub(super) async fn bad_client(stage: &Stage, capture: &Capture, bad: Bad) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let now = stage.now_ms();
    let papers = match bad {
        Bad::SelfSigned => self_signed(now)?,
        Bad::Expired => short(&world, now)?,
        Bad::OtherCa => stage.impostor().await?.papers(ALICE, "laptop", now)?,
        Bad::OtherName => world.papers("mallory", "laptop", now)?,
    };
    let tap = Tap::listen(world.address, Marks::Countersign, capture.clone()).await?;
    let connected = Peer::connect(tap.address(), world.config(Some(papers))?, stage.clock()).await;
    let mut peer = match connected {
        Ok(peer) => peer,
        Err(why) => return Ok(refused::<Peer>(Err(why), "The server")),
    };
    let root = *world.authority.root_fingerprint();
    let outcome = peer.login(Parties { user: ALICE, root: &root }, "laptop", PASSWORD).await;
    Ok(match outcome {
        Ok(Reply::Welcome { .. }) => Found::succeeds("The server let the certificate in as alice."),
        Ok(Reply::Failed { code, message, .. }) => {
            Found::refused(format!("The server answered “{message}” ({code:?})."))
        }
        Ok(other) => Found::refused(format!("The server answered {other:?}.")),
        Err(why) => Found::refused(format!("The login failed: “{why}”.")),
    })
}

fn self_signed(now_ms: u64) -> Result<Papers, LabError> {
    let organisation = Organisation::parse(ORGANISATION).map_err(LabError::stage)?;
    let validity = Validity::days(now_ms.saturating_sub(DAY_MS), 30).map_err(LabError::stage)?;
    let root = RootCa::generate(&organisation, &validity).map_err(LabError::stage)?;
    let key = root.key().to_pkcs8().map_err(LabError::stage)?;
    let key = SigningKey::from_pkcs8(&key).map_err(LabError::stage)?;
    Ok((Chain(vec![root.certificate().to_vec()]), key))
}

/// Papers whose time ended ten minutes ago.
fn short(world: &World, now_ms: u64) -> Result<Papers, LabError> {
    let key = SigningKey::generate().map_err(LabError::stage)?;
    let request = pki::request::create(&key).map_err(LabError::stage)?;
    let request = pki::request::CertificateRequest::parse(&request).map_err(LabError::stage)?;
    // The authority's own time began an hour ago.
    let minute = DAY_MS / 1_440;
    let validity = Validity::new(now_ms.saturating_sub(50 * minute), now_ms.saturating_sub(10 * minute));
    let name = |text| pki::Name::canonical(text).map_err(LabError::stage);
    let holder = Holder::Device { user: name(ALICE)?, device: name("laptop")? };
    let issuing = world.authority.issuing();
    let chain =
        issuing.issue(&request, &holder, &validity.map_err(LabError::stage)?).map_err(LabError::stage)?;
    Ok((chain, key))
}

/// Everything that alice's client sent, once more.
pub(super) async fn replay(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let tap = Tap::listen(world.address, Marks::Countersign, capture.clone()).await?;
    let alice = world.client(ALICE, Some(tap.address())).await?;
    let text = client::Outgoing::text(format!("{} once", stage.now_ms()));
    let mut sent = alice.send(world.room, text).await.map_err(LabError::stage)?;
    let logged = sent.logged().await.map_err(LabError::stage)?;
    alice.close().await;
    let recorded = capture.recorded();
    let bytes: Vec<u8> = recorded.sent(0, End::Client).flat_map(|frame| frame.bytes.clone()).collect();
    let answer = say_raw(world.address, &bytes, capture).await?;
    let again = world.client(ALICE, None).await?;
    let size = again.timeline(world.room, 0, 4_096).await.map_err(LabError::stage)?.len();
    again.close().await;
    let grown = u64::try_from(size).unwrap_or_default() > logged.index.saturating_add(1);
    Ok(match answer.records == 0 && !grown {
        true => Found::refused(format!(
            "The server answered with a new M2, then ended the connection without one record ({}); nothing was logged twice.",
            answer.told
        )),
        false => Found::succeeds(format!("The server took the old session: {}.", answer.told)),
    })
}

/// An opening that offers a suite that nobody knows.
pub(super) async fn unknown_suite(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let mut opening = opening(world.config(None)?, stage.now_ms())?;
    let unknown = 0x0768_u16.to_be_bytes().into_iter().chain([0; 14]);
    for (to, from) in opening.get_mut(SUITES).unwrap_or_default().iter_mut().zip(unknown) {
        *to = from;
    }
    let answer = say_raw(world.address, &opening, capture).await?;
    Ok(ended(&answer, "an opening that offers only an unknown, weaker suite"))
}

/// A first frame that announces more than any has.
pub(super) async fn oversized(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let answer = say_raw(world.address, &[1, 0, 0, 0, 0, 255, 255], capture).await?;
    Ok(ended(&answer, "a header that announces 65,535 bytes"))
}

/// A wrong password for a user that there is and one that there is not.
pub(super) async fn enumeration(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let tap = Tap::listen(world.address, Marks::Countersign, capture.clone()).await?;
    let root = *world.authority.root_fingerprint();
    let mut answers = Vec::new();
    for (flow, user) in [ALICE, "nobody-here"].into_iter().enumerate() {
        let mut peer = Peer::connect(tap.address(), world.config(None)?, stage.clock())
            .await
            .map_err(LabError::stage)?;
        let (login, ke1) = ClientLogin::start("a guess").map_err(LabError::stage)?;
        let ask =
            Command::DeviceStart { token: vec![7; 32], user: user.to_owned(), device: "lab".to_owned(), ke1 };
        let told = match peer.ask(ask).await.map_err(LabError::stage)? {
            Reply::LoginChallenge { ke2 } => {
                let exporter = peer.exporter().map_err(LabError::stage)?;
                let outcome = login.finish("a guess", &ke2, Parties { user, root: &root }, &exporter);
                let why = outcome.err().map_or_else(|| "a login".to_owned(), |error| error.to_string());
                format!("a challenge of {} bytes, which gives “{why}”", ke2.len())
            }
            Reply::Failed { code, message, .. } => format!("“{message}” ({code:?})"),
            other => format!("{other:?}"),
        };
        let recorded = capture.recorded();
        let sizes: Vec<usize> = recorded.sent(flow, End::Server).map(|frame| frame.bytes.len()).collect();
        answers.push((told, sizes));
    }
    Ok(match answers.as_slice() {
        [(told, sizes), other] if answers.first() == Some(other) => Found::refused(format!(
            "For alice and for nobody the server answered alike: {told}, in {} frames of the same sizes.",
            sizes.len()
        )),
        _ => Found::succeeds(format!("The answers differ: {answers:?}.")),
    })
}

/// What a server answered to bytes.
struct Answer {
    records: usize,
    told: String,
}

/// Sends bytes on a connection of its own and reads until the server ends it.
async fn say_raw(address: SocketAddr, bytes: &[u8], capture: &Capture) -> Result<Answer, LabError> {
    let tap = Tap::listen(address, Marks::Countersign, capture.clone()).await?;
    let flow = capture.recorded().flows.len();
    let mut stream =
        TcpStream::connect(tap.address()).await.map_err(LabError::io("cannot connect on loopback"))?;
    // The server may end it before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut read = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut read)).await.is_ok();
    let recorded = capture.recorded();
    let types: Vec<u8> =
        recorded.sent(flow, End::Server).filter_map(|frame| frame.bytes.first().copied()).collect();
    let names = types.iter().map(|kind| match kind {
        2 => "M2",
        4 => "an alert in clear",
        5 => "a sealed alert",
        6 => "a record",
        _ => "another frame",
    });
    let mut told = names.collect::<Vec<_>>().join(", ");
    if told.is_empty() {
        told.push_str("no frame");
    }
    told.push_str(if ended { ", then the end" } else { ", and no end" });
    Ok(Answer { records: types.iter().filter(|kind| **kind == 6).count(), told })
}

fn ended(answer: &Answer, what: &str) -> Found {
    let told = format!("To {what} the server answered: {}.", answer.told);
    if answer.records == 0 && answer.told.ends_with("then the end") && !answer.told.contains("M2") {
        Found::refused(told)
    } else {
        Found::succeeds(told)
    }
}

/// The frame M1 of a client.
fn opening(config: ClientConfig, now_ms: u64) -> Result<Vec<u8>, LabError> {
    let mut channel = Connection::client(config, now_ms).map_err(LabError::stage)?;
    let mut bytes = Vec::new();
    while let Some(part) = channel.poll_transmit() {
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

fn refused<T>(outcome: Result<T, String>, who: &str) -> Found {
    match outcome {
        Ok(_) => Found::succeeds("The handshake was completed, and nobody noticed."),
        Err(why) => Found::refused(format!("{who} ended the handshake: “{why}”.")),
    }
}
