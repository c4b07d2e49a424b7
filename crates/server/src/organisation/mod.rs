//! The organisation's keys and certificates on disk, and its directory.
//!
//! - `address`: what invites carry.
//! - `folder`: where things lie in the data folder, and the lock on it.
//! - `copy`: a backup of it.
//! - `authority`: root, issuing CA, server, log and cosigner keys: made once, loaded at each start.
//! - `inventory`: what can be told of them without a passphrase.
//! - `passphrase`: changing it for all keys at once.
//! - `renewal`: later ends for the server's own certificates.
//! - `root_key`: moving the root's key out.
//! - `pem`: requests and revocation lists as text.
//! - `directory`: the log of every issuance and revocation.

mod address;
mod authority;
mod copy;
mod directory;
mod folder;
mod inventory;
mod passphrase;
mod pem;
pub(crate) mod renewal;
mod root_key;

pub use address::PublicAddress;
pub use authority::{Authority, AuthorityError, KeyProtection};
pub use directory::{Directory, Issue};
pub use folder::{DataFolder, FolderError, FolderLock};
pub use inventory::{Inventory, KeyFile, Listed, validity_ms};
pub use passphrase::OpenKeys;
pub use pem::{from_pem, to_pem};
pub use root_key::export_root_key;
