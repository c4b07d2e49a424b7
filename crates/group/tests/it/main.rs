//! Groups of several devices, each with a disk of its own, on one log.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy.toml exempts test functions and not what they call"
)]

mod forge;
mod history;
mod hostile;
mod life;
mod model;
mod party;
mod shown;
mod store;
