//! `lab run`: attacks against protocols, held against what is expected (LA-8).

use std::path::Path;

use lab::exhibit::{Attack, Column, Outcome, attack, attacks};
use lab::matrix::{self, Run};
use lab::pcap;
use lab::stage::Stage;

use super::super::Context;
use crate::cli::LabRunArguments;
use crate::clock::{now_ms, now_us};
use crate::terminal::{Failure, count};

/// Runs it.
pub async fn run(context: &Context, arguments: &LabRunArguments) -> Result<(), Failure> {
    let chosen = match &arguments.name {
        Some(name) => std::slice::from_ref(attack(name)?),
        None => attacks()?,
    };
    let stage = Stage::new(now_ms)?;
    let mut packets = arguments.pcap.as_ref().map(|_| pcap::File::default());
    let (table, mut all) = (arguments.all && !context.output.json, Vec::new());
    if table {
        context.output.line(&matrix::heading())?;
    }
    for attack in chosen {
        let mut runs = Vec::new();
        for column in
            Column::ALL.into_iter().filter(|column| arguments.protocol.is_none_or(|only| only == *column))
        {
            let mut run = matrix::run(&stage, attack, column, now_us).await;
            let wire = std::mem::take(&mut run.wire);
            if let Some(packets) = &mut packets {
                packets.add(&format!("{} against {column}", attack.name), &wire)?;
            }
            if context.output.json {
                context.output.line(&json(&run)?)?;
            } else if !table {
                context.output.line(&words(attack, &run))?;
            }
            runs.push(run);
        }
        if table {
            context.output.line(&matrix::row(attack, &runs))?;
        }
        all.extend(runs);
    }
    if let Some((file, packets)) = arguments.pcap.as_deref().zip(packets) {
        write(file, &packets.into_bytes())?;
    }
    finish(context, &all)
}

fn json(run: &Run) -> Result<String, Failure> {
    serde_json::to_string(run).map_err(|e| Failure::failed(format!("cannot write a run as JSON: {e}")))
}

/// One run, for people.
fn words(attack: &Attack, run: &Run) -> String {
    let mark = if run.ok { "" } else { "! " };
    let mut text =
        format!("{mark}{} against {}: {}\n   {}", attack.name, run.protocol, run.outcome.name(), run.seen);
    if run.outcome != Outcome::NotApplicable {
        text.push_str(&format!("\n   {}", run.reason));
    }
    if let Some(rule) = &run.rule {
        text.push_str(&format!(" ({rule})"));
    }
    text
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(file, bytes).map_err(|e| {
        Failure::new("io", format!("cannot write {}: {e}; name another --pcap FILE", file.display()))
    })
}

/// The summary, and the failure that names what went otherwise.
pub(super) fn finish(context: &Context, runs: &[Run]) -> Result<(), Failure> {
    let of = |outcome| runs.iter().filter(|run| run.outcome == outcome).count() as u64;
    let wrong: Vec<String> = runs
        .iter()
        .filter(|run| !run.ok)
        .map(|run| {
            let (found, expected) = (run.outcome.name(), run.expected.name());
            format!("  {} against {}: {found} and not {expected}: {}", run.attack, run.protocol, run.seen)
        })
        .collect();
    context.output.note(&format!(
        "{}: {} succeed, {} refused, {} not applicable, {} failed; {} otherwise than expected.",
        count(runs.len() as u64, "run", "runs"),
        of(Outcome::Succeeds),
        of(Outcome::Refused),
        of(Outcome::NotApplicable),
        of(Outcome::Failed),
        wrong.len()
    ));
    if wrong.is_empty() {
        return Ok(());
    }
    let number = count(wrong.len() as u64, "run", "runs");
    Err(Failure::new(
        "unexpected-outcome",
        format!("{number} went otherwise than expected:\n{}", wrong.join("\n")),
    ))
}
