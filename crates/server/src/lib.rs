//! The server: listener, connections, rooms, fan-out, administration.
//!
//! - [`Server`]: starts on a data folder and runs until told to stop.
//! - [`organisation`]: the organisation's keys, certificates and directory.
//! - [`admission`]: who may try to get in.
//! - `connection`: one task per connection.
//! - `rooms`: from a submitted statement to an acknowledged entry.
//! - [`console`]: what an operator does on the data folder without a session.
//!
//! Called by the command line. Time and sockets are read here and nowhere below.

pub mod admission;
mod clock;
mod connection;
pub mod console;
mod failure;
mod listener;
pub mod organisation;
mod revocation;
mod rooms;
mod shared;
mod sweep;

pub use listener::{PartEnded, Server, ServerConfig, StartError, database_path};
