//! Exhibit 8: a receipt whose certificate is named by itself.

use std::path::{Path, PathBuf};

use classic::certificate::Identity;
use classic::certificate::issue::Bad;
use classic::cianr::{Dialect, Receipt, ReceiptFile, Role, SignedMessage, Transcript};
use classic::cipher::CipherKey;
use classic::verify::{Files, Report, Verdict, root, verify};

use crate::LabError;
use crate::attack::Found;
use crate::stage::{Stage, open};

/// What nobody said.
const WORDS: [&str; 2] = ["I owe you 10,000 euros", "to be paid by Friday"];

/// Forges a session's papers and has them checked, without a root of one's own and with one.
pub(super) async fn forged(stage: &Stage, dialect: Dialect) -> Result<Found, LabError> {
    let folder = stage.bad_certificates(dialect, Bad::SelfSigned).await?;
    let receipt = forge(&folder, dialect, stage.now_ms())?;
    let real = stage.certificates(dialect).await?;
    let root = root(open(&real, Role::Server)?.ca_file()).map_err(LabError::stage)?;
    let alone = verify(&Files::of(receipt.clone()), None).map_err(LabError::stage)?;
    let pinned = verify(&Files::of(receipt), Some(&root)).map_err(LabError::stage)?;
    Ok(if alone.verdict == Verdict::Invalid {
        Found::refused(format!("The verifier says “invalid”: {}.", fault(&alone)))
    } else {
        Found::succeeds(format!(
            "Of {} messages that nobody said the verifier says “{}”; with the CA's certificate “{}”: {}.",
            alone.messages,
            alone.verdict.name(),
            pinned.verdict.name(),
            fault(&pinned)
        ))
    })
}

fn fault(report: &Report) -> &str {
    report.checks.iter().find(|check| !check.passed).map_or("no fault", |check| &check.detail)
}

/// Writes transcript and receipt beside the forger's certificates; the receipt's path.
fn forge(folder: &Path, dialect: Dialect, now_ms: u64) -> Result<PathBuf, LabError> {
    let (server, client) = (open(folder, Role::Server)?, open(folder, Role::Client)?);
    // Nobody can open the texts to compare: any key will do.
    let session = CipherKey::aes_128(&[0; 16]);
    let mut transcript = Transcript::begin(dialect, None)?;
    let mut lines = Vec::new();
    let fingerprint = dialect.fingerprint(client.certificate(), client.certificate());
    for (seqno, text) in (1..).zip(WORDS) {
        let message = SignedMessage::make(dialect, &session, client.key(), (seqno, now_ms), text)?;
        transcript.add(&message, &fingerprint)?;
        lines.push(message.line(&fingerprint));
    }
    let receipt = Receipt::make(dialect, server.key(), Role::Server, 0, transcript.hash())?;
    let [transcript_file, receipt_file] =
        ["client_transcript.log", "client_session_receipt.json"].map(|name| folder.join(name));
    let kept = ReceiptFile {
        receipt_hash: receipt.transcript_sha256,
        signature_b64: receipt.sig,
        our_cert_file: certificate_file(&server),
        peer_cert_file: certificate_file(&client),
        transcript_file: transcript_file.clone(),
    };
    let write = |path: &Path, bytes: &[u8]| {
        std::fs::write(path, bytes).map_err(LabError::io("cannot write a forged receipt"))
    };
    write(&transcript_file, lines.join("\n").as_bytes())?;
    write(&receipt_file, &serde_json::to_vec_pretty(&kept).map_err(LabError::stage)?)?;
    Ok(receipt_file)
}

fn certificate_file(identity: &Identity) -> PathBuf {
    identity.certificate_file().to_owned()
}
