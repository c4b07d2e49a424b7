//! Exhibit 1: what somebody sees who records everything and has no key.

use std::collections::HashSet;

use classic::cianr::Dialect;
use classic::cipher::BLOCK_LEN;
use classic::json::{base64, from_base64};

use super::session::signed_message;
use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::{ALICE, EMAIL, PASSWORD, Stage, enter, say};
use crate::tap::{Marks, Tap};

/// What each says twice: three blocks and some.
const SENTENCE: &str = "we meet at noon by the old oak tree, and nobody else is to know";

/// Listens to two people and looks for what is in clear and what is equal.
pub(super) async fn run(stage: &Stage, dialect: Dialect, capture: &Capture) -> Result<Found, LabError> {
    let mut server = stage.cianr_server(dialect, false).await?;
    let marks = Marks::Classic(dialect.framing());
    let tap = Tap::listen(server.address, marks, capture.clone()).await?;
    let accounts = match &server.accounts {
        Some(accounts) => Some(Tap::listen(accounts.address, marks, capture.clone()).await?),
        None => None,
    };
    for (name, email) in [(ALICE, EMAIL), ("bob", "bob@example.org")] {
        let mut person = stage.alice(dialect, None, true).await?;
        person.account.register = Some(name.to_owned());
        email.clone_into(&mut person.account.email);
        person.pipelined = true;
        if let Some(accounts) = &accounts {
            enter(&person, accounts.address()).await??;
        }
        say(&person, tap.address(), &[SENTENCE, SENTENCE]).await?.outcome?;
        server.events.next_session().await;
    }
    let recorded = capture.recorded();
    for (what, secret) in [("password", PASSWORD), ("e-mail address", EMAIL), ("text", SENTENCE)] {
        if recorded.holds(None, secret.as_bytes()) || recorded.holds(None, base64(secret).as_bytes()) {
            return Ok(Found::succeeds(format!("The {what} “{secret}” is in the capture.")));
        }
    }
    let mut known = HashSet::new();
    let (mut all, mut equal) = (0, 0);
    for frame in &recorded.frames {
        let Some(message) = signed_message(dialect.framing(), frame) else { continue };
        let blocks: Vec<Vec<u8>> =
            from_base64(&message.ct)?.chunks_exact(BLOCK_LEN).map(<[u8]>::to_vec).collect();
        let again = blocks.iter().filter(|block| known.contains(*block)).count();
        (all, equal) = (all + blocks.len(), equal + again);
        capture.note_each(|other| {
            (other.bytes == frame.bytes)
                .then(|| format!("{again} of {} blocks stood in an earlier message", blocks.len()))
        });
        known.extend(blocks);
    }
    Ok(if equal > 0 {
        Found::succeeds(format!(
            "{equal} of {all} blocks stood in an earlier message: who listens knows that the same is said again."
        ))
    } else {
        Found::refused(format!(
            "Neither password, nor address, nor text, nor two equal blocks among {all} are in the capture."
        ))
    })
}
