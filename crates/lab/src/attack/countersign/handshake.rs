//! Exhibits 2, 3 and 9: somebody else in the server's place.

use std::net::SocketAddr;

use channel::{Error, Misbehaviour};
use pki::ed25519::SigningKey;
use pki::{CertificateError, Usage};

use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End, Frame};
use crate::stage::countersign::{Peer, PeerError, Pretender};
use crate::stage::{ALICE, Stage};
use crate::tap::{Marks, Tap};

/// What the flow of the client under attack is called.
const VICTIM: &str = "client and attacker";
/// Type of M2 (channel.md, CH-2).
const M2: u8 = 2;
/// Types of M3 and of a record: what a client sends to a server that it believes.
const BELIEVED: [u8; 2] = [3, 6];

/// A whole handshake with each side: with the server as anybody may, with the client under the server's chain, which everybody can
/// have, and a key of the attacker's own.
pub(super) async fn man_in_the_middle(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let far =
        Tap::listen_to("attacker and server", world.address, Marks::Countersign, capture.clone()).await?;
    let _to_server =
        Peer::connect(far.address(), world.config(None)?, stage.clock()).await.map_err(LabError::stage)?;
    let key = SigningKey::generate().map_err(LabError::stage)?;
    let pretender = Pretender::start(&world, &world.authority.server_chain(), key, stage.clock()).await?;
    let expected = |error: &Error| matches!(error, Error::Misbehaved(Misbehaviour::BadSignature));
    let note =
        "the attacker's own shares, the server's certificates, and a signature by a key of the attacker's";
    deceive(stage, capture, pretender.address(), note, expected).await
}

/// A server of an organisation that the attacker made under the same name.
pub(super) async fn impostor(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let impostor = stage.impostor().await?;
    let expected = |error: &Error| matches!(error, Error::Certificate(CertificateError::WrongRoot));
    let note = "certificates of the attacker's own organisation, under the same name";
    deceive(stage, capture, impostor.address, note, expected).await
}

/// A server that has a good certificate and its key, of a device.
pub(super) async fn device_as_server(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let (chain, key) = world.papers(ALICE, "laptop", stage.now_ms())?;
    let pretender = Pretender::start(&world, &chain, key, stage.clock()).await?;
    let expected = |error: &Error| {
        let wrong = CertificateError::WrongUsage { wanted: Usage::ServerHandshake };
        matches!(error, Error::Certificate(found) if *found == wrong)
    };
    deceive(stage, capture, pretender.address(), "a device's certificate, and its key", expected).await
}

/// A client connects to a server that is not the one of its organisation. It has to name the expected error, and to
/// have said nothing of itself.
async fn deceive(
    stage: &Stage,
    capture: &Capture,
    attacker: SocketAddr,
    note: &str,
    expected: impl Fn(&Error) -> bool,
) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let tap = Tap::listen_to(VICTIM, attacker, Marks::Countersign, capture.clone()).await?;
    let outcome = Peer::connect(tap.address(), world.config(None)?, stage.clock()).await;
    if outcome.is_err() {
        tap.over().await?;
    }
    let recorded = capture.recorded();
    let flow = recorded.flows.iter().position(|flow| flow.name == VICTIM);
    let flow = flow.ok_or_else(|| LabError::stage("nobody connected"))?;
    let is_m2 = |frame: &Frame| frame.flow == flow && frame.bytes.first() == Some(&M2);
    capture.note_each(|frame| is_m2(frame).then(|| note.to_owned()));
    let mut sent = recorded.sent(flow, End::Client).filter_map(|frame| frame.bytes.first());
    let believed = sent.any(|kind| BELIEVED.contains(kind));
    match outcome {
        Ok(_) => Ok(Found::succeeds("The handshake was completed, and nobody noticed.")),
        Err(why) if believed => Ok(Found::succeeds(format!("The client spoke before it noticed: “{why}”."))),
        Err(PeerError::Channel(why)) if expected(&why) => {
            Ok(Found::refused(format!("The client ended the handshake, before it said who it is: “{why}”.")))
        }
        Err(why) => Err(super::otherwise(&why)),
    }
}
