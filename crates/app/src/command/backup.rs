//! `backup`: a copy of the server's folder, also while a server runs on it.

use serde_json::json;
use server::console::Console;
use server::organisation::DataFolder;

use super::{Context, no_organisation, shown};
use crate::cli::BackupArguments;
use crate::terminal::Failure;

/// Writes the copy.
pub async fn run(context: &Context, arguments: BackupArguments) -> Result<(), Failure> {
    let data = context.data_folder(&arguments.data);
    let folder = DataFolder::existing(&data).ok_or_else(|| no_organisation(&data))?;
    let console = Console::open(&folder).await?;
    let copied = console.backup(&folder, &arguments.out).await;
    console.close().await;
    copied?;
    let out = shown(&arguments.out);
    context.output.note(&format!(
        "Wrote {out}; its keys open with the passphrase of now. Look at it with\n  countersign doctor --data {out}"
    ));
    context.object(|| json!({ "backup": arguments.out.display().to_string() }))
}
