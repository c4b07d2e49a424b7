//! The attacks: each is run over sockets of this machine and says what came of it (LA-5 to LA-7).
//!
//! A folder for each protocol or family of them; each has one file for an exhibit, or part of one.

mod broadcast;
mod cianr;
mod countersign;
mod endless;
mod key_transport;
mod order;
mod relay;

use serde::Serialize;

use crate::LabError;
use crate::capture::Capture;
use crate::exhibit::{Attack, Column, Outcome};
use crate::stage::Stage;

/// What came of an attack.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// Whether the attacker got what it wanted.
    pub outcome: Outcome,
    /// What it got, or what it saw of the refusal, in a sentence: read off the run, not off the data file.
    pub seen: String,
}

impl Found {
    /// The attacker got what it wanted.
    pub fn succeeds(gained: impl Into<String>) -> Self {
        Self { outcome: Outcome::Succeeds, seen: gained.into() }
    }

    /// Something stopped it.
    pub fn refused(by: impl Into<String>) -> Self {
        Self { outcome: Outcome::Refused, seen: by.into() }
    }
}

/// Runs an attack against a protocol and records the wire.
///
/// # Errors
/// [`LabError`] if the stage fails, or the attack is not written for the protocol; that an attack fails is no error.
pub async fn run(
    stage: &Stage,
    attack: &Attack,
    column: Column,
    capture: &Capture,
) -> Result<Found, LabError> {
    match column {
        Column::CianrPss | Column::CianrPkcs1 | Column::CianrLine => {
            cianr::run(stage, attack, column, capture).await
        }
        Column::KeyTransport => key_transport::run(stage, attack, capture).await,
        Column::Broadcast => broadcast::run(attack, capture).await,
        Column::Countersign => countersign::run(stage, attack, capture).await,
    }
}
