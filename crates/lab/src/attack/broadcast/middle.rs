//! Exhibit 2: Diffie-Hellman values that are not passed on.

use std::sync::{Arc, Mutex, PoisonError};

use classic::broadcast::{ClientMessage, Offer, RoomKey, ServerMessage};
use classic::dh::{Group, Share};
use classic::{ClassicError, json};

use super::{Visit, said};
use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End};
use crate::tap::{Act, Hand};

const LINES: [&str; 2] = ["the code of the safe is 4711", "tell nobody else"];
/// What is said of a value that is not passed on.
const OWN_VALUE: &str = "the attacker keeps this value and sends one of its own";

/// The texts that the attacker has read.
type Loot = Arc<Mutex<Vec<String>>>;

pub(super) async fn run(capture: &Capture) -> Result<Found, LabError> {
    let loot = Loot::default();
    let shared = Arc::clone(&loot);
    let hands = move || Middle { near: None, far: None, client: None, loot: Arc::clone(&shared) };
    let visit = Visit::through(capture, &LINES, hands).await?;
    let read = loot.lock().unwrap_or_else(PoisonError::into_inner).join("”, “");
    let unnoticed = visit.alice.outcome.is_ok() && visit.heard == LINES.map(said);
    Ok(match unnoticed && read == LINES.join("”, “") {
        true => Found::succeeds(format!("The attacker read “{read}”; neither alice nor the room noticed.")),
        false => Found::refused("The attacker did not read the texts unnoticed."),
    })
}

struct Middle {
    /// The share towards the client.
    near: Option<Share>,
    /// The key with the server, and the value for it.
    far: Option<(RoomKey, String)>,
    /// The key with the client.
    client: Option<RoomKey>,
    loot: Loot,
}

impl Hand for Middle {
    fn message(&mut self, from: End, message: &[u8]) -> Vec<Act> {
        let acts = match from {
            End::Client => self.of_client(message),
            End::Server => self.of_server(message),
        };
        // What does not go as planned is passed on as it came.
        acts.ok().flatten().unwrap_or_else(|| vec![Act::On(message.to_vec())])
    }
}

impl Middle {
    fn of_server(&mut self, message: &[u8]) -> Result<Option<Vec<Act>>, ClassicError> {
        let group = Group::modp_14()?;
        let (note, on) = match json::read(message)? {
            ServerMessage::LoginResponse { success, message, public_key: Some(public_key), .. } => {
                let (near, far) = (Share::generate(&group)?, Share::generate(&group)?);
                self.far =
                    Some((RoomKey::agree(&group, &far, &public_key)?, Offer::new(&group, &far)?.public_key));
                let Offer { dh_params, public_key } = Offer::new(&group, &near)?;
                self.near = Some(near);
                let (dh_params, public_key) = (Some(dh_params), Some(public_key));
                let on = ServerMessage::LoginResponse { success, message, dh_params, public_key };
                (OWN_VALUE.to_owned(), on)
            }
            ServerMessage::Message { data } => {
                let Some(((far, _), near)) = self.far.as_ref().zip(self.client.as_ref()) else {
                    return Ok(None);
                };
                let text = far.open(&data)?;
                (format!("opens to “{text}”"), ServerMessage::Message { data: near.seal(&text)? })
            }
            _ => return Ok(None),
        };
        Ok(Some(vec![Act::Note(note), Act::On(json::write(&on)?)]))
    }

    fn of_client(&mut self, message: &[u8]) -> Result<Option<Vec<Act>>, ClassicError> {
        let Some((far, value)) = &self.far else { return Ok(None) };
        let (note, on) = match json::read(message)? {
            ClientMessage::DhKey { public_key } => {
                let Some(near) = self.near.take() else { return Ok(None) };
                self.client = Some(RoomKey::agree(&Group::modp_14()?, &near, &public_key)?);
                (OWN_VALUE.to_owned(), ClientMessage::DhKey { public_key: value.clone() })
            }
            ClientMessage::Message { data } => {
                let Some(near) = &self.client else { return Ok(None) };
                let text = near.open(&data)?;
                let on = ClientMessage::Message { data: far.seal(&text)? };
                let note = format!("opens to “{text}”");
                self.loot.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                (note, on)
            }
            _ => return Ok(None),
        };
        Ok(Some(vec![Act::Note(note), Act::On(json::write(&on)?)]))
    }
}
