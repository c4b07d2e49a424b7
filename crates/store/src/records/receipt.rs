//! Receipts, final refusals and proofs of equivocation.

use crate::Hash;

/// A receipt to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReceipt {
    /// Room id.
    pub room: Hash,
    /// Certificate hash of the recipient's device.
    pub device: Hash,
    /// Size of the log that it covers.
    pub size: u64,
    /// Level: delivered, shown, as the caller numbers them.
    pub level: u8,
    /// The receipt's exact bytes.
    pub receipt: Vec<u8>,
    /// The cosignature of the same checkpoint.
    pub cosignature: Vec<u8>,
    /// When the server got it, unix milliseconds.
    pub received_ms: u64,
}

/// What became of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// It covers more than any before of its room, device and level, and is kept under this id.
    Kept {
        /// Position in the list of receipts, ascending.
        id: u64,
    },
    /// A receipt of that room, device and level covers as much already: this one is not kept.
    Covered,
    /// No such room or device.
    Unknown,
}

/// A receipt as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Position in the list of receipts, ascending.
    pub id: u64,
    /// The receipt.
    pub made: NewReceipt,
}

/// The server's signed word that a statement is not and will not be in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalRefusal {
    /// Room id.
    pub room: Hash,
    /// Certificate hash of the sender's device.
    pub device: Hash,
    /// Sequence number of the refused statement.
    pub seq: u64,
    /// Hash of the refused statement.
    pub statement_hash: Hash,
    /// The signed refusal.
    pub refusal: Vec<u8>,
}

/// Two statements of one device under one number, to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEquivocation {
    /// Room id.
    pub room: Hash,
    /// Certificate hash of the device.
    pub device: Hash,
    /// The sequence number.
    pub seq: u64,
    /// One statement's exact bytes.
    pub first: Vec<u8>,
    /// The other's.
    pub second: Vec<u8>,
    /// When it was found, unix milliseconds.
    pub found_ms: u64,
}

/// A proof of equivocation as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equivocation {
    /// Position in the list of proofs, ascending.
    pub id: u64,
    /// The proof.
    pub made: NewEquivocation,
}
