//! Whole transactions over a database: what the server remembers.
//!
//! - [`Store`]: every transaction the server makes, grouped by noun ([`Rooms`], [`Log`], [`Directory`], …);
//!   each method is one transaction, and when it returns `Ok` its effect is synced to disk.
//! - [`records`]: what goes in and comes out: bytes, indices, names, times in unix milliseconds.
//! - [`limits`]: the size of everything; a value above its limit is refused before it is bound to a statement.
//! - [`sqlite`]: the default backend.
//! - `conformance` (feature `testing`): the suite that every backend passes.
//!
//! Called by the server. The store knows no cryptography, but for the SHA-256 of blobs and key packages, and no message format, but for
//! the list that a piece of history is: who may do what is decided
//! above it, what must never happen twice (an index, a sequence number, a name, a use of an invite) is decided
//! here, inside the transaction.

#[cfg(feature = "testing")]
pub mod conformance;
mod error;
pub mod limits;
mod piece;
pub mod records;
pub mod sqlite;
mod transactions;

pub use error::{AppendError, Refusal, StoreError, Thing, TooLarge, Unique};
pub use records::*;
pub use sqlite::SqliteStore;
pub use transactions::{
    Accounts, Blobs, Devices, Directory, Histories, Imports, Invites, KeyPackages, Log, Receipts, Recoveries,
    Rooms, Settings, Store, Upkeep,
};

/// A SHA-256 hash, or a key or identifier of the same size.
pub type Hash = [u8; 32];
