//! The edge to people and scripts: passwords in, text and JSON out, exit codes.

mod outcome;
mod output;
mod password;
mod progress;
mod question;

pub use outcome::{Failure, exit_code};
pub use output::{Output, count};
pub use password::PasswordSource;
pub use progress::{line as progress_line, with_progress};
pub use question::confirmed;
