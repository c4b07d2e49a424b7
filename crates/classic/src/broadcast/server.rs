//! The server: accounts, keys, and a room.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::key::{Offer, RoomKey};
use super::message::{ClientMessage, Credentials, ServerMessage};
use super::room::{Ears, Pressure, Room, Seat};
use crate::conversation::{Reporter, Stop, What, within};
use crate::dh::{Group, Share};
use crate::frame::{FrameReader, Framing, write_frame};
use crate::limits::{HANDSHAKE_DEADLINE, MAX_ATTEMPTS, MAX_ROOM_TEXT, MAX_WAITING, MESSAGE_PAUSE};
use crate::users::{NewUser, UserStore, UserStoreError};
use crate::{ClassicError, json};

/// A server with one room.
#[derive(Clone)]
pub struct Server {
    users: Arc<dyn UserStore>,
    room: Arc<Room>,
}

impl Server {
    /// A server of these users, with nobody in its room.
    pub fn new(users: Arc<dyn UserStore>) -> Self {
        Self { users, room: Arc::default() }
    }

    /// Speaks with one client until it leaves or `stop`.
    ///
    /// # Errors
    /// Why the connection was ended (CL-51, CL-55, CL-56).
    pub async fn session(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send,
        reporter: Reporter,
        mut stop: Stop,
    ) -> Result<(), ClassicError> {
        tokio::select! {
            ended = self.attend(stream, &reporter) => ended,
            () = stop.told() => Ok(()),
        }
    }

    async fn attend(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send,
        reporter: &Reporter,
    ) -> Result<(), ClassicError> {
        let (read, mut write) = tokio::io::split(stream);
        let mut reader = FrameReader::new(read, Framing::Object);
        let Some((name, share)) = self.admit(&mut reader, &mut write, reporter).await? else { return Ok(()) };
        let key = within(HANDSHAKE_DEADLINE, "to send its public key", async {
            let ClientMessage::DhKey { public_key } = json::read(&reader.expect().await?)? else {
                return Err(ClassicError::malformed("a message before the public key"));
            };
            blocking(move || RoomKey::agree(&Group::modp_14()?, &share, &public_key)).await
        })
        .await?;
        let (seat, Ears { mut waiting, cut }) = self.room.join(name.clone());
        reporter.tell(What::LoggedIn { user: name });
        tokio::select! {
            left = listen(&mut reader, &key, &seat, reporter) => left,
            told = pass_on(&mut waiting, &key, &mut write) => told,
            _ = cut => Err(ClassicError::Limit { what: "messages that wait for one reader", limit: MAX_WAITING }),
        }
    }

