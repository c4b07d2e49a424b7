//! Arguments of `classic`: the classic protocols.

mod certs;
mod users;

pub use certs::CertsArguments;
pub use users::{InitUsersArguments, UsersUrl};

use clap::Subcommand;

/// What `classic` does.
#[derive(Debug, Subcommand)]
pub enum ClassicCommand {
    /// Make the certificates and keys of the cianr dialects
    Certs(CertsArguments),
    /// Make the database and the table of a classic server's users
    InitUsers(InitUsersArguments),
}
