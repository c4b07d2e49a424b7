//! `lab report`: a folder with everything that would be handed in.

use lab::report;

use super::super::Context;
use super::run::finish;
use crate::cli::LabReportArguments;
use crate::clock::{now_ms, now_us};
use crate::terminal::Failure;

/// Runs it.
pub async fn run(context: &Context, arguments: &LabReportArguments) -> Result<(), Failure> {
    let told = |what: &str| context.output.note(&format!("done: {what}"));
    let runs = report::write(&arguments.out, arguments.users.as_deref(), now_ms, now_us, told).await?;
    let page = arguments.out.join(report::PAGE);
    context.output.result(
        || serde_json::json!({ "report": page, "runs": runs }),
        || format!("The report is {}", page.display()),
    )?;
    finish(context, &runs)
}
