//! Exhibits 6 and 10: nothing is numbered.

use super::{text, through};
use crate::LabError;
use crate::attack::Found;
use crate::attack::order::{LINES, Order};
use crate::capture::Capture;
use crate::stage::{Stage, errors, texts};

pub(super) async fn run(stage: &Stage, capture: &Capture, order: Order) -> Result<Found, LabError> {
    let hands = move || order.hand(|message| text(message).is_some());
    let heard = through(stage, capture, &LINES, hands).await?;
    let unnoticed = heard.alice.is_ok() && errors(&heard.server).is_empty();
    Ok(order.judge("the server", &texts(&heard.server), unnoticed))
}
