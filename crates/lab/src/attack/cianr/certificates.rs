//! Exhibit 9: certificates that are not what they should be.

use classic::ClassicError;
use classic::certificate::Role;
use classic::certificate::issue::Bad;
use classic::cianr::Dialect;
use classic::conversation::{Says, What};

use super::session::refused_by_server;
use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::{Stage, errors, say, texts};
use crate::tap::{Marks, Tap};

/// What an attacker says who got in.
const WORDS: &str = "it is me, alice";

/// A client with a bad certificate.
pub(super) async fn bad(
    stage: &Stage,
    dialect: Dialect,
    bad: Bad,
    capture: &Capture,
) -> Result<Found, LabError> {
    let folder = stage.bad_certificates(dialect, bad).await?;
    let mut server = stage.cianr_server(dialect, false).await?;
    let tap = Tap::listen(server.address, Marks::Classic(dialect.framing()), capture.clone()).await?;
    let mallory = stage.alice(dialect, Some(&folder), true).await?;
    say(&mallory, tap.address(), &[WORDS]).await?;
    let told = server.events.next_session().await;
    let name = told.iter().find_map(|what| match what {
        What::Certified { name, .. } => Some(name),
        _ => None,
    });
    Ok(match name {
        Some(name) if texts(&told) == [WORDS] => {
            Found::succeeds(format!("The server accepted a certificate of “{name}” and heard “{WORDS}”."))
        }
        // What cianr-line says on the wire is the same for all of them.
        _ => Found::refused(format!("The server finds: {}.", errors(&told).first().unwrap_or(&"nothing"))),
    })
}

/// A server with a client's certificate.
pub(super) async fn client_as_server(
    stage: &Stage,
    dialect: Dialect,
    capture: &Capture,
) -> Result<Found, LabError> {
    let mut impostor = stage.cianr_server_as(Role::Client, dialect, false, Says::Nothing).await?;
    let tap = Tap::listen(impostor.address, Marks::Classic(dialect.framing()), capture.clone()).await?;
    let alice = stage.alice(dialect, None, true).await?;
    let said = say(&alice, tap.address(), &["for the server's ears alone"]).await?;
    let told = impostor.events.next_session().await;
    Ok(match (texts(&told).first(), said.outcome) {
        (Some(text), _) => {
            Found::succeeds(format!("Alice said “{text}” to somebody with a client's certificate."))
        }
        (None, Err(error @ ClassicError::BadCertificate(_))) => {
            Found::refused(format!("Alice's client says: {error}."))
        }
        (None, _) => refused_by_server(capture, dialect, &told),
    })
}
