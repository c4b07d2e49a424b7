//! Exhibit 12: everything that the server keeps is stolen after the session.

use classic::broadcast::ClientMessage;
use classic::cipher::CipherKey;
use classic::json::from_base64;
use classic::mac::derive;
use classic::users::UserStore;

use super::{Visit, of_client};
use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;

const LINE: &str = "the code of the safe is 4711";
/// What the protocol derives its keys with (CL-53).
const INFO: &[u8] = b"handshake data";

/// The server has no key file. What is left are its users' salts and hashes, and the passwords on the wire: each is tried as a key,
/// and as what keys are derived from.
pub(super) async fn run(capture: &Capture) -> Result<Found, LabError> {
    let visit = Visit::recorded(capture, &[LINE]).await?;
    let mut secrets = Vec::new();
    for user in visit.room.users.all().await.map_err(LabError::stage)?.into_iter().flatten() {
        secrets.extend([user.salt, user.hash.as_bytes().to_vec()]);
    }
    let (mut texts, recorded) = (Vec::new(), capture.recorded());
    for message in of_client(&recorded) {
        match message {
            ClientMessage::Login(credentials) => {
                secrets.push(credentials.password.expose().as_bytes().to_vec())
            }
            ClientMessage::Message { data } => texts.push(from_base64(&data)?),
            _ => {}
        }
    }
    let derived: Result<Vec<_>, _> = secrets.iter().map(|secret| derive(secret, INFO)).collect();
    secrets.extend(derived?.iter().map(|secret| secret.to_vec()));
    let keys: Vec<_> =
        secrets.iter().filter_map(|secret| secret.first_chunk()).map(CipherKey::aes_128).collect();
    let opens = |key: &CipherKey| {
        texts.iter().any(|text| key.open_cbc(text).is_ok_and(|text| *text == LINE.as_bytes()))
    };
    Ok(match keys.iter().any(opens) {
        true => Found::succeeds(format!("What the server keeps opens “{LINE}”.")),
        false => Found::refused(format!(
            "The server has no key file, and none of {} keys made of its users' records and the recorded password opens the text.",
            keys.len()
        )),
    })
}
