//! Checks an evidence bundle offline, for people who have nothing else of ours.
//!
//! Everything it knows is [`evidence::bundle::verify`]; this opens the file, prints and sets the exit code: 0 for
//! `valid` and `consistent-unpinned`, 3 for `invalid`, 1 if a file cannot be read, 2 for wrong usage.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use evidence::bundle::{BadRoot, Root, verify};
use evidence::verdict::render;
use pki::Fingerprint;
use pki::fingerprint::BadFingerprint;

/// Checks an evidence bundle offline. Exit codes: 0 it holds (say "valid" only with --root), 1 a file cannot be read,
/// 2 usage, 3 it does not verify.
#[derive(Parser)]
#[command(name = "countersign-verify", version)]
struct Arguments {
    /// The bundle.
    file: PathBuf,
    /// The organisation's root: a certificate file, or its fingerprint as sha256:HEX. Get it by another way than the
    /// bundle. Without it the answer is at most "consistent-unpinned".
    #[arg(long, value_name = "CERT|sha256:HEX", value_parser = root)]
    root: Option<Named>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// How the root was named.
#[derive(Clone)]
enum Named {
    Fingerprint(Fingerprint),
    File(PathBuf),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let (code, exit) = match error.downcast_ref::<BadRoot>() {
                Some(_) => ("usage", 2),
                None => ("failed", 1),
            };
            let message = format!("{error:#}");
            if arguments.json {
                eprintln!("{}", serde_json::json!({ "error": { "code": code, "message": message } }));
            } else {
                eprintln!("countersign-verify: {message}");
            }
            ExitCode::from(exit)
        }
    }
}

fn run(arguments: &Arguments) -> Result<u8> {
    let root = arguments.root.as_ref().map_or(Ok(Root::Unpinned), pinned)?;
    let shown = arguments.file.display();
    let file = File::open(&arguments.file).with_context(|| format!("cannot open {shown}"))?;
    let (verdict, said) = verify(file, root).with_context(|| format!("cannot read {shown}"))?;
    let mut text = String::new();
    if arguments.json {
        text = format!("{}\n", verdict.to_json(&said));
    } else {
        render(&mut text, &verdict, &said)?;
    }
    io::stdout().write_all(text.as_bytes()).context("cannot write the answer")?;
    Ok(verdict.exit_code())
}

fn root(text: &str) -> Result<Named, BadFingerprint> {
    if text.starts_with("sha256:") {
        text.parse().map(Named::Fingerprint)
    } else {
        Ok(Named::File(text.into()))
    }
}

fn pinned(root: &Named) -> Result<Root> {
    match root {
        Named::Fingerprint(fingerprint) => Ok(Root::Pinned(*fingerprint)),
        Named::File(path) => {
            let shown = path.display();
            let bytes = fs::read(path).with_context(|| format!("cannot open the root {shown}"))?;
            Root::from_certificate_file(&bytes).with_context(|| format!("{shown} cannot be pinned"))
        }
    }
}
