//! `lab`: attacks on the classic protocols, run for real (docs/lab.md). Every command has a file of its name.

mod list;
mod page;
mod report;
mod run;

use lab::LabError;

use super::Context;
use crate::cli::{LabArguments, LabCommand};
use crate::terminal::Failure;

/// Runs it.
pub async fn run(context: &Context, arguments: LabArguments) -> Result<(), Failure> {
    match arguments.command {
        None => page::run(context, arguments.listen).await,
        Some(LabCommand::Run(arguments)) => run::run(context, &arguments).await,
        Some(LabCommand::Report(arguments)) => report::run(context, &arguments).await,
        Some(LabCommand::List) => list::run(context),
    }
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        let code = match &error {
            LabError::UnknownAttack(_) | LabError::NotLoopback(_) => return Self::usage(error.to_string()),
            LabError::Io { .. } => "io",
            LabError::Occupied(_) => "exists",
            LabError::Users(_) => "users",
            LabError::Data(_) | LabError::NotWritten { .. } | LabError::Stage(_) => "failed",
            LabError::Classic(error) => error.code(),
        };
        Self::new(code, error.to_string())
    }
}
