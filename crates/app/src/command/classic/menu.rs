//! The menus of the classic programs: of `broadcast` as a whole, and of every client that connects without saying who it is.

use std::io::{self, BufRead, Write};

use classic::protocol::Protocol;

use super::super::Context;
use super::connect::{self, Who};
use super::serve;
use crate::cli::{ClassicConnectArguments, ClassicMenuArguments, ClassicServeArguments, SideArguments};
use crate::terminal::Failure;

/// `classic menu`: server or client of `broadcast`.
pub async fn run(context: &Context, arguments: ClassicMenuArguments) -> Result<(), Failure> {
    let ClassicMenuArguments { address, users } = arguments;
    let (protocol, side) = (Protocol::Broadcast, SideArguments::default());
    loop {
        match ask("1. Server\n2. Client\n> ")?.as_str() {
            "1" => {
                let listen = Some(address);
                let server = ClassicServeArguments {
                    protocol,
                    listen,
                    accounts_listen: None,
                    users,
                    interactive: false,
                    side,
                };
                return serve::run(context, server).await;
            }
            "2" => {
                let Some(who) = who(true)? else { return Ok(()) };
                let name = who.name.unwrap_or_default();
                let (register, login) =
                    if who.register { (Some(format!(":{name}")), None) } else { (None, Some(name)) };
                let client = ClassicConnectArguments {
                    protocol,
                    address,
                    accounts: None,
                    register,
                    login,
                    pipelined: false,
                    side,
                };
                return connect::run(context, client).await;
            }
            _ => {}
        }
    }
}

/// Asks; `None` for exit. `named` is a protocol whose users have a name and no e-mail address.
pub fn who(named: bool) -> Result<Option<Who>, Failure> {
    loop {
        let register = match ask("1. Register\n2. Login\n3. Exit\n> ")?.as_str() {
            "1" => true,
            "2" => false,
            "3" | "exit" => return Ok(None),
            _ => continue,
        };
        let email = if named { String::new() } else { ask("E-mail: ")? };
        let name = if named || register { Some(ask("User name: ")?) } else { None };
        return Ok(Some(Who { email, name, register }));
    }
}

fn ask(question: &str) -> Result<String, Failure> {
    let failed = |e| Failure::failed(format!("cannot ask on the terminal: {e}"));
    let mut terminal = io::stderr();
    terminal.write_all(question.as_bytes()).and_then(|()| terminal.flush()).map_err(failed)?;
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line).map_err(failed)? == 0 {
        return Err(Failure::usage("nothing was answered; say who you are with --register or --login"));
    }
    Ok(line.trim().to_owned())
}