    /// Registrations and logins, until one of these succeeds (CL-51); `None` if the client ends the connection instead.
    async fn admit(
        &self,
        reader: &mut FrameReader<impl AsyncRead + Unpin>,
        write: &mut (impl AsyncWrite + Unpin),
        reporter: &Reporter,
    ) -> Result<Option<(String, Share)>, ClassicError> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(request) = within(HANDSHAKE_DEADLINE, "to log in", reader.next()).await? else {
                return Ok(None);
            };
            match json::read(&request)? {
                ClientMessage::Register(credentials) => {
                    let (success, message) = self.register(credentials.check()?, reporter).await?;
                    let answer = ServerMessage::RegisterResponse { success, message: message.into() };
                    send(write, &answer).await?;
                }
                ClientMessage::Login(credentials) => {
                    match self.login(&credentials.check()?, reporter).await {
                        Ok(name) => {
                            let share = blocking(|| Share::generate(&Group::modp_14()?)).await?;
                            let offer = Offer::new(&Group::modp_14()?, &share)?;
                            send(write, &login_response(Some(offer), "Authentication successful")).await?;
                            return Ok(Some((name, share)));
                        }
                        Err(message) => send(write, &login_response(None, message)).await?,
                    }
                }
                _ => return Err(ClassicError::malformed("a message before the login")),
            }
        }
        Err(ClassicError::Limit { what: "registrations and logins of one connection", limit: MAX_ATTEMPTS })
    }

    async fn register(
        &self,
        Credentials { username, password }: Credentials,
        reporter: &Reporter,
    ) -> Result<(bool, &'static str), ClassicError> {
        let mut salt = [0; 16];
        aws_lc_rs::rand::fill(&mut salt)?;
        let user = NewUser::with_password(None, username.clone(), salt, password.expose().as_bytes());
        let registered = match user {
            Ok(user) => self.users.register(user).await,
            Err(error) => Err(error.into()),
        };
        Ok(match registered {
            Ok(()) => {
                reporter.tell(What::Registered { user: username, email: None });
                (true, "Registration successful")
            }
            Err(error) => {
                let message = match error {
                    UserStoreError::Taken => "Username already exists",
                    _ => "Registration failed",
                };
                reporter.tell(What::Rejected { error: format!("{message}: {error}") });
                (false, message)
            }
        })
    }

    /// The user's name as the store has it, or what the client is told.
    async fn login(&self, credentials: &Credentials, reporter: &Reporter) -> Result<String, &'static str> {
        let (message, error) = match self.users.by_username(&credentials.username).await {
            Ok(Some(user)) if user.accepts(credentials.password.expose().as_bytes()) => {
                return Ok(user.username);
            }
            Ok(Some(user)) => ("Invalid password", format!("Invalid password of {}", user.username)),
            Ok(None) => ("Username not found", "Username not found".to_owned()),
            Err(error) => ("Authentication failed", error.to_string()),
        };
        reporter.tell(What::Rejected { error });
        Err(message)
    }
}

/// What a member says, until it leaves.
async fn listen(
    reader: &mut FrameReader<impl AsyncRead + Unpin>,
    key: &RoomKey,
    seat: &Seat,
    reporter: &Reporter,
) -> Result<(), ClassicError> {
    while let Some(message) = reader.next().await? {
        let ClientMessage::Message { data } = json::read(&message)? else {
            return Err(ClassicError::malformed("a message that has no place in the room"));
        };
        let text = key.open(&data)?;
        if text == "exit" {
            break;
        }
        let passed_on = format!("{}: {text}", seat.name());
        if passed_on.len() > MAX_ROOM_TEXT {
            let error = format!("a text that has, with its sender's name, more than {MAX_ROOM_TEXT} bytes");
            reporter.tell(What::Rejected { error });
            continue;
        }
        reporter.tell(What::Message { from: seat.name().to_owned(), seqno: None, text });
        if seat.say(&passed_on) == Pressure::High {
            sleep(MESSAGE_PAUSE).await; // CL-56
        }
    }
    Ok(())
}

/// What waits for a member, with a rest after each message (CL-50).
async fn pass_on(
    waiting: &mut tokio::sync::mpsc::Receiver<Arc<str>>,
    key: &RoomKey,
    write: &mut (impl AsyncWrite + Unpin),
) -> Result<(), ClassicError> {
    while let Some(text) = waiting.recv().await {
        send(write, &ServerMessage::Message { data: key.seal(&text)? }).await?;
        if waiting.len() < MAX_WAITING / 2 {
            sleep(MESSAGE_PAUSE).await;
        }
    }
    Ok(())
}

async fn send(write: &mut (impl AsyncWrite + Unpin), message: &ServerMessage) -> Result<(), ClassicError> {
    write_frame(write, Framing::Object, &json::write(message)?).await
}

fn login_response(offer: Option<Offer>, message: &str) -> ServerMessage {
    let success = offer.is_some();
    let (dh_params, public_key) = offer.map(|offer| (offer.dh_params, offer.public_key)).unzip();
    ServerMessage::LoginResponse { success, message: message.into(), dh_params, public_key }
}

/// An exchange takes milliseconds, in which the other sessions go on.
async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, ClassicError> + Send + 'static,
) -> Result<T, ClassicError> {
    spawn_blocking(act).await.map_err(|_| ClassicError::Cryptography)?
}
