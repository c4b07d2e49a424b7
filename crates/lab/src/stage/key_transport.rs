//! A `key-transport` server, and alice as its client.

use std::net::SocketAddr;
use std::path::PathBuf;

use classic::key_transport::{Server, connect, key_of_folder};

use super::{ClassicServer, Person, Stage};
use crate::LabError;

impl Stage {
    /// Where the server's key file is.
    pub fn key_folder(&self) -> PathBuf {
        self.folder().join("key-transport")
    }

    /// Starts a server; its key is made when there is none.
    ///
    /// # Errors
    /// [`LabError`].
    pub async fn key_transport_server(&self) -> Result<ClassicServer, LabError> {
        let folder = self.key_folder();
        let key = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&folder).map_err(LabError::io("cannot make a folder"))?;
            Ok::<_, LabError>(key_of_folder(&folder)?)
        });
        let server = Server::new(key.await.map_err(LabError::stage)??);
        ClassicServer::start(move |stream, reporter, stop| {
            let server = server.clone();
            async move { server.session(stream, reporter, stop).await }
        })
        .await
    }
}

impl Person {
    /// A `key-transport` client. It has no name.
    ///
    /// # Errors
    /// [`LabError::Io`] if nobody listens.
    pub async fn key_transport(address: SocketAddr) -> Result<Self, LabError> {
        Self::connect(address, connect).await
    }
}
