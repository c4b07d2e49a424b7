//! `send`: one message, acknowledged before the command ends.

use std::io::Read;

use client::{Client, Logged, Outgoing};
use evidence::limits::MAX_TEXT;
use evidence::room::RoomId;
use serde_json::json;

use super::{Context, room_to_talk_in, started};
use crate::cli::SendArguments;
use crate::file;
use crate::terminal::Failure;

/// Sends and waits for the acknowledgement.
pub async fn run(context: &Context, arguments: SendArguments) -> Result<(), Failure> {
    let attachments = arguments.files.iter().map(|path| file::read(path)).collect::<Result<Vec<_>, _>>()?;
    let text = match arguments.text {
        Some(text) if text != "-" => text,
        None if !attachments.is_empty() => String::new(),
        _ => read_input()?,
    };
    if text.is_empty() && attachments.is_empty() {
        return Err(Failure::usage("there is nothing to send"));
    }
    let (client, away) = started(context).await?;
    let outcome =
        send(&client, &arguments.room, Outgoing { attachments, ..Outgoing::text(text) }, away).await;
    client.close().await;
    let (room, logged) = outcome?;
    let statement = hex::encode(logged.statement);
    context.output.result(
        || json!({ "room": room.to_string(), "index": logged.index, "seq": logged.seq, "statement": statement }),
        || format!("logged at {}", logged.index),
    )
}

async fn send(
    client: &Client,
    room: &str,
    message: Outgoing,
    away: Option<String>,
) -> Result<(RoomId, Logged), Failure> {
    let room = room_to_talk_in(client, room).await?;
    let mut handle = client.send(room, message).await?;
    match away {
        None => Ok((room, handle.logged().await?)),
        Some(why) => Err(Failure::new(
            "queued",
            format!("{why}; the message waits in your home and goes out when you are next connected"),
        )),
    }
}

/// Standard input whole, without one line feed at its end.
fn read_input() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let limit = MAX_TEXT as u64 + 2;
    std::io::stdin()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::failed(format!("cannot read standard input: {e}")))?;
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    if text.len() > MAX_TEXT {
        return Err(Failure::new(
            "too-large",
            format!("a message has at most {MAX_TEXT} bytes; send it in parts"),
        ));
    }
    String::from_utf8(text.to_vec()).map_err(|_| Failure::usage("a message is text in UTF-8"))
}
