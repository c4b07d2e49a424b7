//! Writing a bundle.

use std::io::{self, Seek, SeekFrom, Write};

use aws_lc_rs::digest;
use minicbor::Encoder;
use pki::certificate::certificate_to_pem;
use pki::{Chain, Fingerprint};

use super::archive::{self, BLOCK};
use super::item::Item;
use super::page::page;
use super::{
    BUNDLE, CHECKPOINTS_WRITTEN, DIRECTORY_CHECKPOINT, DIRECTORY_PROOFS, ENTRIES, MANIFEST, PROOF, README,
    RECEIPTS, ROOT, Scope, VOUCHING, certificate_name, checkpoint_name,
};
use crate::checkpoint::{Cosignature, SignedCheckpoint};
use crate::hash::Hash;
use crate::log::{Tree, cover};
use crate::receipt::Receipt;

/// What of a bundle is known before its entries are written.
#[derive(Debug, Clone)]
pub struct Export {
    /// What the bundle is of; `size` is that of the last checkpoint.
    pub scope: Scope,
    /// The room's name, for the page.
    pub name: Option<String>,
    /// The root's certificate, DER.
    pub root: Vec<u8>,
    /// Chains without the root (EV-36), in any order.
    pub certificates: Vec<Chain>,
    /// The directory's checkpoint, a note.
    pub directory: String,
    /// Leaves of the directory under that checkpoint, in any order.
    pub directory_proofs: Vec<DirectoryProof>,
    /// Device statements, exact bytes.
    pub vouching: Vec<Vec<u8>>,
    /// Checkpoints of the room, in any order, among them that of `scope.size`; those that bound no time in the range are
    /// left out, and very many are thinned.
    pub checkpoints: Vec<SignedCheckpoint>,
    /// Receipts, exact bytes with their cosignatures; those for no entry of the range are left out.
    pub receipts: Vec<(Vec<u8>, Cosignature)>,
    /// Indices below `scope.from` of entries that are no statements, ascending: all of them.
    pub changes_before: Vec<u64>,
}

/// A leaf of the directory with its inclusion proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryProof {
    /// Index in the directory.
    pub index: u64,
    /// The leaf's bytes.
    pub leaf: Vec<u8>,
    /// The inclusion proof's path.
    pub path: Vec<Hash>,
}

