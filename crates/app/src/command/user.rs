//! `user`: the organisation's users, by an administrator; `user import` is in [`import`], `user code` in [`code`].

use client::Client;
use pki::Name;
use serde_json::json;

use super::invite::role_word;
use super::{Context, code, import, online};
use crate::cli::UserCommand;
use crate::terminal::Failure;

/// Runs it.
pub async fn run(context: &Context, command: UserCommand) -> Result<(), Failure> {
    let name =
        |text: &str| Name::parse(text).map_err(|e| Failure::usage(format!("{text:?} is no user: {e}")));
    let command = match command {
        UserCommand::Import(arguments) => return import::run(context, arguments).await,
        UserCommand::Code(arguments) => return code::run(context, arguments).await,
        UserCommand::List => Checked::List,
        UserCommand::Disable { user } => Checked::Enable(name(&user)?, false),
        UserCommand::Enable { user } => Checked::Enable(name(&user)?, true),
    };
    let client = online(context).await?;
    let outcome = act(context, &client, command).await;
    client.close().await;
    outcome
}

/// A command by an administrator, with names that can be names.
enum Checked {
    List,
    Enable(Name, bool),
}

async fn act(context: &Context, client: &Client, command: Checked) -> Result<(), Failure> {
    match command {
        Checked::List => {
            for user in client.users().await? {
                let role = role_word(user.role);
                let state = match (user.enabled, user.imported_ms) {
                    (false, _) => "DISABLED",
                    (true, Some(_)) => "imported, not yet joined",
                    (true, None) => "enabled",
                };
                context.output.result(
                    || {
                        json!({
                            "user": user.user, "role": role, "enabled": user.enabled,
                            "devices": user.devices, "imported": user.imported_ms,
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
