//! Exhibits 4 and 5: numbers that are signed without separators, and that count before their signature.

use classic::ClassicError;
use classic::cianr::{Dialect, SignedMessage};
use classic::conversation::What;

use super::session::{Messages, changed, note, on, session};
use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::{Stage, errors};
use crate::tap::Act;

/// What the client says once and the server hears twice.
const ORDER: &str = "pay Bob 10 euros";
/// The number of the forged message.
const POISON: u64 = 1_000_000_000;

/// Exhibit 4.
pub(super) async fn field_shifting(
    stage: &Stage,
    dialect: Dialect,
    capture: &Capture,
) -> Result<Found, LabError> {
    let heard = session(stage, dialect, capture, &[ORDER], || {
        Messages(|message: SignedMessage| {
            let mut shifted = shifted(message.seqno, message.ts);
            let (seqno, ts) = shifted.next().ok_or(ClassicError::Cryptography)?;
            let again = SignedMessage { seqno, ts, ..message.clone() };
            let said =
                format!("sent on, and again as message {seqno} of {ts}: the signed bytes are the same");
            Ok(vec![Act::Note(said), on(&message)?, on(&again)?])
        })
    })
    .await?;
    let numbers = heard.server.iter().filter_map(|what| match what {
        What::Message { seqno, text, .. } if text == ORDER => *seqno,
        _ => None,
    });
    Ok(match numbers.collect::<Vec<u64>>().as_slice() {
        [first, again] => Found::succeeds(format!(
            "The server accepted “{ORDER}” as message {first} and again as message {again}."
        )),
        _ => heard.refused(),
    })
}

/// Numbers and times with the same signed bytes: digits are moved from the time to the number, as many as leave no zero in front.
pub(super) fn shifted(seqno: u64, ts: u64) -> impl Iterator<Item = (u64, u64)> {
    let ts = ts.to_string();
    (1..ts.len()).filter_map(move |at| {
        let (moved, rest) = ts.split_at_checked(at).filter(|(_, rest)| !rest.starts_with('0'))?;
        Some((format!("{seqno}{moved}").parse().ok()?, rest.parse().ok()?))
    })
}

/// Exhibit 5.
pub(super) async fn poisoning(stage: &Stage, dialect: Dialect, capture: &Capture) -> Result<Found, LabError> {
    let heard = session(stage, dialect, capture, &["one", "two", "three"], || {
        Messages(|message: SignedMessage| {
            if message.seqno != 2 {
                return Ok(vec![on(&message)?]);
            }
            let sig = changed(&message.sig, |bytes| bytes.fill(0))?;
            let forged = SignedMessage { seqno: POISON, sig, ..message.clone() };
            Ok(vec![note("a forged message 1000000000 goes before this one"), on(&forged)?, on(&message)?])
        })
    })
    .await?;
    let named = errors(&heard.server);
    let replays = named.iter().filter(|error| **error == ClassicError::Replay.to_string()).count();
    Ok(if heard.texts() == ["one"] && replays == 2 {
        Found::succeeds(format!(
            "The server refused the forged message, and then both honest ones that followed: {}.",
            named.join(", ")
        ))
    } else {
        heard.refused()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_shifted_so_that_no_zero_leads() {
        let first = |ts| shifted(1, ts).next();
        assert_eq!(first(1_764_000_000_000), Some((11, 764_000_000_000)));
        assert_eq!(first(2_000_000_000_007), Some((1_200_000_000_000, 7)));
        assert_eq!(first(7), None);
        assert_eq!(shifted(1, 234).collect::<Vec<_>>(), [(12, 34), (123, 4)]);
    }
}
