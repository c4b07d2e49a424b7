//! Classic servers with one connection for each session.

use std::net::SocketAddr;

use classic::ClassicError;
use classic::conversation::{Reporter, Stop, serve};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Events;
use crate::LabError;

/// A running server; it stops when it is dropped.
pub struct ClassicServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it tells.
    pub events: Events,
    _stop: watch::Sender<bool>,
}

impl ClassicServer {
    /// Listens on a free port of this machine and has `session` speak on each connection.
    ///
    /// # Errors
    /// [`LabError::Io`].
    pub(super) async fn start<F>(
        session: impl Fn(TcpStream, Reporter, Stop) -> F + Send + 'static,
    ) -> Result<Self, LabError>
    where
        F: Future<Output = Result<(), ClassicError>> + Send + 'static,
    {
        let listener = listen().await?;
        let address = listener.local_addr().map_err(LabError::io("cannot listen on loopback"))?;
        let (sink, events) = Events::new();
        let (handle, stop) = Stop::new();
        let sessions = stop.clone();
        tokio::spawn(serve(listener, stop, sink, move |stream, reporter| {
            session(stream, reporter, sessions.clone())
        }));
        Ok(Self { address, events, _stop: handle })
    }
}

/// A listener on a free port of this machine.
///
/// # Errors
/// [`LabError::Io`].
pub async fn listen() -> Result<TcpListener, LabError> {
    TcpListener::bind(("127.0.0.1", 0)).await.map_err(LabError::io("cannot listen on loopback"))
}
