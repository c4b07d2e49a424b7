//! Exhibit 12: a newline, and somebody else's name.

use super::{BOB, MARKS, data, said};
use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::{ALICE, Room};
use crate::tap::Tap;

const MALLORY: &str = "mallory";
/// What alice never said.
const FORGED: &str = "I quit";

pub(super) async fn run(capture: &Capture) -> Result<Found, LabError> {
    let mut room = Room::open().await?;
    let mut bob = room.enter(BOB, room.server.address).await?;
    let alice = room.enter(ALICE, room.server.address).await?;
    let tap = Tap::listen(room.server.address, MARKS, capture.clone()).await?;
    let mallory = room.enter(MALLORY, tap.address()).await?;
    mallory.say(&[&format!("hello\n{}", said(FORGED))]).await;
    mallory.leave().await?.outcome?;
    alice.leave().await?.outcome?;
    let heard = bob.events.texts_until(&format!("User {ALICE} has left the chat")).await?.join("\n");
    capture.note_each(|frame| {
        data(&frame.bytes)?;
        Some(format!("a newline and “{}” are in this text of {MALLORY}'s", said(FORGED)))
    });
    Ok(match heard.lines().any(|line| line == said(FORGED)) {
        true => Found::succeeds(format!("Bob was told the line “{}”, which alice never said.", said(FORGED))),
        false => Found::refused("No line under alice's name reached bob."),
    })
}
