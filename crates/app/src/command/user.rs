//! `user`: the organisation's users, by an administrator.

use client::Client;
use pki::Name;
use serde_json::json;

use super::invite::role_word;
use super::{Context, online};
use crate::cli::UserCommand;
use crate::terminal::Failure;

/// Runs it.
pub async fn run(context: &Context, command: UserCommand) -> Result<(), Failure> {
    let command = Checked::parse(command)?;
    let client = online(context).await?;
    let outcome = act(context, &client, command).await;
    client.close().await;
    outcome
}

/// The command with names that can be names.
enum Checked {
    List,
    Enable(Name, bool),
}

impl Checked {
    fn parse(command: UserCommand) -> Result<Self, Failure> {
        let name =
            |text: &str| Name::parse(text).map_err(|e| Failure::usage(format!("{text:?} is no user: {e}")));
        match command {
            UserCommand::List => Ok(Self::List),
            UserCommand::Disable { user } => Ok(Self::Enable(name(&user)?, false)),
            UserCommand::Enable { user } => Ok(Self::Enable(name(&user)?, true)),
        }
    }
}

async fn act(context: &Context, client: &Client, command: Checked) -> Result<(), Failure> {
    match command {
        Checked::List => {
            for user in client.users().await? {
                let (role, state) = (role_word(user.role), if user.enabled { "enabled" } else { "DISABLED" });
                context.output.result(
                    || {
                        json!({
                            "user": user.user, "role": role, "enabled": user.enabled,
                            "devices": user.devices,
                        })
                    },
                    || format!("{:32}  {role:6}  {state:8}  devices: {}", user.user, user.devices),
                )?;
            }
            Ok(())
        }
        Checked::Enable(user, enabled) => {
            client.enable_user(user.as_str(), enabled).await?;
            context.output.note(&match enabled {
                true => format!("{user} can log in again."),
                false => format!("{user} cannot log in any more, and every connection of theirs was ended."),
            });
            context.object(|| json!({ "user": user.as_str(), "enabled": enabled }))
        }
    }
}
