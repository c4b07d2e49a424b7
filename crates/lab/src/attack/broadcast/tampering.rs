//! Exhibits 7 and 10: a text that is changed on its way.

use classic::broadcast::ClientMessage;
use classic::cipher::BLOCK_LEN;
use classic::json::{self, base64, from_base64};

use super::{Visit, data, said};
use crate::LabError;
use crate::attack::Found;
use crate::attack::relay::Relay;
use crate::capture::Capture;
use crate::stage::errors;
use crate::tap::Act;

/// Three blocks.
const LINE: &str = "hello everybody, pay Bob 100 today";

/// The vector: what differs in it differs in the first block of the text.
pub(super) async fn vector(capture: &Capture) -> Result<Found, LabError> {
    run(capture, "the attacker changes the vector by as much as “h” differs from “J”", |bytes| {
        *bytes.first_mut()? ^= b'h' ^ b'J';
        Some(())
    })
    .await
}

/// One bit of the ciphertext, in its last block. In another block it is the text alone that does not fit, and one message in 10,000
/// is shown.
pub(super) async fn ciphertext(capture: &Capture) -> Result<Found, LabError> {
    run(capture, "the attacker changes a bit of the ciphertext's last block", |bytes| {
        *bytes.last_mut()? ^= 1;
        Some(())
    })
    .await
}

/// Without the last block.
pub(super) async fn truncated(capture: &Capture) -> Result<Found, LabError> {
    run(capture, "the attacker takes the last block away", |bytes| {
        bytes.truncate(bytes.len().checked_sub(BLOCK_LEN)?);
        Some(())
    })
    .await
}

/// Number of alice's session, after bob's.
const SECOND: u64 = 2;

async fn run(
    capture: &Capture,
    note: &'static str,
    change: fn(&mut Vec<u8>) -> Option<()>,
) -> Result<Found, LabError> {
    let hands = move || {
        Relay(move |message: &[u8]| {
            let mut bytes = from_base64(&data(message)?).ok()?;
            change(&mut bytes)?;
            let on = json::write(&ClientMessage::Message { data: base64(bytes) }).ok()?;
            Some(vec![Act::Note(note.to_owned()), Act::On(on)])
        })
    };
    let mut visit = Visit::through(capture, &[LINE], hands).await?;
    let told = visit.room.server.events.session(SECOND).await?;
    Ok(match visit.heard.as_slice() {
        [] => Found::refused(format!("The server closed the connection: {}.", errors(&told).join("; "))),
        [heard, ..] if *heard == said(LINE) => Found::refused("Bob heard what alice said."),
        [heard, ..] => Found::succeeds(format!("Alice said “{LINE}”; bob heard “{heard}”.")),
    })
}
