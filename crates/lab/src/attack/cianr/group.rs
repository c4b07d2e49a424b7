//! Exhibit 12: a group of 768 bits.

use classic::ClassicError;
use classic::cianr::Dialect;
use classic::dh::Group;

use super::session::refused_by_server;
use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End};
use crate::stage::{Stage, say, texts};
use crate::tap::{Marks, Tap};

/// What is said on keys of the weak group.
const WORDS: &str = "on the record for ever";

/// A client proposes the group; in `cianr-pss` to a server that has it too, as the existing program.
pub(super) async fn proposed(stage: &Stage, dialect: Dialect, capture: &Capture) -> Result<Found, LabError> {
    let group = Group::weak_oakley_1()?;
    let mut server = stage.cianr_server(dialect, dialect == Dialect::Pss).await?;
    let tap = Tap::listen(server.address, Marks::Classic(dialect.framing()), capture.clone()).await?;
    let mut alice = stage.alice(dialect, None, true).await?;
    alice.group = group.clone();
    let said = say(&alice, tap.address(), &[WORDS]).await?;
    let told = server.events.next_session().await;
    let prime = group.prime().to_decimal();
    capture.note_each(|frame| {
        let holds = frame.bytes.windows(prime.len()).any(|window| window == prime.as_bytes());
        holds.then(|| format!("p is the prime of {}", group.name()))
    });
    let shown = capture.recorded().holds(Some(End::Client), prime.as_bytes());
    Ok(match said.outcome {
        Ok(()) if shown && texts(&told) == [WORDS] => Found::succeeds(format!(
            "The session runs on the p of {} bits that is in the capture.",
            group.prime().to_bytes().len() * 8
        )),
        _ => refused_by_server(capture, dialect, &told),
    })
}

/// A server offers the group to our client.
pub(super) async fn offered(stage: &Stage, dialect: Dialect, capture: &Capture) -> Result<Found, LabError> {
    let mut server = stage.cianr_server(dialect, true).await?;
    let tap = Tap::listen(server.address, Marks::Classic(dialect.framing()), capture.clone()).await?;
    let alice = stage.alice(dialect, None, true).await?;
    let said = say(&alice, tap.address(), &[WORDS]).await?;
    let told = server.events.next_session().await;
    Ok(match said.outcome {
        Err(error @ ClassicError::DiffieHellman(_)) => {
            Found::refused(format!("Alice's client says: {error}."))
        }
        _ if texts(&told) == [WORDS] => Found::succeeds("The session runs on the server's weak group."),
        _ => refused_by_server(capture, dialect, &told),
    })
}
