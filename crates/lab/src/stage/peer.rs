//! Peers that send what they like.

use std::net::SocketAddr;

use classic::frame::{FrameReader, Framing};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::PATIENCE;
use crate::LabError;
use crate::capture::{Capture, End};

/// A peer that sends what it likes, recorded on a flow of its own.
pub struct Peer {
    reader: FrameReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    framing: Framing,
    capture: Capture,
    flow: usize,
}

impl Peer {
    /// Connects.
    ///
    /// # Errors
    /// [`LabError::Io`] if nobody listens.
    pub async fn connect(address: SocketAddr, framing: Framing, capture: &Capture) -> Result<Self, LabError> {
        let failed = LabError::io("cannot connect on loopback");
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr().map_err(LabError::io("cannot connect on loopback"))?;
        let flow = capture.flow("attacker and server", local, address);
        let (read, write) = stream.into_split();
        Ok(Self { reader: FrameReader::new(read, framing), write, framing, capture: capture.clone(), flow })
    }

    /// Sends bytes as they are, with what there is to say of them. Whether the other side still takes them.
    pub async fn send(&mut self, bytes: &[u8], note: Option<&str>) -> bool {
        let sent = self.write.write_all(bytes).await.is_ok();
        if sent {
            self.capture.frame(self.flow, End::Client, bytes, note.map(str::to_owned));
        }
        sent
    }

    /// The other side's next message; `None` once it has closed, in order or not.
    ///
    /// # Errors
    /// [`LabError::Stage`] if neither comes within [`PATIENCE`].
    pub async fn receive(&mut self) -> Result<Option<Vec<u8>>, LabError> {
        let next = timeout(PATIENCE, self.reader.next()).await;
        let next = next.map_err(|_| LabError::stage("the other side neither answered nor closed"))?;
        let message = next.ok().flatten();
        if let Some(message) = &message {
            self.capture.frame(self.flow, End::Server, &self.framing.frame(message), None);
        }
        Ok(message)
    }

    /// Says that nothing more comes.
    pub async fn finish(&mut self) {
        let _ = self.write.shutdown().await;
    }
}
