//! Bytes and limits shared by everything that is sent, signed or stored.
//!
//! - [`bytes`]: the fixed-size and length-prefixed fields of the handshake.
//! - [`frame`]: the outer frames that cross TCP.
//! - [`cbor`]: deterministic CBOR (RFC 8949, section 4.2.1) and its strict decoder.
//!
//! Called by every other crate; calls none of them.

pub mod bytes;
pub mod cbor;
pub mod frame;
