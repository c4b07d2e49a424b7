//! A server that an attacker runs in the real one's place.

use std::net::SocketAddr;
use std::sync::Arc;

use channel::{Connection, ServerConfig, ServerIdentity, Suite};
use pki::ed25519::SigningKey;
use pki::trust::{NoRevocations, TrustAnchor, TrustStore};
use pki::{Chain, Organisation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{ORGANISATION, World};
use crate::LabError;

/// Bytes read at a time.
const BUFFER: usize = 4_096;

/// Shakes hands with the first who connects; it ends when it is dropped.
pub struct Pretender {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Pretender {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pretender {
    /// Listens on a free port of this machine, and shows this chain with the organisation's root above it. Whether the key is the
    /// chain's own is the attacker's affair.
    ///
    /// # Errors
    /// [`LabError::Stage`] for a chain that cannot be shown at all; [`LabError::Io`].
    pub async fn start(
        world: &World,
        chain: &Chain,
        key: SigningKey,
        clock: fn() -> u64,
    ) -> Result<Self, LabError> {
        let identity = ServerIdentity::new(&chain.with_root(world.authority.root()), key);
        let organisation = Organisation::parse(ORGANISATION).map_err(LabError::stage)?;
        let anchor = TrustAnchor::new(world.authority.root(), organisation).map_err(LabError::stage)?;
        let config = ServerConfig {
            identity: Arc::new(identity.map_err(LabError::stage)?),
            trust: Arc::new(TrustStore::new(vec![anchor])),
            revocations: Arc::new(NoRevocations),
            suites: Suite::ALL.to_vec(),
        };
        let listener =
            TcpListener::bind(("127.0.0.1", 0)).await.map_err(LabError::io("cannot listen on loopback"))?;
        let address = listener.local_addr().map_err(LabError::io("cannot listen on loopback"))?;
        let task = tokio::spawn(async move {
            if let Ok((stream, _)) = listener.accept().await {
                answer(stream, Connection::server(config, clock()), clock).await;
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn answer(mut stream: TcpStream, mut channel: Connection, clock: fn() -> u64) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let input = buffer.get(..count).unwrap_or_default();
        let alive = channel.handle_input(input, clock()).is_ok();
        while let Some(bytes) = channel.poll_transmit() {
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
        }
        if !alive {
            return;
        }
    }
}
