//! Standard output: text for people, or one JSON object a line for scripts.

use std::io::{self, Write};

use super::Failure;
use super::outcome::OUTPUT_CLOSED;

/// How a command speaks.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// One JSON object a line.
    pub json: bool,
    /// Only results.
    pub quiet: bool,
}

impl Output {
    /// Prints a result: the object with `--json`, else the text.
    pub fn result(
        &self,
        object: impl FnOnce() -> serde_json::Value,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let line = if self.json { object().to_string() } else { text() };
        self.line(&line)
    }

    /// Prints a line of result.
    pub fn line(&self, line: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush()).map_err(closed)
    }

    /// Warns on standard error, whatever else is silent; as an object with `--json`.
    pub fn warn(&self, code: &'static str, message: &str) {
        if self.json {
            eprintln!("{}", serde_json::json!({ "warning": { "code": code, "message": message } }));
        } else {
            eprintln!("countersign: warning: {message}");
        }
    }

    /// Tells a person what happens, on standard error; silent with `--json` or `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.json && !self.quiet {
            eprintln!("{text}");
        }
    }
}

/// A number of things, as it is read: `1 person`, `2 people`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn closed(e: io::Error) -> Failure {
    if e.kind() == io::ErrorKind::BrokenPipe {
        return Failure::new(OUTPUT_CLOSED, "nobody reads standard output any more");
    }
    Failure::new("output", format!("cannot write to standard output: {e}"))
}
