//! Exhibits 6, 7, 10 and 12: an attacker in the middle of alice's session, who keeps, changes, repeats and moves its records.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use channel::Alert;
use client::{Client, Event, Events};
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
        if shared.armed
            && !shared.done
            && let Some(acts) = shared.act(message)
        {
            shared.done = true;
            shared.acted.notify_one();
            return acts;
        }
        shared.last = Some(message.to_vec());
        vec![Act::On(message.to_vec())]
    }
}

impl Shared {
    /// What is done to a record; nothing if the attacker does not have what it needs yet.
    fn act(&mut self, record: &[u8]) -> Option<Vec<Act>> {
        let note = |text: &str| Act::Note(text.to_owned());
        let on = Act::On(record.to_vec());
        // A record that names another epoch is refused for that (CH-45), which is not what is shown here.
        let fits = |other: &&Vec<u8>| other.get(EPOCH) == record.get(EPOCH);
        Some(match self.trick {
            Trick::Flip(at) => vec![note("one bit of this record is changed"), Act::On(flipped(record, at))],
            Trick::Truncate => {
                vec![note("the last 16 bytes of this record are cut off"), Act::On(cut(record))]
            }
            Trick::Double => vec![note("this record is sent twice"), on.clone(), on],
            Trick::Again => {
                let last = self.last.as_ref().filter(fits)?.clone();
                vec![note("an earlier record is sent again before this one"), Act::On(last), on]
            }
            Trick::Swap => {
                self.kept = Some(record.to_vec());
                vec![note("this record is kept until the next one is through")]
            }
            Trick::Drop => vec![note("this record is taken away")],
            Trick::OtherSession => {
                let earlier = self.earlier.as_ref().filter(fits)?.clone();
                vec![note("a record of an earlier session is put before this one"), Act::On(earlier), on]
            }
        })
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
    /// How often each of the two texts is in the log, as alice's client has it and as bob's does.
    copies: [[usize; 2]; 2],
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
        if told.copies != [[1, 1]; 2] {
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

/// Says both texts; gives how the connection ended and the last index of the two.
async fn talk(
    alice: &Client,
    world: &World,
    texts: &[String; 2],
    acted: &Notify,
    events: &mut Events,
) -> Result<(Option<String>, u64), LabError> {
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
    let mut last = 0;
    for mut handle in sent {
        let late = |_| LabError::stage("a message did not come into the log");
        let logged = timeout(PATIENCE, handle.logged()).await.map_err(late)?.map_err(LabError::stage)?;
        last = last.max(logged.index);
    }
    world.reaches(alice, last).await?;
    Ok((why, last))
}

async fn send(alice: &Client, world: &World, text: &str) -> Result<client::SendHandle, LabError> {
    alice.send(world.room, client::Outgoing::text(text)).await.map_err(LabError::stage)
}

/// How often each text is in the log, as a client has it.
async fn count(client: &Client, world: &World, texts: &[String; 2]) -> Result<[usize; 2], LabError> {
    let [first, second] = texts;
    Ok([world.copies(client, first).await?, world.copies(client, second).await?])
}

fn judge(told: &Told, trick: Trick) -> Result<Found, LabError> {
    match (&told.why, told.copies) {
        (Some(why), [[1, 1], [1, 1]]) if why.ends_with(trick.expected().meaning()) => {
            Ok(Found::refused(format!(
                "The connection ended: “{why}”. Alice's client connected again, and each message is in the log once, for her and for bob."
            )))
        }
        (Some(why), [[1, 1], [1, 1]]) => Err(super::otherwise(why)),
        (None, [[1, 1], [1, 1]]) => {
            Ok(Found::succeeds("Nobody noticed, though each message is in the log once."))
        }
        (_, [hers, his]) => Ok(Found::succeeds(format!(
            "The two messages are in the log {hers:?} times for alice, {his:?} times for bob."
        ))),
    }
}
