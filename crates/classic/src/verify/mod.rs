//! Checking a receipt offline: hash, signature, certificates, every message, and that a change would show (CL-100 to CL-104).

mod files;
mod transcript;

pub use files::{Files, VerifyError};

use std::path::Path;

use serde::Serialize;

use crate::certificate::{Certificate, CertificateFault, Expectation, check};
use crate::cianr::Dialect;
use crate::json::from_base64;
use transcript::Read;

/// What a receipt is worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In a word.
    pub verdict: Verdict,
    /// The dialect whose signature fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<&'static str>,
    /// Messages in the transcript.
    pub messages: u64,
    /// Hash of the transcript as it was found, hex.
    pub transcript_sha256: String,
    /// Common name of who signed the receipt.
    pub signer: String,
    /// Fingerprint of the signer's certificate: hex SHA-256 of its DER.
    pub signer_fingerprint: String,
    /// Each check, in order.
    pub checks: Vec<Check>,
}

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every check passed, under the root that was given.
    Valid,
    /// Every check passed, but nobody said which CA to trust: anybody can make such a receipt.
    ConsistentUnpinned,
    /// A check failed.
    Invalid,
}

impl Verdict {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::ConsistentUnpinned => "consistent-unpinned",
            Self::Invalid => "invalid",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its stable name.
    pub name: &'static str,
    /// Whether it passed.
    pub passed: bool,
    /// What was found.
    pub detail: String,
}

/// Checks a receipt. `root` is the CA to trust, from elsewhere than the receipt.
///
/// # Errors
/// [`VerifyError`] for files that cannot be read; what is wrong with them otherwise stands in the report.
pub fn verify(files: &Files, root: Option<&Certificate>) -> Result<Report, VerifyError> {
    let receipt = files.receipt()?;
    let (own, peer) = (files.certificate(&receipt.own)?, files.certificate(&receipt.peer)?);
    let mut checks = Vec::new();
    let mut note = |name, passed: bool, detail: String| checks.push(Check { name, passed, detail });

    let signature = from_base64(&receipt.signature).unwrap_or_default();
    let signed = receipt.hash.as_bytes();
    let dialect = [Dialect::Pss, Dialect::Pkcs1]
        .into_iter()
        .find(|dialect| dialect.verify(own.verifying_key(), signed, &signature).is_ok());
    let scheme = match dialect {
        Some(Dialect::Pss) => "RSA-PSS over the hash",
        Some(_) => "RSA PKCS#1 v1.5 over the hash",
        None => "the signature is not the signer's over this hash",
    };
    note("receipt-signature", dialect.is_some(), scheme.to_owned());

    let read = transcript::read(&receipt.transcript, dialect.unwrap_or(Dialect::Pss), [&own, &peer])?;
    let same = read.hashes.contains(&receipt.hash);
    let found = read.hash_like(&receipt.hash);
    note("transcript-hash", same, if same { found.clone() } else { format!("the transcript's is {found}") });
    note(
        "message-signatures",
        read.faults.signatures.is_none(),
        read.told(&read.faults.signatures, "each verifies"),
    );
    note(
        "sequence",
        read.faults.sequence.is_none(),
        read.told(&read.faults.sequence, "each side's numbers rise"),
    );
    note("tamper", read.tamper_shows(), read.tamper_told());

    match root {
        Some(root) => {
            for (name, certificate) in [("signer-certificate", &own), ("peer-certificate", &peer)] {
                let outcome = check_as_of(certificate, root, &read);
                let detail = outcome.as_ref().err().map_or_else(
                    || format!("{} is certified by the given CA", shown(certificate)),
                    |fault| format!("{}: {fault}", shown(certificate)),
                );
                note(name, outcome.is_ok(), detail);
            }
        }
        None => note(
            "signer-certificate",
            true,
            "not checked: no CA was given, and a receipt's own certificate vouches for nobody".to_owned(),
        ),
    }
    let verdict = match (checks.iter().all(|check| check.passed), root) {
        (false, _) => Verdict::Invalid,
        (true, Some(_)) => Verdict::Valid,
        (true, None) => Verdict::ConsistentUnpinned,
    };
    Ok(Report {
        verdict,
        dialect: dialect.map(|found| if read.names_other { Dialect::Line } else { found }.name()),
        messages: read.messages,
        transcript_sha256: found,
        signer: shown(&own).to_owned(),
        signer_fingerprint: own.fingerprint(),
        checks,
    })
}

/// Checks a certificate as of the last message: a receipt stays good when its certificates end (CL-104).
fn check_as_of(certificate: &Certificate, root: &Certificate, read: &Read) -> Result<(), CertificateFault> {
    match check(certificate, root, Expectation::Issuer, read.last_ms) {
        // A transcript without messages has no time of its own.
        Err(CertificateFault::NotYetValid | CertificateFault::Expired) if read.messages == 0 => Ok(()),
        outcome => outcome,
    }
}

fn shown(certificate: &Certificate) -> &str {
    certificate.common_name().unwrap_or("(no common name)")
}

/// Reads a CA's certificate, PEM or DER.
///
/// # Errors
/// [`VerifyError`].
pub fn root(path: &Path) -> Result<Certificate, VerifyError> {
    files::certificate(path)
}
