//! The secure channel: handshake, key schedule, records (`docs/channel.md`).
//!
//! Sans-IO: bytes and the time go in, bytes, events and the next deadline come out. There is no socket, clock or
//! runtime here.
//!
//! - [`Connection`]: what a client's and a server's connection loop hold; the way in.
//! - [`ClientConfig`], [`ServerConfig`]: whom to trust and who we are.
//! - `handshake`: one struct per state, consumed by its transition.
//! - `schedule`: from shared secrets and transcript to keys.
//! - `exchange`: the hybrid of X25519 and ML-KEM-768, in the handshake and in each rekey.
//! - `record`: sealing and opening.
//!
//! Called by `session`; calls `pki` for trust and signatures, `wire` for bytes.

mod alert;
mod config;
mod connection;
mod error;
mod event;
mod exchange;
mod handshake;
mod limits;
mod record;
mod schedule;
mod suite;

pub use alert::Alert;
pub use config::{ClientConfig, ClientIdentity, IdentityError, ServerConfig, ServerIdentity, ServerTrust};
pub use connection::Connection;
pub use error::{Error, Incompatible, LocalFailure, Malformed, Misbehaviour, Misuse};
pub use event::{Event, LoginBinding, OpaqueSessionKey, Peer};
pub use limits::{HANDSHAKE_TIMEOUT_MS, MAX_RECORD_CONTENT};
pub use schedule::Exporter;
pub use suite::Suite;
