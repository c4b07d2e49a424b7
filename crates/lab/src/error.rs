//! Why the lab could not do something. That an attack fails is no error.

use crate::exhibit::Column;

/// Why the lab could not do something.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The data file does not fit its rules.
    #[error("the lab's data file cannot be used: {0}")]
    Data(String),
    /// There is no such attack.
    #[error("there is no attack called {0:?}; `countersign lab list` shows them")]
    UnknownAttack(String),
    /// An attack has nothing to do on a protocol that its exhibit names.
    #[error("the attack {attack} is not written for {column}")]
    NotWritten {
        /// The attack.
        attack: String,
        /// The protocol.
        column: Column,
    },
    /// The stage or an attack did not get where it had to.
    #[error("{0}")]
    Stage(String),
    /// A classic side failed where it should not have.
    #[error(transparent)]
    Classic(#[from] classic::ClassicError),
    /// The page would be seen by other machines.
    #[error("the lab listens on loopback addresses only, and {0} is none: say --listen 127.0.0.1:8090")]
    NotLoopback(std::net::SocketAddr),
    /// The page's address cannot be had.
    #[error("cannot listen on {address}: {source}; choose another with --listen, such as 127.0.0.1:0")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// A report would be mixed with what is there.
    #[error("{} is not empty: name a new folder", .0.display())]
    Occupied(std::path::PathBuf),
    /// A user table that cannot be read.
    #[error(transparent)]
    Users(classic::users::UserStoreError),
    /// A local file or socket.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

impl LabError {
    /// The stage or an attack did not get where it had to.
    pub fn stage(why: impl ToString) -> Self {
        Self::Stage(why.to_string())
    }

    /// A local file or socket.
    pub fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
