//! `broadcast`: one room over Diffie-Hellman, HKDF and AES-128-CBC (docs/classic.md, section 5).
//!
//! - [`Server`], [`connect`]: the two roles, on any stream. The program calls them.
//! - [`ClientMessage`], [`ServerMessage`], [`RoomKey`]: what goes over the wire, taken apart by the lab too.

mod client;
mod key;
mod message;
mod room;
mod server;

pub use client::{Account, connect};
pub use key::{Accepted, Offer, RoomKey};
pub use message::{ClientMessage, Credentials, Password, ServerMessage};
pub use server::Server;
