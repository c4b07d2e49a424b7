//! Certificates by hash, proofs that they stand in the directory, and the directory itself.

use minicbor::bytes::ByteArray;
use session::limits::{DIRECTORY_LEAVES, MAX_HASHES};
use session::message::{FailureCode, KnownCertificate, ProvenLeaf, Reply};

use super::Answer;
use crate::failure;
use crate::shared::{Shared, decode_chain};

pub(super) async fn certificates(shared: &Shared, hashes: &[ByteArray<32>]) -> Answer {
    check_count(hashes)?;
    let mut certificates = Vec::with_capacity(hashes.len());
    for hash in hashes {
        let Some(found) = shared.store.certificate(hash).await.map_err(|e| failure::store(&e))? else {
            continue;
        };
        let device = shared.store.device(hash).await.map_err(|e| failure::store(&e))?;
        certificates.push(KnownCertificate {
            certificate: *hash,
            chain: decode_chain(&found.chain).unwrap_or_default().0.into_iter().map(Into::into).collect(),
            revoked: found.revoked.map(|r| r.at_ms),
            vouching: device.and_then(|d| d.vouching),
        });
    }
    Ok(Reply::Certificates { certificates })
}

pub(super) async fn directory_proof(shared: &Shared, hashes: &[ByteArray<32>]) -> Answer {
    check_count(hashes)?;
    let mut indices = Vec::with_capacity(hashes.len());
    for hash in hashes {
        let Some(found) = shared.store.certificate(hash).await.map_err(|e| failure::store(&e))? else {
            continue;
        };
        indices.push(found.directory_index);
        indices.extend(found.revoked.map(|r| r.directory_index));
    }
    indices.sort_unstable();
    indices.dedup();
    let proven =
        shared.directory.prove(shared.store.as_ref(), &indices).await.map_err(|e| failure::store(&e))?;
    let leaves = proven.leaves.into_iter().map(|(index, leaf, proof)| ProvenLeaf {
        index,
        leaf,
        proof: proof.into_iter().map(Into::into).collect(),
    });
    Ok(Reply::DirectoryProof { checkpoint: proven.checkpoint, leaves: leaves.collect() })
}

/// Leaves, in order (SE-25).
pub(super) async fn directory(shared: &Shared, from: u64, limit: u64) -> Answer {
    let head = shared.store.directory_head().await.map_err(|e| failure::store(&e))?;
    let count = u32::try_from(limit).unwrap_or(u32::MAX).min(DIRECTORY_LEAVES);
    let mut found = shared.store.directory_entries(from, count).await.map_err(|e| failure::store(&e))?;
    // What was entered after the head was read would lie beyond its checkpoint.
    found.retain(|entry| entry.index < head.size);
    let leaves = found.into_iter().map(|entry| entry.leaf.into()).collect();
    Ok(Reply::Directory { checkpoint: head.checkpoint, leaves })
}

fn check_count(hashes: &[ByteArray<32>]) -> Result<(), Reply> {
    if hashes.len() > MAX_HASHES {
        return Err(failure::failed(
            FailureCode::TooLarge,
            format!("at most {MAX_HASHES} certificates at a time"),
        ));
    }
    Ok(())
}
