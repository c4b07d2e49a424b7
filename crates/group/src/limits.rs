//! Limits of `docs/group.md`, GR-2.

/// Largest key package, in bytes.
pub const MAX_KEY_PACKAGE: usize = 8_192;

/// Largest commit, welcome, group info or message, in bytes.
pub const MAX_GROUP_MESSAGE: usize = 8 * 1_024 * 1_024;

/// Devices of one group, at most.
pub const MAX_DEVICES: usize = 2_048;

/// What is encrypted of a message, content and signature, is padded to a multiple of this many bytes.
pub const PADDING: usize = 128;

/// How many message keys of one sender may be skipped in an epoch: each costs three derivations
/// before anything of the content is known to be true.
pub const MAX_FORWARD_DISTANCE: u32 = 4_096;

/// How many skipped message keys of one sender are kept for messages that come late: none, as the log is read in order.
pub const OUT_OF_ORDER: u32 = 0;

/// Bytes of a chunk of a file before it is sealed: sealed, it is one piece of a blob (docs/session.md, SE-35).
pub const FILE_CHUNK: usize = 256 * 1_024 - FILE_TAG;

/// Bytes by which a sealed chunk is longer.
pub const FILE_TAG: usize = 16;

/// How old a key package may be when a device is added by it, in days.
pub const PACKAGE_AGE_DAYS: u64 = 90;
