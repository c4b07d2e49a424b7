//! Exhibit 12: a ciphertext with changed bytes, again and again.

use std::collections::BTreeSet;

use classic::cipher::BLOCK_LEN;
use classic::json::{self, base64, from_base64};
use classic::key_transport::SealedText;

use super::{FRAMING, of_client, record, text};
use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::{Peer, Stage, errors, texts};

/// Two blocks.
const LINE: &str = "the code of the safe is 4711";

/// What the attacker sees of an answer: messages, and then the end of the connection.
type Answer = Vec<Vec<u8>>;

/// As a session can be said again, so can its key: 255 questions under one key, one for each other value of the byte that decides
/// the padding's last. One of them at least has a padding that fits.
pub(super) async fn run(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let (mut server, recorded) = record(stage, capture, &[LINE]).await?;
    let mut messages = of_client(&recorded);
    let (delivery, message) =
        messages.next().zip(messages.next()).ok_or_else(|| LabError::stage("no text is recorded"))?;
    let captured = text(message).ok_or_else(|| LabError::stage("no text is recorded"))?;
    let (mut answers, mut reasons) = (BTreeSet::<Answer>::new(), BTreeSet::new());
    for change in 1..=u8::MAX {
        let question = changed(&captured, change).ok_or_else(|| LabError::stage("a text of one block"))?;
        let mut attacker = Peer::connect(server.address, FRAMING, capture).await?;
        attacker.receive().await?;
        attacker.send(&FRAMING.frame(delivery), None).await;
        let note = format!("the byte that decides the padding is changed by {change}");
        attacker.send(&FRAMING.frame(&json::write(&question)?), Some(&note)).await;
        let mut answer = Answer::new();
        while let Some(message) = attacker.receive().await? {
            answer.push(message);
        }
        answers.insert(answer);
        let told = server.events.session(u64::from(change) + 1).await?;
        reasons.extend(errors(&told).into_iter().chain(texts(&told)).map(str::to_owned));
    }
    Ok(match answers.len() {
        1 => Found::refused(format!(
            "255 questions got one and the same answer, a closed connection; the server's reason: {}.",
            Vec::from_iter(reasons).join("; ")
        )),
        kinds => Found::succeeds(format!("255 questions got {kinds} different answers.")),
    })
}

/// With the last byte of the last block but one changed.
fn changed(captured: &SealedText, change: u8) -> Option<SealedText> {
    let mut cipher = from_base64(&captured.cipher).ok()?;
    let last = cipher.len().checked_sub(BLOCK_LEN + 1)?;
    *cipher.get_mut(last)? ^= change;
    Some(SealedText { cipher: base64(cipher), ..captured.clone() })
}
