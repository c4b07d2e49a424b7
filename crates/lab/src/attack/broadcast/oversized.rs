//! Exhibit 11: a message that does not end.

use super::FRAMING;
use crate::LabError;
use crate::attack::{Found, endless};
use crate::capture::Capture;
use crate::stage::{Peer, Room};

pub(super) async fn run(capture: &Capture) -> Result<Found, LabError> {
    let room = Room::open().await?;
    let attacker = Peer::connect(room.server.address, FRAMING, capture).await?;
    endless::run(attacker, room.server, br#"{"type": "login", "username": ""#).await
}
