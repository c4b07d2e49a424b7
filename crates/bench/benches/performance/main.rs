//! What the channel and the server cost, against what they could cost: ratios inside one run.
//!
//! `cargo bench -p countersign-bench` runs all; a name behind `--` (`handshake`, `records`, `message`, `classic`, `group`) runs one.
//!
//! - [`measure`]: CPU time, interleaved rounds, medians of ratios.
//! - [`organisation`]: the certificates that all sides show.
//! - [`tls`]: the TLS peers. [`peer`]: a client of our server.
//! - [`handshake`], [`records`], [`message`], [`classic`], [`group`]: the measurements of `docs/performance.md`.

mod classic;
mod group;
mod handshake;
mod measure;
mod message;
mod organisation;
mod peer;
mod records;
mod tls;

use anyhow::Result;

fn main() -> Result<()> {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|other| other == name);
    if runs("handshake") {
        handshake::run()?;
    }
    if runs("records") {
        records::run()?;
    }
    if runs("message") {
        message::run()?;
    }
    if runs("classic") {
        classic::run()?;
    }
    if runs("group") {
        group::run()?;
    }
    Ok(())
}
