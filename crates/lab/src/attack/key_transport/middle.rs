//! Exhibit 3: a session key that is opened on its way and sealed again.

use std::sync::{Arc, Mutex, PoisonError};

use classic::json;
use classic::key_transport::{KeyDelivery, SessionKey, read_server_key, server_key_message};
use classic::rsa::DecryptingKey;

use super::{text, through};
use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End};
use crate::stage::{Stage, texts};
use crate::tap::{Act, Hand};

const LINES: [&str; 2] = ["the code of the safe is 4711", "tell nobody"];

/// The texts that the attacker has read.
type Loot = Arc<Mutex<Vec<String>>>;

pub(super) async fn run(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let key = tokio::task::spawn_blocking(DecryptingKey::generate).await.map_err(LabError::stage)??;
    let (key, loot) = (Arc::new(key), Loot::default());
    let shared = Arc::clone(&loot);
    let hands =
        move || Middle { key: Arc::clone(&key), server: None, session: None, loot: Arc::clone(&shared) };
    let heard = through(stage, capture, &LINES, hands).await?;
    let read = loot.lock().unwrap_or_else(PoisonError::into_inner).join("”, “");
    let unnoticed = heard.alice.is_ok() && texts(&heard.server) == LINES;
    Ok(match unnoticed && read == LINES.join("”, “") {
        true => Found::succeeds(format!("The attacker read “{read}”; neither side noticed.")),
        false => Found::refused("The attacker did not read the texts unnoticed."),
    })
}

struct Middle {
    /// The attacker's own.
    key: Arc<DecryptingKey>,
    /// The server's public key, once it was shown.
    server: Option<Vec<u8>>,
    session: Option<SessionKey>,
    loot: Loot,
}

impl Hand for Middle {
    fn message(&mut self, _: End, message: &[u8]) -> Vec<Act> {
        // What does not go as planned is passed on as it came.
        self.act(message).unwrap_or_else(|| vec![Act::On(message.to_vec())])
    }
}

impl Middle {
    fn act(&mut self, message: &[u8]) -> Option<Vec<Act>> {
        if let Ok(server) = read_server_key(message) {
            self.server = Some(server);
            let on = server_key_message(self.key.public_der()).ok()?;
            return Some(vec![note("the attacker keeps this key and shows one of its own"), Act::On(on)]);
        }
        if let Ok(delivery) = json::read::<KeyDelivery>(message) {
            let session = delivery.open(&self.key).ok()?;
            let enc_session = session.seal_to(self.server.as_ref()?).ok()?;
            self.session = Some(session);
            let on = json::write(&KeyDelivery { enc_session, ..delivery }).ok()?;
            let words =
                "the attacker opens the session key and seals it to the server; the signature stays as it is";
            return Some(vec![note(words), Act::On(on)]);
        }
        let text = self.session.as_ref()?.open(&text(message)?).ok()?;
        let words = note(&format!("opens to “{text}”"));
        self.loot.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        Some(vec![words, Act::On(message.to_vec())])
    }
}

fn note(words: &str) -> Act {
    Act::Note(words.to_owned())
}
