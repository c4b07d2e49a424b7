//! Bundles: evidence in one file, for people who trust neither the server nor the one who exports (EV-33 to EV-38).
//!
//! [`Writer`] writes one, [`fn@verify`] checks one; both go through the file once and hold the tree's hashes in memory,
//! not the messages. Called by the client's export and by both verifiers.

mod archive;
mod item;
mod page;
mod parts;
mod stop;
mod verify;
mod writer;

use std::collections::BTreeSet;

pub use item::Item;
use pki::Organisation;
pub use verify::{BadRoot, Root, verify, verify_each};
use wire::cbor;
pub use writer::{DirectoryProof, Export, ExportError, Writer};

use crate::hash::HashBytes;
use crate::receipt::{Receipt, ReceiptClaim};
use crate::room::RoomId;

const README: &str = "README.txt";
const BUNDLE: &str = "bundle.cbor";
const ROOT: &str = "root.pem";
const CERTIFICATES: &str = "certificates/";
const CERTIFICATE_END: &str = ".pem";
const DIRECTORY_CHECKPOINT: &str = "directory/checkpoint.txt";
const DIRECTORY_PROOFS: &str = "directory/proofs.cbor";
const VOUCHING: &str = "directory/vouching.cbor";
const CHECKPOINTS: &str = "checkpoints/";
const CHECKPOINT_END: &str = ".txt";
const PROOF: &str = "proof.bin";
const RECEIPTS: &str = "receipts.cbor";
const ENTRIES: &str = "entries.cbor";
const MANIFEST: &str = "manifest.txt";

const MAX_PAGE: u64 = 64 * 1024;
const MAX_HEAD: u64 = 4 * 1024;
const MAX_PEM: u64 = 16 * 1024;
const MAX_SEQUENCE: u64 = 256 * 1024 * 1024;
const MAX_MANIFEST: u64 = 16 * 1024 * 1024;
const MAX_CERTIFICATES: usize = 100_000;
const MAX_CHECKPOINTS: usize = 10_000;
/// Most checkpoints that a writer takes over of those it is given: enough to bound times closely.
const CHECKPOINTS_WRITTEN: usize = 1_024;

const BUNDLE_CONTEXT: &str = "countersign v1 bundle";

/// What a bundle is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The organisation.
    pub organisation: Organisation,
    /// The room.
    pub room: RoomId,
    /// First index of the range.
    pub from: u64,
    /// Last index of the range.
    pub to: u64,
    /// Entries of the log under the last checkpoint, more than `to`.
    pub size: u64,
}

type ScopeParts<'a> = (&'a str, &'a str, HashBytes, u64, u64, u64);

impl Scope {
    fn to_bytes(&self) -> Vec<u8> {
        let Self { organisation, room, from, to, size } = self;
        let parts: ScopeParts<'_> =
            (BUNDLE_CONTEXT, organisation.as_str(), HashBytes(room.0), *from, *to, *size);
        cbor::to_vec(&parts)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (context, organisation, room, from, to, size) =
            cbor::from_slice::<ScopeParts<'_>>(bytes, bytes.len()).ok()?;
        let in_order = from <= to && to < size && size <= crate::log::MAX_SIZE;
        if context != BUNDLE_CONTEXT || !in_order {
            return None;
        }
        let organisation = Organisation::canonical(organisation).ok()?;
        Some(Self { organisation, room: RoomId(room.0), from, to, size })
    }

    /// Whether a checkpoint of this size has its place in the bundle: it bounds the time of entries in the range.
    pub fn bounds_time_at(&self, size: u64) -> bool {
        (self.from..=self.to + 1).contains(&size) || size == self.size
    }

    /// Whether a receipt has its place in the bundle: it is for some entry of the range.
    fn concerns(&self, receipt: &ReceiptClaim) -> bool {
        receipt.head.size <= self.size && receipt.from <= self.to && receipt.to >= self.from
    }

    /// Sizes between the range and the end at which these receipts want the root known (EV-23).
    fn marks<'a>(&self, receipts: impl IntoIterator<Item = &'a [u8]>) -> BTreeSet<u64> {
        let head = |receipt: &[u8]| Some(Receipt::parse(receipt).ok()?.claim().head.size);
        let between = |size: &u64| (self.to + 2..self.size).contains(size);
        receipts.into_iter().filter_map(head).filter(between).collect()
    }
}

fn certificate_name(hash: &crate::Hash) -> String {
    format!("{CERTIFICATES}{}{CERTIFICATE_END}", hex::encode(hash))
}

fn checkpoint_name(size: u64) -> String {
    format!("{CHECKPOINTS}{size:020}{CHECKPOINT_END}")
}
