//! The clock, and times as people read them.

pub use client::system_clock as now_ms;

const DAY_MS: u64 = 86_400_000;

/// `2026-11-20 14:24:52 UTC`; milliseconds are left out.
pub fn utc(ms: u64) -> String {
    let (year, month, day) = date(ms / DAY_MS);
    let seconds = ms % DAY_MS / 1000;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Year, month and day of a day since 1970-01-01, in the Gregorian calendar: years are counted from March, so that the
/// leap day is the last, in eras of 400 years.
fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let days = days.saturating_add(719_468);
    let in_era = days % ERA;
    let year_of_era = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = days / ERA * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// Measures how long something took.
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "the program's edge")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_utc() {
        for (ms, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399_999, "2000-02-28 23:59:59 UTC"),
            (951_782_400_000, "2000-02-29 00:00:00 UTC"),
            (1_795_184_692_000, "2026-11-20 14:24:52 UTC"),
            (253_402_300_799_999, "9999-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(utc(ms), text);
        }
        assert!(!utc(u64::MAX).is_empty());
    }
}
