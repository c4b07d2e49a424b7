//! `save`: the files of one message.

use serde_json::json;

use super::{Context, held};
use crate::cli::SaveArguments;
use crate::file::Folder;
use crate::terminal::Failure;

/// Writes the files of a message into a folder.
pub async fn run(context: &Context, arguments: SaveArguments) -> Result<(), Failure> {
    let folder = Folder::open(&arguments.to)?;
    let (client, _) = held(context).await?;
    let outcome = async {
        let room = client.find_room(&arguments.room).await?;
        let files = client.attachments(room, arguments.index).await?;
        if files.is_empty() {
            return Err(Failure::new("not-found", format!("message {} has no files", arguments.index)));
        }
        for (number, file) in files.iter().enumerate() {
            let path = folder.save(context.output, &client, (room, arguments.index, number), file).await?;
            context.output.result(
                || json!({ "index": arguments.index, "name": file.name().as_str(), "saved": path }),
                || format!("saved as {}", super::shown(&path)),
            )?;
        }
        Ok(())
    }
    .await;
    client.close().await;
    outcome
}
