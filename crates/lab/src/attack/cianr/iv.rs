//! Exhibit 7: the initialisation vector decides the first block.

use classic::cianr::{Dialect, SignedMessage};

use super::session::{Messages, changed, note, on, session};
use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::Stage;

/// Changes “hello” to “Jello” without the key.
pub(super) async fn run(stage: &Stage, dialect: Dialect, capture: &Capture) -> Result<Found, LabError> {
    let heard = session(stage, dialect, capture, &["hello"], || {
        Messages(|mut message: SignedMessage| {
            // In cianr-pss the vector stands in front of the ciphertext.
            let field = message.iv.as_mut().unwrap_or(&mut message.ct);
            *field = changed(field, |bytes| {
                if let Some(first) = bytes.first_mut() {
                    *first ^= b'h' ^ b'J';
                }
            })?;
            Ok(vec![note("the vector's first byte is changed by h xor J"), on(&message)?])
        })
    })
    .await?;
    Ok(match heard.texts().as_slice() {
        ["Jello"] => Found::succeeds("Alice said “hello”; the server heard “Jello”."),
        _ => heard.refused(),
    })
}
