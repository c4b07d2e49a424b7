//! Exhibit 10: messages that are changed, moved, taken away, cut or doubled on their way.

use classic::cianr::{Dialect, SignedMessage};
use classic::cipher::BLOCK_LEN;

use super::session::{Heard, Messages, changed, note, on, session};
use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::{Stage, errors};

/// What alice says.
const WORDS: [&str; 3] = ["one, to begin with", "two, to go on", "three, to end"];

/// One bit of each ciphertext.
pub(super) async fn ciphertext(
    stage: &Stage,
    dialect: Dialect,
    capture: &Capture,
) -> Result<Found, LabError> {
    let heard = session(stage, dialect, capture, &WORDS, || {
        Messages(|mut message: SignedMessage| {
            message.ct = changed(&message.ct, |bytes| {
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
            })?;
            Ok(vec![note("one bit of the ciphertext is changed"), on(&message)?])
        })
    });
    Ok(accepted(&heard.await?))
}

/// One bit of each signature.
pub(super) async fn signature(stage: &Stage, dialect: Dialect, capture: &Capture) -> Result<Found, LabError> {
    let heard = session(stage, dialect, capture, &WORDS, || {
        Messages(|mut message: SignedMessage| {
            message.sig = changed(&message.sig, |bytes| {
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
            })?;
            Ok(vec![note("one bit of the signature is changed"), on(&message)?])
        })
    });
    Ok(accepted(&heard.await?))
}

/// The last block of each ciphertext.
pub(super) async fn truncated(stage: &Stage, dialect: Dialect, capture: &Capture) -> Result<Found, LabError> {
    let heard = session(stage, dialect, capture, &WORDS, || {
        Messages(|mut message: SignedMessage| {
            message.ct = changed(&message.ct, |bytes| bytes.truncate(bytes.len().saturating_sub(BLOCK_LEN)))?;
            Ok(vec![note("the ciphertext's last block is taken away"), on(&message)?])
        })
    });
    Ok(accepted(&heard.await?))
}

/// The attacker wants any text to be accepted from a message that was changed.
fn accepted(heard: &Heard) -> Found {
    match heard.texts().first() {
        Some(text) => Found::succeeds(format!("The server accepted “{text}” from a changed message.")),
        None => heard.refused(),
    }
}

/// The second before the first.
pub(super) async fn reordered(stage: &Stage, dialect: Dialect, capture: &Capture) -> Result<Found, LabError> {
    let heard = session(stage, dialect, capture, &WORDS, || {
        let mut held = None;
        Messages(move |message: SignedMessage| match (message.seqno, held.take()) {
            (1, _) => {
                held = Some(message);
                Ok(vec![note("held back until the next has passed")])
            }
            (_, Some(first)) => Ok(vec![on(&message)?, on(&first)?]),
            _ => Ok(vec![on(&message)?]),
        })
    })
    .await?;
    let [first, second, third] = WORDS;
    Ok(if heard.texts() == [second, first, third] {
        Found::succeeds(format!("The server heard “{second}” before “{first}”."))
    } else {
        heard.refused()
    })
}

/// The second of three is taken away.
pub(super) async fn dropped(stage: &Stage, dialect: Dialect, capture: &Capture) -> Result<Found, LabError> {
    let heard = session(stage, dialect, capture, &WORDS, || {
        Messages(|message: SignedMessage| match message.seqno {
            2 => Ok(vec![note("taken away")]),
            _ => Ok(vec![on(&message)?]),
        })
    })
    .await?;
    let [first, _, third] = WORDS;
    Ok(if heard.texts() == [first, third] && errors(&heard.server).is_empty() {
        Found::succeeds(format!("The server heard “{first}” and “{third}”, and found nothing missing."))
    } else {
        heard.refused()
    })
}

/// Each message twice in a row.
pub(super) async fn duplicated(
    stage: &Stage,
    dialect: Dialect,
    capture: &Capture,
) -> Result<Found, LabError> {
    let heard = session(stage, dialect, capture, &WORDS, || {
        Messages(|message: SignedMessage| Ok(vec![note("sent on twice"), on(&message)?, on(&message)?]))
    })
    .await?;
    Ok(match heard.texts().as_slice() {
        [a, b, ..] if a == b => Found::succeeds(format!("The server heard “{a}” twice.")),
        _ => heard.refused(),
    })
}
