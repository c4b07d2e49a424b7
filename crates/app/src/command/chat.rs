//! `chat`: talk in a room, a line a message.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use client::{
    Client, ClientError, Disclose, Event, ExportOptions, FileToSend, Outgoing, SendHandle, Transfer,
};
use evidence::limits::{MAX_INLINE_ATTACHMENT, MAX_TEXT};
use evidence::receipt::Level;
use evidence::room::RoomId;
use evidence::verdict::safe;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};

use super::room::SERVER_READS;
use super::{Context, export, news, room_size, room_to_talk_in, started, tail};
use crate::cli::ChatArguments;
use crate::file;
use crate::terminal::{Failure, Output, progress_line};

/// What can be typed beside messages.
const COMMANDS: &str = "/reply N TEXT, /edit N TEXT, /react N EMOJI, /delete N and /erase N REASON are about the message with the number N, /file \
                        PATH sends a file, /quit leaves, // at the start sends a line that begins with /";
/// Entries shown on entering.
const SHOWN_ON_ENTERING: u64 = 20;
/// Characters of a message by which it is told that it was not sent.
const SHOWN_OF_A_MESSAGE: usize = 60;
/// How often it is noted how far a file is.
const NOTED_EVERY: Duration = Duration::from_secs(10);
/// Entries read from the home at a time.
const PAGE: usize = 512;
/// Lines read ahead of what is sent.
const LINES_AHEAD: usize = 256;

/// Talks until `/quit` or the end of input, then waits for the last acknowledgement.
pub async fn run(context: &Context, arguments: ChatArguments) -> Result<(), Failure> {
    let (client, away) = started(context).await?;
    if let Some(why) = away {
        context.output.note(&format!("not connected ({}); trying again", safe(&why)));
    }
    let outcome = talk_in(context, &client, &arguments).await;
    client.close().await;
    outcome
}

async fn talk_in(context: &Context, client: &Client, arguments: &ChatArguments) -> Result<(), Failure> {
    let room = match &arguments.room {
        Some(room) => room_to_talk_in(client, room).await?,
        None => only_room(context, client).await?,
    };
    if !arguments.plain {
        let sealed = client.rooms().await?.iter().any(|known| known.id == room && known.key_epoch.is_some());
        let who = if sealed { "Only the members can read what is said." } else { SERVER_READS };
        context.output.note(&format!("A line is a message. {COMMANDS}. {who}"));
    }
    let mut talk = Talk { context, client, room, next: 0, sent: JoinSet::new(), last: 0, unsent: 0 };
    let size = room_size(client, room).await?;
    talk.next = size.saturating_sub(SHOWN_ON_ENTERING);
    talk.run().await?;
    if let Some(out) = &arguments.export {
        save(context, client, room, out).await?;
    }
    Ok(())
}

async fn save(context: &Context, client: &Client, room: RoomId, out: &Path) -> Result<(), Failure> {
    let options = ExportOptions { from: None, to: None, disclose: Disclose::All };
    let (bytes, exported) = export::write(client, room, options, out).await?;
    export::say_what_is_missing(context, &exported);
    context.output.note(&format!("{}: {bytes} bytes of evidence", out.display()));
    Ok(())
}

/// The one room of somebody who is in one only.
async fn only_room(context: &Context, client: &Client) -> Result<RoomId, Failure> {
    let rooms: Vec<_> = client.rooms().await?.into_iter().filter(|r| r.member).collect();
    match rooms.as_slice() {
        [room] => Ok(room.id),
        [] => Err(Failure::usage(format!(
            "you are in no room yet; make one with `{}`, or let somebody add you to theirs",
            context.typed("room create NAME")
        ))),
        _ => Err(Failure::usage(format!("name the room; `{}` shows yours", context.typed("room list")))),
    }
}

struct Talk<'a> {
    context: &'a Context,
    client: &'a Client,
    room: RoomId,
    /// First index not shown yet.
    next: u64,
    /// What is sent; each gives the index after it once it is logged, 0 if it waits.
    sent: JoinSet<Result<u64, Failure>>,
    /// Index after the last of this session's messages that were logged.
    last: u64,
    /// Messages of this session that were refused for good.
    unsent: usize,
}

