//! `tail`: a room's messages, those there are and, with `--follow`, those that come.

use client::{Client, Event, Events, MessageState, Queued, TimelineItem, What};
use evidence::relation::Relations;
use evidence::room::RoomId;
use evidence::verdict::{file_line, safe, utc};
use serde_json::{Value, json};

use super::online::Refused;
use super::{Context, held, news};
use crate::cli::TailArguments;
use crate::file::{Folder, NotSaved};
use crate::terminal::{Failure, Output};

/// Entries read from the home at a time.
const PAGE: usize = 512;

/// How long after a file that could not be fetched it is tried again.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(2);

/// Where no log ends before; a larger start shows the same, nothing.
const LAST_INDEX: u64 = 1 << 48;

/// Prints a room's timeline.
pub async fn run(context: &Context, arguments: TailArguments) -> Result<(), Failure> {
    let folder = arguments.save.as_deref().map(Folder::open).transpose()?;
    let (client, refused) = held(context).await?;
    let mut events = client.events();
    let follow = follow(context, &client, &arguments, folder.as_ref(), refused, &mut events);
    let outcome = if arguments.follow {
        // At any moment, also while a file is fetched.
        tokio::select! {
            outcome = follow => outcome,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    } else {
        follow.await
    };
    client.close().await;
    outcome
}

/// Prints what is there and, if asked to, what comes.
async fn follow(
    context: &Context,
    client: &Client,
    arguments: &TailArguments,
    folder: Option<&Folder>,
    refused: Option<Refused>,
    events: &mut Events,
) -> Result<(), Failure> {
    let room = client.find_room(&arguments.room).await?;
    let printer = Printer {
        client,
        room,
        output: context.output,
        folder,
        waits: arguments.follow && refused.is_none(),
    };
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
    // What came between its start and its listener.
    news::tell_new(context, client).await?;
    loop {
        match events.next().await {
            Some(Event::Item { room: of, .. }) if of == room => {
                next = printer.print_from(next).await?;
            }
            Some(Event::Missed(_)) => {
                news::tell_new(context, client).await?;
                next = printer.print_from(next).await?;
            }
            Some(Event::Directory(_)) => news::tell_new(context, client).await?,
            Some(Event::Alarm { room: of, what, stopped: true }) if of == room => {
                return Err(stopped(&what));
            }
            Some(Event::Alarm { room: of, what, .. }) if of == room => {
                context.output.warn("alarm", &safe(&what));
            }
            Some(Event::FileLost { why, .. }) => context.output.warn("file-lost", &why.to_string()),
            Some(Event::Ended(cause)) => return Err(Failure::new(cause.code(), cause.to_string())),
            Some(_) => {}
            None => return Ok(()),
        }
    }
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
    /// Whether it waits for a server that is away.
    waits: bool,
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
                            .flatten()
                            .fold(line(item), |line, path| format!("{line}\n      saved as {}", safe(path)))
                    },
                )?;
            }
        }
    }

    /// Prints what this device has said and the server has not acknowledged.
    async fn print_queued(&self) -> Result<(), Failure> {
        for queued in self.client.outbox(self.room).await? {
            let Queued { seq, text, attachments, relations } = &queued;
            self.output.result(
                || {
                    with_relations(
                        json!({ "index": null, "seq": seq, "from": self.client.user(), "device": self.client.device(),
                                "time": null, "text": text, "attachments": attachments, "statement": null, "state": "queued" }),
                        relations,
                    )
                },
                || {
                    let line = format!("[queued] {}", said(self.client.user(), text, relations));
                    attachments.iter().fold(line, |line, file| format!("{line}\n      {}", file_line(file)))
                },
            )?;
        }
        Ok(())
    }

    /// Saves the files of a message; says where they are, as far as they are.
    async fn save(&self, item: &TimelineItem) -> Result<Vec<Option<String>>, Failure> {
        let shown = !item.attachments().is_empty() && item.deleted().is_none();
        let Some(folder) = self.folder.filter(|_| shown) else {
            return Ok(Vec::new());
        };
        let files = self.client.attachments(self.room, item.index).await?;
        let mut saved = Vec::with_capacity(files.len());
        for (number, file) in files.iter().enumerate() {
            let place = (self.room, item.index, number);
            let path = loop {
                match folder.save(self.output, self.client, place, file).await {
                    Ok(path) => break Some(path.display().to_string()),
                    Err(NotSaved::Yet(_)) if self.waits => tokio::time::sleep(AGAIN).await,
                    // A file that nobody can get does not hold the others up.
                    Err(NotSaved::Yet(failure) | NotSaved::Ever(failure)) => {
                        self.output.warn("not-saved", &failure.to_string());
                        break None;
                    }
                    Err(NotSaved::Here(failure)) => return Err(failure),
                }
            };
            saved.push(path);
        }
        Ok(saved)
    }
}

