//! Exhibits 6, 7, 10 and 12: an attacker in the middle of alice's session, who keeps, changes, repeats and moves its records.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use client::{Client, Event, Events};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End};
use crate::stage::countersign::World;
use crate::stage::{ALICE, PATIENCE, Stage};
use crate::tap::{Act, Hand, Marks, Tap};

/// Type of a record in a frame's header (channel.md, CH-2).
const RECORD: u8 = 6;
/// Size of a frame's header, in bytes (CH-1).
const HEADER: usize = 7;
/// Size of an AES block, and of the tag, in bytes.
const BLOCK: usize = 16;

/// Entries of the room that are looked at: all that the lab ever makes.
const MAX_ENTRIES: usize = 4_096;

/// What the attacker does to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trick {
    /// Changes one bit, this many bytes from the start of the body; from its end if negative.
    Flip(isize),
    /// Cuts off the last block, and says so in the header.
    Truncate,
    /// Sends it twice.
    Double,
    /// Sends an earlier record of the same session again.
    Again,
    /// Keeps it until the next one is through.
    Swap,
    /// Never sends it.
    Drop,
    /// Puts a record of an earlier session before it.
    OtherSession,
}

/// What the attacker knows, over all connections of one run.
struct Shared {
    trick: Trick,
    armed: bool,
    done: bool,
    /// The last record of the session before.
    earlier: Option<Vec<u8>>,
    /// The last record that passed.
    last: Option<Vec<u8>>,
    kept: Option<Vec<u8>>,
    acted: Arc<Notify>,
}

#[derive(Clone)]
struct Records(Arc<Mutex<Shared>>);

impl Records {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hand for Records {
    fn message(&mut self, from: End, message: &[u8]) -> Vec<Act> {
        let mut shared = self.lock();
        if from == End::Server || message.first() != Some(&RECORD) {
            return vec![Act::On(message.to_vec())];
        }
        if let Some(kept) = shared.kept.take() {
            return vec![
                Act::Note("comes before the one that was kept".to_owned()),
                Act::On(message.to_vec()),
                Act::On(kept),
            ];
        }
        if !shared.armed || shared.done {
            shared.last = Some(message.to_vec());
            return vec![Act::On(message.to_vec())];
        }
        shared.done = true;
        shared.acted.notify_one();
        shared.act(message)
    }
}

impl Shared {
    fn act(&mut self, record: &[u8]) -> Vec<Act> {
        let note = |text: &str| Act::Note(text.to_owned());
        let on = Act::On(record.to_vec());
        match self.trick {
            Trick::Flip(at) => {
                let mut changed = record.to_vec();
                let place = usize::try_from(at).map_or_else(
                    |_| changed.len().saturating_sub(at.unsigned_abs()),
                    |at| HEADER.saturating_add(at),
                );
                if let Some(byte) = changed.get_mut(place) {
                    *byte ^= 1;
                }
                vec![note("one bit of this record is changed"), Act::On(changed)]
            }
            Trick::Truncate => {
                let body = record.len().saturating_sub(HEADER + BLOCK);
                let mut cut = record.get(..HEADER + body).unwrap_or(record).to_vec();
                let length = u16::try_from(body).unwrap_or_default().to_be_bytes();
                for (to, from) in cut.iter_mut().skip(HEADER - length.len()).zip(length) {
                    *to = from;
                }
                vec![note("the last 16 bytes of this record are cut off"), Act::On(cut)]
            }
            Trick::Double => vec![note("this record is sent twice"), on.clone(), on],
            Trick::Again => match self.last.clone() {
                Some(last) => {
                    vec![note("an earlier record is sent again before this one"), Act::On(last), on]
                }
                None => vec![on],
            },
            Trick::Swap => {
                self.kept = Some(record.to_vec());
                vec![note("this record is kept until the next one is through")]
            }
            Trick::Drop => vec![note("this record is taken away")],
            Trick::OtherSession => match self.earlier.clone() {
                Some(earlier) => {
                    vec![note("a record of an earlier session is put before this one"), Act::On(earlier), on]
                }
                None => vec![on],
            },
        }
    }
}

/// One trick, once.
pub(super) async fn run(stage: &Stage, capture: &Capture, trick: Trick) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let (why, copies) = one(&world, capture, trick, stage.now_ms()).await?;
    Ok(judge(&why, copies))
}

