//! `classic verify`: a receipt, offline.

use classic::verify::{Files, Verdict, VerifyError, root, verify};

use super::super::Context;
use crate::cli::ClassicVerifyArguments;
use crate::terminal::Failure;

/// Runs it.
pub fn run(context: &Context, arguments: ClassicVerifyArguments) -> Result<(), Failure> {
    let root = arguments.root.as_deref().map(root).transpose()?;
    let files = Files {
        receipt: arguments.receipt,
        transcript: arguments.transcript,
        own: arguments.cert,
        peer: arguments.peer_cert,
    };
    let report = verify(&files, root.as_ref())?;
    context.output.result(
        || serde_json::to_value(&report).unwrap_or_default(),
        || {
            let mut text = String::new();
            for check in &report.checks {
                let mark = if check.passed { "ok    " } else { "FAILED" };
                text.push_str(&format!(
                    "{mark}  {:20}  {}\n",
                    check.name,
                    evidence::verdict::safe(&check.detail)
                ));
            }
            text.push_str(&format!("{}: {} messages", report.verdict.name(), report.messages));
            text
        },
    )?;
    match report.verdict {
        Verdict::Valid => Ok(()),
        Verdict::ConsistentUnpinned => {
            context.output.warn(
                "unpinned",
                &format!(
                    "nobody vouches for the signer, {} ({}): give --root, the CA's certificate, from elsewhere than the receipt",
                    report.signer, report.signer_fingerprint
                ),
            );
            Ok(())
        }
        Verdict::Invalid => Err(Failure::evidence("the receipt does not verify")),
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::NoReceipt { .. } => Self::evidence(error.to_string()),
            other => Self::new("unreadable", other.to_string()),
        }
    }
}
