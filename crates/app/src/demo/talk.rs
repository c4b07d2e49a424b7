//! The talk itself, over real sockets, and its measure.

use std::collections::VecDeque;

use client::{Client, Outgoing, SendHandle};
use evidence::room::RoomId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Narrator;
use super::script::{Line, Script};
use super::stage::Stage;
use crate::clock::Stopwatch;
use crate::terminal::Failure;

/// Messages of one speaker under way at a time when pipelined.
const WINDOW: usize = 256;
/// Entries read from a home at a time.
const PAGE: usize = 4096;
/// Share of all processors from which on they bound the rate.
const BUSY: f64 = 0.85;

/// What the talk came to.
pub struct Talked {
    /// Messages said, logged and acknowledged.
    pub messages: usize,
    /// Devices in the room.
    pub devices: usize,
    /// Messages that arrived at a device other than their sender's, verified there.
    pub deliveries: u64,
    /// Seconds from the first message to the last delivery.
    pub seconds: f64,
    /// Seconds of processor time in between, of all who take part: they are one process.
    pub cpu_seconds: f64,
    /// Log index of each line.
    pub indices: Vec<u64>,
    /// Entries in the room's log after the last line.
    pub log_size: u64,
    /// Epochs of the room's keys that the talk went through.
    pub epochs: u64,
    /// Whether each message was synced to disk before it was acknowledged.
    pub synced: bool,
    /// Where the server listened; the homes look for it there.
    pub server: std::net::SocketAddr,
}

impl Talked {
    /// What the rate is bound by, as measured.
    pub fn bound_by(&self) -> &'static str {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        bound_by(self.cpu_seconds, self.seconds, processors)
    }
}

fn bound_by(cpu_seconds: f64, seconds: f64, processors: usize) -> &'static str {
    if cpu_seconds > BUSY * seconds * processors as f64 {
        "processors"
    } else {
        "waiting for syncs and round trips"
    }
}

/// Says the whole script and waits until everybody has all of it.
pub async fn play(
    stage: &Stage,
    script: &Script,
    pipelined: bool,
    narrator: &Narrator,
) -> Result<Talked, Failure> {
    let synced = if stage.synced() { "synced to disk, " } else { "" };
    narrator.say(&format!(
        "4. They talk; each message is signed, logged, {synced}acknowledged, and delivered to all."
    ));
    let watch = Stopwatch::start();
    let indices = if pipelined {
        say_pipelined(stage, script, narrator).await?
    } else {
        say_in_order(stage, script, narrator).await?
    };
    let log_size = indices.iter().max().map_or(0, |last| last + 1);
    for client in &stage.people {
        client.synced(stage.room, log_size).await?;
    }
    let first = stage.people.first().ok_or_else(|| Failure::failed("the demo has nobody in it"))?;
    let epochs = first.rooms().await?.iter().find(|r| r.id == stage.room).and_then(|r| r.key_epoch);
    let (seconds, cpu_seconds) = (watch.seconds(), watch.cpu_seconds());
    let deliveries = deliveries(stage, script).await?;
    Ok(Talked {
        messages: indices.len(),
        devices: stage.people.len(),
        deliveries,
        seconds,
        cpu_seconds,
        indices,
        log_size,
        epochs: epochs.unwrap_or_default(),
        server: stage.address(),
        synced: stage.synced(),
    })
}

/// Line k + 1 after line k is acknowledged.
async fn say_in_order(stage: &Stage, script: &Script, narrator: &Narrator) -> Result<Vec<u64>, Failure> {
    let mut indices = Vec::with_capacity(script.lines.len());
    for (number, line) in script.lines.iter().enumerate() {
        let speaker = script.speaker_of(line);
        let client = stage.people.get(speaker).ok_or_else(|| Failure::failed("a speaker is missing"))?;
        let logged = client.send(stage.room, outgoing(line)).await?.logged().await?;
        indices.push(logged.index);
        if narrator.whole {
            let user = script.speakers.get(speaker).map_or("", |s| s.user.as_str());
            narrator.say(&format!("   [{}] {user}: {}", logged.index, line.text));
        }
        narrator.progress(number + 1, script.lines.len());
    }
    Ok(indices)
}

/// Each speaker's own order only.
async fn say_pipelined(stage: &Stage, script: &Script, narrator: &Narrator) -> Result<Vec<u64>, Failure> {
    let mut speakers = JoinSet::new();
    let (ticks, mut ticked) = mpsc::unbounded_channel();
    for (position, client) in stage.people.iter().enumerate() {
        let own: Vec<(usize, Outgoing)> = script
            .lines
            .iter()
            .enumerate()
            .filter(|(_, line)| script.speaker_of(line) == position)
            .map(|(number, line)| (number, outgoing(line)))
            .collect();
        speakers.spawn(say_own(client.clone(), stage.room, own, ticks.clone()));
    }
    drop(ticks);
    let (mut indices, mut count) = (vec![0; script.lines.len()], 0);
    loop {
        tokio::select! {
            Some(()) = ticked.recv() => {
                count += 1;
                narrator.progress(count, script.lines.len());
            }
            Some(said) = speakers.join_next() => {
                for (number, index) in said.map_err(|e| Failure::failed(e.to_string()))?? {
                    if let Some(slot) = indices.get_mut(number) {
                        *slot = index;
                    }
                }
            }
            else => break,
        }
    }
    Ok(indices)
}

async fn say_own(
    client: Client,
    room: RoomId,
    lines: Vec<(usize, Outgoing)>,
    ticks: mpsc::UnboundedSender<()>,
) -> Result<Vec<(usize, u64)>, Failure> {
    let mut lines = lines.into_iter();
    let mut under_way: VecDeque<(usize, SendHandle)> = VecDeque::new();
    let mut said = Vec::with_capacity(lines.len());
    loop {
        let room_for = WINDOW - under_way.len();
        let (numbers, messages): (Vec<_>, Vec<_>) = lines.by_ref().take(room_for).unzip();
        under_way.extend(numbers.into_iter().zip(client.send_all(room, messages).await?));
        if under_way.is_empty() {
            return Ok(said);
        }
        let settled = under_way.len().min(WINDOW / 2);
        for (number, mut handle) in under_way.drain(..settled) {
            said.push((number, handle.logged().await?.index));
            // Nobody counts any more if another speaker failed.
            let _ = ticks.send(());
        }
    }
}

fn outgoing(line: &Line) -> Outgoing {
    Outgoing { script_ms: Some((line.t * 1000.0) as i64), ..Outgoing::text(line.text.clone()) }
}

/// Counts, in each home, the messages of others that it holds: they are stored once they are verified.
async fn deliveries(stage: &Stage, script: &Script) -> Result<u64, Failure> {
    let mut count = 0;
    for (client, speaker) in stage.people.iter().zip(&script.speakers) {
        let mut next = 0;
        loop {
            let page = client.timeline(stage.room, next, PAGE).await?;
            let Some(last) = page.last() else { break };
            next = last.index + 1;
            count +=
                page.iter().filter(|item| item.text().is_some() && item.from != speaker.user).count() as u64;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processors_bind_when_nearly_all_of_them_are_busy() {
        assert_eq!(bound_by(3.5, 1.0, 4), "processors");
        assert_eq!(bound_by(3.3, 1.0, 4), "waiting for syncs and round trips");
        assert_eq!(bound_by(0.9, 1.0, 1), "processors");
    }
}
