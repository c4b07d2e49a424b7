//! The client: it delivers a key and says its lines.

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::message::{KeyDelivery, SessionKey, read_server_key};
use crate::conversation::{Lines, Reporter, What, within};
use crate::frame::{FrameReader, Framing, write_frame};
use crate::limits::{HANDSHAKE_DEADLINE, KEY_PAUSE, LEAVE_DEADLINE, MAX_TEXT, MESSAGE_PAUSE};
use crate::rsa::SigningKey;
use crate::{ClassicError, json};

/// Speaks as a client, until the lines end. The server never answers: that it ends the connection is all that tells of
/// a refusal (CL-43).
///
/// # Errors
/// A server whose key cannot be used, that ends the connection first, or speaks where it never does; a text above
/// [`MAX_TEXT`].
pub async fn connect(
    stream: impl AsyncRead + AsyncWrite + Send,
    mut lines: Lines,
    reporter: Reporter,
) -> Result<(), ClassicError> {
    let (read, mut write) = tokio::io::split(stream);
    let mut reader = FrameReader::new(read, Framing::BlankLine);
    let session = within(HANDSHAKE_DEADLINE, "to show its key", async {
        let server = read_server_key(&reader.expect().await?)?;
        let (session, delivery) = deliver(server).await?;
        write_frame(&mut write, Framing::BlankLine, &json::write(&delivery)?).await?;
        Ok(session)
    })
    .await?;
    tokio::select! {
        ended = reader.next() => return Err(match ended? {
            Some(_) => ClassicError::malformed("a word of a server that never says any"),
            None => ClassicError::Ended("before we left"),
        }),
        said = say(&session, &mut write, &mut lines, &reporter) => said?,
    }
    // CL-46: whether the server ends in order is of no concern any more.
    let _ = write.shutdown().await;
    let _ = timeout(LEAVE_DEADLINE, reader.next()).await;
    Ok(())
}

async fn deliver(server: Vec<u8>) -> Result<(SessionKey, KeyDelivery), ClassicError> {
    let made = spawn_blocking(move || {
        let session = SessionKey::generate()?;
        let delivery = KeyDelivery::new(&session, &server, &SigningKey::generate()?)?;
        Ok((session, delivery))
    });
    made.await.map_err(|_| ClassicError::Cryptography)?
}

/// CL-44: with a rest after each message.
async fn say(
    session: &SessionKey,
    write: &mut (impl AsyncWrite + Unpin),
    lines: &mut Lines,
    reporter: &Reporter,
) -> Result<(), ClassicError> {
    sleep(KEY_PAUSE).await;
    while let Some(text) = lines.next().await {
        if text.is_empty() {
            continue;
        }
        if text.len() > MAX_TEXT {
            return Err(ClassicError::TextTooLong { limit: MAX_TEXT });
        }
        write_frame(write, Framing::BlankLine, &json::write(&session.seal(&text)?)?).await?;
        reporter.tell(What::Sent { seqno: None, text });
        sleep(MESSAGE_PAUSE).await;
    }
    Ok(())
}
