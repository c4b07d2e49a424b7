//! Exhibit 12: whether a server says if a padding fits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use classic::ClassicError;
use classic::cianr::pss::message::AuthCredentials;
use classic::cianr::{Dialect, SignedMessage, kind};
use classic::cipher::BLOCK_LEN;
use classic::conversation::What;
use classic::json;

use super::sequence::shifted;
use super::session::{Heard, Messages, changed, note, on, session};
use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End};
use crate::stage::Stage;
use crate::tap::{Act, Hand};

/// Changes to the byte that decides the padding's last one.
const MASKS: std::ops::RangeInclusive<u8> = 1..=u8::MAX;

/// Against `cianr-pss`: its credentials are the one ciphertext that is not signed.
pub(super) async fn pss(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let heard = session(stage, Dialect::Pss, capture, &[], || Pss).await?;
    let answers = capture.recorded().frames.into_iter().filter(|frame| {
        frame.from == End::Server && frame.bytes.windows(ANSWER.len()).any(|window| window == ANSWER)
    });
    // Each answer is recorded before and behind the attacker.
    let answers = answers.count() / 2;
    Ok(verdict(MASKS.count(), answers, &heard))
}

/// What an answer to credentials says.
const ANSWER: &[u8] = b"\"auth_response\"";

/// Against `cianr-line`: the vector of a message is not signed, and digits that are shifted give fresh numbers to ask under.
pub(super) async fn line(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let heard = session(stage, Dialect::Line, capture, &["yes"], move || {
        let counted = Arc::clone(&counted);
        Messages(move |message: SignedMessage| {
            let mut acts =
                vec![note("sent on under several numbers, each with another change to the vector")];
            for ((seqno, ts), mask) in shifted(message.seqno, message.ts).zip(MASKS) {
                let iv = message.iv.as_deref().unwrap_or_default();
                let iv = changed(iv, |bytes| {
                    if let Some(last) = bytes.last_mut() {
                        *last ^= mask;
                    }
                })?;
                acts.push(on(&SignedMessage { seqno, ts, iv: Some(iv), ..message.clone() })?);
                counted.fetch_add(1, Ordering::Relaxed);
            }
            Ok(acts)
        })
    })
    .await?;
    let answers =
        heard.server.iter().filter(|what| matches!(what, What::Rejected { .. } | What::Message { .. }));
    Ok(verdict(asked.load(Ordering::Relaxed), answers.count(), &heard))
}

/// More than one answer under one key are an oracle.
fn verdict(asked: usize, answers: usize, heard: &Heard) -> Found {
    let first = &heard.fault;
    if answers > 1 {
        Found::succeeds(format!("The server answered {answers} questions under one key; the first: {first}."))
    } else {
        Found::refused(format!(
            "Of {asked} questions under one key the server answered {answers}, and closed: {first}."
        ))
    }
}

/// An attacker who asks in place of the credentials.
struct Pss;

impl Hand for Pss {
    fn message(&mut self, from: End, message: &[u8]) -> Vec<Act> {
        match (from, kind(message).as_deref()) {
            (End::Client, Ok("auth_cred_encrypted")) => questions(message).unwrap_or_default(),
            _ => vec![Act::On(message.to_vec())],
        }
    }
}

fn questions(message: &[u8]) -> Result<Vec<Act>, ClassicError> {
    let sealed: AuthCredentials = json::read(message)?;
    let question = |mask: u8| {
        let payload = changed(&sealed.payload, |bytes| change_padding(bytes, mask))?;
        json::write(&AuthCredentials { payload }).map(Act::On)
    };
    let mut acts = vec![note("sent on 255 times, each with another change to what decides the padding")];
    acts.extend(MASKS.map(question).collect::<Result<Vec<Act>, _>>()?);
    Ok(acts)
}

/// In CBC the last byte of a block's predecessor decides its last byte.
fn change_padding(vector_and_ciphertext: &mut [u8], mask: u8) {
    let before = vector_and_ciphertext.iter_mut().rev().nth(BLOCK_LEN);
    if let Some(byte) = before {
        *byte ^= mask;
    }
}
