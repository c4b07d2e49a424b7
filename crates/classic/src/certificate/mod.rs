//! Certificates of the `cianr` dialects: RSA, one CA, a folder per organisation (docs/classic.md, section 7).
//!
//! - [`Certificate`] and [`check()`]: reading what a peer shows, and whether it is good. Both roles of the dialects call them.
//! - [`Folder`], [`Identity`]: one side's files as they lie on disk. [`PrivateKey`], [`Passphrase`]: the keys among them.
//! - [`issue`]: making such folders, bad ones too. `countersign classic certs` calls it.

mod check;
mod folder;
pub mod issue;
mod key;
mod layout;
mod signature;
mod x509;

pub use crate::protocol::{Dialect, Role};
pub use check::{CertificateFault, Expectation, check};
pub use folder::{Folder, FolderError, Identity};
pub use key::{KeyError, MAX_KEY_FILE, Passphrase, PrivateKey};
pub use x509::{Certificate, CertificateError, MAX_CERTIFICATE};
