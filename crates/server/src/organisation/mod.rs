//! The organisation's keys and certificates on disk, and its directory.
//!
//! - [`folder`]: where things lie in the data folder, and the lock on it.
//! - [`authority`]: root, issuing CA, server, log and cosigner keys: made once, loaded at each start.
//! - [`directory`]: the log of every issuance and revocation.

mod authority;
mod directory;
mod folder;

pub use authority::{Authority, AuthorityError, KeyProtection};
pub use directory::{Directory, Issue};
pub use folder::{DataFolder, FolderError, FolderLock};
