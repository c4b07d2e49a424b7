//! Recovery keys.

use crate::Hash;

/// The record of a recovery key, sealed by what the server does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Hash of the recovery key's certificate.
    pub certificate: Hash,
    /// Its user.
    pub user: String,
    /// The record.
    pub sealed: Vec<u8>,
}