/// Why a bundle could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file could not be written.
    #[error("the bundle could not be written")]
    Io(#[from] io::Error),
    /// The caller's misuse: parts that contradict each other, or items out of order.
    #[error("misused: {0}")]
    Misuse(&'static str),
}

/// Writes a bundle: everything else at the start, then one item for each index.
pub struct Writer<W> {
    archive: archive::Writer<W>,
    indices: std::vec::IntoIter<u64>,
    range: std::ops::RangeInclusive<u64>,
    header_at: u64,
    size: u64,
    hash: digest::Context,
}

impl<W: Write + Seek> Writer<W> {
    /// Writes all parts before the entries. `tree` is the room's whole log, of `scope.size` leaves.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn start(output: W, export: &Export, tree: &Tree) -> Result<Self, ExportError> {
        let scope = &export.scope;
        let (from, to) = (scope.from, scope.to);
        if from > to || to >= scope.size || tree.size() != scope.size || tree.base() != 0 {
            return Err(ExportError::Misuse("the range is not one of the tree"));
        }
        let before = &export.changes_before;
        if before.iter().any(|index| *index >= from) {
            return Err(ExportError::Misuse("changes before the range are below it"));
        }
        let concerns =
            |receipt: &[u8]| Receipt::parse(receipt).is_ok_and(|receipt| scope.concerns(receipt.claim()));
        let receipts: Vec<&(Vec<u8>, Cosignature)> =
            export.receipts.iter().filter(|(receipt, _)| concerns(receipt)).collect();
        let marks = scope.marks(receipts.iter().map(|(receipt, _)| receipt.as_slice()));
        let proof = cover::prove(tree, before.iter().copied().chain(from..=to), &marks)
            .ok_or(ExportError::Misuse("the indices do not ascend"))?;
        let mut archive = archive::Writer::new(output);
        let fingerprint = Fingerprint::of(&export.root);
        archive.part(README, page(scope, export.name.as_deref(), &fingerprint).as_bytes())?;
        archive.part(BUNDLE, &scope.to_bytes())?;
        archive.part(ROOT, certificate_to_pem(&export.root).as_bytes())?;
        let mut chains: Vec<(Hash, &Chain)> =
            export.certificates.iter().filter_map(|chain| Some((chain.leaf_hash()?, chain))).collect();
        chains.sort_by_key(|(hash, _)| *hash);
        chains.dedup_by_key(|(hash, _)| *hash);
        for (hash, chain) in chains {
            let pem: String = chain.0.iter().map(|der| certificate_to_pem(der)).collect();
            archive.part(&certificate_name(&hash), pem.as_bytes())?;
        }
        archive.part(DIRECTORY_CHECKPOINT, export.directory.as_bytes())?;
        archive.part(DIRECTORY_PROOFS, &directory_proofs(&export.directory_proofs))?;
        archive.part(VOUCHING, &export.vouching.concat())?;
        for checkpoint in checkpoints(export)? {
            archive.part(&checkpoint_name(checkpoint.head().size), checkpoint.as_text().as_bytes())?;
        }
        archive.part(PROOF, proof.as_flattened())?;
        archive.part(RECEIPTS, &encode_receipts(&receipts))?;
        let header_at = archive.output.stream_position()?;
        archive.output.write_all(&archive::block_of(ENTRIES, 0)?)?;
        let indices = before.clone().into_iter();
        let hash = digest::Context::new(&digest::SHA256);
        Ok(Self { archive, indices, range: from..=to, header_at, size: 0, hash })
    }

    /// Writes the item of the next index: first the changes before the range, then each index of the range.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn item(&mut self, item: &Item) -> Result<(), ExportError> {
        if self.indices.next().or_else(|| self.range.next()) != Some(item.index()) {
            return Err(ExportError::Misuse("an item out of order"));
        }
        let bytes = item.to_bytes();
        self.hash.update(&bytes);
        self.size += bytes.len() as u64;
        Ok(self.archive.output.write_all(&bytes)?)
    }

    /// Writes the manifest and the end, and returns the output.
    ///
    /// # Errors
    /// [`ExportError`]; [`ExportError::Misuse`] if items are missing.
    pub fn finish(mut self) -> Result<W, ExportError> {
        if self.indices.next().or_else(|| self.range.next()).is_some() {
            return Err(ExportError::Misuse("items are missing"));
        }
        let header = archive::block_of(ENTRIES, self.size)?;
        self.archive.output.seek(SeekFrom::Start(self.header_at))?;
        self.archive.output.write_all(&header)?;
        self.archive.output.seek(SeekFrom::Start(self.header_at + BLOCK as u64 + self.size))?;
        self.archive.close(ENTRIES, self.size, self.hash.finish().as_ref())?;
        Ok(self.archive.finish(MANIFEST)?)
    }
}

#[expect(clippy::expect_used, reason = "writing to a Vec cannot fail")]
fn directory_proofs(proofs: &[DirectoryProof]) -> Vec<u8> {
    let mut sorted: Vec<&DirectoryProof> = proofs.iter().collect();
    sorted.sort_by_key(|proof| proof.index);
    sorted.dedup_by_key(|proof| proof.index);
    let mut e = Encoder::new(Vec::new());
    for DirectoryProof { index, leaf, path } in sorted {
        e.array(3)
            .and_then(|e| e.u64(*index)?.bytes(leaf)?.array(path.len() as u64))
            .and_then(|e| path.iter().try_fold(e, |e, hash| e.bytes(hash)))
            .expect("encoding to memory");
    }
    e.into_writer()
}

/// The checkpoints that have their place, by size, evenly thinned to [`CHECKPOINTS_WRITTEN`] and the last.
fn checkpoints(export: &Export) -> Result<Vec<&SignedCheckpoint>, ExportError> {
    let scope = &export.scope;
    let mut found: Vec<&SignedCheckpoint> =
        export.checkpoints.iter().filter(|at| scope.bounds_time_at(at.head().size)).collect();
    found.sort_by_key(|checkpoint| checkpoint.head().size);
    found.dedup_by_key(|checkpoint| checkpoint.head().size);
    match found.pop() {
        Some(last) if last.head().size == scope.size => {
            let step = found.len().div_ceil(CHECKPOINTS_WRITTEN).max(1);
            Ok(found.into_iter().step_by(step).chain([last]).collect())
        }
        _ => Err(ExportError::Misuse("no checkpoint of the bundle's size")),
    }
}

#[expect(clippy::expect_used, reason = "writing to a Vec cannot fail")]
fn encode_receipts(receipts: &[&(Vec<u8>, Cosignature)]) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    for (receipt, cosignature) in receipts {
        e.array(2).and_then(|e| e.bytes(receipt)?.bytes(cosignature.as_bytes())).expect("encoding to memory");
    }
    e.into_writer()
}
