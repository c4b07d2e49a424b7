//! Attacks on `broadcast`.

mod eavesdropping;
mod enumeration;
mod forward_secrecy;
mod middle;
mod order;
mod oversized;
mod replay;
mod spoofing;
mod tampering;
mod weak_group;

use classic::broadcast::ClientMessage;
use classic::frame::Framing;
use classic::json;

use super::Found;
use super::order::Order;
use crate::LabError;
use crate::capture::{Capture, End, Recorded};
use crate::exhibit::{Attack, Column};
use crate::stage::{ALICE, Person, Room, Said};
use crate::tap::{Hand, Marks, Tap};

const FRAMING: Framing = Framing::Object;
const MARKS: Marks = Marks::Classic(FRAMING);
/// Who is in the room with alice.
const BOB: &str = "bob";

/// Runs the attack.
pub(super) async fn run(attack: &Attack, capture: &Capture) -> Result<Found, LabError> {
    if let Some(order) = Order::of(&attack.name) {
        return order::run(capture, order).await;
    }
    match attack.name.as_str() {
        "eavesdropping" => eavesdropping::run(capture).await,
        "mitm-dh" => middle::run(capture).await,
        "whole-session-replay" => replay::run(capture).await,
        "iv-flipping" => tampering::vector(capture).await,
        "tampered-ciphertext" => tampering::ciphertext(capture).await,
        "truncated" => tampering::truncated(capture).await,
        "oversized-frame" => oversized::run(capture).await,
        "weak-group" => weak_group::run(capture).await,
        "user-enumeration" => enumeration::run(capture).await,
        "name-spoofing" => spoofing::run(capture).await,
        "no-forward-secrecy" => forward_secrecy::run(capture).await,
        _ => Err(LabError::NotWritten { attack: attack.name.clone(), column: Column::Broadcast }),
    }
}

/// A room with bob in it, who is connected to the server itself, after alice was there and has left.
struct Visit {
    room: Room,
    bob: Person,
    /// What bob heard of her.
    heard: Vec<String>,
    /// How it went for her.
    alice: Said,
}

impl Visit {
    /// Alice says some lines through an attacker, and leaves.
    async fn through<H: Hand + 'static>(
        capture: &Capture,
        lines: &[&str],
        hands: impl Fn() -> H + Send + Sync + 'static,
    ) -> Result<Self, LabError> {
        let mut room = Room::open().await?;
        let bob = room.enter(BOB, room.server.address).await?;
        let tap = Tap::start(room.server.address, MARKS, capture.clone(), hands).await?;
        Self::of(room, bob, &tap, lines).await
    }

    /// The same with somebody who only listens.
    async fn recorded(capture: &Capture, lines: &[&str]) -> Result<Self, LabError> {
        let mut room = Room::open().await?;
        let bob = room.enter(BOB, room.server.address).await?;
        let tap = Tap::listen(room.server.address, MARKS, capture.clone()).await?;
        Self::of(room, bob, &tap, lines).await
    }

    async fn of(mut room: Room, mut bob: Person, tap: &Tap, lines: &[&str]) -> Result<Self, LabError> {
        let alice = room.enter(ALICE, tap.address()).await?;
        alice.say(lines).await;
        let alice = alice.leave().await?;
        bob.events.texts_until(&format!("User {ALICE} has joined the chat")).await?;
        let heard = bob.events.texts_until(&format!("User {ALICE} has left the chat")).await?;
        Ok(Self { room, bob, heard, alice })
    }
}

/// As the room hears what alice says.
fn said(text: &str) -> String {
    format!("{ALICE}: {text}")
}

/// The client's messages of the first flow.
fn of_client(recorded: &Recorded) -> impl Iterator<Item = ClientMessage> {
    recorded.sent(0, End::Client).filter_map(|frame| json::read(&frame.bytes).ok())
}

/// What a message says, sealed, if it says something.
fn data(message: &[u8]) -> Option<String> {
    match json::read(message).ok()? {
        ClientMessage::Message { data } => Some(data),
        _ => None,
    }
}
