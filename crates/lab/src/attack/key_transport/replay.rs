//! Exhibit 6: a whole session again.

use super::{FRAMING, record};
use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End};
use crate::stage::{Peer, Stage, errors, texts};

const LINE: &str = "pay Bob 100";

pub(super) async fn run(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let (mut server, recorded) = record(stage, capture, &[LINE]).await?;
    let mut attacker = Peer::connect(server.address, FRAMING, capture).await?;
    attacker.receive().await?;
    for frame in recorded.sent(0, End::Client) {
        attacker.send(&frame.bytes, Some("the same bytes as in alice's session")).await;
    }
    attacker.finish().await;
    let heard = server.events.session(2).await?;
    Ok(match texts(&heard) == [LINE] {
        true => Found::succeeds(format!("The server heard “{LINE}” again, from somebody who has no key.")),
        false => Found::refused(format!("The server did not take it: {}.", errors(&heard).join("; "))),
    })
}
