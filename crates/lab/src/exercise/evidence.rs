//! What a session leaves for a third party: transcripts and receipts, or a bundle, each with what its verifier says.

use std::io::Cursor;
use std::path::Path;

use classic::certificate::Role;
use classic::cianr::Dialect;
use classic::verify::{Files, root, verify};
use client::{Disclose, ExportOptions};
use evidence::bundle::{self, Root};
use pki::Fingerprint;

use crate::LabError;
use crate::stage::countersign::World;
use crate::stage::{ALICE, Stage, open};

/// A file that a third party can check.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Its name.
    pub file: String,
    /// What it says, if that is text.
    pub text: Option<String>,
    /// The verifier's verdict, in a word, if it is one that it reads by itself.
    pub verdict: Option<String>,
    /// What the verifier checked, or found; whether each passed.
    pub checks: Vec<(bool, String)>,
}

/// Copies the files of a server's transcripts, and the CA's certificate; checks the receipts under it.
pub(super) async fn of_cianr(
    stage: &Stage,
    dialect: Dialect,
    transcripts: &Path,
    into: &Path,
) -> Result<Vec<Evidence>, LabError> {
    let failed = LabError::io("cannot copy a session's files");
    let entries =
        std::fs::read_dir(transcripts).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
    let mut names = Vec::new();
    for entry in entries.iter().filter(|entry| entry.path().is_file()) {
        let name = entry.file_name().to_string_lossy().into_owned();
        std::fs::copy(entry.path(), into.join(&name))
            .map_err(LabError::io("cannot copy a session's files"))?;
        names.push(name);
    }
    names.sort();
    let identity = open(&stage.certificates(dialect).await?, Role::Server)?;
    std::fs::copy(identity.ca_file(), into.join("ca.pem"))
        .map_err(LabError::io("cannot copy a session's files"))?;
    let root = root(&into.join("ca.pem")).map_err(LabError::stage)?;
    names
        .into_iter()
        .map(|name| {
            let path = into.join(&name);
            let text =
                std::fs::read_to_string(&path).map_err(LabError::io("cannot read a session's files"))?;
            // Of a certificate nobody reads the base64.
            let text = (!text.starts_with("-----BEGIN")).then_some(text);
            let mut evidence = Evidence { file: name, text, verdict: None, checks: Vec::new() };
            if evidence.file.ends_with("_receipt.json") && !evidence.file.ends_with("received_receipt.json") {
                let report = verify(&Files::of(path), Some(&root)).map_err(LabError::stage)?;
                evidence.verdict = Some(report.verdict.name().to_owned());
                evidence.checks = report
                    .checks
                    .into_iter()
                    .map(|check| (check.passed, format!("{}: {}", check.name, check.detail)))
                    .collect();
            }
            Ok(evidence)
        })
        .collect()
}

/// Exports the room, as alice, and verifies the bundle under the organisation's root.
pub(super) async fn of_countersign(world: &World, into: &Path) -> Result<Vec<Evidence>, LabError> {
    const NAME: &str = "room.bundle";
    let alice = world.client(ALICE, None).await?;
    let mut bytes = Cursor::new(Vec::new());
    let options = ExportOptions { from: None, to: None, disclose: Disclose::All };
    let exported = alice.export(world.room, &options, &mut bytes).await;
    alice.close().await;
    exported.map_err(LabError::stage)?;
    std::fs::write(into.join(NAME), bytes.get_ref()).map_err(LabError::io("cannot write a bundle"))?;
    std::fs::write(into.join("root.pem"), pki::certificate::certificate_to_pem(world.authority.root()))
        .map_err(LabError::io("cannot write the root certificate"))?;
    bytes.set_position(0);
    let root = Root::Pinned(Fingerprint(*world.authority.root_fingerprint()));
    let (verdict, said) = bundle::verify(bytes, root).map_err(LabError::io("cannot read the bundle"))?;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = evidence::verdict::render(&mut text, &verdict, &said);
    let checks = verdict.problems.iter().map(|problem| (false, problem.message.clone())).collect();
    let word = if verdict.exit_code() == 0 { "valid" } else { "invalid" };
    Ok(vec![Evidence { file: NAME.to_owned(), text: Some(text), verdict: Some(word.to_owned()), checks }])
}
