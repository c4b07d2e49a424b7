//! The evidence, and two copies that have to be refused: one changed, one under another authority.

use std::fs;
use std::path::Path;

use evidence::bundle::Root;
use evidence::verdict::{Verdict, Word};
use pki::Fingerprint;
use pki::certificate::certificates_from_pem;

use super::Narrator;
use super::script::Script;
use super::stage::Stage;
use super::talk;
use crate::clock::Stopwatch;
use crate::command::verify_file;
use crate::terminal::Failure;

/// Lines that the other organisation repeats.
const FOREIGN_LINES: usize = 20;

/// What became of the bundle and its two copies.
pub struct Proofs {
    /// Of the bundle.
    pub verdict: Verdict,
    /// Of a copy with one byte changed.
    pub tampered: Verdict,
    /// Of the same words, the first [`FOREIGN_LINES`] of them, under another authority.
    pub foreign: Verdict,
    /// Seconds that the bundle's verification took.
    pub verify_seconds: f64,
}

impl Proofs {
    /// Whether all is as it has to be, for a talk of so many messages.
    pub fn check(&self, messages: usize) -> Result<(), Failure> {
        let all =
            u64::try_from(messages).is_ok_and(|n| self.verdict.disclosed == n && self.verdict.messages == n);
        if self.verdict.word != Word::Valid || !all {
            return Err(Failure::evidence("the demo's own bundle does not verify as it has to"));
        }
        if self.tampered.word != Word::Invalid || self.foreign.word != Word::Invalid {
            return Err(Failure::evidence("a copy that has to be refused was not refused"));
        }
        Ok(())
    }
}

/// Verifies the bundle, a changed copy and a copy under another authority, all with the first one's root pinned.
pub async fn show(
    place: &Path,
    bundle: &Path,
    script: &Script,
    narrator: &Narrator,
) -> Result<Proofs, Failure> {
    let root = Root::Pinned(root_of(place)?);
    narrator.say(
        "5. One of them exports evidence; anybody checks it offline, with the root's fingerprint in hand:",
    );
    let watch = Stopwatch::start();
    let (verdict, said) = verify_file(bundle, root)?;
    let verify_seconds = watch.seconds();
    tell(narrator, "the bundle", &verdict);

    let changed = place.join("changed-copy");
    let last = said.iter().rev().find_map(|said| said.text.as_deref()).unwrap_or_default();
    change_one_letter(bundle, &changed, last)?;
    let (tampered, _) = verify_file(&changed, root)?;
    tell(narrator, "a copy with one letter of the last message changed", &tampered);

    let elsewhere = tempfile::tempdir().map_err(|e| Failure::failed(format!("cannot make a folder: {e}")))?;
    let forged = forge(elsewhere.path(), script).await?;
    let (foreign, _) = verify_file(&forged, root)?;
    let words = match script.lines.len() {
        0..=FOREIGN_LINES => "the same words".to_owned(),
        _ => format!("the first {FOREIGN_LINES} lines"),
    };
    tell(narrator, &format!("{words} under somebody else's authority"), &foreign);
    fs::remove_file(&changed).map_err(|e| Failure::failed(format!("cannot remove the changed copy: {e}")))?;
    Ok(Proofs { verdict, tampered, foreign, verify_seconds })
}

fn tell(narrator: &Narrator, what: &str, verdict: &Verdict) {
    let word = match verdict.word {
        Word::Valid => "VALID",
        Word::ConsistentUnpinned => "CONSISTENT, UNPINNED",
        Word::Invalid => "REFUSED",
    };
    narrator.say(&format!("   {word:8} {what}"));
    if let Some(problem) = verdict.problems.first() {
        narrator.say(&format!("            {}: {}", problem.code, problem.message));
    }
}

fn root_of(place: &Path) -> Result<Fingerprint, Failure> {
    let text = fs::read_to_string(place.join("root.pem"))
        .map_err(|e| Failure::failed(format!("cannot read root.pem: {e}")))?;
    let found = certificates_from_pem(&text).map_err(|e| Failure::failed(e.to_string()))?;
    found.first().map(|der| Fingerprint::of(der)).ok_or_else(|| Failure::failed("root.pem is empty"))
}

/// Changes one letter of what was said last, where it stands in the file.
fn change_one_letter(bundle: &Path, copy: &Path, said: &str) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::failed(format!("cannot change a copy: {e}"));
    let mut bytes = fs::read(bundle).map_err(failed)?;
    if let Some(byte) = letter_at(&bytes, said).and_then(|at| bytes.get_mut(at)) {
        *byte ^= 1;
    }
    fs::write(copy, bytes).map_err(failed)
}

/// Where the first letter of these words stands, the last time they do. For words that are not found, or without a letter,
/// a letter three quarters in: that is among the entries, whatever the talk.
fn letter_at(bytes: &[u8], said: &str) -> Option<usize> {
    // With its last bit changed, each of these is a letter still.
    let is_letter = |byte: &u8| matches!(byte, b'b'..=b'y');
    let words = said.as_bytes();
    let in_words = words
        .iter()
        .position(is_letter)
        .and_then(|letter| Some(bytes.windows(words.len()).rposition(|window| window == words)? + letter));
    let within = bytes.len() / 4 * 3;
    in_words.or_else(|| Some(within + bytes.iter().skip(within).position(is_letter)?))
}

/// Another organisation of the same name, people and words, and its evidence.
async fn forge(place: &Path, script: &Script) -> Result<std::path::PathBuf, Failure> {
    let lines = script.lines.iter().take(FOREIGN_LINES).cloned().collect();
    let script = Script::new(lines)?;
    let silent = Narrator::silent();
    let stage = Stage::build(place, &script, &silent).await?;
    let talked = talk::play(&stage, &script, true, &silent).await?;
    let bundle = place.join("bundle");
    stage.export_and_stop(&talked, &bundle).await?;
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_is_in_the_words_where_they_stand_last() {
        assert_eq!(letter_at(b"xx Yes. yy Yes. zz", "Yes."), Some(12));
        assert_eq!(letter_at(b"0123456789abcdef", "no such words"), Some(12));
        assert_eq!(letter_at(b"0123456789 42 cde", "42"), Some(14));
        assert_eq!(letter_at(b"", "words"), None);
    }
}
