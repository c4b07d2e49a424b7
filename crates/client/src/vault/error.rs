//! What can be wrong with a vault.

/// Why a vault cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The password does not open it.
    #[error("wrong password for this home")]
    WrongPassword,
    /// A newer version of the program wrote it.
    #[error(
        "this home was written by a newer version (schema {found}; this version knows {known}): use that version"
    )]
    Newer {
        /// Schema found.
        found: u32,
        /// Newest schema that this version knows.
        known: u32,
    },
    /// What is stored is not what was written: a damaged disk, or somebody changed it.
    #[error("the home is damaged ({0}): restore it from a backup, or add this machine as a new device")]
    Damaged(&'static str),
    /// Another process of this home was there first; what it stored counts.
    #[error("another process using this home has moved on")]
    Moved,
    /// The file system refused.
    #[error("cannot use the home's files: {0}")]
    Io(#[from] std::io::Error),
    /// The database refused.
    #[error("cannot use the home's database: {0}")]
    Database(#[from] sqlx::Error),
    /// The cryptographic library failed, or there is not enough memory for the password's stretching.
    #[error("the cryptographic library failed")]
    Cryptography,
}
