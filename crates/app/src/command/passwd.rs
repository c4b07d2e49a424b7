//! `passwd`: changes the account's password, on the server and in this home.

use pki::Password;
use serde_json::json;

use super::{Context, online};
use crate::cli::PasswdArguments;
use crate::terminal::{Failure, PasswordSource};

/// Runs it.
pub async fn run(context: &Context, arguments: PasswdArguments) -> Result<(), Failure> {
    let source = PasswordSource::new(arguments.new_password_file.as_deref(), None);
    let client = online(context).await?;
    let outcome = async {
        let new = source.read_new("New password: ")?;
        pki::password::check(&new)
            .map_err(|e| Failure::new("weak-password", format!("{e}; nothing was changed")))?;
        client.change_password(Password::new(new.as_str().to_owned())).await?;
        Ok(())
    }
    .await;
    client.close().await;
    outcome.and_then(|()| {
        context.output.note("The password is changed, for your account and for this home.");
        context.object(|| json!({ "changed": true }))
    })
}
