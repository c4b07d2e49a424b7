//! A server's folder: its keys, certificates and database.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use server::console::Console;
use server::organisation::{DataFolder, FolderError, Inventory};

use super::Findings;
use crate::clock::now_ms;

/// Permission bits that nobody but the owner may have.
const OTHERS: u32 = 0o077;
/// Problems of a database that are told one by one.
const TOLD: usize = 10;

/// Looks at it; a server may be running on it.
pub async fn examine(folder: &DataFolder, findings: &mut Findings) {
    match folder.lock() {
        Ok(lock) => {
            drop(lock);
            findings.good("folder", format!("{}; no server runs on it", folder.path().display()));
        }
        Err(FolderError::InUse(_)) => {
            findings.good("folder", format!("{}; a server runs on it", folder.path().display()));
        }
        Err(e) => findings.bad(
            "folder",
            e.to_string(),
            "make the folder readable and writable for the server's user",
        ),
    }
    private("folder", folder.path(), findings);
    address(folder, findings);
    match Inventory::read(folder) {
        Ok(inventory) => organisation(&inventory, findings),
        Err(e) => {
            findings.bad("organisation", e.to_string(), "restore the folder `organisation` from a backup")
        }
    }
    database(folder, findings).await;
}

/// What invites carry, and whether others than this machine can use it.
fn address(folder: &DataFolder, findings: &mut Findings) {
    let outcome = folder.address().and_then(|address| Ok((address, folder.listening()?)));
    match outcome {
        Ok((Some(address), listening)) => {
            let only_here = listening.is_none_or(|listening| listening.ip().to_canonical().is_loopback());
            if address.is_unspecified() || address.is_local() && !only_here {
                findings.bad(
                    "address",
                    format!("invites carry {address}, which others cannot reach"),
                    "start the server with --name HOST, as others reach it, and make new invites",
                );
            } else {
                findings.good("address", format!("invites carry {address}"));
            }
        }
        Ok((None, _)) => findings.warn("address", "no server has run here yet", "start `countersign serve`"),
        Err(e) => findings.bad("address", e.to_string(), "start the server again: it writes the file anew"),
    }
}

fn organisation(inventory: &Inventory, findings: &mut Findings) {
    findings.good("organisation", format!("{}, root {}", inventory.organisation, inventory.root.fingerprint));
    let now = now_ms();
    for certificate in [&inventory.root, &inventory.issuing].into_iter().chain(&inventory.leaves) {
        findings.validity(
            &format!("the certificate {}", certificate.name),
            (certificate.not_before_ms, certificate.not_after_ms),
            now,
            "this version cannot renew it; plan a new organisation before that day",
        );
    }
    let plain: Vec<&str> = inventory.keys.iter().filter(|key| !key.encrypted).map(|key| key.name).collect();
    if plain.is_empty() {
        findings.good("keys", "all are encrypted");
    } else {
        findings.warn(
            "keys",
            format!("not encrypted: {}", plain.join(", ")),
            "whoever reads the disk has them; docs/operations.md says how to encrypt them",
        );
    }
    for key in &inventory.keys {
        private("keys", &key.path, findings);
    }
    if inventory.keys.iter().any(|key| key.name == "root") {
        findings.warn(
            "root-key",
            "the root's key lies in the server's folder",
            "the server does not need it: move it to a safe place with `countersign ca export-root --out FILE`",
        );
    } else {
        findings.good("root-key", "the root's key is not in the server's folder");
    }
}

/// Whether others than its owner can read a file or folder; only what is wrong is told.
fn private(check: &'static str, path: &Path, findings: &mut Findings) {
    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        let tidy = if metadata.is_dir() { "700" } else { "600" };
        findings.bad(
            check,
            format!("{} can be used by others than its owner (mode {mode:o})", path.display()),
            format!("chmod {tidy} {}", super::super::shown(path)),
        );
    }
}

async fn database(folder: &DataFolder, findings: &mut Findings) {
    if !folder.has_database() {
        return findings.warn(
            "database",
            "there is none yet",
            "the first start of `countersign serve` makes it",
        );
    }
    let advice = "stop the server, keep a copy of the folder, and restore a backup";
    let console = match Console::open(folder).await {
        Ok(console) => console,
        Err(e) => return findings.bad("database", e.to_string(), advice),
    };
    let report = console.check().await;
    console.close().await;
    match report {
        Err(e) => findings.bad("database", e.to_string(), advice),
        Ok(report) if report.problems.is_empty() => findings.good(
            "database",
            format!(
                "schema {}, {} rooms, {} log entries, {} directory leaves: nothing is amiss",
                report.schema, report.rooms, report.entries, report.directory
            ),
        ),
        Ok(report) => {
            for problem in report.problems.iter().take(TOLD) {
                findings.bad("database", format!("{problem:?}"), advice);
            }
            let more = report.problems.len().saturating_sub(TOLD);
            if more > 0 {
                findings.bad("database", format!("and {more} more problems"), advice);
            }
        }
    }
}
