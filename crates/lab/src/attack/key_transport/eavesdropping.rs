//! Exhibit 1: one vector for the whole session.

use classic::cipher::BLOCK_LEN;
use classic::json::from_base64;

use super::{record, sealed, text};
use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::Stage;

/// A long sentence, another that begins like it, and the first again.
const LINES: [&str; 3] = [
    "the meeting with the new supplier is on Monday at noon",
    "the meeting with the new supplier is cancelled",
    "the meeting with the new supplier is on Monday at noon",
];

pub(super) async fn run(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let (_, recorded) = record(stage, capture, &LINES).await?;
    let texts: Result<Vec<_>, _> = sealed(&recorded).iter().map(|text| from_base64(&text.cipher)).collect();
    let [first, second, third] =
        texts?.try_into().map_err(|_| LabError::stage("not all texts are recorded"))?;
    let blocks = first.chunks(BLOCK_LEN).zip(second.chunks(BLOCK_LEN)).take_while(|(a, b)| a == b).count();
    if first != third || blocks == 0 {
        return Ok(Found::refused("No two texts have anything in common on the wire."));
    }
    capture.note_each(|frame| {
        let cipher = from_base64(&text(frame.bytes.trim_ascii_end())?.cipher).ok()?;
        Some(match cipher == first {
            true => "the same bytes as the other message of this size".to_owned(),
            false => format!("begins with the same {blocks} blocks as the others"),
        })
    });
    Ok(Found::succeeds(format!(
        "Without a key: the first and the third text are the same {} bytes on the wire, and the second begins like them, {blocks} \
         blocks of {BLOCK_LEN} bytes long.",
        first.len()
    )))
}
