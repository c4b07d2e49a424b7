//! `room`: create, list, members, add, remove, leave.

use client::Client;
use serde_json::json;

use super::{Context, held, online};
use crate::cli::RoomCommand;
use crate::terminal::Failure;

/// Does what was asked of rooms; the lists need no server.
pub async fn run(context: &Context, command: RoomCommand) -> Result<(), Failure> {
    let client = match command {
        RoomCommand::List | RoomCommand::Members { .. } => held(context).await?.0,
        _ => online(context).await?,
    };
    let outcome = act(context, &client, command).await;
    client.close().await;
    outcome
}

async fn act(context: &Context, client: &Client, command: RoomCommand) -> Result<(), Failure> {
    let output = context.output;
    match command {
        RoomCommand::Create { name } => {
            let room = client.create_room(&name).await?;
            output.note("The server can read what is said in this room (content suite 0).");
            output.result(|| json!({ "room": room.to_string(), "name": name }), || room.to_string())
        }
        RoomCommand::List => {
            for room in client.rooms().await? {
                let shown = match (&room.name, &room.direct_with) {
                    (Some(name), _) => name.clone(),
                    (None, Some(user)) => format!("@{user}"),
                    (None, None) => String::new(),
                };
                output.result(
                    || {
                        json!({ "room": room.id.to_string(), "name": room.name, "direct_with": room.direct_with,
                                "size": room.size, "member": room.member, "stopped": room.stopped, "suite": 0 })
                    },
                    || {
                        let state = match (room.stopped, room.member) {
                            (true, _) => "  (stopped: its log contradicted itself)",
                            (false, false) => "  (not a member)",
                            (false, true) => "",
                        };
                        format!("{}  {shown}{state}", room.id)
                    },
                )?;
            }
            Ok(())
        }
        RoomCommand::Members { room } => {
            let room = client.find_room(&room).await?;
            for member in client.members(room).await? {
                output.result(
                    || json!({ "user": member.user, "device": member.device, "certificate": hex::encode(member.certificate) }),
                    || format!("{}/{}", member.user, member.device),
                )?;
            }
            Ok(())
        }
        RoomCommand::Add { room, users } => {
            let room = client.find_room(&room).await?;
            client.add(room, &names(&users)).await?;
            done(context, &format!("added {}", users.join(", ")))
        }
        RoomCommand::Remove { room, users } => {
            let room = client.find_room(&room).await?;
            client.remove(room, &names(&users)).await?;
            done(context, &format!("removed {}", users.join(", ")))
        }
        RoomCommand::Leave { room } => {
            let room = client.find_room(&room).await?;
            client.leave(room).await?;
            done(context, "left")
        }
    }
}

fn done(context: &Context, what: &str) -> Result<(), Failure> {
    context.output.result(|| json!({ "done": what }), || what.to_owned())
}

fn names(users: &[String]) -> Vec<&str> {
    users.iter().map(|user| user.strip_prefix('@').unwrap_or(user)).collect()
}
