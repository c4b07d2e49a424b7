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
    /// Of the same words under another authority.
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
    let (verdict, _) = verify_file(bundle, root)?;
    let verify_seconds = watch.seconds();
    tell(narrator, "the bundle", &verdict);

    let changed = place.join("changed-copy");
    change_one_byte(bundle, &changed)?;
    let (tampered, _) = verify_file(&changed, root)?;
    tell(narrator, "a copy with one letter changed", &tampered);

    let elsewhere = tempfile::tempdir().map_err(|e| Failure::failed(format!("cannot make a folder: {e}")))?;
    let forged = forge(elsewhere.path(), script).await?;
    let (foreign, _) = verify_file(&forged, root)?;
    tell(narrator, "the same words under somebody else's authority", &foreign);
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

/// Changes one letter of the last thing said, where it stands in the file.
fn change_one_byte(bundle: &Path, copy: &Path) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::failed(format!("cannot change a copy: {e}"));
    let mut bytes = fs::read(bundle).map_err(failed)?;
    // Three quarters in is among the entries, whatever the talk.
    let at = bytes.len() / 4 * 3;
    if let Some(byte) = bytes.iter_mut().skip(at).find(|b| b.is_ascii_lowercase()) {
        *byte ^= 1;
    }
    fs::write(copy, bytes).map_err(failed)
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
