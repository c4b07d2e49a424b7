//! The handshake: one struct per state, consumed by its transition (CH-7 to CH-25).
//!
//! - [`message`]: M1, M2 and M3 in bytes.
//! - [`chain`]: certificate chains in bytes.
//! - [`client`], [`server`]: the states of either side.
//! - [`alert`]: alerts before there are records.

pub(crate) mod alert;
pub(crate) mod chain;
pub(crate) mod client;
pub(crate) mod message;
pub(crate) mod server;

use wire::frame::FrameType;

use crate::LocalFailure;

/// What stands before TH2 under the server's signature (CH-16). No other context is the same or begins so (CH-23, EV-11).
pub(crate) const SERVER_CONTEXT: &[u8] = b"countersign v1 server handshake\0";
/// What stands before TH5 under the client's signature (CH-16).
pub(crate) const CLIENT_CONTEXT: &[u8] = b"countersign v1 client handshake\0";

/// A message's frame. Every message has its own largest size, far below a frame's.
fn frame(frame_type: FrameType, body: &[u8]) -> Result<Vec<u8>, LocalFailure> {
    wire::frame::encode(frame_type, body).map_err(|_| LocalFailure::Cryptography)
}
