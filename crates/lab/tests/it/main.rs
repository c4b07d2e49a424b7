//! Every cell of the data file, run for real (LA-8).

#![expect(clippy::unwrap_used, reason = "clippy.toml exempts test functions and not what they call")]

mod broadcast;
mod cianr;
mod countersign;
mod decode;
mod exercise;
mod key_transport;
mod page;
mod pcap;
mod tap;
mod world;
