//! Exhibit 6: a whole session again.

use super::{FRAMING, Visit, said};
use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End};
use crate::stage::{ALICE, Peer, errors};

/// More than a block, so that another key does not give text by chance.
const LINE: &str = "pay Bob 100 today and not a day later";

/// Number of the session after bob's and alice's.
const THIRD: u64 = 3;

pub(super) async fn run(capture: &Capture) -> Result<Found, LabError> {
    let Visit { mut room, mut bob, .. } = Visit::recorded(capture, &[LINE]).await?;
    let recorded = capture.recorded();
    let mut attacker = Peer::connect(room.server.address, FRAMING, capture).await?;
    for frame in recorded.sent(0, End::Client) {
        attacker.send(&frame.bytes, Some("the same bytes as in alice's session")).await;
    }
    attacker.finish().await;
    while attacker.receive().await?.is_some() {}
    let told = room.server.events.session(THIRD).await?;
    bob.events.texts_until(&format!("User {ALICE} has joined the chat")).await?;
    let heard = bob.events.texts_until(&format!("User {ALICE} has left the chat")).await?;
    Ok(match heard.contains(&said(LINE)) {
        true => Found::succeeds(format!("Bob heard “{}” again.", said(LINE))),
        false => Found::refused(format!(
            "The attacker was logged in as alice, but the server closed the connection at the old text: {}.",
            errors(&told).join("; ")
        )),
    })
}
