//! End-to-end encryption: a room's MLS group (RFC 9420) on one device, by the rules of `docs/group.md`.
//!
//! Bytes in, bytes out: [`Group`] makes and takes commits, welcomes and messages, [`package`] makes key packages, and [`Store`] says what is
//! to be written before anything is sent or shown. [`FileKey`] seals files apart from messages, [`HistoryKey`] what a user's devices keep for each other. The client keeps it all; the server never links this crate.

mod credential;
mod crypto;
mod error;
mod file;
mod group;
mod history;
mod limits;
pub mod package;
mod provider;
mod store;

pub use credential::Device;
pub use error::{GroupError, Refusal};
pub use file::{Chunk, Chunks, FileKey};
pub use group::{Change, Commit, Group, Place, context, scope};
pub use history::{HistoryBox, HistoryKey, MAX_HISTORY_KEYS, PiecePlace, key_id_of};
pub use limits::{
    FILE_CHUNK, FILE_TAG, MAX_DEVICES, MAX_FORWARD_DISTANCE, MAX_GROUP_MESSAGE, MAX_KEY_PACKAGE,
    OUT_OF_ORDER, PACKAGE_AGE_DAYS, PADDING,
};
pub use provider::{Provider, SUITE};
pub use store::{Record, Store, Write};
