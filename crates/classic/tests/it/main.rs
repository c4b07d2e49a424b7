//! The classic protocols between our own two sides and with others.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy.toml exempts test functions and not what they call"
)]

mod cianr;
mod handshake;
mod hostile;
mod peer;
mod python;
mod raw;
mod world;
