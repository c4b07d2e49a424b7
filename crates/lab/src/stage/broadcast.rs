//! A `broadcast` server with its room, and the people in it.

use std::net::SocketAddr;
use std::sync::Arc;

use classic::broadcast::{Account, Password, Server, connect};
use classic::conversation::What;
use classic::users::memory::MemoryUsers;

use super::{ClassicServer, PASSWORD, Person};
use crate::LabError;

/// A room.
pub struct Room {
    /// The server.
    pub server: ClassicServer,
    /// Its users.
    pub users: Arc<MemoryUsers>,
}

impl Room {
    /// A server with no users and nobody in its room.
    ///
    /// # Errors
    /// [`LabError::Io`].
    pub async fn open() -> Result<Self, LabError> {
        let users = Arc::new(MemoryUsers::default());
        let server = Server::new(Arc::clone(&users) as _);
        let server = ClassicServer::start(move |stream, reporter, stop| {
            let server = server.clone();
            async move { server.session(stream, reporter, stop).await }
        });
        Ok(Self { server: server.await?, users })
    }

    /// Somebody who registers under a name, with [`PASSWORD`], and is in the room. `by` is where to connect: to the server or to
    /// somebody in the middle.
    ///
    /// # Errors
    /// [`LabError::Stage`] for one who is not let in.
    pub async fn enter(&mut self, name: &str, by: SocketAddr) -> Result<Person, LabError> {
        let person = Person::broadcast(name, by, true).await?;
        let entered = |what: &What| match what {
            What::LoggedIn { user } if user == name => Some(()),
            _ => None,
        };
        let entered = self.server.events.next(entered).await;
        entered.ok_or_else(|| LabError::stage(format!("{name} did not get into the room")))?;
        Ok(person)
    }
}

impl Person {
    /// A `broadcast` client under a name, with [`PASSWORD`]: one who registers, or one who logs in.
    ///
    /// # Errors
    /// [`LabError::Io`] if nobody listens.
    pub async fn broadcast(name: &str, by: SocketAddr, is_new: bool) -> Result<Self, LabError> {
        let account =
            Account { username: name.to_owned(), password: Password::new(PASSWORD.to_owned()), is_new };
        Self::connect(by, |stream, lines, reporter| connect(stream, account, lines, reporter)).await
    }
}
