//! Attacks on Countersign.
//!
//! - [`handshake`]: somebody else in the server's place. [`certificates`]: a bad one in the client's. [`raw`]: bytes by hand.
//! - [`enumeration`]: who has an account. [`records`]: in the middle of a session. [`statements`]: a member who signs what it likes.
//! - [`secrecy`]: what shows on the wire, now and later. [`evidence`]: what a bundle and a room show.
//!
//! What is refused must be refused for the reason that the cell names: any other end is a failure of the run (LA-6).

mod certificates;
mod enumeration;
mod evidence;
mod handshake;
mod raw;
mod records;
mod secrecy;
mod statements;

use std::fmt::Display;

use super::Found;
use crate::LabError;
use crate::capture::Capture;
use crate::exhibit::{Attack, Column};
use crate::stage::Stage;
use certificates::Bad;
use records::Trick;
use statements::Forgery;

/// Runs the attack.
pub(super) async fn run(stage: &Stage, attack: &Attack, capture: &Capture) -> Result<Found, LabError> {
    match attack.name.as_str() {
        "eavesdropping" => secrecy::eavesdropping(stage, capture).await,
        "mitm-dh" => handshake::man_in_the_middle(stage, capture).await,
        "mitm-key-transport" => handshake::impostor(stage, capture).await,
        "field-shifting" => statements::run(stage, capture, Forgery::ShiftedFields).await,
        "sequence-poisoning" => statements::run(stage, capture, Forgery::FarNumber).await,
        "cross-session-replay" => records::run(stage, capture, Trick::OtherSession).await,
        "whole-session-replay" => raw::replay(stage, capture).await,
        "message-replay" => records::run(stage, capture, Trick::Again).await,
        "iv-flipping" => records::run(stage, capture, Trick::Flip(0)).await,
        "forged-receipt" => evidence::other_root(stage).await,
        "self-signed" => certificates::bad(stage, capture, Bad::SelfSigned).await,
        "expired" => certificates::bad(stage, capture, Bad::Expired).await,
        "wrong-cn" => certificates::other_name(stage, capture).await,
        "other-ca" => certificates::bad(stage, capture, Bad::OtherCa).await,
        "client-as-server" => handshake::device_as_server(stage, capture).await,
        "tampered-ciphertext" => records::run(stage, capture, Trick::Flip(40)).await,
        "tampered-signature" => statements::run(stage, capture, Forgery::Signature).await,
        "reordered" => records::run(stage, capture, Trick::Swap).await,
        "dropped" => records::run(stage, capture, Trick::Drop).await,
        "truncated" => records::run(stage, capture, Trick::Truncate).await,
        "duplicated" => records::run(stage, capture, Trick::Double).await,
        "oversized-frame" => raw::oversized(stage, capture).await,
        "weak-group" => raw::unknown_suite(stage, capture).await,
        "padding-oracle" => records::ask(stage, capture).await,
        "user-enumeration" => enumeration::run(stage, capture).await,
        "name-spoofing" => evidence::newline(stage, capture).await,
        "no-forward-secrecy" => secrecy::stolen_keys(stage, capture).await,
        _ => Err(LabError::NotWritten { attack: attack.name.clone(), column: Column::Countersign }),
    }
}

/// The attack came to an end, but not to the one that its cell names.
fn otherwise(why: &impl Display) -> LabError {
    LabError::stage(format!("it ended for another reason than the expected one: {why}"))
}

/// A user name that nobody on this stage has.
fn fresh_name(start: &str, stage: &Stage) -> String {
    format!("{start}-{}", stage.now_ms() % 1_000_000_000)
}
