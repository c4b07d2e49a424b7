//! `key-transport`: a session key under RSA-OAEP, AES-256-CBC with HMAC (docs/classic.md, section 4).
//!
//! - [`Server`], [`connect`]: the two roles, on any stream. The program calls them.
//! - [`SessionKey`], [`KeyDelivery`], [`SealedText`], [`server_key_message`]: what goes over the wire, taken apart by the lab too.
//! - [`key_of_folder`]: the server's key on disk.

mod client;
mod key_file;
mod message;
mod server;

pub use client::connect;
pub use key_file::{KEY_FILE, key_of_folder};
pub use message::{KeyDelivery, SealedText, SessionKey, read_server_key, server_key_message};
pub use server::Server;
