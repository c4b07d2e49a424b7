//! Exhibit 11: a message that does not end.

use super::FRAMING;
use crate::LabError;
use crate::attack::{Found, endless};
use crate::capture::Capture;
use crate::stage::{Peer, Stage};

pub(super) async fn run(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let server = stage.key_transport_server().await?;
    let mut attacker = Peer::connect(server.address, FRAMING, capture).await?;
    attacker.receive().await?;
    endless::run(attacker, server, br#"{"enc_session": ""#).await
}
