//! The parts before the entries, read and not verified.

use std::io::Read;

use pki::certificate::{certificate_to_pem, certificates_from_pem};
use pki::{Chain, Fingerprint};
use wire::cbor;

use super::archive::{Body, Reader};
use super::item::items;
use super::stop::Stop;
use super::{
    BUNDLE, CERTIFICATE_END, CERTIFICATES, CHECKPOINT_END, CHECKPOINTS, DIRECTORY_CHECKPOINT,
    DIRECTORY_PROOFS, DirectoryProof, ENTRIES, MANIFEST, MAX_CERTIFICATES, MAX_CHECKPOINTS, MAX_HEAD,
    MAX_MANIFEST, MAX_PAGE, MAX_PEM, MAX_SEQUENCE, PROOF, README, RECEIPTS, ROOT, Scope, VOUCHING,
    certificate_name, checkpoint_name,
};
use crate::checkpoint::Cosignature;
use crate::hash::{Hash, HashBytes};
use crate::limits::{MAX_NOTE, MAX_PROOF, MAX_RECEIPT, MAX_SMALL};
use crate::membership::DeviceStatement;
use crate::verdict::Code;

/// Everything before the entries.
pub(super) struct Parts {
    pub(super) scope: Scope,
    pub(super) root: Vec<u8>,
    pub(super) certificates: Vec<(Hash, Chain)>,
    pub(super) directory: Vec<u8>,
    pub(super) directory_proofs: Vec<DirectoryProof>,
    pub(super) vouching: Vec<Vec<u8>>,
    /// By the size in their names.
    pub(super) checkpoints: Vec<(u64, Vec<u8>)>,
    pub(super) proof: Vec<Hash>,
    pub(super) receipts: Vec<(Vec<u8>, Cosignature)>,
}

const FIXED: [&str; 10] = [
    README,
    BUNDLE,
    ROOT,
    DIRECTORY_CHECKPOINT,
    DIRECTORY_PROOFS,
    VOUCHING,
    PROOF,
    RECEIPTS,
    ENTRIES,
    MANIFEST,
];

fn is_known(name: &str) -> bool {
    FIXED.contains(&name) || name.starts_with(CERTIFICATES) || name.starts_with(CHECKPOINTS)
}

/// Opens the part `name`, which must come next.
pub(super) fn open<'a, R: Read>(reader: &'a mut Reader<R>, name: &str) -> Result<Body<'a, R>, Stop> {
    let found = reader.peek()?.map(|part| part.name.clone());
    let missing = || Stop::new(Code::MissingPart, format!("{name} is not where it must be"));
    match found {
        Some(found) if found == name => reader.open().ok_or_else(missing),
        Some(found) if !is_known(&found) => {
            Err(Stop::new(Code::UnknownPart, format!("{found} in the place of {name}")))
        }
        _ => Err(missing()),
    }
}

fn part<R: Read>(reader: &mut Reader<R>, name: &str, limit: u64) -> Result<Vec<u8>, Stop> {
    open(reader, name)?.read_all(limit)
}

/// The parts under `prefix`, names without it and without `end`.
fn parts<R: Read>(
    reader: &mut Reader<R>,
    (prefix, end): (&str, &str),
    limit: u64,
    most: usize,
) -> Result<Vec<(String, Vec<u8>)>, Stop> {
    let mut found = Vec::new();
    while let Some(name) = reader.peek()?.map(|part| part.name.clone()) {
        let Some(middle) = name.strip_prefix(prefix) else { break };
        let middle = middle
            .strip_suffix(end)
            .ok_or_else(|| Stop::new(Code::UnknownPart, format!("{name} is no part of a bundle")))?;
        if found.len() == most {
            return Err(Stop::new(Code::TooLarge, format!("more than {most} parts under {prefix}")));
        }
        found.push((middle.to_owned(), part(reader, &name, limit)?));
    }
    Ok(found)
}

/// Reads the manifest and compares it with what was read.
pub(super) fn manifest<R: Read>(reader: &mut Reader<R>) -> Result<(), Stop> {
    let expected = reader.manifest().to_owned();
    let found = part(reader, MANIFEST, MAX_MANIFEST)?;
    if found != expected.as_bytes() {
        return Err(Stop::new(Code::Manifest, "the parts are not those that the manifest lists"));
    }
    match reader.peek()? {
        None => Ok(()),
        Some(part) => Err(Stop::new(Code::UnknownPart, format!("{} after the manifest", part.name))),
    }
}

fn malformed(name: &str) -> Stop {
    Stop::new(Code::Malformed, format!("{name} is not encoded as it must be"))
}