impl Talk<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        let mut events = self.client.events();
        let mut lines = read_lines();
        let mut open = true;
        news::tell_new(self.context, self.client).await?;
        self.show().await?;
        loop {
            if !open && self.sent.is_empty() {
                // What was logged last is shown before leaving.
                self.client.synced(self.room, self.last).await?;
                self.show().await?;
                let was = if self.unsent == 1 { "was" } else { "were" };
                return match self.unsent {
                    0 => Ok(()),
                    n => Err(Failure::new(
                        "not-sent",
                        format!("{n} of your messages {was} not sent; see above"),
                    )),
                };
            }
            tokio::select! {
                line = lines.recv(), if open => match line {
                    Some(line) => {
                        open = self.line(line?).await?;
                        self.say_what_waits(open);
                    }
                    None => {
                        open = false;
                        self.say_what_waits(open);
                    }
                },
                Some(outcome) = self.sent.join_next() => match outcome {
                    Ok(Ok(end)) => self.last = self.last.max(end),
                    Ok(Err(failure)) => self.not_sent(&failure),
                    Err(_) => self.unsent += 1,
                },
                event = events.next() => match event {
                    Some(event) => self.event(event).await?,
                    None => return Ok(()),
                },
                _ = tokio::signal::ctrl_c() => {
                    if !self.sent.is_empty() {
                        self.context.output.note("left with unsent messages; they go out next time");
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Sends a line; says whether to go on.
    async fn line(&mut self, line: String) -> Result<bool, Failure> {
        match Typed::parse(&line) {
            Typed::Quit => return Ok(false),
            Typed::Nothing => {}
            Typed::Unknown(word) => {
                self.context.output.note(&format!("not sent: there is no command {}. {COMMANDS}", safe(word)))
            }
            Typed::Incomplete(usage) => self
                .context
                .output
                .note(&format!("not sent: type {usage}; N is the number before the message")),
            Typed::Reply(index, text) => {
                self.send(&line, Outgoing { reply_to: Some(index), ..Outgoing::text(text) }).await;
            }
            Typed::Edit(index, text) => {
                let queued = self.client.edit(self.room, index, text).await;
                self.queued(&line, queued);
            }
            Typed::React(index, emoji) => {
                let queued = self.client.react(self.room, index, emoji, true).await;
                self.queued(&line, queued);
            }
            Typed::Delete(index) => {
                let queued = self.client.delete(self.room, index).await;
                self.queued(&line, queued);
            }
            Typed::Erase(index, reason) => {
                let queued = self.client.erase(self.room, &[index], reason).await;
                self.queued(&line, queued);
            }
            Typed::Message(text) => self.send(text, Outgoing::text(text)).await,
            Typed::File(path) => match file::open(Path::new(path)) {
                Ok(file) => self.send_file(&line, file).await,
                Err(failure) => self.not_sent(&failure),
            },
        }
        Ok(true)
    }

    /// Sends what was typed.
    async fn send(&mut self, typed: &str, message: Outgoing) {
        let queued = self.client.send(self.room, message).await;
        self.queued(typed, queued);
    }

    /// Sends a file; what takes its time goes beside what is typed next.
    async fn send_file(&mut self, typed: &str, file: FileToSend) {
        let (client, output, room) = (self.client.clone(), self.context.output, self.room);
        let typed = typed.to_owned();
        let large = file.size().is_ok_and(|size| size > MAX_INLINE_ATTACHMENT as u64);
        let (told, transfer) = watch::channel(Transfer::default());
        let sent = async move {
            let upload = client.send_files(room, Outgoing::default(), vec![file], told).await?;
            upload.queued().await
        };
        if large {
            self.sent.spawn(async move {
                let what = typed.clone();
                match noted(output, &what, &transfer, sent).await {
                    Ok(handle) => logged(typed, handle).await,
                    Err(error @ ClientError::Waits(_)) => {
                        output.note(&safe(&error.to_string()));
                        Ok(0)
                    }
                    Err(error) => Err(about(&typed, error)),
                }
            });
        } else {
            let queued = sent.await;
            self.queued(&typed, queued);
        }
    }

    /// Waits for what was typed, or tells why it is not sent.
    fn queued(&mut self, typed: &str, queued: Result<SendHandle, ClientError>) {
        match queued {
            Ok(handle) => {
                self.sent.spawn(logged(typed.to_owned(), handle));
            }
            Err(error) => self.not_sent(&about(typed, error)),
        }
    }

    /// Tells which message is refused for good, and why.
    fn not_sent(&mut self, failure: &Failure) {
        failure.report(self.context.output.json);
        self.unsent += 1;
    }

    /// Tells who leaves what is waited for.
    fn say_what_waits(&self, open: bool) {
        let waiting = match self.sent.len() {
            _ if open => return,
            0 => return,
            1 => "1 unsent message; Ctrl-C keeps it for next time".to_owned(),
            n => format!("{n} unsent messages; Ctrl-C keeps them for next time"),
        };
        self.context.output.note(&format!("waiting for {waiting}"));
    }

    async fn event(&mut self, event: Event) -> Result<(), Failure> {
        let output = self.context.output;
        match event {
            Event::Item { room, .. } if room == self.room => self.show().await?,
            Event::Missed(_) => {
                news::tell_new(self.context, self.client).await?;
                self.show().await?;
            }
            Event::Connected => output.note("connected"),
            Event::Disconnected { why, retry_in } => {
                output.note(&format!(
                    "not connected ({}); next try in {} s",
                    safe(&why),
                    retry_in.as_secs_f32().ceil()
                ));
            }
            Event::Receipt { room, user, level, to, .. } if room == self.room => {
                let how = match level {
                    Level::Delivered => "received",
                    Level::Shown => "seen",
                };
                output.note(&format!("{how} by {} up to {to}", safe(&user)));
            }
            Event::Alarm { room, what, .. } if room == self.room => {
                output.note(&format!("ALARM: {}", safe(&what)))
            }
            Event::FileLost { why, .. } => output.warn("file-lost", &safe(&why.to_string())),
            Event::DeviceRequested { device, code, .. } => output.note(&format!(
                "a new device {} asks to be yours (code {code}): say yes or no where `countersign device add` waits for it; if \
                 nobody of yours made that link, change your password with `{}`",
                safe(&device),
                self.context.typed("passwd")
            )),
            Event::Directory(_) => news::tell_new(self.context, self.client).await?,
            Event::Ended(cause) => return Err(Failure::new(cause.code(), cause.to_string())),
            _ => {}
        }
        Ok(())
    }

    /// Prints what is new.
    async fn show(&mut self) -> Result<(), Failure> {
        loop {
            let page = self.client.timeline(self.room, self.next, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            self.next = last.index + 1;
            self.client.shown(self.room, self.next)?;
            for item in &page {
                self.context.output.result(|| tail::object(item), || tail::line(item))?;
            }
        }
    }
}

/// A line as it is meant.
#[derive(Debug, PartialEq, Eq)]
enum Typed<'a> {
    Nothing,
    Quit,
    Unknown(&'a str),
    /// A command without what it needs: how it is typed.
    Incomplete(&'static str),
    Reply(u64, &'a str),
    Edit(u64, &'a str),
    React(u64, &'a str),
    Delete(u64),
    Erase(u64, &'a str),
    File(&'a str),
    Message(&'a str),
}

impl<'a> Typed<'a> {
    fn parse(line: &'a str) -> Self {
        match line.strip_prefix('/') {
            _ if line.trim().is_empty() => Self::Nothing,
            None => Self::Message(line),
            Some(message) if message.starts_with('/') => Self::Message(message),
            Some(_) => match line.split_whitespace().next() {
                Some("/quit") => Self::Quit,
                Some("/file") => Self::File(line.strip_prefix("/file").unwrap_or_default().trim()),
                Some("/reply") => Self::about(line, "/reply N TEXT", Self::Reply),
                Some("/edit") => Self::about(line, "/edit N TEXT", Self::Edit),
                Some("/react") => Self::about(line, "/react N EMOJI", Self::React),
                Some("/erase") => Self::about(line, "/erase N REASON", Self::Erase),
                Some("/delete") => match line.split_whitespace().skip(1).collect::<Vec<_>>().as_slice() {
                    [index] => index.parse().map_or(Self::Incomplete("/delete N"), Self::Delete),
                    _ => Self::Incomplete("/delete N"),
                },
                word => Self::Unknown(word.unwrap_or(line)),
            },
        }
    }

    /// A command with the index of a message and a text.
    fn about(line: &'a str, usage: &'static str, make: fn(u64, &'a str) -> Self) -> Self {
        let rest = line.split_once(char::is_whitespace).map_or("", |(_, rest)| rest).trim_start();
        let (index, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match (index.parse(), text.trim()) {
            (Ok(index), text) if !text.is_empty() => make(index, text),
            _ => Self::Incomplete(usage),
        }
    }
}

/// Does `work`, and notes now and then how far it is.
async fn noted<T>(
    output: Output,
    what: &str,
    transfer: &watch::Receiver<Transfer>,
    work: impl Future<Output = T>,
) -> T {
    tokio::pin!(work);
    let mut ticks = tokio::time::interval_at(Instant::now() + NOTED_EVERY, NOTED_EVERY);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => output.note(&progress_line(what, *transfer.borrow())),
        }
    }
}

async fn logged(text: String, mut handle: SendHandle) -> Result<u64, Failure> {
    match handle.logged().await {
        Ok(logged) => Ok(logged.index + 1),
        Err(error) => Err(about(&text, error)),
    }
}

/// An error with the beginning of the message that it concerns.
fn about(text: &str, error: ClientError) -> Failure {
    let beginning: String = text.chars().take(SHOWN_OF_A_MESSAGE).collect();
    let more = if beginning.len() < text.len() { "…" } else { "" };
    Failure::from(error).about(&format!("not sent: \"{}{more}\"", safe(&beginning)))
}

/// Standard input by lines, read on a thread of its own as it cannot be awaited.
fn read_lines() -> mpsc::Receiver<Result<String, Failure>> {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    std::thread::spawn(move || {
        let mut input = BufReader::new(std::io::stdin());
        loop {
            let mut line = Vec::new();
            let read = input.by_ref().take(MAX_TEXT as u64 + 2).read_until(b'\n', &mut line);
            let line = match read {
                Ok(0) => return,
                Ok(_) => text_of(&line),
                Err(e) => Err(Failure::failed(format!("cannot read standard input: {e}"))),
            };
            let stop = line.is_err();
            if sender.blocking_send(line).is_err() || stop {
                return;
            }
        }
    });
    receiver
}

fn text_of(line: &[u8]) -> Result<String, Failure> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > MAX_TEXT {
        return Err(Failure::new(
            "too-large",
            format!("a message has at most {MAX_TEXT} bytes; send it in parts"),
        ));
    }
    String::from_utf8(line.to_vec()).map_err(|_| Failure::usage("a message is text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_message_unless_it_is_blank_or_a_command() {
        for (line, typed) in [
            ("hello", Typed::Message("hello")),
            (" /quit", Typed::Message(" /quit")),
            ("and/or", Typed::Message("and/or")),
            ("//etc is full", Typed::Message("/etc is full")),
            ("", Typed::Nothing),
            (" \t ", Typed::Nothing),
            ("/quit", Typed::Quit),
            ("/quit ", Typed::Quit),
            ("/file plan of today.pdf ", Typed::File("plan of today.pdf")),
            ("/file", Typed::File("")),
            ("//file x", Typed::Message("/file x")),
            ("/reply 12 Yes, sir. ", Typed::Reply(12, "Yes, sir.")),
            ("/edit  12  two  words", Typed::Edit(12, "two  words")),
            ("/react 12 👍", Typed::React(12, "👍")),
            ("/delete 12 ", Typed::Delete(12)),
            ("/erase 12 wrong room", Typed::Erase(12, "wrong room")),
            ("/erase 12", Typed::Incomplete("/erase N REASON")),
            ("/reply", Typed::Incomplete("/reply N TEXT")),
            ("/reply 12", Typed::Incomplete("/reply N TEXT")),
            ("/reply yes", Typed::Incomplete("/reply N TEXT")),
            ("/edit -1 x", Typed::Incomplete("/edit N TEXT")),
            ("/react 👍 12", Typed::Incomplete("/react N EMOJI")),
            ("/delete", Typed::Incomplete("/delete N")),
            ("/delete 1 2", Typed::Incomplete("/delete N")),
            ("//edit 1 x", Typed::Message("/edit 1 x")),
            ("/files x", Typed::Unknown("/files")),
            ("/exit now", Typed::Unknown("/exit")),
            ("/", Typed::Unknown("/")),
        ] {
            assert_eq!(Typed::parse(line), typed, "{line:?}");
        }
    }
}
