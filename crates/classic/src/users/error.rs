//! What goes wrong with users and their stores. No message holds a password or a hash.

use std::io;
use std::path::PathBuf;

use super::{BadRow, OutOfBounds};

/// Why an operation on a store was not done.
#[derive(Debug, thiserror::Error)]
pub enum UserStoreError {
    /// The name or the e-mail address is there already.
    #[error("the user name or the e-mail address is taken; choose another, or log in")]
    Taken,
    /// A value of the user who registers is too short or too long.
    #[error(transparent)]
    OutOfBounds(#[from] OutOfBounds),
    /// The store has a place for an e-mail address, and the user has none.
    #[error(
        "users of a database have an e-mail address, and this protocol has none; keep its users in FILE.json or in memory"
    )]
    NeedsEmail,
    /// The table cannot hold a value of the user who registers.
    #[error("the table `users` of {place} cannot hold this user: {why}")]
    DoesNotFit {
        /// The database, without its password.
        place: String,
        /// What the database says.
        why: String,
    },
    /// The store holds as many users as it may.
    #[error("there is no room for more users: {0}")]
    Full(&'static str),
    /// The row that was looked for is no user.
    #[error(transparent)]
    Malformed(#[from] BadRow),
    /// The text names no store.
    #[error("{0}")]
    BadPlace(&'static str),
    /// The URL of a database cannot be read.
    #[error("the URL of the users' database cannot be read ({0}); it is mysql://USER:PASSWORD@HOST/DATABASE")]
    BadUrl(String),
    /// The file is no `server_credentials.json`. It was left as it is.
    #[error("{path} is no file of users ({why}), and was left as it is; repair it, or name another")]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file or its folder cannot be used.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no table of users.
    #[error("{0} has no table `users`; `countersign classic init-users` makes it")]
    NoTable(String),
    /// The table of users has columns that cannot be used.
    #[error("the table `users` of {place} has another shape: {why}; it was left as it is")]
    OtherShape {
        /// The database, without its password.
        place: String,
        /// The first thing that is wrong, and what to do.
        why: String,
    },
    /// The database answers, and does not do it.
    #[error("the database {place} refuses")]
    Refused {
        /// The database, without its password.
        place: String,
        /// What it says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database does not answer. **Whether a registration was done is unknown.**
    #[error("the database {place} cannot be reached; see that it runs and that host and port are right")]
    Unreachable {
        /// The database, without its password.
        place: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There are more rows than one reading takes.
    #[error("the store has more than {0} users; split it")]
    TooMany(usize),
}
