//! Limits of the session (docs/session.md).

/// Largest message, in bytes, that a server reads before login has succeeded (SE-1).
pub const MAX_MESSAGE_BEFORE_LOGIN: usize = 16 * 1024;
/// Largest message in bytes (SE-1).
pub const MAX_MESSAGE: usize = 1024 * 1024;
/// Login tries by one device, account or address that are answered at once (SE-9).
pub const LOGIN_FREE_TRIES: u32 = 5;
/// Milliseconds over which login tries are counted (SE-9).
pub const LOGIN_WINDOW_MS: u64 = 15 * 60 * 1000;
/// Milliseconds from the end of the handshake that a peer without a certificate has for its first step (SE-10).
pub const ANONYMOUS_DEADLINE_MS: u64 = 20 * 1000;
/// Milliseconds from the end of the handshake to the end of login or of joining (SE-10).
pub const LOGIN_DEADLINE_MS: u64 = 60 * 1000;
/// Milliseconds that a new device may wait for approval on one connection (SE-10).
pub const ENROL_DEADLINE_MS: u64 = 9 * 60 * 1000;
/// Milliseconds of silence after which a client sends `Time` (SE-10).
pub const KEEPALIVE_MS: u64 = 30 * 1000;
/// Milliseconds of silence after which a server ends a session (SE-10).
pub const IDLE_LIMIT_MS: u64 = 120 * 1000;
/// Bytes of entries in one answer to `Fetch`, one entry at least (SE-18).
pub const FETCH_BYTES: usize = 512 * 1024;
/// Bytes queued for one connection before it is cut off (SE-22).
pub const OUTBOUND_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of an invite token (SE-11).
pub const TOKEN_LEN: usize = 32;
/// Longest salt of an earlier system, in bytes (SE-27).
pub const MAX_CLASSIC_SALT: usize = 64;
/// Bytes of the salt that stands in for one that there is not (SE-30).
pub const STAND_IN_SALT: usize = 16;
/// Entries that one `Fetch` may ask for.
pub const FETCH_ENTRIES: u64 = 4096;
/// Hashes that one `Certificates` or `DirectoryProof` may name.
pub const MAX_HASHES: usize = 1024;
/// Entries in one answer that lists rooms, users, invites or devices (SE-18).
pub const LIST_PAGE: u32 = 256;
/// Rooms that one device creates in an hour (SE-18).
pub const ROOMS_PER_HOUR: u32 = 256;
/// Statements of one device that are refused for good in an hour (SE-20).
pub const REFUSALS_PER_HOUR: u32 = 4096;
/// People that one device adds to rooms in an hour (SE-21).
pub const ADDED_PEOPLE_PER_HOUR: u32 = 2048;
/// Erasures of one device that are appended in an hour (SE-50).
pub const ERASURES_PER_HOUR: u32 = 256;
/// Leaves of the directory in one answer to `Directory` (SE-25).
pub const DIRECTORY_LEAVES: u32 = 4096;
/// Bytes of one of them that a client takes (SE-26); one of today's kinds has at most 173.
pub const MAX_LEAF: usize = 512;
/// Leaves of a directory that a client follows (SE-26).
pub const MAX_DIRECTORY: u64 = 1024 * 1024;
/// Key packages of one device that a server keeps, one of last resort not counted (SE-33).
pub const MAX_KEY_PACKAGES: u32 = 128;
/// Largest key package, in bytes (SE-33).
pub const MAX_KEY_PACKAGE: usize = 8_192;
/// Devices whose key packages one `KeyPackageTake` may ask for (SE-34).
pub const MAX_TAKEN: usize = 64;
/// Key packages that one device takes in an hour (SE-34).
pub const TAKEN_PER_HOUR: u32 = 8_192;
/// Largest blob, in bytes: a file of 2 GiB, sealed (SE-35).
pub const MAX_BLOB: u64 = 2_049 * 1024 * 1024;
/// Bytes of a blob in one message: every piece has as many, but the last (SE-35).
pub const BLOB_PIECE: usize = 256 * 1024;
/// Bytes of blobs of one device that no entry names yet (SE-35).
pub const MAX_PENDING_BLOBS: u64 = 2 * MAX_BLOB;
/// KiB of pieces of blobs that one device hands in in an hour (SE-35).
pub const BLOB_KIB_PER_HOUR: u32 = 8 * 1024 * 1024;
/// Largest record of a recovery key, sealed, in bytes (SE-41).
pub const MAX_RECOVERY: usize = 32 * 1024;
/// Recovery keys in force that a user has (SE-41).
pub const MAX_RECOVERIES: usize = 4;
/// Largest box with a history key, in bytes (SE-38).
pub const MAX_HISTORY_BOX: usize = 65_536;
/// Largest piece of history, in bytes (SE-39).
pub const MAX_HISTORY_PIECE: usize = 512 * 1024;
/// Bytes of history of one device (SE-39).
pub const MAX_HISTORY: u64 = 2 * 1024 * 1024 * 1024;
/// KiB of history that one device hands in in an hour (SE-39).
pub const HISTORY_KIB_PER_HOUR: u32 = 256 * 1024;
/// Milliseconds after which a blob that no entry names cannot be named any more, and may be deleted (SE-35).
pub const PENDING_BLOB_MS: u64 = 24 * 60 * 60 * 1000;
