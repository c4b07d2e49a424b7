//! The user stores: one suite over all of them, MariaDB's own matters, and the programs that were there before.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod conformance;
mod mariadb;
mod python;

use classic::users::UserStoreError;

/// An error and its causes, as they may be shown.
fn told(error: &UserStoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(e) = cause {
        text.push_str(&format!(": {e}"));
        cause = e.source();
    }
    text
}
