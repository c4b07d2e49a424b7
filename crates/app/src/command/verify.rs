//! `verify`: evidence, offline.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use client::Home;
use evidence::bundle::{Root, verify};
use evidence::verdict::{Said, Verdict, render};
use pki::Fingerprint;

use super::{Context, report};
use crate::cli::VerifyArguments;
use crate::terminal::Failure;

/// Checks a bundle and prints the verdict.
pub async fn run(context: &Context, arguments: VerifyArguments) -> Result<(), Failure> {
    let output = context.output;
    let root = pinned_root(context, arguments.root.as_deref())?;
    let (verdict, said) = verify_file(&arguments.file, root)?;
    output.result(|| verdict.to_json(&said), || text(&verdict, &said))?;
    if let Some(path) = &arguments.report {
        report::write(path, &verdict, &said)?;
        output.note(&format!("report written to {}", path.display()));
    }
    match verdict.exit_code() {
        0 => Ok(()),
        _ => Err(Failure::evidence("the evidence does not verify")),
    }
}

/// Verifies a bundle file.
pub fn verify_file(path: &Path, root: Root) -> Result<(Verdict, Vec<Said>), Failure> {
    let unreadable = |e| Failure::failed(format!("cannot read the bundle {}: {e}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    verify(BufReader::with_capacity(1 << 20, file), root).map_err(unreadable)
}

/// The verdict for people, without the last line feed.
pub fn text(verdict: &Verdict, said: &[Said]) -> String {
    let mut text = String::new();
    // Writing to a string has no error to give.
    let _ = render(&mut text, verdict, said);
    text.trim_end().to_owned()
}

/// The root to pin: what `--root` says, else the home's organisation.
fn pinned_root(context: &Context, root: Option<&str>) -> Result<Root, Failure> {
    let Some(root) = root else {
        // Whoever has no home, and no place for one, verifies all the same.
        return match context.home_folder().ok().filter(|home| Home::exists(home)) {
            Some(home) => Ok(Root::Pinned(Home::root_fingerprint(&home)?)),
            None => Ok(Root::Unpinned),
        };
    };
    if root.starts_with("sha256:") {
        let fingerprint = root.parse::<Fingerprint>().map_err(|e| Failure::usage(format!("--root: {e}")))?;
        return Ok(Root::Pinned(fingerprint));
    }
    if root.len() == 64 && root.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(Failure::usage(format!(
            "--root: a fingerprint begins with sha256:, so --root sha256:{root}"
        )));
    }
    let bytes = std::fs::read(root)
        .map_err(|e| Failure::failed(format!("cannot read the root certificate {root}: {e}")))?;
    Root::from_certificate_file(&bytes).map_err(|e| Failure::usage(format!("--root: {root}: {e}")))
}
