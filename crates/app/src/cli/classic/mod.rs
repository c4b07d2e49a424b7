//! Arguments of `classic`: the classic protocols.

mod certs;
mod talk;
mod users;

pub use certs::CertsArguments;
pub use talk::{
    ClassicConnectArguments, ClassicMenuArguments, ClassicServeArguments, ClassicVerifyArguments,
    SideArguments,
};
pub use users::{InitUsersArguments, UsersUrl};

use clap::Subcommand;

/// What `classic` does.
#[derive(Debug, Subcommand)]
pub enum ClassicCommand {
    /// Make the certificates and keys of the cianr dialects
    Certs(CertsArguments),
    /// Run a server of a classic protocol
    Serve(ClassicServeArguments),
    /// Connect to a server of a classic protocol
    Connect(ClassicConnectArguments),
    /// Ask, as the broadcast program does, whether to be its server or a client
    Menu(ClassicMenuArguments),
    /// Check a receipt of the cianr dialects, offline
    Verify(ClassicVerifyArguments),
    /// Make the database and the table of a classic server's users
    InitUsers(InitUsersArguments),
}
