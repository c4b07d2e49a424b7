//! `send`, `edit`, `react`, `delete`: one message, acknowledged before the command ends.

use std::io::Read;

use client::{Client, ClientError, Logged, Outgoing, SendHandle, Transfer};
use evidence::limits::MAX_TEXT;
use evidence::room::RoomId;
use serde_json::json;
use tokio::sync::watch;

use super::{Context, room_to_talk_in, started};
use crate::cli::{DeleteArguments, EditArguments, ReactArguments, SendArguments};
use crate::file;
use crate::terminal::{Failure, with_progress};

/// Sends and waits for the acknowledgement.
pub async fn run(context: &Context, arguments: SendArguments) -> Result<(), Failure> {
    let files = arguments.files.iter().map(|path| file::open(path)).collect::<Result<Vec<_>, _>>()?;
    let text = match arguments.text {
        Some(text) if text != "-" => text,
        None if !files.is_empty() => String::new(),
        _ => read_input()?,
    };
    if text.is_empty() && files.is_empty() {
        return Err(Failure::usage("there is nothing to send"));
    }
    let message = Outgoing { reply_to: arguments.reply_to, ..Outgoing::text(text) };
    say(context, &arguments.room, async |client, room, away| {
        if files.is_empty() {
            return client.send(room, message).await.map(Some);
        }
        let (told, transfer) = watch::channel(Transfer::default());
        let work = async {
            let upload = client.send_files(room, message, files, told).await?;
            if away { Ok(None) } else { upload.queued().await.map(Some) }
        };
        with_progress(context.output, "sending", &transfer, work).await
    })
    .await
}

/// Gives a message another text.
pub async fn edit(context: &Context, arguments: EditArguments) -> Result<(), Failure> {
    let text = if arguments.text == "-" { read_input()? } else { arguments.text };
    say(context, &arguments.room, async |client, room, _| {
        client.edit(room, arguments.index, &text).await.map(Some)
    })
    .await
}

/// Gives a reaction, or takes it back.
pub async fn react(context: &Context, arguments: ReactArguments) -> Result<(), Failure> {
    let ReactArguments { room, index, emoji, remove } = arguments;
    say(context, &room, async |client, room, _| client.react(room, index, &emoji, !remove).await.map(Some))
        .await
}

/// Asks readers not to show a message any more.
pub async fn delete(context: &Context, arguments: DeleteArguments) -> Result<(), Failure> {
    say(context, &arguments.room, async |client, room, _| {
        client.delete(room, arguments.index).await.map(Some)
    })
    .await
}

/// Says something and waits for the acknowledgement. `what` is told whether the server is away, and gives no handle if it waits for that.
async fn say(
    context: &Context,
    room: &str,
    what: impl AsyncFnOnce(&Client, RoomId, bool) -> Result<Option<SendHandle>, ClientError>,
) -> Result<(), Failure> {
    let (client, away) = started(context).await?;
    let outcome = say_in(&client, room, away, what).await;
    if let Ok((room, _)) = &outcome
        && client.outbox(*room).await?.iter().any(|queued| queued.seq.is_none())
    {
        let command = context.typed("tail ROOM --follow");
        context.output.note(&format!(
            "files that you sent before are not there yet; they go out while `{command}` runs"
        ));
    }
    client.close().await;
    let (room, logged) = outcome?;
    let statement = hex::encode(logged.statement);
    context.output.result(
        || json!({ "room": room.to_string(), "index": logged.index, "seq": logged.seq, "statement": statement }),
        || format!("logged at {}", logged.index),
    )
}

async fn say_in(
    client: &Client,
    room: &str,
    away: Option<String>,
    what: impl AsyncFnOnce(&Client, RoomId, bool) -> Result<Option<SendHandle>, ClientError>,
) -> Result<(RoomId, Logged), Failure> {
    let room = room_to_talk_in(client, room).await?;
    match (what(client, room, away.is_some()).await?, away) {
        (Some(mut handle), None) => Ok((room, handle.logged().await?)),
        (_, away) => {
            let why = away.unwrap_or_else(|| "not connected".to_owned());
            let why =
                format!("{why}; the message waits in your home and goes out when you are next connected");
            Err(Failure::new("queued", why))
        }
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
