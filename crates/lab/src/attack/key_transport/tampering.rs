//! Exhibit 10: a text that is changed on its way.

use classic::cipher::BLOCK_LEN;
use classic::json::{self, base64, from_base64};
use classic::key_transport::SealedText;

use super::{text, through};
use crate::LabError;
use crate::attack::Found;
use crate::attack::relay::Relay;
use crate::capture::Capture;
use crate::stage::{Stage, errors, texts};
use crate::tap::Act;

/// Three blocks.
const LINE: &str = "pay Bob 100 today and not a day later";

/// One bit of the ciphertext.
pub(super) async fn ciphertext(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    run(stage, capture, "the attacker changes a bit of the ciphertext", |text| flip(&mut text.cipher)).await
}

/// One bit of the code.
pub(super) async fn code(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    run(stage, capture, "the attacker changes a bit of the code", |text| flip(&mut text.hmac)).await
}

/// Without the last block.
pub(super) async fn truncated(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    run(stage, capture, "the attacker takes the last block away", |text| {
        let mut cipher = from_base64(&text.cipher).ok()?;
        cipher.truncate(cipher.len().checked_sub(BLOCK_LEN)?);
        text.cipher = base64(cipher);
        Some(())
    })
    .await
}

fn flip(field: &mut String) -> Option<()> {
    let mut bytes = from_base64(field).ok()?;
    *bytes.first_mut()? ^= 1;
    *field = base64(bytes);
    Some(())
}

async fn run(
    stage: &Stage,
    capture: &Capture,
    note: &'static str,
    change: fn(&mut SealedText) -> Option<()>,
) -> Result<Found, LabError> {
    let hands = move || {
        Relay(move |message: &[u8]| {
            let mut text = text(message)?;
            change(&mut text)?;
            Some(vec![Act::Note(note.to_owned()), Act::On(json::write(&text).ok()?)])
        })
    };
    let heard = through(stage, capture, &[LINE], hands).await?;
    Ok(match texts(&heard.server).as_slice() {
        [] => {
            Found::refused(format!("The server closed the connection: {}.", errors(&heard.server).join("; ")))
        }
        [text, ..] => Found::succeeds(format!("Alice said “{LINE}”; the server heard “{text}”.")),
    })
}
