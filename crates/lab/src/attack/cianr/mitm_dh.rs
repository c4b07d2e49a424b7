//! Exhibit 2: certificates are passed on, Diffie-Hellman values are not.

use std::sync::{Arc, Mutex, PoisonError};

use classic::ClassicError;
use classic::cianr::line::message::{AccountParameters, AccountValue, Enc};
use classic::cianr::pkcs1::message::{DhClient, DhServer, DhServerReceived};
use classic::cianr::pss::message::{AuthCredentials, AuthDhInit, AuthDhReply, DhClientReceived};
use classic::cianr::{Dialect, kind, line, pkcs1, pss};
use classic::cipher::CipherKey;
use classic::conversation::What;
use classic::dh::{Agreed, Group, Number, Share, session_key};
use classic::json::{self, base64, from_base64};

use super::session::{register, visit};
use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End};
use crate::stage::{PASSWORD, Stage, enter, texts};
use crate::tap::{Act, Hand, Marks, Tap};

/// What is said of a value that is not passed on.
const OWN_VALUE: &str = "the attacker keeps this value and sends one of its own";
/// What alice says once she has logged in.
const WORDS: &str = "meet me at noon";

/// The password, once the attacker has read it.
type Loot = Arc<Mutex<Option<String>>>;

/// Alice, who has an account, logs in.
pub(super) async fn run(stage: &Stage, dialect: Dialect, capture: &Capture) -> Result<Found, LabError> {
    let mut server = stage.cianr_server(dialect, false).await?;
    register(stage, dialect, &mut server).await?;
    let loot = Loot::default();
    let shared = Arc::clone(&loot);
    let hands = move || Between { dialect, loot: Arc::clone(&shared), begun: None, keys: None };
    let door = server.accounts.as_ref().map_or(server.address, |accounts| accounts.address);
    let tap = Tap::start(door, Marks::Classic(dialect.framing()), capture.clone(), hands).await?;
    let unnoticed = match &mut server.accounts {
        Some(accounts) => {
            accounts.events.next_session().await;
            let outcome = enter(&stage.alice(dialect, None, false).await?, tap.address()).await?;
            let told = accounts.events.next_session().await;
            outcome.is_ok() && told.iter().any(|what| matches!(what, What::LoggedIn { .. }))
        }
        None => {
            let said = visit(stage, dialect, tap.address(), false, &[WORDS]).await?;
            said.outcome.is_ok() && texts(&server.events.next_session().await) == [WORDS]
        }
    };
    let read = loot.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(match read {
        Some(password) if unnoticed && password == PASSWORD => {
            Found::succeeds(format!("The attacker read the password “{password}”; neither side noticed."))
        }
        _ => Found::refused("The attacker did not read the password unnoticed."),
    })
}

/// An attacker with a share of its own for each side.
struct Between {
    dialect: Dialect,
    loot: Loot,
    begun: Option<Begun>,
    keys: Option<Keys>,
}

/// One value has come.
struct Begun {
    value: Number,
    /// The share towards who sent it.
    back: Share,
    /// The share towards the other side.
    on: Share,
}

/// The keys with both sides.
struct Keys {
    client: CipherKey,
    server: CipherKey,
}

impl Hand for Between {
    fn message(&mut self, from: End, message: &[u8]) -> Vec<Act> {
        let acts = match self.dialect {
            Dialect::Pss => self.pss(message),
            Dialect::Pkcs1 => self.pkcs1(from, message),
            Dialect::Line => self.line(from, message),
        };
        // What does not go as planned is passed on as it came.
        acts.ok().flatten().unwrap_or_else(|| vec![Act::On(message.to_vec())])
    }
}

impl Between {
    fn pss(&mut self, message: &[u8]) -> Result<Option<Vec<Act>>, ClassicError> {
        match kind(message)?.as_str() {
            "auth_dh_init" => {
                let init: AuthDhInit = json::read(message)?;
                let value = self.first(&Group::modp_14()?, Number::from_decimal(&init.a_client)?)?;
                instead(json::write(&AuthDhInit { a_client: value.to_decimal() })?)
            }
            "auth_dh_reply" => {
                let reply: AuthDhReply = json::read(message)?;
                let value = self.second(&Number::from_decimal(&reply.b_server)?)?;
                instead(json::write(&AuthDhReply { b_server: value.to_decimal() })?)
            }
            "auth_cred_encrypted" => {
                let Keys { client, server } = self.keys()?;
                let text =
                    client.open_cbc(&from_base64(&json::read::<AuthCredentials>(message)?.payload)?)?;
                let on = json::write(&AuthCredentials { payload: base64(server.seal_cbc(&text)?) })?;
                let credentials: pss::message::Credentials = json::read(&text)?;
                self.rob(credentials.password.to_string(), on)
            }
            _ => Ok(None),
        }
    }

