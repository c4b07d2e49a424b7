//! Messages off and onto a stream.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::{Framing, Scan};
use crate::ClassicError;
use crate::limits::{DRAIN_LIMIT, WRITE_DEADLINE};

/// Reads messages off a stream. [`FrameReader::next`] may be dropped at any await without losing a byte.
#[derive(Debug)]
pub struct FrameReader<R> {
    stream: R,
    framing: Framing,
    buffer: Vec<u8>,
    taken: usize,
    scan: Scan,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads `stream` by `framing`.
    pub fn new(stream: R, framing: Framing) -> Self {
        Self { stream, framing, buffer: Vec::new(), taken: 0, scan: Scan::default() }
    }

    /// The next message; `None` at the end of the stream between two messages.
    ///
    /// # Errors
    /// [`ClassicError::Ended`] for an end amid a message; what [`Framing::split`] refuses; a stream that fails.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ClassicError> {
        loop {
            self.buffer.drain(..std::mem::take(&mut self.taken));
            if let Some(split) = self.framing.resume(&self.buffer, &mut self.scan)? {
                self.taken = split.taken;
                self.scan = Scan::default();
                return Ok(Some(split.message.to_vec()));
            }
            let read = self.stream.read_buf(&mut self.buffer).await;
            if read.map_err(|e| ClassicError::io("cannot read from the network", e))? == 0 {
                return match self.buffer.trim_ascii().is_empty() {
                    true => Ok(None),
                    false => Err(ClassicError::Ended("in the middle of a message")),
                };
            }
        }
    }

    /// Takes what still comes and throws it away, for at most [`DRAIN_LIMIT`]: where bytes are unread, a close makes TCP forget what
    /// was written last.
    pub async fn drain(&mut self) {
        let rest = async {
            self.buffer.clear();
            while matches!(self.stream.read_buf(&mut self.buffer).await, Ok(count) if count > 0) {
                self.buffer.clear();
            }
        };
        let _ = timeout(DRAIN_LIMIT, rest).await;
    }

    /// The next message of a peer that has to send one.
    ///
    /// # Errors
    /// Those of [`FrameReader::next`], and [`ClassicError::Ended`] at the end of the stream.
    pub async fn expect(&mut self) -> Result<Vec<u8>, ClassicError> {
        self.next().await?.ok_or(ClassicError::Ended("before the protocol did"))
    }
}

/// Writes one message, in one write.
///
/// # Errors
/// [`ClassicError::Late`] for a peer that does not read; a stream that fails.
pub async fn write_frame<W: AsyncWrite + Unpin>(
    stream: &mut W,
    framing: Framing,
    message: &[u8],
) -> Result<(), ClassicError> {
    let frame = framing.frame(message);
    let written = timeout(WRITE_DEADLINE, async {
        stream.write_all(&frame).await?;
        stream.flush().await
    });
    match written.await {
        Ok(done) => done.map_err(|e| ClassicError::io("cannot write to the network", e)),
        Err(_) => Err(ClassicError::Late { what: "to read", seconds: WRITE_DEADLINE.as_secs() }),
    }
}
