//! Keys of encrypted rooms: key packages of devices, and the blobs that statements name.

use crate::Hash;
use crate::limits::BLOB_PIECE;

/// Key packages of a device that are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPackageCount {
    /// How many, without the one of last resort.
    pub count: u64,
    /// Whether there is one of last resort.
    pub last_resort: bool,
}

/// A piece of a blob, handed in by a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPiece {
    /// Certificate hash of the device.
    pub device: Hash,
    /// SHA-256 of the blob.
    pub hash: Hash,
    /// Bytes of the blob, 1 to [`crate::limits::MAX_BLOB`].
    pub size: u64,
    /// Where the piece begins, a multiple of [`crate::limits::BLOB_PIECE`].
    pub offset: u64,
    /// The piece: [`crate::limits::BLOB_PIECE`] bytes or what is left of the blob; none to ask what is held.
    pub bytes: Vec<u8>,
    /// The time, unix milliseconds.
    pub now_ms: u64,
}

impl NewPiece {
    /// Whether a blob of this size has such a piece, or it is none.
    pub fn fits(&self) -> bool {
        let piece = BLOB_PIECE as u64;
        let length = self.size.saturating_sub(self.offset).min(piece);
        let is_one = self.offset.is_multiple_of(piece) && self.bytes.len() as u64 == length;
        self.size > 0 && (self.bytes.is_empty() || is_one)
    }

    /// Whether it is the last of several.
    pub fn completes_many(&self) -> bool {
        let end = self.offset.saturating_add(self.bytes.len() as u64);
        self.offset > 0 && !self.bytes.is_empty() && end == self.size
    }
}

/// What became of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceOutcome {
    /// Bytes that are held of the blob now, from its start on.
    Held(u64),
    /// It was the last one, and the blob has another hash: all of it was deleted.
    OtherHash,
}

/// A piece of a blob of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobPiece {
    /// The indices of the entries that name the blob, ascending.
    pub indices: Vec<u64>,
    /// Bytes of the blob.
    pub size: u64,
    /// The piece.
    pub bytes: Vec<u8>,
}
