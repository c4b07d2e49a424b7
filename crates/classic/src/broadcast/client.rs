//! The client: it logs in, says its lines, and tells what it hears.

use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::key::{Accepted, Offer, RoomKey};
use super::message::{ClientMessage, Credentials, Password, ServerMessage};
use crate::conversation::{Lines, Reporter, What, within};
use crate::frame::{FrameReader, Framing, write_frame};
use crate::limits::{
    GROUP_PAUSE, HANDSHAKE_DEADLINE, KEY_PAUSE, LEAVE_DEADLINE, MAX_ROOM_TEXT, MESSAGE_PAUSE,
};
use crate::{ClassicError, json};

/// Who comes.
pub struct Account {
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: Password,
    /// Whether the account is to be made first.
    pub is_new: bool,
}

impl Account {
    fn credentials(&self) -> Credentials {
        Credentials { username: self.username.clone(), password: self.password.clone() }
    }
}

/// Speaks as a client, until the lines end or one is `exit`.
///
/// # Errors
/// [`ClassicError::Refused`] with the server's words; a group or key that is not accepted; a server that ends the
/// connection first; a text of ours above [`MAX_ROOM_TEXT`], our name included.
pub async fn connect(
    stream: impl AsyncRead + AsyncWrite + Send,
    account: Account,
    mut lines: Lines,
    reporter: Reporter,
) -> Result<(), ClassicError> {
    let (read, mut write) = tokio::io::split(stream);
    let mut reader = FrameReader::new(read, Framing::Object);
    let enter = enter(&mut reader, &mut write, &account, &reporter);
    let (key, pause) = within(HANDSHAKE_DEADLINE, "to let us in", enter).await?;
    let mut hearing = pin!(hear(&mut reader, &key, &reporter));
    tokio::select! {
        ended = &mut hearing => return ended.and(Err(ClassicError::Ended("before we left"))),
        said = async {
            sleep(pause).await;
            say(&mut write, &key, &account.username, &mut lines, &reporter).await
        } => said?,
    }
    // CL-55: whether the server ends in order is of no concern any more.
    let _ = write.shutdown().await;
    let _ = timeout(LEAVE_DEADLINE, hearing).await;
    Ok(())
}

/// Lets itself in; how long the server is to be left alone with the key (CL-50).
async fn enter(
    reader: &mut FrameReader<impl AsyncRead + Unpin>,
    write: &mut (impl AsyncWrite + Unpin),
    account: &Account,
    reporter: &Reporter,
) -> Result<(RoomKey, Duration), ClassicError> {
    let user = account.username.clone();
    if account.is_new {
        send(write, &ClientMessage::Register(account.credentials())).await?;
        match json::read(&reader.expect().await?)? {
            ServerMessage::RegisterResponse { success: true, .. } => {}
            ServerMessage::RegisterResponse { message, .. } => return Err(ClassicError::Refused(message)),
            _ => return Err(ClassicError::malformed("another answer to a registration")),
        }
        reporter.tell(What::Registered { user: user.clone(), email: None });
    }
    send(write, &ClientMessage::Login(account.credentials())).await?;
    let offer = match json::read(&reader.expect().await?)? {
        ServerMessage::LoginResponse {
            success: true,
            dh_params: Some(dh_params),
            public_key: Some(public_key),
            ..
        } => Offer { dh_params, public_key },
        ServerMessage::LoginResponse { success: false, message, .. } => {
            return Err(ClassicError::Refused(message));
        }
        _ => return Err(ClassicError::malformed("another answer to a login")),
    };
    let accepted = spawn_blocking(move || offer.accept()).await;
    let Accepted { key, public_key, is_own_group } = accepted.map_err(|_| ClassicError::Cryptography)??;
    send(write, &ClientMessage::DhKey { public_key }).await?;
    reporter.tell(What::LoggedIn { user });
    Ok((key, if is_own_group { GROUP_PAUSE } else { KEY_PAUSE }))
}

/// CL-57: what the server passes on, until it ends the connection.
async fn hear(
    reader: &mut FrameReader<impl AsyncRead + Unpin>,
    key: &RoomKey,
    reporter: &Reporter,
) -> Result<(), ClassicError> {
    while let Some(message) = reader.next().await? {
        let ServerMessage::Message { data } = json::read(&message)? else {
            return Err(ClassicError::malformed("a message that has no place in the room"));
        };
        reporter.tell(What::Message { from: "room".into(), seqno: None, text: key.open(&data)? });
    }
    Ok(())
}

/// CL-50: with a rest after each message.
async fn say(
    write: &mut (impl AsyncWrite + Unpin),
    key: &RoomKey,
    name: &str,
    lines: &mut Lines,
    reporter: &Reporter,
) -> Result<(), ClassicError> {
    while let Some(text) = lines.next().await {
        match text.as_str() {
            "" => continue,
            "exit" => break,
            _ if name.len() + ": ".len() + text.len() > MAX_ROOM_TEXT => {
                return Err(ClassicError::TextTooLong { limit: MAX_ROOM_TEXT });
            }
            _ => {}
        }
        send(write, &ClientMessage::Message { data: key.seal(&text)? }).await?;
        reporter.tell(What::Sent { seqno: None, text });
        sleep(MESSAGE_PAUSE).await;
    }
    Ok(())
}

async fn send(write: &mut (impl AsyncWrite + Unpin), message: &ClientMessage) -> Result<(), ClassicError> {
    write_frame(write, Framing::Object, &json::write(message)?).await
}
