//! What each command does. [`run`] is called with the parsed command line; every command has a file of its name.
//!
//! - On a server's folder: [`serve`], [`backup`], [`ca`], [`invite`] (or through a home), [`import`], [`doctor`]; how its keys open: [`keys`].
//! - Through a home: [`join`], [`chat`], [`room`], [`send`] (and edit, react, delete), [`erase`], [`tail`], [`export`], [`user`] (and [`code`]), [`device`], [`recovery`], [`passwd`].
//! - On evidence: [`verify`]. On none of these: [`classic`], the protocols that came before; [`lab`], attacks on them.
//! - [`context`]: what all of them are given. [`failure`]: errors of the libraries as they end a command. [`news`]: what all of them tell.

mod backup;
mod ca;
mod chat;
mod classic;
mod code;
mod context;
mod device;
mod doctor;
mod erase;
mod export;
mod failure;
mod import;
mod invite;
mod join;
mod keys;
mod lab;
mod news;
mod online;
mod passwd;
mod recovery;
mod report;
mod room;
mod save;
mod send;
mod serve;
mod tail;
mod user;
mod verify;

pub use context::Context;
pub use export::write as write_bundle;
pub use online::room_size;
use online::{PATIENCE, connecting, held, online, room_to_talk_in, started};
pub use verify::verify_file;

use std::path::Path;

use crate::cli::{Cli, Command};
use crate::demo;
use crate::terminal::Failure;

/// A folder without an organisation where one is needed.
fn no_organisation(path: &Path) -> Failure {
    Failure::new(
        "no-organisation",
        format!(
            "there is no organisation in {}; `countersign serve` or `countersign ca init` makes one, --data DIR names another folder",
            path.display()
        ),
    )
}

/// A path as it can be typed.
pub fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+@%:,=".contains(&b)) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Does what was typed.
pub async fn run(cli: Cli) -> Result<(), Failure> {
    let context = Context::new(cli.global);
    match cli.command {
        Command::Demo(arguments) => demo::run(&context, arguments).await,
        Command::Serve(arguments) => serve::run(&context, arguments).await,
        Command::Invite(command) => invite::run(&context, command).await,
        Command::Join(arguments) => join::run(&context, arguments).await,
        Command::Recover(arguments) => recovery::run(&context, arguments).await,
        Command::Chat(arguments) => chat::run(&context, arguments).await,
        Command::Room(command) => room::run(&context, command).await,
        Command::Send(arguments) => send::run(&context, arguments).await,
        Command::Edit(arguments) => send::edit(&context, arguments).await,
        Command::React(arguments) => send::react(&context, arguments).await,
        Command::Delete(arguments) => send::delete(&context, arguments).await,
        Command::Erase(arguments) => erase::run(&context, arguments).await,
        Command::Tail(arguments) => tail::run(&context, arguments).await,
        Command::Save(arguments) => save::run(&context, arguments).await,
        Command::Export(arguments) => export::run(&context, arguments).await,
        Command::Verify(arguments) => verify::run(&context, arguments).await,
        Command::Ca(command) => ca::run(&context, command).await,
        Command::User(command) => user::run(&context, command).await,
        Command::Device(command) => device::run(&context, command).await,
        Command::Passwd(arguments) => passwd::run(&context, arguments).await,
        Command::Classic(command) => classic::run(&context, command).await,
        Command::Lab(arguments) => lab::run(&context, arguments).await,
        Command::Backup(arguments) => backup::run(&context, arguments).await,
        Command::Doctor(arguments) => doctor::run(&context, arguments).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_can_be_typed() {
        assert_eq!(shown(Path::new("/srv/data")), "/srv/data");
        assert_eq!(shown(Path::new("it's here")), r"'it'\''s here'");
    }
}
