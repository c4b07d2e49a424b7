//! Attacks on Countersign.
//!
//! - [`handshake`]: before anybody is logged in. [`records`]: in the middle of a session.
//! - [`statements`]: a member who signs what it likes. [`evidence`]: what shows on the wire, in a bundle, in a room.

mod evidence;
mod handshake;
mod records;
mod statements;

use super::Found;
use crate::LabError;
use crate::capture::Capture;
use crate::exhibit::{Attack, Column};
use crate::stage::Stage;
use handshake::Bad;
use records::Trick;
use statements::Forgery;

/// Runs the attack.
pub(super) async fn run(stage: &Stage, attack: &Attack, capture: &Capture) -> Result<Found, LabError> {
    match attack.name.as_str() {
        "eavesdropping" => evidence::eavesdropping(stage, capture).await,
        "mitm-dh" => handshake::own_shares(stage, capture).await,
        "mitm-key-transport" => handshake::impostor(stage, capture).await,
        "field-shifting" => statements::run(stage, Forgery::ShiftedFields).await,
        "sequence-poisoning" => statements::run(stage, Forgery::FarNumber).await,
        "cross-session-replay" => records::run(stage, capture, Trick::OtherSession).await,
        "whole-session-replay" => handshake::replay(stage, capture).await,
        "message-replay" => records::run(stage, capture, Trick::Again).await,
        "iv-flipping" => records::run(stage, capture, Trick::Flip(0)).await,
        "forged-receipt" => evidence::other_root(stage).await,
        "self-signed" => handshake::bad_client(stage, capture, Bad::SelfSigned).await,
        "expired" => handshake::bad_client(stage, capture, Bad::Expired).await,
        "wrong-cn" => handshake::bad_client(stage, capture, Bad::OtherName).await,
        "other-ca" => handshake::bad_client(stage, capture, Bad::OtherCa).await,
        "client-as-server" => handshake::device_as_server(stage, capture).await,
        "tampered-ciphertext" => records::run(stage, capture, Trick::Flip(40)).await,
        "tampered-signature" => statements::run(stage, Forgery::Signature).await,
        "reordered" => records::run(stage, capture, Trick::Swap).await,
        "dropped" => records::run(stage, capture, Trick::Drop).await,
        "truncated" => records::run(stage, capture, Trick::Truncate).await,
        "duplicated" => records::run(stage, capture, Trick::Double).await,
        "oversized-frame" => handshake::oversized(stage, capture).await,
        "weak-group" => handshake::unknown_suite(stage, capture).await,
        "padding-oracle" => records::ask(stage, capture).await,
        "user-enumeration" => handshake::enumeration(stage, capture).await,
        "name-spoofing" => evidence::newline(stage).await,
        "no-forward-secrecy" => evidence::stolen_keys(stage, capture).await,
        _ => Err(LabError::NotWritten { attack: attack.name.clone(), column: Column::Countersign }),
    }
}
