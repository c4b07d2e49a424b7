//! The edge's clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Gives the time in Unix milliseconds.
pub type Clock = fn() -> u64;

/// The system's time in Unix milliseconds; 0 before 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the client is the edge: all below take the time as an argument"
)]
pub fn system_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
