//! `join`: become a member, or add this machine as a device.

use std::io::{self, BufRead, IsTerminal, Write};

use client::{ClientError, Joiner, Progress};
use pki::{Name, Password};
use serde_json::json;
use session::link::{Link, Purpose};

use super::{Context, recovery};
use crate::cli::JoinArguments;
use crate::terminal::{Failure, PasswordSource};

/// Joins by a link of either kind.
pub async fn run(context: &Context, arguments: JoinArguments) -> Result<(), Failure> {
    let link = Link::parse(&arguments.invite).map_err(|e| Failure::new("bad-link", e.to_string()))?;
    let folder = context.home_folder()?;
    if client::Home::exists(&folder) {
        return Err(ClientError::HomeExists(folder).into());
    }
    let device = arguments.device.unwrap_or_else(device_name);
    let home = match &link.purpose {
        Purpose::Join => {
            let user = match arguments.user {
                Some(user) => user,
                None => ask("User name: ")?,
            };
            if !context.password_given() {
                context.output.note(
                    "Who comes from an earlier system that was brought here gives the password from there.",
                );
            }
            let password = context.password().read_new("Choose a password: ")?;
            let new = arguments.new_password_file.map(PasswordSource::File);
            let new = new.map(|file| file.read_new("")).transpose()?;
            let join = async |new: Option<&str>| {
                let earlier = new.map(|_| Password::new(password.as_str().to_owned()));
                let password = Password::new(new.unwrap_or(&password).to_owned());
                let email = arguments.email.as_deref();
                let joiner = Joiner { user: &user, email, device: &device, password, earlier };
                client::join(&folder, &arguments.invite, joiner).await
            };
            match join(new.as_ref().map(|new| new.as_str())).await {
                Err(error @ ClientError::NewPassword(_)) if !context.password_given() => {
                    context.output.note(&error.to_string());
                    let new = PasswordSource::Prompt.read_new("New password: ")?;
                    join(Some(new.as_str())).await?
                }
                Err(error @ ClientError::NewPassword(_)) => {
                    return Err(Failure::new(
                        error.code(),
                        format!("{error} and give it with --new-password-file FILE"),
                    ));
                }
                joined => joined?,
            }
        }
        Purpose::Device { user } => {
            if arguments.user.is_some_and(|named| named != *user) {
                return Err(Failure::usage(format!("this link adds a device of {user}; leave out --user")));
            }
            if arguments.new_password_file.is_some() {
                return Err(Failure::usage("this link adds a device; leave out --new-password-file"));
            }
            let password = context.password().read(&format!("Password of {user}: "))?;
            let password = Password::new(password.as_str().to_owned());
            let progress = |progress: Progress| match progress {
                Progress::Waiting { code } => {
                    eprintln!("Waiting for your other device. Compare this code there: {code}");
                }
            };
            client::join_device(&folder, &arguments.invite, &device, password, progress).await?
        }
    };
    let fingerprint = client::Home::root_fingerprint(&folder)?;
    let (user, device, organisation) =
        (home.user().to_string(), home.device().to_string(), home.organisation().to_string());
    let sheet = match link.purpose {
        Purpose::Join => recovery::first(context, home).await?,
        Purpose::Device { .. } => None,
    };
    context.output.result(
        || {
            json!({ "user": user, "device": device, "organisation": organisation, "root": fingerprint.to_string(),
                    "home": folder.display().to_string(), "recovery": sheet.as_ref().map(recovery::object) })
        },
        || {
            let you = format!("You are {user} on {device}, in {organisation} (root {fingerprint}).");
            let code = sheet.as_ref().map(|sheet| format!("\n{}", recovery::text(sheet))).unwrap_or_default();
            format!("{you}{code}\nTalk with: {}", context.typed("chat ROOM"))
        },
    )
}

fn ask(prompt: &str) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("name yourself with --user NAME"));
    }
    let mut line = String::new();
    let asked = (|| {
        eprint!("{prompt}");
        io::stderr().flush()?;
        io::stdin().lock().read_line(&mut line)
    })();
    asked.map_err(|e| Failure::failed(format!("cannot read from the terminal: {e}")))?;
    Ok(line.trim().to_owned())
}

/// This machine's name, made into one that a certificate takes.
pub fn device_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match host.trim() {
        "" => "device".to_owned(),
        host => Name::suggest(host).to_string(),
    }
}
