//! Exhibits 6, 11 and 12: bytes by hand, in the place of a handshake.

use std::net::SocketAddr;
use std::time::Duration;

use channel::{Alert, ClientConfig, Connection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End};
use crate::stage::countersign::World;
use crate::stage::{ALICE, Stage};
use crate::tap::{Marks, Tap};

/// Where the offered suites stand in M1 (channel.md, CH-1, CH-7), and their size.
const SUITES: std::ops::Range<usize> = 9..25;
/// A suite that there is not.
const UNKNOWN: u16 = 0x0768;
/// The header of an M1 (CH-1) that announces as much as it can.
const OVERSIZED: [u8; 7] = [1, 0, 0, 0, 0, 255, 255];
/// How long the server may take to refuse: well below the time after which it ends any handshake (CH-70).
const SOON: Duration = Duration::from_secs(6);
/// Types of frames (CH-2).
const M2: u8 = 2;
const CLEAR_ALERT: u8 = 4;
const SEALED_ALERT: u8 = 5;

/// Everything that alice's client sent, once more.
pub(super) async fn replay(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let tap = Tap::listen(world.address, Marks::Countersign, capture.clone()).await?;
    let text = format!("{} once", stage.now_ms());
    let alice = world.client(ALICE, Some(tap.address())).await?;
    world.say(&alice, &text).await?;
    alice.close().await;
    let recorded = capture.recorded();
    let bytes: Vec<u8> = recorded.sent(0, End::Client).flat_map(|frame| frame.bytes.clone()).collect();
    let answer = say(world.address, &bytes, capture).await?;
    // Whatever the server took of it stands in the log before what is said now.
    let alice = world.client(ALICE, None).await?;
    world.say(&alice, &format!("{text} more")).await?;
    let copies = world.copies(&alice, &text).await;
    alice.close().await;
    let copies = copies?;
    // Why the old M3 is refused stands in the alert, sealed under keys that who replays does not have.
    match (answer.kinds().as_slice(), answer.ended, copies) {
        ([M2, SEALED_ALERT], true, 1) => Ok(Found::refused(format!(
            "The server answered {}, and the text is in the log once.",
            answer.told()
        ))),
        (_, _, 0) => Err(LabError::stage("what alice said is not in the log")),
        (kinds, _, 2..) => Ok(Found::succeeds(format!(
            "The text is in the log {copies} times, after {} frames of the server.",
            kinds.len()
        ))),
        (_, false, _) => Ok(Found::succeeds(format!("The server took the old session: {}.", answer.told()))),
        _ => Err(super::otherwise(&answer.told())),
    }
}

/// An opening that offers a suite that nobody knows.
pub(super) async fn unknown_suite(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let mut opening = opening(world.config(None)?, stage.now_ms())?;
    let unknown = UNKNOWN.to_be_bytes().into_iter().chain([0; 14]);
    for (to, from) in opening.get_mut(SUITES).unwrap_or_default().iter_mut().zip(unknown) {
        *to = from;
    }
    let what = "an opening that offers only an unknown, weaker suite";
    refused(&world, capture, &opening, what, Alert::NothingInCommon).await
}

/// A first header that announces more than any message has.
pub(super) async fn oversized(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    refused(&world, capture, &OVERSIZED, "a header that announces 65,535 bytes", Alert::Malformed).await
}

/// Whether the server answers bytes with this alert and the end, and nothing else.
async fn refused(
    world: &World,
    capture: &Capture,
    bytes: &[u8],
    what: &str,
    expected: Alert,
) -> Result<Found, LabError> {
    let answer = say(world.address, bytes, capture).await?;
    let alerts: Vec<Alert> = answer.clear_alerts().collect();
    match (answer.kinds().as_slice(), alerts.as_slice(), answer.ended) {
        ([CLEAR_ALERT], [alert], true) if *alert == expected => Ok(Found::refused(format!(
            "To {what} the server answered {}: “{}”.",
            answer.told(),
            alert.meaning()
        ))),
        (_, _, false) => Ok(Found::succeeds(format!("To {what} the server answered {}.", answer.told()))),
        ([M2, ..], _, _) => Ok(Found::succeeds(format!("To {what} the server answered {}.", answer.told()))),
        _ => Err(super::otherwise(&answer.told())),
    }
}

/// What a server answered to bytes.
struct Answer {
    frames: Vec<Vec<u8>>,
    /// Whether it ended the connection in time.
    ended: bool,
}

impl Answer {
    fn kinds(&self) -> Vec<u8> {
        self.frames.iter().filter_map(|frame| frame.first().copied()).collect()
    }

    fn clear_alerts(&self) -> impl Iterator<Item = Alert> {
        let alerts = self.frames.iter().filter(|frame| frame.first() == Some(&CLEAR_ALERT));
        alerts.filter_map(|frame| frame.last()).map(|code| Alert::from_code(*code))
    }

    fn told(&self) -> String {
        let name = |kind| match kind {
            M2 => "a new M2",
            CLEAR_ALERT => "an alert in clear",
            SEALED_ALERT => "a sealed alert",
            _ => "another frame",
        };
        let mut told: Vec<&str> = self.kinds().into_iter().map(name).collect();
        told.push(if self.ended { "the end" } else { "no end" });
        told.join(", then ")
    }
}

/// Sends bytes on a connection of its own and reads until the server ends it.
async fn say(address: SocketAddr, bytes: &[u8], capture: &Capture) -> Result<Answer, LabError> {
    let mut stream = TcpStream::connect(address).await.map_err(LabError::io("cannot connect on loopback"))?;
    let local = stream.local_addr().map_err(LabError::io("cannot connect on loopback"))?;
    let flow = capture.flow("attacker and server", local, address);
    for frame in frames(bytes) {
        capture.frame(flow, End::Client, &frame, None);
    }
    // The server may end it before it has read everything: that is a failure of the socket here and no failure of the attack.
    let _ = stream.write_all(bytes).await;
    let mut read = Vec::new();
    let ended = timeout(SOON, stream.read_to_end(&mut read)).await.is_ok();
    let frames = frames(&read);
    for frame in &frames {
        capture.frame(flow, End::Server, frame, None);
    }
    Ok(Answer { frames, ended })
}

/// Bytes in frames; what is no whole one is the last.
fn frames(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some((frame, taken)) = Marks::Countersign.split(bytes) {
        frames.push(frame);
        bytes = bytes.get(taken..).unwrap_or_default();
    }
    if !bytes.is_empty() {
        frames.push(bytes.to_vec());
    }
    frames
}

/// The frame M1 of a client.
fn opening(config: ClientConfig, now_ms: u64) -> Result<Vec<u8>, LabError> {
    let mut channel = Connection::client(config, now_ms).map_err(LabError::stage)?;
    let mut bytes = Vec::new();
    while let Some(part) = channel.poll_transmit() {
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}