/// The object of an entry with the paths of its files.
fn with_paths(mut object: Value, saved: &[Option<String>]) -> Value {
    let files = object.get_mut("attachments").and_then(Value::as_array_mut).into_iter().flatten();
    for (file, path) in files.filter_map(Value::as_object_mut).zip(saved) {
        if let Some(path) = path {
            file.insert("saved".into(), json!(path));
        }
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
        "edited": item.edited(),
        "deleted": item.deleted(),
        "erased": erased(item),
        "erases": erases(item),
    });
    value = with_relations(value, item.relations().unwrap_or(&Relations::default()));
    if let (Some(object), MessageState::Received { by }) = (value.as_object_mut(), &item.state) {
        object.insert("received_by".into(), json!(by));
    }
    if let (Some(object), Some(notice)) = (value.as_object_mut(), item.notice()) {
        object.insert("notice".into(), json!(notice));
    }
    value
}

/// Of a message that was erased, where and why.
fn erased(item: &TimelineItem) -> Value {
    match &item.what {
        What::Erased { at, reason } => json!({ "index": at, "reason": reason }),
        _ => Value::Null,
    }
}

/// Of an erasure, what it erases and why.
fn erases(item: &TimelineItem) -> Value {
    match &item.what {
        What::Erasure { erased, reason } => json!({ "indices": erased, "reason": reason }),
        _ => Value::Null,
    }
}

/// An object with what a message says of earlier ones and of people.
fn with_relations(mut object: Value, relations: &Relations) -> Value {
    if let (Some(object), Ok(Value::Object(relations))) =
        (object.as_object_mut(), serde_json::to_value(relations))
    {
        object.extend(relations);
    }
    object
}

/// An entry as a line, and one for each file.
pub fn line(item: &TimelineItem) -> String {
    let files = item.attachments().iter().filter(|_| item.deleted().is_none()).map(file_line);
    files.fold(text_line(item), |line, file| format!("{line}\n      {file}"))
}

fn text_line(item: &TimelineItem) -> String {
    let time = utc(item.time_ms);
    let time = time.get(11..16).unwrap_or_default();
    let what = match (item.relations(), item.notice()) {
        (Some(relations), _) => message(item, relations),
        (None, notice) => format!("— {}", safe(&notice.unwrap_or_default())),
    };
    format!("[{}] {time} {what}", item.index)
}

/// A message as it stands: its newest text, or that it was deleted.
fn message(item: &TimelineItem, relations: &Relations) -> String {
    let from = &item.from;
    match (item.deleted(), &relations.edits, item.edited()) {
        (Some(_), Some(edits), _) => format!("{from} edited {} (deleted)", edits.index),
        (Some(_), None, _) => format!("{from} (deleted)"),
        (None, _, Some(edited)) => {
            let text = edited.text.as_deref().unwrap_or_default();
            format!("{}  (edited)", said(from, text, relations))
        }
        (None, _, None) => said(from, item.text().unwrap_or_default(), relations),
    }
}

/// Who says what of which message. Only a text follows a colon, so that none passes for anything else.
fn said(from: &str, text: &str, relations: &Relations) -> String {
    let text = safe(text);
    if let Some(reaction) = &relations.reaction {
        let (emoji, index, bad) = (safe(&reaction.text), reaction.index, remark(reaction.good));
        return match reaction.given {
            true => format!("{from} reacted {emoji} to {index}{bad}"),
            false => format!("{from} took back {emoji} from {index}{bad}"),
        };
    }
    let line = match (&relations.edits, &relations.deletes) {
        (Some(edits), _) => format!("{from} edited {}{}: {text}", edits.index, remark(edits.good)),
        (_, Some(deletes)) => format!("{from} deleted {}{}", deletes.index, remark(deletes.good)),
        _ if text.is_empty() => format!("{from} (no text)"),
        _ => format!("{from}: {text}"),
    };
    match &relations.reply_to {
        Some(reply) if reply.good == Some(false) => {
            format!("{line}  (reply to {}, which is not a message before this one)", reply.index)
        }
        Some(reply) => format!("{line}  (reply to {})", reply.index),
        None => line,
    }
}

/// What is to be known of a reference that does not stand, or of which this device cannot tell.
fn remark(good: Option<bool>) -> &'static str {
    match good {
        Some(false) => " (not good: it changes nothing)",
        Some(true) | None => "",
    }
}

fn state(state: &MessageState) -> &'static str {
    match state {
        MessageState::Logged => "logged",
        MessageState::Received { .. } => "received",
    }
}
