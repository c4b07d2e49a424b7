//! The menu of the classic clients, for who connects without saying who they are.

use std::io::{self, BufRead, Write};

use super::connect::Who;
use crate::terminal::Failure;

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
