//! `tail`: a room's messages, those there are and, with `--follow`, those that come.

use client::{Client, Event, MessageState, TimelineItem};
use evidence::room::RoomId;
use evidence::verdict::{file_line, safe, utc};
use serde_json::{Value, json};

use super::{Context, held};
use crate::cli::TailArguments;
use crate::file::Folder;
use crate::terminal::{Failure, Output};

/// Entries read from the home at a time.
const PAGE: usize = 512;

/// Where no log ends before; a larger start shows the same, nothing.
const LAST_INDEX: u64 = 1 << 48;

/// Prints a room's timeline.
pub async fn run(context: &Context, arguments: TailArguments) -> Result<(), Failure> {
    let folder = arguments.save.as_deref().map(Folder::open).transpose()?;
    let (client, refused) = held(context).await?;
    let mut events = client.events();
    let outcome = async {
        let room = client.find_room(&arguments.room).await?;
        let printer = Printer { client: &client, room, output: context.output, folder: folder.as_ref() };
        let mut next = printer.print_from(arguments.from.unwrap_or(0).min(LAST_INDEX)).await?;
        let alarm = client.contradictions(room).await?.pop().map(|found| stopped(&found.what));
        if !arguments.follow {
            if let Some(failure) = alarm {
                context.output.warn("alarm", &failure.to_string());
            }
            return printer.print_queued().await;
        }
        if let Some(failure) = alarm {
            return Err(failure);
        }
        if let Some(failure) = refused.and_then(|refused| refused.ended) {
            return Err(failure);
        }
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = tokio::signal::ctrl_c() => return Ok(()),
            };
            match event {
                Some(Event::Item { room: of, .. }) if of == room => {
                    next = printer.print_from(next).await?;
                }
                Some(Event::Missed(_)) => next = printer.print_from(next).await?,
                Some(Event::Alarm { room: of, what, .. }) if of == room => {
                    return Err(stopped(&what));
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

fn stopped(what: &str) -> Failure {
    Failure::new(
        "alarm",
        format!(
            "this room's log does not stand, and the room is not followed any more: {}; what you hold can still be \
             exported",
            safe(what)
        ),
    )
}

/// Prints a room, and saves its files if it is to.
struct Printer<'a> {
    client: &'a Client,
    room: RoomId,
    output: Output,
    folder: Option<&'a Folder>,
}

impl Printer<'_> {
    /// Prints entries from index `from` on and returns the index after the last.
    async fn print_from(&self, from: u64) -> Result<u64, Failure> {
        let mut next = from;
        loop {
            let page = self.client.timeline(self.room, next, PAGE).await?;
            let Some(last) = page.last() else { return Ok(next) };
            next = last.index + 1;
            for item in &page {
                let saved = self.save(item).await?;
                self.output.result(
                    || with_paths(object(item), &saved),
                    || {
                        saved
                            .iter()
                            .fold(line(item), |line, path| format!("{line}\n      saved as {}", safe(path)))
                    },
                )?;
            }
        }
    }

    /// Prints what this device has said and the server has not acknowledged.
    async fn print_queued(&self) -> Result<(), Failure> {
        for (seq, text) in self.client.outbox(self.room).await? {
            self.output.result(
                || {
                    json!({ "index": null, "seq": seq, "from": self.client.user(), "device": self.client.device(),
                            "time": null, "text": text, "statement": null, "state": "queued" })
                },
                || format!("[queued] {}: {}", self.client.user(), safe(&text)),
            )?;
        }
        Ok(())
    }

    /// Saves the files of a message; says where they are.
    async fn save(&self, item: &TimelineItem) -> Result<Vec<String>, Failure> {
        let Some(folder) = self.folder.filter(|_| !item.attachments().is_empty()) else {
            return Ok(Vec::new());
        };
        let files = self.client.attachments(self.room, item.index).await?;
        files.iter().map(|file| Ok(folder.save(file)?.display().to_string())).collect()
    }
}

/// The object of an entry with the paths of its files.
fn with_paths(mut object: Value, saved: &[String]) -> Value {
    let files = object.get_mut("attachments").and_then(Value::as_array_mut).into_iter().flatten();
    for (file, path) in files.filter_map(Value::as_object_mut).zip(saved) {
        file.insert("saved".into(), json!(path));
    }
    object
}

/// An entry as an object.
pub fn object(item: &TimelineItem) -> Value {
    let mut value = json!({
        "index": item.index,
        "from": item.from,
        "device": item.device,
        "time": item.time_ms,
        "text": item.text(),
        "attachments": item.attachments(),
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

/// An entry as a line, and one for each file.
pub fn line(item: &TimelineItem) -> String {
    let files = item.attachments().iter().map(file_line);
    files.fold(text_line(item), |line, file| format!("{line}\n      {file}"))
}

fn text_line(item: &TimelineItem) -> String {
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
        MessageState::Logged => "logged",
        MessageState::Received { .. } => "received",
    }
}
