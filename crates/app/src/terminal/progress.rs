//! How far something is, on the last line of the terminal.

use std::future::Future;
use std::io::IsTerminal as _;
use std::time::Duration;

use client::Transfer;
use evidence::verdict::safe;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::Output;

/// How often it is shown.
const EVERY: Duration = Duration::from_millis(250);

/// Does `work`; while it lasts a terminal shows how far `what` is, and other output nothing.
pub async fn with_progress<T>(
    output: Output,
    what: &str,
    transfer: &watch::Receiver<Transfer>,
    work: impl Future<Output = T>,
) -> T {
    if output.json || output.quiet || !std::io::stderr().is_terminal() {
        return work.await;
    }
    tokio::pin!(work);
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first comes at once: what is done by then shows nothing.
    ticks.tick().await;
    let mut shown = false;
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            _ = ticks.tick() => {
                eprint!("\r{}\x1b[K", line(what, *transfer.borrow()));
                shown = true;
            }
        }
    };
    if shown {
        eprint!("\r\x1b[K");
    }
    done
}

/// How far `what` is, as a line.
pub fn line(what: &str, transfer: Transfer) -> String {
    let Transfer { done, total } = transfer;
    let percent = done.min(total).saturating_mul(100).checked_div(total).unwrap_or_default();
    format!("{}: {percent} %", safe(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_never_says_more_than_all() {
        let told = |done, total| line("a\nb", Transfer { done, total });
        assert_eq!(told(0, 0), "a\\u{a}b: 0 %");
        assert_eq!(told(511, 1024), "a\\u{a}b: 49 %");
        assert_eq!(told(9, 8), "a\\u{a}b: 100 %");
        assert_eq!(told(1 << 31, 1 << 31), "a\\u{a}b: 100 %");
    }
}
