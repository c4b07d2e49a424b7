//! `classic init-users`: the database and the table of a classic server's users.

use classic::users::mysql::init;
use serde_json::json;

use crate::cli::InitUsersArguments;
use crate::command::Context;
use crate::terminal::Failure;

/// Runs it.
pub async fn run(context: &Context, arguments: InitUsersArguments) -> Result<(), Failure> {
    let schema = arguments.schema;
    let done = init(&arguments.url.0, schema).await?;
    context.output.result(
        || {
            json!({
                "place": done.place, "schema": schema.name(),
                "database_created": done.database_created, "table_created": done.table_created,
            })
        },
        || {
            let made = match (done.database_created, done.table_created) {
                (true, _) => "the database and its table `users` are made",
                (false, true) => "its table `users` is made",
                (false, false) => "its table `users` was there, and is right",
            };
            format!("{}: {made} ({})", done.place, schema.name())
        },
    )
}
