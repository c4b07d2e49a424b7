//! `classic`: the classic protocols, none of which is safe (docs/classic.md). Every command has a file of its name.

mod certs;
mod init_users;

use super::Context;
use crate::cli::ClassicCommand;
use crate::terminal::Failure;

/// Runs it.
pub async fn run(context: &Context, command: ClassicCommand) -> Result<(), Failure> {
    match command {
        ClassicCommand::Certs(arguments) => certs::run(context, &arguments),
        ClassicCommand::InitUsers(arguments) => init_users::run(context, arguments).await,
    }
}
