//! Exhibit 12: who has an account.

use classic::broadcast::{ClientMessage, Credentials, Password, ServerMessage};
use classic::json;

use super::{BOB, FRAMING};
use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::{Peer, Room};

/// A name that nobody has.
const NOBODY: &str = "nobody";

pub(super) async fn run(capture: &Capture) -> Result<Found, LabError> {
    let mut room = Room::open().await?;
    let _bob = room.enter(BOB, room.server.address).await?;
    let mut attacker = Peer::connect(room.server.address, FRAMING, capture).await?;
    let there = ask(&mut attacker, BOB).await?;
    capture.note("there is such a user");
    let absent = ask(&mut attacker, NOBODY).await?;
    capture.note("there is no such user");
    Ok(match there == absent {
        true => Found::refused(format!("Both answers are “{there}”.")),
        false => {
            Found::succeeds(format!("“{there}” for {BOB}, who has an account, and “{absent}” for {NOBODY}."))
        }
    })
}

/// What the server says to a login with a wrong password.
async fn ask(attacker: &mut Peer, name: &str) -> Result<String, LabError> {
    let credentials = Credentials { username: name.to_owned(), password: Password::new("wrong".to_owned()) };
    attacker.send(&json::write(&ClientMessage::Login(credentials))?, None).await;
    let answer = attacker.receive().await?.ok_or_else(|| LabError::stage("a login got no answer"))?;
    match json::read(&answer)? {
        ServerMessage::LoginResponse { success: false, message, .. } => Ok(message),
        _ => Err(LabError::stage("a login with a wrong password got another answer")),
    }
}
