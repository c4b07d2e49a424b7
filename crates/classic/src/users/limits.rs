//! The size of everything about users (CL-61).

/// Bytes of a new salt.
pub const SALT_LEN: usize = 16;
/// Longest user name, in bytes; the shortest is 1.
pub const MAX_NAME: usize = 255;
/// Longest e-mail address, in bytes; the shortest is 1.
pub const MAX_EMAIL: usize = 255;
/// Longest password, in bytes.
pub const MAX_PASSWORD: usize = 4096;
/// Longest salt that is read, in bytes; the shortest is 1.
pub const MAX_SALT: usize = 64;
/// Largest `server_credentials.json`, in bytes.
pub const MAX_CREDENTIALS_FILE: usize = 16 * 1024 * 1024;
/// Users that the store in memory holds.
pub const MAX_MEMORY_USERS: usize = 100_000;
/// Users of one reading of a whole store.
pub const MAX_EXPORTED_USERS: usize = 1_000_000;
