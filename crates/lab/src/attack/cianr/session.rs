//! A session of alice's with a server, and an attacker in the middle of it.

use std::net::SocketAddr;

use classic::ClassicError;
use classic::cianr::{Dialect, SignedMessage, kind};
use classic::conversation::What;
use classic::frame::Framing;
use classic::json::{self, base64, from_base64};
use serde::Deserialize;

use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End, Frame};
use crate::stage::{CianrServer, Said, Stage, enter, errors, say, texts};
use crate::tap::{Act, Hand, Marks, Tap};

/// What the server told of a session, until its connection was over.
pub(super) struct Heard {
    /// Everything in order.
    pub server: Vec<What>,
    /// The fault that it named first.
    pub fault: String,
}

impl Heard {
    /// The texts that the server accepted.
    pub fn texts(&self) -> Vec<&str> {
        texts(&self.server)
    }

    /// The attacker failed: what the server said to it.
    pub fn refused(&self) -> Found {
        Found::refused(format!("The server says: {}.", self.fault))
    }
}

/// The attacker failed: what a server said to it.
pub(super) fn refused_by_server(capture: &Capture, dialect: Dialect, told: &[What]) -> Found {
    Found::refused(format!("The server says: {}.", fault(capture, dialect, told)))
}

/// The first fault that a server named on the wire, else what it told who watches it.
fn fault(capture: &Capture, dialect: Dialect, told: &[What]) -> String {
    let recorded = capture.recorded();
    let mut sent = recorded.frames.iter().filter(|frame| frame.from == End::Server);
    let named = sent.find_map(|frame| {
        let (message, _) = Marks::Classic(dialect.framing()).split(&frame.bytes)?;
        let named: Named = json::read(&message).ok()?;
        (named.kind == "error" || named.status.as_deref() == Some("error")).then_some(named.message)
    });
    let error = || errors(told).first().map(|error| (*error).to_owned());
    named.or_else(error).unwrap_or_else(|| "nothing".to_owned())
}

/// A server's answer that may be an error, whichever keys its dialect has.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "type")]
    kind: String,
    status: Option<String>,
    #[serde(alias = "msg")]
    message: String,
}

/// A new account of alice's says some lines through an attacker to a server of its own.
pub(super) async fn session<H: Hand + 'static>(
    stage: &Stage,
    dialect: Dialect,
    capture: &Capture,
    lines: &[&str],
    hands: impl Fn() -> H + Send + Sync + 'static,
) -> Result<Heard, LabError> {
    let mut server = stage.cianr_server(dialect, false).await?;
    let tap = Tap::start(server.address, Marks::Classic(dialect.framing()), capture.clone(), hands).await?;
    // The server's word counts: what alice makes of an attack is no part of it.
    visit(stage, dialect, tap.address(), true, lines).await?;
    let server = server.events.next_session().await;
    Ok(Heard { fault: fault(capture, dialect, &server), server })
}

/// Makes alice's account, with nobody in the middle.
pub(super) async fn register(
    stage: &Stage,
    dialect: Dialect,
    server: &mut CianrServer,
) -> Result<(), LabError> {
    match &server.accounts {
        Some(accounts) => enter(&stage.alice(dialect, None, true).await?, accounts.address).await??,
        None => {
            visit(stage, dialect, server.address, true, &[]).await?.outcome?;
            server.events.next_session().await;
        }
    }
    Ok(())
}

/// Alice says some lines to whoever listens there, without waiting for answers.
pub(super) async fn visit(
    stage: &Stage,
    dialect: Dialect,
    address: SocketAddr,
    register: bool,
    lines: &[&str],
) -> Result<Said, LabError> {
    let mut alice = stage.alice(dialect, None, register).await?;
    alice.pipelined = true;
    say(&alice, address, lines).await
}

/// An attacker who gives the client's signed messages to a function, keeps the server's errors from the client, and passes
/// everything else on.
pub(super) struct Messages<F>(pub F);

impl<F: FnMut(SignedMessage) -> Result<Vec<Act>, ClassicError> + Send> Hand for Messages<F> {
    fn message(&mut self, from: End, message: &[u8]) -> Vec<Act> {
        let on = || vec![Act::On(message.to_vec())];
        match (from, kind(message).as_deref()) {
            // What does not go as planned is passed on as it came.
            (End::Client, Ok("msg")) => json::read(message).and_then(&mut self.0).unwrap_or_else(|_| on()),
            (End::Server, Ok("error")) => {
                vec![Act::Note("the attacker keeps this from the client".to_owned())]
            }
            _ => on(),
        }
    }
}

/// Sends a message on.
pub(super) fn on(message: &SignedMessage) -> Result<Act, ClassicError> {
    json::write(message).map(Act::On)
}

/// Says something of the message that came.
pub(super) fn note(text: &str) -> Act {
    Act::Note(text.to_owned())
}

/// A base64 field with its bytes changed.
pub(super) fn changed(field: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<String, ClassicError> {
    let mut bytes = from_base64(field)?;
    change(&mut bytes);
    Ok(base64(bytes))
}

/// The signed message in a frame, if it is one.
pub(super) fn signed_message(framing: Framing, frame: &Frame) -> Option<SignedMessage> {
    let (message, _) = Marks::Classic(framing).split(&frame.bytes)?;
    json::read::<SignedMessage>(&message).ok().filter(|message| message.kind == "msg")
}
