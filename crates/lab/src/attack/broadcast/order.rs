//! Exhibits 6 and 10: nothing is numbered.

use super::{Visit, data};
use crate::LabError;
use crate::attack::Found;
use crate::attack::order::{LINES, Order};
use crate::capture::Capture;
use crate::stage::ALICE;

pub(super) async fn run(capture: &Capture, order: Order) -> Result<Found, LabError> {
    let hands = move || order.hand(|message| data(message).is_some());
    let visit = Visit::through(capture, &LINES, hands).await?;
    let name = format!("{ALICE}: ");
    let heard: Vec<_> = visit.heard.iter().map(|text| text.strip_prefix(&name).unwrap_or(text)).collect();
    Ok(order.judge("bob", &heard, visit.alice.outcome.is_ok()))
}
