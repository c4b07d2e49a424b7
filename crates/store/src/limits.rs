//! The size of everything that is stored, and of every page that is read.

use crate::error::TooLarge;

/// Longest name of a setting, in bytes.
pub const MAX_SETTING_NAME: usize = 64;
/// Largest value of a setting, in bytes.
pub const MAX_SETTING: usize = 64 * 1024;
/// Longest user, device or creator name, in bytes.
pub const MAX_NAME: usize = 64;
/// Longest name of a room, in bytes of UTF-8.
pub const MAX_ROOM_NAME: usize = 256;
/// Longest e-mail address, in bytes (RFC 5321, section 4.5.3.1.3, without the brackets).
pub const MAX_EMAIL: usize = 254;
/// Most uses of one invite.
pub const MAX_INVITE_USES: u32 = 10_000;
/// Largest OPAQUE record, in bytes.
pub const MAX_OPAQUE_RECORD: usize = 4 * 1024;
/// Longest salt of an earlier system, in bytes.
pub const MAX_SALT: usize = 64;
/// Largest encoded certificate chain, in bytes.
pub const MAX_CHAIN: usize = 16 * 1024;
/// Largest certificate request (PKCS#10), in bytes.
pub const MAX_DEVICE_REQUEST: usize = 4 * 1024;
/// Largest vouching statement, in bytes.
pub const MAX_VOUCHING: usize = 4 * 1024;
/// Most links of one user that are neither finished, revoked nor expired.
pub const MAX_OPEN_DEVICE_LINKS: u64 = 16;
/// Largest leaf of the directory, in bytes.
pub const MAX_DIRECTORY_LEAF: usize = 64 * 1024;
/// Most leaves in one append to the directory.
pub const MAX_DIRECTORY_APPEND: usize = 1_024;
/// Largest compact tree state, in bytes: 64 hashes and room for their framing.
pub const MAX_FRONTIER: usize = 4 * 1024;
/// Largest checkpoint note with its signatures, in bytes.
pub const MAX_CHECKPOINT: usize = 8 * 1024;
/// Largest statement, in bytes.
pub const MAX_STATEMENT: usize = 64 * 1024;
/// Largest ciphertext, in bytes.
pub const MAX_CIPHERTEXT: usize = 1024 * 1024;
/// Most entries in one append to one room.
pub const MAX_ROOM_APPEND: usize = 4_096;
/// Most member changes in one append to one room.
pub const MAX_MEMBER_CHANGES: usize = 4_096;
/// Most room appends in one transaction.
pub const MAX_BATCH: usize = 4_096;
/// Largest receipt, in bytes.
pub const MAX_RECEIPT: usize = 64 * 1024;
/// Largest cosignature, in bytes.
pub const MAX_COSIGNATURE: usize = 1024;
/// Most receipts in one transaction.
pub const MAX_RECEIPT_BATCH: usize = 4_096;
/// Largest signed refusal, in bytes.
pub const MAX_FINAL_REFUSAL: usize = 4 * 1024;
/// Largest key package, in bytes.
pub const MAX_KEY_PACKAGE: usize = 8 * 1024;
/// Most key packages of one device, one of last resort not counted.
pub const MAX_KEY_PACKAGES: u32 = 128;
/// Most devices whose key packages are taken in one transaction.
pub const MAX_TAKEN: usize = 64;
/// Largest blob, in bytes.
pub const MAX_BLOB: u64 = 2_049 * 1024 * 1024;
/// Bytes of a piece of a blob; the last one is what is left.
pub const BLOB_PIECE: usize = 256 * 1024;
/// Most bytes of pending blobs of one device, each counted as one piece at least.
pub const MAX_PENDING_BLOBS: u64 = 2 * MAX_BLOB;
/// Milliseconds for which a pending blob can be named, and counts.
pub const PENDING_BLOB_MS: u64 = 24 * 60 * 60 * 1000;
/// Milliseconds for which it is there still, as an entry that was found good may be about to take it.
pub const BLOB_GRACE_MS: u64 = 60 * 60 * 1000;
/// Most blobs that one entry names.
pub const MAX_ENTRY_BLOBS: usize = 16;
/// Largest record of a recovery key, in bytes.
pub const MAX_RECOVERY: usize = 32 * 1024;
/// Most recovery keys of one user that are in force.
pub const MAX_RECOVERIES: u64 = 4;
/// Most entries that one entry erases.
pub const MAX_ERASES: usize = 512;
/// Largest sealed history key, in bytes.
pub const MAX_HISTORY_BOX: usize = 64 * 1024;
/// Largest piece of history, in bytes.
pub const MAX_HISTORY_PIECE: usize = 512 * 1024;
/// What a piece of history counts as at least, in bytes.
pub const MIN_HISTORY_PIECE: u64 = 1024;
/// Most bytes of history of one device.
pub const MAX_HISTORY: u64 = 2 * 1024 * 1024 * 1024;
/// Most rows that one read returns; a larger wish is cut to it.
pub const MAX_PAGE: u32 = 4_096;
/// Most leaf hashes that one read returns (2 MiB); a larger wish is cut to it.
pub const MAX_LEAF_HASHES: u64 = 65_536;
/// Largest integer (index, size, time, sequence number, epoch) that is stored: SQL integers are signed.
pub const MAX_INTEGER: u64 = i64::MAX as u64;

/// Refuses a length above its limit.
pub(crate) fn check(what: &'static str, length: usize, limit: usize) -> Result<(), TooLarge> {
    if length > limit {
        return Err(TooLarge { what, value: length as u64, limit: limit as u64 });
    }
    Ok(())
}
