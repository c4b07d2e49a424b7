//! The one place of this crate that reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds; 0 for a clock that stands before 1970.
#[cfg(not(test))]
pub fn now_ms() -> u64 {
    system_ms()
}

/// The same, but it goes by tokio's clock, which tests stop.
#[cfg(test)]
pub fn now_ms() -> u64 {
    static START: std::sync::OnceLock<(tokio::time::Instant, u64)> = std::sync::OnceLock::new();
    let (start, at_ms) = START.get_or_init(|| (tokio::time::Instant::now(), system_ms()));
    at_ms + u64::try_from(start.elapsed().as_millis()).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server's edge: everything below takes the time as an argument"
)]
fn system_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
