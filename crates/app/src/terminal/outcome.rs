//! How a command ends: 0 done, 1 refused or failed, 2 usage, 3 evidence that does not verify.

use std::process::ExitCode;

/// Code of a failure that nobody is told: standard output is a pipe that nobody reads any more.
pub const OUTPUT_CLOSED: &str = "output-closed";

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    exit: u8,
    code: &'static str,
    message: String,
}

impl Failure {
    /// Refused or failed (exit 1), with a stable code of its own.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { exit: 1, code, message: message.into() }
    }

    /// Refused or failed (exit 1).
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new("failed", message)
    }

    /// The command line is not usable (exit 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: 2, code: "usage", message: message.into() }
    }

    /// Evidence that does not verify (exit 3).
    pub fn evidence(message: impl Into<String>) -> Self {
        Self { exit: 3, code: "evidence", message: message.into() }
    }

    /// The same, with what it concerns before it.
    pub fn about(self, what: &str) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    /// Prints the failure to standard error.
    pub fn report(&self, json: bool) {
        // Whoever read the output has gone, as `head` does.
        if self.code == OUTPUT_CLOSED {
            return;
        }
        if json {
            let object = serde_json::json!({ "error": { "code": self.code, "message": self.message } });
            eprintln!("{object}");
        } else {
            eprintln!("countersign: {}", self.message);
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The exit code of a command.
pub fn exit_code(outcome: &Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(failure.exit),
    }
}
