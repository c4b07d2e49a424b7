//! Exhibit 1: the password travels in clear.

use classic::broadcast::ClientMessage;
use classic::json;

use super::{Visit, of_client};
use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::PASSWORD;

const LINES: [&str; 2] = ["the meeting is on Monday at noon", "the meeting is on Monday at noon"];

pub(super) async fn run(capture: &Capture) -> Result<Found, LabError> {
    Visit::recorded(capture, &LINES).await?;
    let password = |message: ClientMessage| match message {
        ClientMessage::Login(credentials) => Some(credentials.password.expose().to_owned()),
        _ => None,
    };
    let read = of_client(&capture.recorded()).find_map(password);
    capture.note_each(|frame| {
        let password = password(json::read(&frame.bytes).ok()?)?;
        Some(format!("the password “{password}” as it is"))
    });
    Ok(match read {
        Some(read) if read == PASSWORD => {
            Found::succeeds(format!("The password “{read}” stands on the wire as it is."))
        }
        _ => Found::refused("The password is not on the wire."),
    })
}