    /// The first exchange alone: on the second one depend signatures.
    fn pkcs1(&mut self, from: End, message: &[u8]) -> Result<Option<Vec<Act>>, ClassicError> {
        match (kind(message).as_deref(), from, &self.keys) {
            (Ok("dh_client"), _, None) => {
                let received: DhClientReceived<'_> =
                    serde_json::from_slice(message).map_err(ClassicError::malformed)?;
                let group = Group::modp_14()?;
                let value = self.first(&group, received.value()?)?;
                instead(json::write(&DhClient::new(&group, &value)?)?)
            }
            (Ok("dh_server"), _, None) => {
                let received: DhServerReceived<'_> =
                    serde_json::from_slice(message).map_err(ClassicError::malformed)?;
                let value = self.second(&received.value()?)?;
                instead(json::write(&DhServer::new(&value)?)?)
            }
            // The credentials are a frame of bare ciphertext.
            (Err(_), End::Client, Some(Keys { client, server })) => {
                let text = client.open_weak_ecb(message)?;
                let on = server.seal_weak_ecb(&text)?;
                match json::read(&text)? {
                    pkcs1::message::Credentials::Login { pwd, .. } => self.rob(decoded(&pwd)?, on),
                    pkcs1::message::Credentials::Register { .. } => Ok(Some(vec![Act::On(on)])),
                }
            }
            _ => Ok(None),
        }
    }

    fn line(&mut self, from: End, message: &[u8]) -> Result<Option<Vec<Act>>, ClassicError> {
        match (kind(message)?.as_str(), from) {
            ("dh_params", _) => {
                let offer: AccountParameters = json::read(message)?;
                let group = Group::of_peer(Number::from_hex(&offer.p)?, Number::from_hex(&offer.g)?)?;
                let value = self.first(&group, Number::from_hex(&offer.server_pub)?)?;
                instead(json::write(&AccountParameters { server_pub: value.to_hex(), ..offer })?)
            }
            ("dh_client_pub", _) => {
                let answer: AccountValue = json::read(message)?;
                let value = self.second(&Number::from_hex(&answer.client_pub)?)?;
                instead(json::write(&AccountValue { client_pub: value.to_hex() })?)
            }
            ("enc", from) => {
                let Keys { client, server } = self.keys()?;
                let (near, far) = if from == End::Client { (client, server) } else { (server, client) };
                let sealed: Enc = json::read(message)?;
                let iv = from_base64(&sealed.iv)?.try_into().map_err(|_| ClassicError::Decryption)?;
                let text = near.open_cbc_under(&iv, &from_base64(&sealed.ct)?)?;
                let on = json::write(&Enc { iv: sealed.iv, ct: base64(far.cbc(&iv, &text)?) })?;
                match json::read(&text) {
                    Ok(line::message::Credentials::Login { pwd, .. }) => self.rob(decoded(&pwd)?, on),
                    _ => Ok(Some(vec![Act::On(on)])),
                }
            }
            _ => Ok(None),
        }
    }

    /// Takes the first value of an exchange; the value to send on in its place.
    fn first(&mut self, group: &Group, value: Number) -> Result<Number, ClassicError> {
        let (back, on) = (Share::generate(group)?, Share::generate(group)?);
        let own = on.public().clone();
        self.begun = Some(Begun { value, back, on });
        Ok(own)
    }

    /// Takes the second value; the value to send on in its place.
    fn second(&mut self, value: &Number) -> Result<Number, ClassicError> {
        let begun = self.begun.take().ok_or(ClassicError::Cryptography)?;
        let key = |agreed: Agreed| match self.dialect {
            Dialect::Pss | Dialect::Pkcs1 => session_key(agreed.minimal()),
            Dialect::Line => session_key(agreed.fixed_width()),
        };
        let first = key(begun.back.agree(&begun.value)?);
        let second = key(begun.on.agree(value)?);
        // In cianr-line the server begins.
        self.keys = Some(match self.dialect {
            Dialect::Pss | Dialect::Pkcs1 => Keys { client: first, server: second },
            Dialect::Line => Keys { client: second, server: first },
        });
        Ok(begun.back.public().clone())
    }

    fn keys(&self) -> Result<&Keys, ClassicError> {
        self.keys.as_ref().ok_or(ClassicError::Cryptography)
    }

    fn rob(&self, password: String, on: Vec<u8>) -> Result<Option<Vec<Act>>, ClassicError> {
        let note = format!("opens to the password “{password}”, and is sealed again for the server");
        *self.loot.lock().unwrap_or_else(PoisonError::into_inner) = Some(password);
        Ok(Some(vec![Act::Note(note), Act::On(on)]))
    }
}

fn instead(message: Vec<u8>) -> Result<Option<Vec<Act>>, ClassicError> {
    Ok(Some(vec![Act::Note(OWN_VALUE.to_owned()), Act::On(message)]))
}

fn decoded(password: &str) -> Result<String, ClassicError> {
    String::from_utf8(from_base64(password)?).map_err(ClassicError::malformed)
}
