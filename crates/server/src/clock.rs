//! The one place of this crate that reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds; 0 for a clock that stands before 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the server's edge: everything below takes the time as an argument"
)]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
