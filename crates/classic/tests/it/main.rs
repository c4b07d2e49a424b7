//! The classic protocols between our own two sides, over real sockets.

#![expect(clippy::unwrap_used, reason = "clippy.toml exempts test functions and not what they call")]

mod cianr;
mod python;
mod world;
