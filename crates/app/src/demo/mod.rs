//! `demo`: a server, people, a room, talk, evidence and its verification, over real sockets on this machine.
//!
//! - [`script`]: who says what. [`talk`]: says it. [`stage`]: the server and the people's homes.
//! - [`proof`]: export, verdict, and the two copies that have to be refused.

mod proof;
mod script;
mod stage;
mod talk;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::DemoArguments;
use crate::command::{Context, shown};
use crate::terminal::{Failure, Output, count};
use proof::Proofs;
use script::Script;
use stage::Stage;
use talk::Talked;

/// Lines between two words on progress.
const PROGRESS_LINES: usize = 500;

/// Plays the demo; any outcome but the expected one is a failure.
pub async fn run(context: &Context, arguments: DemoArguments) -> Result<(), Failure> {
    let script = match &arguments.script {
        Some(path) => Script::read(path)?,
        None => Script::built_in()?,
    };
    let place = Place::choose(arguments.out.as_deref())?;
    tokio::select! {
        played = play(context, &arguments, &script, &place) => played,
        // Leaving by this way removes a temporary folder, and the keys in it.
        () = interrupted() => Err(Failure::new("interrupted", "interrupted")),
    }
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut hangup), Ok(mut end)) = (signal(SignalKind::hangup()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = hangup.recv() => {}
        _ = end.recv() => {}
    }
}

async fn play(
    context: &Context,
    arguments: &DemoArguments,
    script: &Script,
    place: &Place,
) -> Result<(), Failure> {
    let narrator = Narrator { output: context.output, whole: arguments.script.is_none() };
    narrator.opening();

    let stage = Stage::build(place.path(), script, &narrator).await?;
    let talked = talk::play(&stage, script, arguments.pipelined, &narrator).await?;
    let bundle = place.path().join("bundle");
    let exported = stage.export_and_stop(&talked, &bundle).await?;
    write_index(&place.path().join("index.jsonl"), &talked)?;
    let proofs = proof::show(place.path(), &bundle, script, &narrator).await?;
    narrator.closing(place, &talked, &proofs, exported)?;
    proofs.check(script.lines.len())
}

/// Where the demo keeps its things: the folder that was named, or one that is removed at the end.
enum Place {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Place {
    fn choose(out: Option<&Path>) -> Result<Self, Failure> {
        let failed = |e: std::io::Error| Failure::failed(format!("cannot make the demo's folder: {e}"));
        let Some(out) = out else {
            return Ok(Self::Temporary(tempfile::tempdir().map_err(failed)?));
        };
        fs::create_dir_all(out).map_err(failed)?;
        if fs::read_dir(out).map_err(failed)?.next().is_some() {
            return Err(Failure::new("exists", format!("{} is not empty; name a new folder", out.display())));
        }
        Ok(Self::Kept(out.to_owned()))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

fn write_index(path: &Path, talked: &Talked) -> Result<(), Failure> {
    let lines: String = talked
        .indices
        .iter()
        .enumerate()
        .map(|(line, index)| format!("{}\n", json!({ "line": line + 1, "index": index })))
        .collect();
    fs::write(path, lines).map_err(|e| Failure::failed(format!("cannot write {}: {e}", path.display())))
}

/// Tells a person what happens, step by step.
pub struct Narrator {
    output: Output,
    /// Whether every line that is said is shown.
    pub whole: bool,
}

impl Narrator {
    /// Says a line; silent with `--json`.
    pub fn say(&self, text: &str) {
        if !self.output.json && !self.output.quiet {
            // A reader that has gone away misses nothing but words; results are reported with errors.
            let _ = self.output.line(text);
        }
    }

    /// Says how far the talk is, now and then, if its lines are not shown.
    pub fn progress(&self, said: usize, of: usize) {
        if !self.whole && said.is_multiple_of(PROGRESS_LINES) {
            self.say(&format!("   {said} of {of} lines"));
        }
    }

    /// One that says nothing.
    pub fn silent() -> Self {
        Self { output: Output { json: false, quiet: true }, whole: false }
    }

    fn opening(&self) {
        self.say("Countersign: team chat whose record stands up.");
        self.say("A server, its people, their talk and the evidence, all on this machine. The server cannot read what is");
        self.say("said, nor change, drop or invent any of it unnoticed.");
    }

    fn closing(&self, place: &Place, talked: &Talked, proofs: &Proofs, exported: u64) -> Result<(), Failure> {
        let rate = talked.messages as f64 / talked.seconds.max(f64::EPSILON);
        if self.output.json {
            let bundle = match place {
                Place::Kept(path) => Some(path.join("bundle").display().to_string()),
                Place::Temporary(_) => None,
            };
            return self.output.line(
                &json!({
                    "messages": talked.messages, "devices": talked.devices, "deliveries": talked.deliveries,
                    "seconds": talked.seconds, "cpu_seconds": talked.cpu_seconds, "messages_per_second": rate, "synced": talked.synced,
                    "bound_by": talked.bound_by(), "bundle": bundle, "bundle_bytes": exported,
                    "verify_seconds": proofs.verify_seconds, "verdict": proofs.verdict.word,
                    "tampered_verdict": proofs.tampered.word, "foreign_ca_verdict": proofs.foreign.word,
                    "content_suite": 1, "ciphersuite": client::CIPHERSUITE, "epochs": talked.epochs,
                })
                .to_string(),
            );
        }
        self.say("");
        self.say(&format!(
            "{}, {}, {} verified by their receivers, in {:.1} s: {rate:.0} messages a second, each",
            count(talked.messages as u64, "message", "messages"),
            count(talked.devices as u64, "device", "devices"),
            count(talked.deliveries, "delivery", "deliveries"),
            talked.seconds
        ));
        let synced = if talked.synced { "on disk" } else { "NOT surely on disk" };
        self.say(&format!(
            "{synced} before it was acknowledged (bound by {}; {:.1} s of processor time).",
            talked.bound_by(),
            talked.cpu_seconds
        ));
        self.say(&format!(
            "Encrypted end to end by MLS, {}, in {}.",
            client::CIPHERSUITE,
            count(talked.epochs, "epoch", "epochs")
        ));
        match place {
            Place::Kept(path) => {
                let path = shown(path);
                self.say(&format!("Kept in {path}. Look for yourself:"));
                self.say(&format!("  countersign verify {path}/bundle --root {path}/root.pem"));
                self.say(&format!(
                    "  countersign serve --data {path}/server --plain-keys --listen {}",
                    talked.server
                ));
            }
            Place::Temporary(_) => self.say("Nothing was kept; --out DIR keeps server, homes and bundle."),
        }
        Ok(())
    }
}
