//! `lab`: attacks on the classic protocols, run for real (docs/lab.md). Every command has a file of its name.

mod list;
mod page;
mod report;
mod run;

use lab::LabError;
use tokio::signal::unix::SignalKind;

use super::Context;
use super::serve::stop_signal;
use crate::cli::{LabArguments, LabCommand};
use crate::terminal::Failure;

/// Runs it.
pub async fn run(context: &Context, arguments: LabArguments) -> Result<(), Failure> {
    match arguments.command {
        None => page::run(context, arguments.listen).await,
        Some(LabCommand::Run(arguments)) => unless_stopped(run::run(context, &arguments)).await,
        Some(LabCommand::Report(arguments)) => unless_stopped(report::run(context, &arguments)).await,
        Some(LabCommand::List) => list::run(context),
    }
}

/// Does it unless a signal comes before its end: what is half-made and what is temporary goes with it.
async fn unless_stopped(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let (mut terminate, mut interrupt) =
        (stop_signal(SignalKind::terminate())?, stop_signal(SignalKind::interrupt())?);
    tokio::select! {
        outcome = work => return outcome,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Err(Failure::new("stopped", "it was stopped before its end"))
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        let code = match &error {
            LabError::UnknownAttack(_) | LabError::NotLoopback(_) => return Self::usage(error.to_string()),
            LabError::Io { .. } => "io",
            LabError::Listen { .. } => "listen",
            LabError::Occupied(_) => "exists",
            LabError::Users(_) => "users",
            LabError::Data(_) | LabError::NotWritten { .. } | LabError::Stage(_) => "failed",
            LabError::Classic(error) => error.code(),
        };
        Self::new(code, error.to_string())
    }
}
