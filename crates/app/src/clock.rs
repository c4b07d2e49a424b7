//! The clock, and times as people read them.

pub use client::system_clock as now_ms;
pub use evidence::verdict::utc;

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Unix time in microseconds.
#[expect(clippy::disallowed_methods, reason = "the program's edge")]
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Measures how long something took, by the clock and in processor time of this process.
pub struct Stopwatch {
    start: std::time::Instant,
    cpu: Timespec,
}

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "the program's edge")]
    pub fn start() -> Self {
        Self { start: std::time::Instant::now(), cpu: clock_gettime(ClockId::ProcessCPUTime) }
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Seconds of processor time since the start, all threads together.
    pub fn cpu_seconds(&self) -> f64 {
        let now = clock_gettime(ClockId::ProcessCPUTime);
        (now.tv_sec - self.cpu.tv_sec) as f64 + (now.tv_nsec - self.cpu.tv_nsec) as f64 / 1e9
    }
}
