//! The edge to people and scripts: passwords in, text and JSON out, exit codes.

mod outcome;
mod output;
mod password;

pub use outcome::{Failure, exit_code};
pub use output::{Output, count};
pub use password::PasswordSource;
