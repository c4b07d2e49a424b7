//! `erase`: what the user has said goes, and the record says so.

use std::io::{self, IsTerminal};

use client::{Client, Logged};
use evidence::room::RoomId;
use serde_json::json;

use super::{Context, started};
use crate::cli::EraseArguments;
use crate::terminal::{Failure, confirmed, count};

/// What an erasure does and does not do.
const WHAT_GOES: &str = "The server and the members' programs drop what they say, with their files, for good. Copies elsewhere are out of reach: \
                         files that were saved, evidence that was exported, backups, and whoever keeps what it was shown. That you said \
                         something, and when, stays on record; so does the reason, for all members and the server to read.";

/// Asks, erases and waits for the acknowledgement.
pub async fn run(context: &Context, arguments: EraseArguments) -> Result<(), Failure> {
    if !arguments.yes && !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "what is erased does not come back, and there is no terminal to ask on; --yes erases it all the same",
        ));
    }
    let (client, away) = started(context).await?;
    let outcome = erase(&client, away, &arguments).await;
    client.close().await;
    let (room, erased, logged) = outcome?;
    let statement = hex::encode(logged.statement);
    context.output.result(
        || {
            json!({ "room": room.to_string(), "index": logged.index, "seq": logged.seq, "statement": statement,
                    "erased": erased })
        },
        || format!("{} erased, logged at {}", count(erased.len() as u64, "message", "messages"), logged.index),
    )
}

async fn erase(
    client: &Client,
    away: Option<String>,
    arguments: &EraseArguments,
) -> Result<(RoomId, Vec<u64>, Logged), Failure> {
    let EraseArguments { room, indices, reason, yes } = arguments;
    let room = client.find_room(room).await?;
    let erased = client.erasable(room, indices).await?;
    if !yes {
        let numbers: Vec<String> = erased.iter().map(u64::to_string).collect();
        let edits = erased.len().saturating_sub(indices.len());
        let with = if edits > 0 { ", edits of them included" } else { "" };
        eprintln!("This erases what you said at {}{with}. {WHAT_GOES}", numbers.join(", "));
        if !confirmed("Erase it?").await? {
            return Err(Failure::new("denied", "nothing was erased"));
        }
    }
    let mut handle = client.erase(room, indices, reason).await?;
    match away {
        None => Ok((room, erased, handle.logged().await?)),
        Some(why) => {
            let why =
                format!("{why}; the erasure waits in your home and goes out when you are next connected");
            Err(Failure::new("queued", why))
        }
    }
}
