//! `send`: one message, acknowledged before the command ends.

use std::io::Read;

use client::Outgoing;
use evidence::limits::MAX_TEXT;
use serde_json::json;

use super::{Context, online, room_to_talk_in};
use crate::cli::SendArguments;
use crate::terminal::Failure;

/// Sends and waits for the acknowledgement.
pub async fn run(context: &Context, arguments: SendArguments) -> Result<(), Failure> {
    let text = match arguments.text {
        Some(text) if text != "-" => text,
        _ => read_input()?,
    };
    if text.is_empty() {
        return Err(Failure::usage("there is nothing to send"));
    }
    let client = online(context).await?;
    let room = room_to_talk_in(&client, &arguments.room).await;
    let outcome = async {
        let room = room?;
        let logged = client.send(room, Outgoing::text(text)).await?.logged().await?;
        Ok::<_, Failure>((room, logged))
    }
    .await;
    client.close().await;
    let (room, logged) = outcome?;
    let statement = hex::encode(logged.statement);
    context.output.result(
        || json!({ "room": room.to_string(), "index": logged.index, "seq": logged.seq, "statement": statement }),
        || format!("logged at {}", logged.index),
    )
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
