//! CPU time of this thread, spent in interleaved rounds, so that what else the machine does falls on all alike.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

/// CPU time that this thread has used.
pub(crate) fn cpu_time() -> Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?)
}

/// CPU time that all threads of this process have used.
pub(crate) fn process_cpu_time() -> Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::ProcessCPUTime))?)
}

/// The clock, for what several threads do in turn.
pub(crate) fn monotonic() -> Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::Monotonic))?)
}

/// The time, Unix milliseconds: for a server, which reads the clock as well.
pub(crate) fn unix_ms() -> Result<u64> {
    let time = Duration::try_from(clock_gettime(ClockId::Realtime))?;
    Ok(u64::try_from(time.as_millis())?)
}

/// Adds up the CPU time of parts of a task.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch(Duration);

impl Stopwatch {
    /// Runs `part` and counts its time.
    pub(crate) fn count<T>(&mut self, part: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = cpu_time()?;
        let result = part()?;
        self.0 += cpu_time()? - start;
        Ok(result)
    }

    /// What was counted.
    pub(crate) fn total(&self) -> Duration {
        self.0
    }
}

/// One side of a comparison: does its task a number of times and returns the CPU time that counts.
pub(crate) struct Contender<'a> {
    name: &'static str,
    task: Box<dyn FnMut(u32) -> Result<Duration> + 'a>,
    /// Nanoseconds for one task, a value a round.
    rounds: Vec<f64>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(name: &'static str, task: impl FnMut(u32) -> Result<Duration> + 'a) -> Self {
        Self { name, task: Box::new(task), rounds: Vec::new() }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Nanoseconds for one task.
    pub(crate) fn nanoseconds(&self) -> Result<Spread> {
        Spread::of(self.rounds.iter().copied())
    }

    /// This one's time for each unit of the other's, round by round.
    pub(crate) fn ratio_to(&self, other: &Contender<'_>) -> Result<Spread> {
        Spread::of(self.rounds.iter().zip(&other.rounds).map(|(own, other)| own / other))
    }
}

/// Runs all contenders in turn, `rounds` times, after one round that does not count. A round does each task `times`
/// times.
pub(crate) fn compete(contenders: &mut [Contender<'_>], rounds: usize, times: u32) -> Result<()> {
    contenders.iter_mut().try_for_each(|contender| (contender.task)(times).map(|_| ()))?;
    for _ in 0..rounds {
        for contender in contenders.iter_mut() {
            let spent = (contender.task)(times)?;
            contender.rounds.push(spent.as_secs_f64() * 1e9 / f64::from(times));
        }
    }
    Ok(())
}

/// A median with what lies around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Result<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().context("no rounds were run");
        Ok(Self { median: at(values.len() / 2)?, least: at(0)?, most: at(values.len().saturating_sub(1))? })
    }
}

/// As in `1.02 (0.98–1.10)`.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.2} ({:.2}–{:.2})", self.median, self.least, self.most))
    }
}
