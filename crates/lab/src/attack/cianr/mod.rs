//! Attacks on the three dialects of `cianr`: a file for each exhibit, with a function for each attack that takes the dialect.

mod certificates;
mod eavesdropping;
mod enumeration;
mod group;
mod iv;
mod mitm_dh;
mod oversized;
mod padding;
mod receipt;
mod replay;
mod secrecy;
mod sequence;
mod session;
mod tampering;

use classic::certificate::issue::Bad;
use classic::cianr::Dialect;

use super::Found;
use crate::LabError;
use crate::capture::Capture;
use crate::exhibit::{Attack, Column};
use crate::stage::{Stage, dialect};

/// Runs the attack.
pub(super) async fn run(
    stage: &Stage,
    attack: &Attack,
    column: Column,
    capture: &Capture,
) -> Result<Found, LabError> {
    let dialect = dialect(column)?;
    match (attack.name.as_str(), dialect) {
        ("eavesdropping", _) => eavesdropping::run(stage, dialect, capture).await,
        ("mitm-dh", _) => mitm_dh::run(stage, dialect, capture).await,
        ("field-shifting", _) => sequence::field_shifting(stage, dialect, capture).await,
        ("sequence-poisoning", _) => sequence::poisoning(stage, dialect, capture).await,
        ("cross-session-replay", _) => replay::cross_session(stage, dialect, capture).await,
        ("whole-session-replay", _) => replay::whole_session(stage, dialect, capture).await,
        ("message-replay", _) => replay::message(stage, dialect, capture).await,
        ("iv-flipping", _) => iv::run(stage, dialect, capture).await,
        ("forged-receipt", Dialect::Pss) => receipt::forged(stage, dialect).await,
        ("self-signed", _) => certificates::bad(stage, dialect, Bad::SelfSigned, capture).await,
        ("expired", _) => certificates::bad(stage, dialect, Bad::Expired, capture).await,
        ("wrong-cn", _) => certificates::bad(stage, dialect, Bad::WrongCn, capture).await,
        ("other-ca", _) => certificates::bad(stage, dialect, Bad::OtherCa, capture).await,
        ("client-as-server", _) => certificates::client_as_server(stage, dialect, capture).await,
        ("tampered-ciphertext", _) => tampering::ciphertext(stage, dialect, capture).await,
        ("tampered-signature", _) => tampering::signature(stage, dialect, capture).await,
        ("reordered", _) => tampering::reordered(stage, dialect, capture).await,
        ("dropped", _) => tampering::dropped(stage, dialect, capture).await,
        ("truncated", _) => tampering::truncated(stage, dialect, capture).await,
        ("duplicated", _) => tampering::duplicated(stage, dialect, capture).await,
        ("oversized-frame", _) => oversized::run(stage, dialect, capture).await,
        ("weak-group", Dialect::Line) => group::offered(stage, dialect, capture).await,
        ("weak-group", _) => group::proposed(stage, dialect, capture).await,
        ("padding-oracle", Dialect::Pss) => padding::pss(stage, capture).await,
        ("padding-oracle", Dialect::Line) => padding::line(stage, capture).await,
        ("user-enumeration", _) => enumeration::run(stage, dialect, capture).await,
        ("no-forward-secrecy", _) => secrecy::run(stage, dialect, capture).await,
        _ => Err(LabError::NotWritten { attack: attack.name.clone(), column }),
    }
}
