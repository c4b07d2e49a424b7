//! `classic`: the classic protocols, none of which is safe (docs/classic.md). Every command has a file of its name.
//!
//! - [`events`], [`lines`]: how a conversation is shown and said.
//! - [`settings`]: what both sides are given.

mod certs;
mod connect;
mod events;
mod init_users;
mod lines;
mod menu;
mod serve;
mod settings;
mod verify;

use super::Context;
use crate::cli::ClassicCommand;
use crate::terminal::Failure;

/// Runs it.
pub async fn run(context: &Context, command: ClassicCommand) -> Result<(), Failure> {
    match command {
        ClassicCommand::Certs(arguments) => certs::run(context, &arguments),
        ClassicCommand::Serve(arguments) => serve::run(context, arguments).await,
        ClassicCommand::Connect(arguments) => connect::run(context, arguments).await,
        ClassicCommand::Menu(arguments) => menu::run(context, arguments).await,
        ClassicCommand::Verify(arguments) => verify::run(context, arguments),
        ClassicCommand::InitUsers(arguments) => init_users::run(context, arguments).await,
    }
}
