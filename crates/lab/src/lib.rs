//! The lab: attacks on the classic protocols, run for real over sockets of this machine, and the same attacks on Countersign
//! (docs/lab.md).
//!
//! - [`exhibit`]: what each attack is and what it is expected to do, from `exhibits.toml`.
//! - [`stage`]: servers and people to attack. [`tap`]: a listener in the middle, with or without a hand. [`capture`]: the wire.
//!   [`decode`]: its frames in words. [`pcap`]: captures for Wireshark. [`picture`]: who sends what to whom.
//! - [`exercise`]: a protocol by hand. [`attack`]: the attacks. [`matrix`]: all of them against all protocols.
//! - [`page`]: the lab in a browser. [`report`]: what is handed in.

pub mod attack;
pub mod capture;
pub mod decode;
mod error;
pub mod exercise;
pub mod exhibit;
pub mod matrix;
pub mod page;
pub mod pcap;
pub mod picture;
pub mod report;
pub mod stage;
pub mod tap;

pub use error::LabError;
