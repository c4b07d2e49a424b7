//! Attacks on `key-transport`.

mod eavesdropping;
mod forward_secrecy;
mod middle;
mod order;
mod oversized;
mod padding;
mod replay;
mod tampering;

use classic::conversation::What;
use classic::frame::Framing;
use classic::json;
use classic::key_transport::SealedText;

use super::Found;
use super::order::Order;
use crate::LabError;
use crate::capture::{Capture, End, Recorded};
use crate::exhibit::{Attack, Column};
use crate::stage::{ClassicServer, Person, Stage};
use crate::tap::{Hand, Marks, Tap};

const FRAMING: Framing = Framing::BlankLine;
const MARKS: Marks = Marks::Classic(FRAMING);

/// Runs the attack.
pub(super) async fn run(stage: &Stage, attack: &Attack, capture: &Capture) -> Result<Found, LabError> {
    if let Some(order) = Order::of(&attack.name) {
        return order::run(stage, capture, order).await;
    }
    match attack.name.as_str() {
        "eavesdropping" => eavesdropping::run(stage, capture).await,
        "mitm-key-transport" => middle::run(stage, capture).await,
        "whole-session-replay" => replay::run(stage, capture).await,
        "tampered-ciphertext" => tampering::ciphertext(stage, capture).await,
        "tampered-signature" => tampering::code(stage, capture).await,
        "truncated" => tampering::truncated(stage, capture).await,
        "oversized-frame" => oversized::run(stage, capture).await,
        "padding-oracle" => padding::run(stage, capture).await,
        "no-forward-secrecy" => forward_secrecy::run(stage, capture).await,
        _ => Err(LabError::NotWritten { attack: attack.name.clone(), column: Column::KeyTransport }),
    }
}

/// What the server told of a session in which alice said some lines to it through an attacker, and how it ended for her.
struct Heard {
    server: Vec<What>,
    alice: Result<(), classic::ClassicError>,
}

/// Has alice say some lines through an attacker.
async fn through<H: Hand + 'static>(
    stage: &Stage,
    capture: &Capture,
    lines: &[&str],
    hands: impl Fn() -> H + Send + Sync + 'static,
) -> Result<Heard, LabError> {
    let mut server = stage.key_transport_server().await?;
    let tap = Tap::start(server.address, MARKS, capture.clone(), hands).await?;
    let alice = Person::key_transport(tap.address()).await?;
    alice.say(lines).await;
    let alice = alice.leave().await?.outcome;
    Ok(Heard { server: server.events.session(1).await?, alice })
}

/// Records a session in which alice says some lines, the server's first.
async fn record(
    stage: &Stage,
    capture: &Capture,
    lines: &[&str],
) -> Result<(ClassicServer, Recorded), LabError> {
    let mut server = stage.key_transport_server().await?;
    let tap = Tap::listen(server.address, MARKS, capture.clone()).await?;
    let alice = Person::key_transport(tap.address()).await?;
    alice.say(lines).await;
    alice.leave().await?.outcome?;
    server.events.session(1).await?;
    Ok((server, capture.recorded()))
}

/// The client's messages of the first flow, without their marks.
fn of_client(recorded: &Recorded) -> impl Iterator<Item = &[u8]> {
    recorded.sent(0, End::Client).map(|frame| frame.bytes.trim_ascii_end())
}

/// The texts among them, sealed.
fn sealed(recorded: &Recorded) -> Vec<SealedText> {
    of_client(recorded).filter_map(text).collect()
}

/// A message, if it is a text.
fn text(message: &[u8]) -> Option<SealedText> {
    json::read(message).ok()
}
