//! Exhibits 6, 7, 10 and 12: an attacker in the middle of alice's session, who keeps, changes, repeats and moves its records.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use channel::Alert;
use client::{Client, Event, Outgoing, SendHandle};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End};
use crate::stage::countersign::{BOB, World};
use crate::stage::{ALICE, PATIENCE, Stage};
use crate::tap::{Act, Hand, Marks, Tap};

/// Type of a record in a frame's header (channel.md, CH-2).
const RECORD: u8 = 6;
/// Size of a frame's header, in bytes (CH-1).
const HEADER: usize = 7;
/// Where the epoch stands in it.
const EPOCH: std::ops::Range<usize> = 1..5;
/// Size of an AES block, and of the tag, in bytes.
const BLOCK: usize = 16;
/// Characters of a message that is long enough to tell by its size: no other request of these sessions is as long as its record.
const LONG: usize = 3_000;

/// Texts that alice says: one that is left alone, and then one that is not, and one more.
const TEXTS: usize = 3;

/// What the attacker does to the record of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trick {
    /// Changes one bit, this many bytes from the start of the body; from its end if negative.
    Flip(isize),
    /// Cuts off the last block, and says so in the header.
    Truncate,
    /// Sends it twice.
    Double,
    /// Puts an earlier message of the same session before it.
    Again,
    /// Keeps it until the next message is through.
    Swap,
    /// Never sends it.
    Drop,
    /// Puts a message of an earlier session before it.
    OtherSession,
}

impl Trick {
    /// What the server says of it (channel.md, CH-63): a size that no record has is refused at its header (CH-4), all else because
    /// it does not open (CH-44).
    fn expected(self) -> Alert {
        match self {
            Self::Truncate => Alert::Malformed,
            _ => Alert::RecordRefused,
        }
    }
}

/// What the attacker knows, over all connections of one run.
struct Shared {
    trick: Trick,
    armed: bool,
    done: bool,
    /// The last message that passed, in its record: of this session, or of the one before.
    last: Option<Vec<u8>>,
    /// What waits until the next message is through.
    kept: Vec<Vec<u8>>,
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
        let on = Act::On(message.to_vec());
        let is_record = from == End::Client && message.first() == Some(&RECORD);
        let is_message = is_record && message.len() > LONG;
        if is_record && !is_message && !shared.kept.is_empty() {
            shared.kept.push(message.to_vec());
            return vec![Act::Note("waits with the one that is kept".to_owned())];
        }
        if !is_message {
            return vec![on];
        }
        if !shared.kept.is_empty() {
            let note = Act::Note("comes before the one that was kept".to_owned());
            let kept = std::mem::take(&mut shared.kept);
            return [note, on].into_iter().chain(kept.into_iter().map(Act::On)).collect();
        }
        if shared.armed
            && !shared.done
            && let Some(acts) = shared.act(message)
        {
            shared.done = true;
            shared.acted.notify_one();
            return acts;
        }
        shared.last = Some(message.to_vec());
        vec![on]
    }
}

impl Shared {
    /// What is done to a record; nothing if the attacker does not have what it needs.
    fn act(&mut self, record: &[u8]) -> Option<Vec<Act>> {
        let on = Act::On(record.to_vec());
        let (note, acts) = match self.trick {
            Trick::Flip(at) => ("one bit of this record is changed", vec![Act::On(flipped(record, at))]),
            Trick::Truncate => ("the last 16 bytes of this record are cut off", vec![Act::On(cut(record))]),
            Trick::Double => ("this record is sent twice", vec![on.clone(), on]),
            Trick::Swap => {
                self.kept.push(record.to_vec());
                ("this record is kept until the next message is through", Vec::new())
            }
            Trick::Drop => ("this record is taken away", Vec::new()),
            Trick::Again | Trick::OtherSession => {
                // A record that names another epoch is refused for that (CH-45), which is not what is shown here.
                let last = self.last.as_ref().filter(|last| last.get(EPOCH) == record.get(EPOCH))?;
                ("an earlier message is put before this one", vec![Act::On(last.clone()), on])
            }
        };
        Some([Act::Note(note.to_owned())].into_iter().chain(acts).collect())
    }
}

/// One bit changed, this many bytes from the start of the body; from its end if negative.
fn flipped(record: &[u8], at: isize) -> Vec<u8> {
    let mut changed = record.to_vec();
    let place = usize::try_from(at)
        .map_or_else(|_| changed.len().saturating_sub(at.unsigned_abs()), |at| HEADER.saturating_add(at));
    if let Some(byte) = changed.get_mut(place) {
        *byte ^= 1;
    }
    changed
}

/// Without its last block, which its header says too.
fn cut(record: &[u8]) -> Vec<u8> {
    let body = record.len().saturating_sub(HEADER + BLOCK);
    let mut cut = record.get(..HEADER + body).unwrap_or(record).to_vec();
    let length = u16::try_from(body).unwrap_or_default().to_be_bytes();
    for (to, from) in cut.iter_mut().skip(HEADER - length.len()).zip(length) {
        *to = from;
    }
    cut
}

