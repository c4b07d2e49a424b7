//! Questions to whoever sits at the terminal.

use std::io::{self, BufRead, Write};

use rustix::termios::{QueueSelector, tcflush};

use super::Failure;

/// Asks on the terminal. What was typed before the question is no answer to it.
pub async fn confirmed(question: &'static str) -> Result<bool, Failure> {
    let ask = move || -> io::Result<bool> {
        let mut input = io::stdin().lock();
        tcflush(&input, QueueSelector::IFlush)?;
        eprint!("{question} [y/N] ");
        io::stderr().flush()?;
        let mut answer = String::new();
        input.read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    };
    let answer = tokio::task::spawn_blocking(ask).await;
    let answer = answer.map_err(|e| Failure::failed(format!("cannot ask: {e}")))?;
    answer.map_err(|e| Failure::failed(format!("cannot read from the terminal: {e}")))
}
