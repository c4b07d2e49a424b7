//! Five classic secure-chat protocols, server and client, wire-compatible with the programs that exist (docs/classic.md).
//!
//! None of them is safe; they are here so that their users can bring what they had, and so that each can be taught and
//! attacked. Nothing of the product depends on this crate, and this crate depends on nothing of the product.
//!
//! - [`protocol`]: the five by name. [`cianr`] in three dialects, [`key_transport`], [`broadcast`]: each with both roles.
//! - [`frame`], [`json`], [`pem`], [`cipher`], [`mac`], [`rsa`], [`dh`]: what the protocols are built from.
//! - [`conversation`]: events, what is said, the listener.
//! - [`certificate`]: the folders of RSA certificates of the `cianr` dialects.
//! - [`verify`]: receipts, offline.
//! - [`users`]: the user stores: MySQL tables, `server_credentials.json`, memory.

pub mod broadcast;
pub mod certificate;
pub mod cianr;
pub mod cipher;
pub mod conversation;
pub mod dh;
mod error;
pub mod frame;
pub mod json;
pub mod key_transport;
pub mod limits;
pub mod mac;
pub mod pem;
mod platform;
pub mod protocol;
pub mod rsa;
pub mod users;
pub mod verify;

pub use error::ClassicError;
