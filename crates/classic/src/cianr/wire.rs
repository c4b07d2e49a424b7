//! Messages of a handshake, one after the other.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::error::{ErrorMessage, ErrorReply, Phase};
use super::{Dialect, kind};
use crate::ClassicError;
use crate::conversation::{Reporter, What};
use crate::frame::{FrameReader, write_frame};
use crate::json;

/// Both directions of a connection.
pub(super) struct Wire<'a, R, W> {
    pub reader: &'a mut FrameReader<R>,
    pub writer: &'a mut W,
    pub dialect: Dialect,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Wire<'_, R, W> {
    /// Sends a message.
    pub async fn send(&mut self, message: &impl Serialize) -> Result<(), ClassicError> {
        self.send_bytes(&json::write(message)?).await
    }

    /// Sends bytes that are no JSON.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), ClassicError> {
        write_frame(self.writer, self.dialect.framing(), bytes).await
    }

    /// The bytes of the next message, which has to be of a `type`.
    pub async fn receive_bytes(&mut self, wanted: &str) -> Result<Vec<u8>, ClassicError> {
        let message = self.reader.expect().await?;
        match kind(&message)?.as_str() {
            found if found == wanted => Ok(message),
            "error" => Err(ClassicError::Refused(json::read::<ErrorMessage>(&message)?.text())),
            other => Err(ClassicError::Malformed(format!("{other:?} where {wanted} was due"))),
        }
    }

    /// The next message, which has to be of a `type`.
    pub async fn receive<T: DeserializeOwned>(&mut self, wanted: &str) -> Result<T, ClassicError> {
        json::read(&self.receive_bytes(wanted).await?)
    }

    /// Closes in such a way that the last words are heard.
    pub async fn end(&mut self) {
        if self.writer.shutdown().await.is_ok() {
            self.reader.drain().await;
        }
    }

    /// Tells what a server's handshake failed of: to who watches, and to the client unless it has its answer or is gone.
    pub async fn name_fault(&mut self, error: &ClassicError, reporter: &Reporter) {
        let gone = matches!(error, ClassicError::Ended(_) | ClassicError::Io { .. });
        if !gone {
            reporter.tell(What::Rejected { error: error.to_string() });
        }
        let told =
            matches!(error, ClassicError::Denied(_) | ClassicError::Refused(_) | ClassicError::WeakGroup);
        if !gone && !told {
            // Whether the client still hears it changes nothing.
            let _ = self.send(&ErrorReply::new(self.dialect, Phase::Handshake, error)).await;
        }
    }
}