/// Three records changed in different places: is the answer another one?
pub(super) async fn ask(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let mut answers = BTreeSet::new();
    for at in [0, 40, -1] {
        let (why, copies) = one(&world, capture, Trick::Flip(at), stage.now_ms()).await?;
        if copies != [1, 1] {
            return Ok(judge(&why, copies));
        }
        answers.insert(why.unwrap_or_default());
    }
    let told = answers.iter().cloned().collect::<Vec<_>>().join("”, “");
    Ok(match answers.len() {
        1 => Found::refused(format!(
            "Three records changed in three places had one and the same answer: “{told}”."
        )),
        _ => Found::succeeds(format!("The answer tells where a record was changed: “{told}”.")),
    })
}

/// How the connection ended, and how often each of two texts is in the log in the end.
async fn one(
    world: &World,
    capture: &Capture,
    trick: Trick,
    now_ms: u64,
) -> Result<(Option<String>, [usize; 2]), LabError> {
    let acted = Arc::new(Notify::new());
    let records = Records(Arc::new(Mutex::new(Shared {
        trick,
        armed: false,
        done: false,
        earlier: None,
        last: None,
        kept: None,
        acted: Arc::clone(&acted),
    })));
    let hands = records.clone();
    let tap = Tap::start(world.address, Marks::Countersign, capture.clone(), move || hands.clone()).await?;
    if trick == Trick::OtherSession {
        world.client(ALICE, Some(tap.address())).await?.close().await;
        let mut shared = records.lock();
        shared.earlier = shared.last.take();
    }
    let alice = world.client(ALICE, Some(tap.address())).await?;
    let mut events = alice.events();
    let texts = [format!("{now_ms} {trick:?} one"), format!("{now_ms} {trick:?} two")];
    records.lock().armed = true;
    let outcome = talk(&alice, world, &texts, &acted, &mut events).await;
    let copies = count(&alice, world, &texts).await;
    alice.close().await;
    Ok((outcome?, copies?))
}

async fn talk(
    alice: &Client,
    world: &World,
    texts: &[String; 2],
    acted: &Notify,
    events: &mut Events,
) -> Result<Option<String>, LabError> {
    let [first, second] = texts;
    let mut sent = vec![send(alice, world, first).await?];
    timeout(PATIENCE, acted.notified()).await.map_err(|_| LabError::stage("no record came"))?;
    sent.push(send(alice, world, second).await?);
    let ended = async {
        while let Some(event) = events.next().await {
            if let Event::Disconnected { why, .. } = event {
                return Some(why);
            }
        }
        None
    };
    let why = timeout(PATIENCE, ended).await.unwrap_or_default();
    let late = |_| LabError::stage("a message did not come into the log");
    for mut handle in sent {
        let logged = timeout(PATIENCE, handle.logged()).await.map_err(late)?.map_err(LabError::stage)?;
        let synced = alice.synced(world.room, logged.index.saturating_add(1));
        timeout(PATIENCE, synced).await.map_err(late)?.map_err(LabError::stage)?;
    }
    Ok(why)
}

async fn send(alice: &Client, world: &World, text: &str) -> Result<client::SendHandle, LabError> {
    alice.send(world.room, client::Outgoing::text(text)).await.map_err(LabError::stage)
}

/// How often each text is in the log.
async fn count(alice: &Client, world: &World, texts: &[String; 2]) -> Result<[usize; 2], LabError> {
    let items = alice.timeline(world.room, 0, MAX_ENTRIES).await.map_err(LabError::stage)?;
    let said: Vec<&str> = items
        .iter()
        .filter_map(|item| match &item.what {
            client::What::Said { text: Some(text), .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    Ok(texts.each_ref().map(|text| said.iter().filter(|other| **other == text.as_str()).count()))
}

fn judge(why: &Option<String>, copies: [usize; 2]) -> Found {
    match (why, copies) {
        (Some(why), [1, 1]) => Found::refused(format!(
            "The connection ended: “{why}”. Alice's client connected again, and each message is in the log once."
        )),
        (None, [1, 1]) => Found::succeeds("Nobody noticed, though each message is in the log once."),
        (_, [one, two]) => Found::succeeds(format!("The messages are in the log {one} and {two} times.")),
    }
}