impl Parts {
    pub(super) fn read<R: Read>(reader: &mut Reader<R>) -> Result<Self, Stop> {
        first(reader)?;
        part(reader, README, MAX_PAGE)?;
        let scope = Scope::from_bytes(&part(reader, BUNDLE, MAX_HEAD)?).ok_or_else(|| malformed(BUNDLE))?;
        let root = match pem(&part(reader, ROOT, MAX_PEM)?).as_deref() {
            Some([root]) => root.clone(),
            _ => return Err(malformed(ROOT)),
        };
        let certificates =
            certificates(parts(reader, (CERTIFICATES, CERTIFICATE_END), MAX_PEM, MAX_CERTIFICATES)?)?;
        let directory = part(reader, DIRECTORY_CHECKPOINT, MAX_NOTE as u64)?;
        let directory_proofs = directory_proofs(&part(reader, DIRECTORY_PROOFS, MAX_SEQUENCE)?)
            .ok_or_else(|| malformed(DIRECTORY_PROOFS))?;
        let vouching = vouching(&part(reader, VOUCHING, MAX_SEQUENCE)?).ok_or_else(|| malformed(VOUCHING))?;
        let checkpoints =
            checkpoints(parts(reader, (CHECKPOINTS, CHECKPOINT_END), MAX_NOTE as u64, MAX_CHECKPOINTS)?)?;
        let proof = part(reader, PROOF, MAX_SEQUENCE)?;
        let (proof, []) = proof.as_chunks::<32>() else { return Err(malformed(PROOF)) };
        let proof = proof.to_vec();
        let receipts = receipts(&part(reader, RECEIPTS, MAX_SEQUENCE)?).ok_or_else(|| malformed(RECEIPTS))?;
        Ok(Self {
            scope,
            root,
            certificates,
            directory,
            directory_proofs,
            vouching,
            checkpoints,
            proof,
            receipts,
        })
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.root)
    }
}

/// Tells a bundle from another file.
fn first<R: Read>(reader: &mut Reader<R>) -> Result<(), Stop> {
    let other = || Stop::new(Code::NotABundle, "this file is not a bundle");
    match reader.peek() {
        Ok(Some(part)) if part.name == README => Ok(()),
        Err(Stop::Io(error)) => Err(Stop::Io(error)),
        _ => Err(other()),
    }
}

/// Certificates in PEM with its one encoding.
fn pem(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let found = certificates_from_pem(text).ok()?;
    let again: String = found.iter().map(|der| certificate_to_pem(der)).collect();
    (again == text).then_some(found)
}

fn certificates(found: Vec<(String, Vec<u8>)>) -> Result<Vec<(Hash, Chain)>, Stop> {
    let mut chains: Vec<(Hash, Chain)> = Vec::new();
    for (name, bytes) in found {
        let chain = pem(&bytes).map(Chain).ok_or_else(|| malformed(&name))?;
        let hash = chain.leaf_hash().ok_or_else(|| malformed(&name))?;
        let name = format!("{CERTIFICATES}{name}{CERTIFICATE_END}");
        if certificate_name(&hash) != name || chains.last().is_some_and(|(last, _)| *last >= hash) {
            return Err(Stop::new(Code::UnknownPart, format!("{name} has another name or place")));
        }
        chains.push((hash, chain));
    }
    Ok(chains)
}

fn checkpoints(found: Vec<(String, Vec<u8>)>) -> Result<Vec<(u64, Vec<u8>)>, Stop> {
    let mut notes: Vec<(u64, Vec<u8>)> = Vec::new();
    for (name, note) in found {
        let name = format!("{CHECKPOINTS}{name}{CHECKPOINT_END}");
        let odd = || Stop::new(Code::UnknownPart, format!("{name} has another name or place"));
        let digits = name.strip_prefix(CHECKPOINTS).and_then(|name| name.strip_suffix(CHECKPOINT_END));
        let size: u64 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(odd)?;
        if checkpoint_name(size) != name || notes.last().is_some_and(|(last, _)| *last >= size) {
            return Err(odd());
        }
        notes.push((size, note));
    }
    Ok(notes)
}

fn directory_proofs(bytes: &[u8]) -> Option<Vec<DirectoryProof>> {
    let mut proofs: Vec<DirectoryProof> = Vec::new();
    for item in items(bytes)? {
        type Parts<'a> = (u64, &'a minicbor::bytes::ByteSlice, Vec<HashBytes>);
        let limit = MAX_SMALL + MAX_PROOF * 34 + 64;
        let (index, leaf, path) = cbor::from_slice::<Parts<'_>>(item, limit).ok()?;
        if path.len() > MAX_PROOF || proofs.last().is_some_and(|last| last.index >= index) {
            return None;
        }
        let path = path.into_iter().map(|hash| hash.0).collect();
        proofs.push(DirectoryProof { index, leaf: leaf.to_vec(), path });
    }
    Some(proofs)
}

fn vouching(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let read = |item: &[u8]| DeviceStatement::parse(item).ok().map(|_| item.to_vec());
    items(bytes)?.into_iter().map(read).collect()
}

fn receipts(bytes: &[u8]) -> Option<Vec<(Vec<u8>, Cosignature)>> {
    type Parts<'a> = (&'a minicbor::bytes::ByteSlice, &'a minicbor::bytes::ByteSlice);
    let read = |item: &[u8]| {
        let (receipt, cosignature) = cbor::from_slice::<Parts<'_>>(item, MAX_RECEIPT + 128).ok()?;
        Some((receipt.to_vec(), Cosignature::from_bytes(cosignature)?))
    };
    items(bytes)?.into_iter().map(read).collect()
}
