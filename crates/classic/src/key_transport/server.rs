//! The server: it says its key and then only listens.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::spawn_blocking;

use super::message::{KeyDelivery, SealedText, SessionKey, server_key_message};
use crate::conversation::{Reporter, Stop, What, within};
use crate::frame::{FrameReader, Framing, write_frame};
use crate::limits::KEY_TRANSPORT_DEADLINE;
use crate::rsa::DecryptingKey;
use crate::{ClassicError, json};

/// A server of any number of clients.
#[derive(Clone)]
pub struct Server {
    key: Arc<DecryptingKey>,
}

impl Server {
    /// A server with this key.
    pub fn new(key: DecryptingKey) -> Self {
        Self { key: Arc::new(key) }
    }

    /// Speaks with one client until it ends the connection or `stop`.
    ///
    /// # Errors
    /// Why the connection was closed without a word (CL-43).
    pub async fn session(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send,
        reporter: Reporter,
        mut stop: Stop,
    ) -> Result<(), ClassicError> {
        tokio::select! {
            ended = self.listen(stream, reporter.clone()) => {
                if let Err(error) = &ended
                    && !matches!(error, ClassicError::Ended(_) | ClassicError::Io { .. })
                {
                    reporter.tell(What::Rejected { error: error.to_string() });
                }
                ended
            }
            () = stop.told() => Ok(()),
        }
    }

    async fn listen(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send,
        reporter: Reporter,
    ) -> Result<(), ClassicError> {
        let (read, mut write) = tokio::io::split(stream);
        let mut reader = FrameReader::new(read, Framing::BlankLine);
        let session = within(KEY_TRANSPORT_DEADLINE, "to deliver a key", async {
            write_frame(&mut write, Framing::BlankLine, &server_key_message(self.key.public_der())?).await?;
            self.open(json::read(&reader.expect().await?)?).await
        })
        .await?;
        let from = reporter.peer().to_string();
        while let Some(message) = reader.next().await? {
            let text = session.open(&json::read::<SealedText>(&message)?)?;
            reporter.tell(What::Message { from: from.clone(), seqno: None, text });
        }
        Ok(())
    }

    /// RSA takes milliseconds, in which the other sessions go on.
    async fn open(&self, delivery: KeyDelivery) -> Result<SessionKey, ClassicError> {
        let key = Arc::clone(&self.key);
        spawn_blocking(move || delivery.open(&key)).await.map_err(|_| ClassicError::Cryptography)?
    }
}
