//! Evidence from end to end: made, exported, verified, spoiled, and checked with other people's tools.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml exempts test functions and not what they call"
)]

mod archive;
mod bundle;
mod erasures;
mod forged;
mod objects;
mod relations;
mod room;
mod tools;
mod vectors;
mod world;
