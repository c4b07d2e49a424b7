//! A server's folder: its keys, certificates and database.

use server::console::Console;
use server::organisation::{DataFolder, Inventory};

use super::Findings;
use crate::clock::now_ms;
use crate::terminal::count;

/// What to do before an authority's certificate ends, and one of the server's own.
const AUTHORITY_ENDS: &str = "it cannot be renewed, and nobody can connect after that day: export what has to be kept, and make a \
                              new organisation";
const LEAF_ENDS: &str = "start the server, which renews it for as long as the issuing CA lasts";
/// Problems of a database that are told one by one.
const TOLD: usize = 10;

/// Looks at it; a server may be running on it.
pub async fn examine(folder: &DataFolder, findings: &mut Findings) {
    match folder.is_in_use() {
        Ok(false) => findings.good("folder", format!("{}; no server runs on it", folder.path().display())),
        Ok(true) => findings.good("folder", format!("{}; a server runs on it", folder.path().display())),
        Err(e) => findings.bad(
            "folder",
            e.to_string(),
            "make the folder readable and writable for the server's user",
        ),
    }
    findings.private("folder", folder.path());
    findings.owner("folder", folder.path());
    findings.space(folder.path());
    address(folder, findings);
    match Inventory::read(folder) {
        Ok(inventory) => organisation(folder, &inventory, findings),
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

fn organisation(folder: &DataFolder, inventory: &Inventory, findings: &mut Findings) {
    findings.good("organisation", format!("{}, root {}", inventory.organisation, inventory.root.fingerprint));
    let now = now_ms();
    let authorities = [&inventory.root, &inventory.issuing].map(|listed| (listed, AUTHORITY_ENDS));
    for (listed, advice) in authorities.into_iter().chain(inventory.leaves.iter().map(|l| (l, LEAF_ENDS))) {
        let what = format!("the certificate {}", listed.name);
        findings.validity(&what, (listed.not_before_ms, listed.not_after_ms), now, advice);
    }
    let plain: Vec<&str> = inventory.keys.iter().filter(|key| !key.encrypted).map(|key| key.name).collect();
    if plain.is_empty() {
        findings.good("keys", "all are encrypted");
    } else {
        findings.warn(
            "keys",
            format!("not encrypted: {}", plain.join(", ")),
            "whoever reads the disk has them; `countersign ca change-passphrase --plain-keys` encrypts them",
        );
    }
    for key in &inventory.keys {
        findings.private("keys", &key.path);
    }
    if inventory.keys.iter().any(|key| key.name == "root") {
        let place = crate::command::shown(folder.path());
        findings.warn(
            "root-key",
            "the root's key lies in the server's folder",
            format!(
                "the server does not need it: move it to a safe place with `countersign ca export-root --data {place} --out FILE`"
            ),
        );
    } else {
        findings.good("root-key", "the root's key is not in the server's folder");
    }
}

async fn database(folder: &DataFolder, findings: &mut Findings) {
    let advice = "stop the server, keep a copy of the folder, and restore a backup";
    if folder.lost_database() {
        let gone =
            format!("{} is missing or empty, though a server has run here", folder.database().display());
        return findings.bad("database", gone, advice);
    }
    if !folder.has_database() {
        return findings.warn(
            "database",
            "there is none yet",
            "the first start of `countersign serve` makes it",
        );
    }
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
                "schema {}, {}, {}, {}: nothing is amiss",
                report.schema,
                count(report.rooms, "room", "rooms"),
                count(report.entries, "log entry", "log entries"),
                count(report.directory, "directory leaf", "directory leaves")
            ),
        ),
        Ok(report) => {
            for problem in report.problems.iter().take(TOLD) {
                findings.bad("database", format!("{problem:?}"), advice);
            }
            let more = report.problems.len().saturating_sub(TOLD);
            if more > 0 {
                findings.bad(
                    "database",
                    format!("and {} more", count(more as u64, "problem", "problems")),
                    advice,
                );
            }
        }
    }
}
