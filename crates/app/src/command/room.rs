//! `room`: create, list, members, add, remove, leave, renew.

use client::{Client, Compared};
use serde_json::json;

use super::{Context, code, held, online};
use crate::cli::RoomCommand;
use crate::terminal::Failure;

/// Said of a room of content suite 0, which an earlier version made.
pub const SERVER_READS: &str = "This room is not encrypted: an earlier version made it. It can be read and exported; create a new one to talk in.";

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
                                "size": room.size, "member": room.member, "stopped": room.stopped, "stuck": room.stuck,
                                "suite": u8::from(room.key_epoch.is_some()), "epoch": room.key_epoch })
                    },
                    || {
                        let state = match (room.stopped, room.member) {
                            (true, _) => "  (stopped: its log contradicted itself)",
                            (false, false) => "  (not a member)",
                            (false, true) if room.stuck => "  (its keys are lost here: `room renew`)",
                            (false, true) => "",
                        };
                        let clear = if room.key_epoch.is_none() && room.member { "  (not encrypted)" } else { "" };
                        format!("{}  {shown}{state}{clear}", room.id)
                    },
                )?;
            }
            Ok(())
        }
        RoomCommand::Members { room } => {
            let room = client.find_room(&room).await?;
            for member in client.members(room).await? {
                let own = member.user == client.user();
                let compared = if own { None } else { Some(client.compared(&member.user).await?) };
                output.result(
                    || {
                        json!({ "user": member.user, "device": member.device, "certificate": hex::encode(member.certificate),
                                "compared": compared.map(|compared| matches!(compared, Compared::Yes { .. })) })
                    },
                    || {
                        let word = compared.map(|compared| format!("  {}", code::word(compared)));
                        format!("{}/{}{}", member.user, member.device, word.unwrap_or_default())
                    },
                )?;
            }
            Ok(())
        }
        RoomCommand::Add { room, users } => {
            let room = client.find_room(&room).await?;
            let before = client.members(room).await?;
            client.add(room, &names(&users)).await?;
            let all_there = client.members(room).await?.len() == before.len();
            let is_in = |user: &&str| before.iter().any(|member| member.user == **user);
            match all_there && names(&users).iter().all(is_in) {
                true => done(context, &format!("{} in the room already", users.join(", "))),
                false => done(context, &format!("added {}", users.join(", "))),
            }
        }
        RoomCommand::Remove { room, users } => {
            let room = client.find_room(&room).await?;
            client.remove(room, &names(&users)).await?;
            done(context, &format!("removed {}", users.join(", ")))
        }
        RoomCommand::Renew { room, without, leave_out } => {
            let room = client.find_room(&room).await?;
            let left = client.renew(room, &names(&without), leave_out).await?;
            let left: Vec<String> =
                left.into_iter().map(|one| format!("{}/{}", one.user, one.device)).collect();
            let fate = match left.is_empty() {
                true => String::new(),
                false => format!(
                    "; these had no keys to be taken along by: {}. `{}` brings them back once they have connected",
                    left.join(", "),
                    context.typed("room add ROOM USER")
                ),
            };
            output.result(
                || json!({ "done": "renewed", "left_out": left }),
                || format!("the room's keys begin anew{fate}"),
            )
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
