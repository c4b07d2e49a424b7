//! The exercise's report: a folder with a page, the captures, a session of each protocol with its evidence, the users (LA-60 to LA-63).
//!
//! - `session`: a session of a protocol, and what is kept of it. `page`: the page.

mod page;
mod session;

use std::path::{Path, PathBuf};

use classic::users::{self, BadRow, ImportedUser};
use tempfile::TempDir;

use crate::LabError;
use crate::exercise::Exercise;
use crate::exhibit::{Column, attacks};
use crate::matrix::{self, Run};
use crate::pcap;
use crate::stage::Stage;
use session::Session;

/// The page's file.
pub const PAGE: &str = "index.html";
const CAPTURES: &str = "captures";
const SESSIONS: &str = "sessions";

/// Users of one protocol, or of a table that was named.
struct Users {
    of: String,
    rows: Vec<Result<ImportedUser, BadRow>>,
}

/// Everything that the page tells.
struct Report {
    made_ms: u64,
    runs: Vec<Run>,
    sessions: Vec<Session>,
    users: Vec<Users>,
}

/// Runs all attacks and a session of each protocol and writes the report to `out`, which is a new or an empty folder. It is there
/// whole or not at all. `table` is a user table to show as well (CL-62); `told` hears what is done. The runs, without their wires.
///
/// # Errors
/// [`LabError::Occupied`]; [`LabError::Users`]; [`LabError::Io`] if it cannot be written.
pub async fn write(
    out: &Path,
    table: Option<&str>,
    clock_ms: fn() -> u64,
    clock_us: fn() -> u64,
    mut told: impl FnMut(&str),
) -> Result<Vec<Run>, LabError> {
    let folder = beside(out)?;
    let mut users = Vec::new();
    if let Some(table) = table {
        let rows = users::export(table).await.map_err(LabError::Users)?;
        users.push(Users { of: "the table that was named".to_owned(), rows });
    }
    let (captures, sessions) = (folder.path().join(CAPTURES), folder.path().join(SESSIONS));
    for folder in [&captures, &sessions] {
        std::fs::create_dir(folder).map_err(LabError::io("cannot make a folder of the report"))?;
    }
    let stage = Stage::new(clock_ms)?;
    let mut runs = Vec::new();
    for attack in attacks()? {
        for column in Column::ALL {
            let mut run = matrix::run(&stage, attack, column, clock_us).await;
            let wire = std::mem::take(&mut run.wire);
            if !wire.frames.is_empty() {
                run.capture = Some(format!("{CAPTURES}/{}-{column}.pcapng", attack.name));
                keep_capture(
                    &captures.join(format!("{}-{column}.pcapng", attack.name)),
                    &format!("{} against {column}", attack.name),
                    &wire,
                )?;
            }
            runs.push(run);
        }
        told(&attack.name);
    }
    let exercise = Exercise::new(clock_ms, clock_us)?;
    let mut kept = Vec::new();
    for column in Column::ALL {
        kept.push(Session::hold(&exercise, column, &sessions.join(column.name())).await?);
        let rows = exercise.users().await;
        if !rows.is_empty() {
            users.push(Users { of: column.to_string(), rows });
        }
        told(&format!("session of {column}"));
    }
    exercise.stop().await;
    let report = Report { made_ms: clock_ms(), runs, sessions: kept, users };
    let page = page::of(&report).into_string();
    std::fs::write(folder.path().join(PAGE), page).map_err(LabError::io("cannot write the report"))?;
    put(folder, out)?;
    Ok(report.runs)
}

/// A folder beside `out`, to be put in its place: what is half-made does not stay.
fn beside(out: &Path) -> Result<TempDir, LabError> {
    let occupied = || LabError::Occupied(out.to_owned());
    match std::fs::read_dir(out).map(|mut entries| entries.next()) {
        Ok(None) => {}
        Ok(Some(_)) => return Err(occupied()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(LabError::io("cannot write the report there")(error)),
    }
    let out = std::path::absolute(out).map_err(LabError::io("cannot write the report there"))?;
    let parent = out.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
    tempfile::Builder::new()
        .prefix(".countersign-report-")
        .tempdir_in(parent)
        .map_err(LabError::io("cannot write the report there"))
}

fn put(folder: TempDir, out: &Path) -> Result<(), LabError> {
    let failed = "cannot put the report in its place";
    // A temporary folder is its owner's alone; a report is to be shown.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).map_err(LabError::io(failed))?;
    }
    std::fs::rename(folder.path(), out).map_err(LabError::io(failed))?;
    // It is not temporary any more.
    let _ = folder.keep();
    Ok(())
}

fn keep_capture(path: &Path, title: &str, wire: &crate::capture::Recorded) -> Result<(), LabError> {
    let mut packets = pcap::File::default();
    packets.add(title, wire)?;
    std::fs::write(path, packets.into_bytes()).map_err(LabError::io("cannot write a capture"))
}
