//! `lab`: attacks on the classic protocols, run for real (docs/lab.md). Every command has a file of its name.

mod list;
mod run;

use lab::LabError;

use super::Context;
use crate::cli::LabCommand;
use crate::terminal::Failure;

/// Runs it.
pub async fn run(context: &Context, command: LabCommand) -> Result<(), Failure> {
    match command {
        LabCommand::Run(arguments) => run::run(context, &arguments).await,
        LabCommand::List => list::run(context),
    }
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        let code = match &error {
            LabError::UnknownAttack(_) => return Self::usage(error.to_string()),
            LabError::Io { .. } => "io",
            LabError::Data(_) | LabError::NotWritten { .. } | LabError::Stage(_) => "failed",
            LabError::Classic(error) => error.code(),
        };
        Self::new(code, error.to_string())
    }
}