/// What came of one trick.
struct Told {
    /// How the connection ended; nothing if it did not.
    why: Option<String>,
    /// How often each of the texts is in the log, as alice's client has it and as bob's does.
    copies: [[usize; TEXTS]; 2],
}

impl Told {
    fn is_once_each(&self) -> bool {
        self.copies.as_flattened().iter().all(|count| *count == 1)
    }
}

/// One trick, once.
pub(super) async fn run(stage: &Stage, capture: &Capture, trick: Trick) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let told = one(&world, capture, trick, stage.now_ms()).await?;
    judge(&told, trick)
}

/// Three records changed in different places: is the answer another one?
pub(super) async fn ask(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let mut answers = BTreeSet::new();
    for at in [0, 40, -1] {
        let told = one(&world, capture, Trick::Flip(at), stage.now_ms()).await?;
        if !told.is_once_each() {
            return judge(&told, Trick::Flip(at));
        }
        answers.insert(told.why.unwrap_or_else(|| "nothing".to_owned()));
    }
    let told = answers.iter().cloned().collect::<Vec<_>>().join("”, “");
    match answers.len() {
        1 if told.ends_with(Trick::Flip(0).expected().meaning()) => Ok(Found::refused(format!(
            "Three records changed in three places had one and the same answer: “{told}”."
        ))),
        1 => Err(super::otherwise(&told)),
        _ => Ok(Found::succeeds(format!("The answer tells where a record was changed: “{told}”."))),
    }
}

/// Alice's session in the hands of the attacker.
async fn one(world: &World, capture: &Capture, trick: Trick, now_ms: u64) -> Result<Told, LabError> {
    let acted = Arc::new(Notify::new());
    let shared =
        Shared { trick, armed: false, done: false, last: None, kept: Vec::new(), acted: Arc::clone(&acted) };
    let records = Records(Arc::new(Mutex::new(shared)));
    let hands = records.clone();
    let tap = Tap::start(world.address, Marks::Countersign, capture.clone(), move || hands.clone()).await?;
    let texts: [String; TEXTS] =
        std::array::from_fn(|number| format!("{now_ms} {trick:?} {number} {}", ".".repeat(LONG)));
    let mut alice = world.client(ALICE, Some(tap.address())).await?;
    let [first, ..] = &texts;
    world.say(&alice, first).await?;
    if trick == Trick::OtherSession {
        alice.close().await;
        alice = world.client(ALICE, Some(tap.address())).await?;
    }
    records.lock().armed = true;
    let outcome = talk(&alice, world, &texts, &acted).await;
    let hers = count(&alice, world, &texts).await;
    alice.close().await;
    let (why, last) = outcome?;
    let bob = world.client(BOB, None).await?;
    let his = match world.reaches(&bob, last).await {
        Ok(()) => count(&bob, world, &texts).await,
        Err(error) => Err(error),
    };
    bob.close().await;
    Ok(Told { why, copies: [hers?, his?] })
}

/// Says the texts but the first; gives how the connection ended, and the last index.
async fn talk(
    alice: &Client,
    world: &World,
    texts: &[String; TEXTS],
    acted: &Notify,
) -> Result<(Option<String>, u64), LabError> {
    let [_, second, third] = texts;
    let mut events = alice.events();
    let mut sent = vec![send(alice, world, second).await?];
    timeout(PATIENCE, acted.notified()).await.map_err(|_| LabError::stage("no message came"))?;
    sent.push(send(alice, world, third).await?);
    let ended = async {
        while let Some(event) = events.next().await {
            if let Event::Disconnected { why, .. } = event {
                return Some(why);
            }
        }
        None
    };
    let why = timeout(PATIENCE, ended).await.unwrap_or_default();
    let mut last = 0;
    for mut handle in sent {
        let late = |_| LabError::stage("a message did not come into the log");
        let logged = timeout(PATIENCE, handle.logged()).await.map_err(late)?.map_err(LabError::stage)?;
        last = last.max(logged.index);
    }
    world.reaches(alice, last).await?;
    Ok((why, last))
}

async fn send(alice: &Client, world: &World, text: &str) -> Result<SendHandle, LabError> {
    alice.send(world.room, Outgoing::text(text)).await.map_err(LabError::stage)
}

/// How often each text is in the log, as a client has it.
async fn count(client: &Client, world: &World, texts: &[String; TEXTS]) -> Result<[usize; TEXTS], LabError> {
    let mut counts = [0; TEXTS];
    for (count, text) in counts.iter_mut().zip(texts) {
        *count = world.copies(client, text).await?;
    }
    Ok(counts)
}

fn judge(told: &Told, trick: Trick) -> Result<Found, LabError> {
    let [hers, his] = told.copies;
    match &told.why {
        _ if !told.is_once_each() => Ok(Found::succeeds(format!(
            "The messages are in the log {hers:?} times for alice, {his:?} times for bob."
        ))),
        None => Ok(Found::succeeds("Nobody noticed, though each message is in the log once.")),
        Some(why) if why.ends_with(trick.expected().meaning()) => Ok(Found::refused(format!(
            "The connection ended: “{why}”. Alice's client connected again, and each message is in the log once, for her and for bob."
        ))),
        Some(why) => Err(super::otherwise(why)),
    }
}
