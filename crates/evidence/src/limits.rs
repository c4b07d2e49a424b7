//! The size of everything (EV-2).

/// Longest entry of a room's log, in bytes.
pub const MAX_ENTRY: usize = 65_536;
/// Longest content with all its fields, in bytes.
pub const MAX_CONTENT: usize = 131_072;
/// Longest ciphertext of a content in content suite 1, in bytes: [`MAX_CONTENT`] and what a group message has besides, which are its header with
/// 104 bytes of authenticated data, a signature, padding and a tag, less than 512 bytes (group.md, GR-2 and GR-13).
pub const MAX_CIPHERTEXT: usize = MAX_CONTENT + 1_024;
/// Longest text of a message, in bytes of UTF-8.
pub const MAX_TEXT: usize = 65_536;
/// Most bytes of files that stand in one content, together.
pub const MAX_INLINE_ATTACHMENT: usize = 98_304;
/// Most bytes of sealed files of one content, together: 2 GiB.
pub const MAX_FILES: u64 = 2 * 1024 * 1024 * 1024;
/// Most attachments of one content.
pub const MAX_ATTACHMENTS: usize = 16;
/// Longest name of an attachment, in bytes of UTF-8.
pub const MAX_FILE_NAME: usize = 255;
/// Longest media type of an attachment, in bytes.
pub const MAX_MEDIA_TYPE: usize = 127;
/// Longest text of a reaction, in bytes of UTF-8.
pub const MAX_REACTION: usize = 64;
/// Most users mentioned by one content.
pub const MAX_MENTIONS: usize = 64;
/// Longest receipt, in bytes.
pub const MAX_RECEIPT: usize = 16_384;
/// Longest device statement, refusal or directory leaf, in bytes.
pub const MAX_SMALL: usize = 4_096;
/// Longest checkpoint with its signatures, in bytes.
pub const MAX_NOTE: usize = 1_024;
/// Most devices added and removed by one membership statement, together.
pub const MAX_CHANGES: usize = 512;
/// Most indices that one receipt names as not opened.
pub const MAX_UNOPENED: usize = 512;
/// Most statements that one erasure names.
pub const MAX_ERASED: usize = 512;
/// Longest reason of an erasure, in bytes of UTF-8.
pub const MAX_ERASURE_REASON: usize = 512;
/// Most hashes of an inclusion or consistency proof.
pub const MAX_PROOF: usize = 64;
/// Longest name of a room, in bytes of UTF-8.
pub const MAX_ROOM_NAME: usize = 64;
/// Most that a sender's clock may be off, in milliseconds (EV-13).
pub const MAX_SKEW_MS: u64 = 300_000;
/// What a verifier adds to [`MAX_SKEW_MS`] for the time between acceptance and checkpoint (EV-37).
pub const ANCHOR_SLACK_MS: u64 = 10_000;
/// Devices in one room of content suite 1, at most (group.md, GR-2).
pub const MAX_DEVICES: usize = 2_048;
/// Longest group message or ratchet tree, in bytes (group.md, GR-2).
pub const MAX_GROUP_MESSAGE: usize = 8 * 1024 * 1024;
