//! `tail`: a room's messages, those there are and, with `--follow`, those that come.

use client::{Client, Event, MessageState, TimelineItem};
use evidence::room::RoomId;
use evidence::verdict::{safe, utc};
use serde_json::{Value, json};

use super::{Context, started};
use crate::cli::TailArguments;
use crate::terminal::{Failure, Output};

/// Entries read from the home at a time.
const PAGE: usize = 512;

/// Where no log ends before; a larger start shows the same, nothing.
const LAST_INDEX: u64 = 1 << 48;

/// Prints a room's timeline.
pub async fn run(context: &Context, arguments: TailArguments) -> Result<(), Failure> {
    let (client, away) = started(context).await?;
    if let Some(why) = away {
        context.output.note(&format!("not connected ({}); this is what your home holds", safe(&why)));
    }
    let mut events = client.events();
    let outcome = async {
        let room = client.find_room(&arguments.room).await?;
        let mut next =
            print_from(&client, room, arguments.from.unwrap_or(0).min(LAST_INDEX), context.output).await?;
        if !arguments.follow {
            return Ok(());
        }
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = tokio::signal::ctrl_c() => return Ok(()),
            };
            match event {
                Some(Event::Item { room: of, .. }) if of == room => {
                    next = print_from(&client, room, next, context.output).await?;
                }
                Some(Event::Missed(_)) => next = print_from(&client, room, next, context.output).await?,
                Some(Event::Alarm { room: of, what, .. }) if of == room => {
                    return Err(Failure::new("alarm", format!("this room's log does not stand: {what}")));
                }
                Some(Event::Ended(cause)) => return Err(Failure::new(cause.code(), cause.to_string())),
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }
    .await;
    client.close().await;
    outcome
}

/// Prints entries from index `from` on and returns the index after the last.
async fn print_from(client: &Client, room: RoomId, from: u64, output: Output) -> Result<u64, Failure> {
    let mut next = from;
    loop {
        let page = client.timeline(room, next, PAGE).await?;
        let Some(last) = page.last() else { return Ok(next) };
        next = last.index + 1;
        for item in &page {
            output.result(|| object(item), || line(item))?;
        }
    }
}

/// An entry as an object.
pub fn object(item: &TimelineItem) -> Value {
    let mut value = json!({
        "index": item.index,
        "from": item.from,
        "device": item.device,
        "time": item.time_ms,
        "text": item.text(),
        "statement": hex::encode(item.statement),
        "state": state(&item.state),
    });
    if let (Some(object), MessageState::Received { by }) = (value.as_object_mut(), &item.state) {
        object.insert("received_by".into(), json!(by));
    }
    if let (Some(object), Some(notice)) = (value.as_object_mut(), item.notice()) {
        object.insert("notice".into(), json!(notice));
    }
    value
}

/// An entry as a line.
pub fn line(item: &TimelineItem) -> String {
    let time = utc(item.time_ms);
    let time = time.get(11..16).unwrap_or_default();
    match (item.text(), item.notice()) {
        (Some(text), _) => format!("[{}] {time} {}: {}", item.index, item.from, safe(text)),
        (None, Some(notice)) => format!("[{}] {time} — {}", item.index, safe(&notice)),
        (None, None) => format!("[{}] {time} {} (no text)", item.index, item.from),
    }
}

fn state(state: &MessageState) -> &'static str {
    match state {
        MessageState::Queued => "queued",
        MessageState::Logged => "logged",
        MessageState::Received { .. } => "received",
    }
}
