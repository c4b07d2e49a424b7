//! The organisation's directory and its certificates.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use super::value::{bound, hash, int, uint};
use super::{SqliteStore, keys, recoveries};
use crate::limits::{
    MAX_CHAIN, MAX_CHECKPOINT, MAX_DIRECTORY_APPEND, MAX_DIRECTORY_LEAF, MAX_FRONTIER, MAX_LEAF_HASHES,
    MAX_PAGE, check,
};
use crate::{
    Certificate, Directory, DirectoryAppend, DirectoryEntry, DirectoryHead, Hash, LeafKind, NewCertificate,
    Refusal, Revocation, StoreError, Thing, Unique,
};

type CertificateRow = (Vec<u8>, Vec<u8>, i64, Option<i64>, Option<i64>);

#[async_trait]
impl Directory for SqliteStore {
    async fn directory_head(&self) -> Result<DirectoryHead, StoreError> {
        let (size, frontier, checkpoint): (i64, _, _) =
            sqlx::query_as("SELECT size, frontier, checkpoint FROM directory_head")
                .fetch_one(&self.readers)
                .await?;
        Ok(DirectoryHead { size: uint(size)?, frontier, checkpoint })
    }

    async fn directory_entries(&self, from: u64, limit: u32) -> Result<Vec<DirectoryEntry>, StoreError> {
        let rows: Vec<(i64, Vec<u8>, Vec<u8>)> = sqlx::query_as(
            "SELECT idx, leaf, leaf_hash FROM directory_entries WHERE idx >= ? ORDER BY idx LIMIT ?",
        )
        .bind(bound(from))
        .bind(limit.min(MAX_PAGE))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|(index, leaf, leaf_hash)| {
                Ok(DirectoryEntry { index: uint(index)?, leaf, leaf_hash: hash(leaf_hash)? })
            })
            .collect()
    }

    async fn directory_leaf_hashes(&self, from: u64, to: u64) -> Result<Vec<Hash>, StoreError> {
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT leaf_hash FROM directory_entries WHERE idx >= ? AND idx < ? ORDER BY idx",
        )
        .bind(bound(from))
        .bind(bound(to.min(from.saturating_add(MAX_LEAF_HASHES))))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(hash).collect()
    }

    async fn append_directory(&self, append: DirectoryAppend) -> Result<(), StoreError> {
        check_append(&append)?;
        let mut transaction = self.begin().await?;
        let outcome = grow(&mut transaction, append).await;
        transaction.finish(outcome).await
    }

    async fn certificate(&self, hash: &Hash) -> Result<Option<Certificate>, StoreError> {
        sqlx::query_as(
            "SELECT hash, chain, issued_idx, revoked_idx, revoked_ms FROM certificates WHERE hash = ?",
        )
        .bind(&hash[..])
        .fetch_optional(&self.readers)
        .await?
        .map(certificate)
        .transpose()
    }

    async fn revoked_certificates(&self, from: u64, limit: u32) -> Result<Vec<Certificate>, StoreError> {
        let rows: Vec<CertificateRow> = sqlx::query_as(
            "SELECT hash, chain, issued_idx, revoked_idx, revoked_ms FROM certificates \
             WHERE revoked_idx >= ? ORDER BY revoked_idx LIMIT ?",
        )
        .bind(bound(from))
        .bind(limit.min(MAX_PAGE))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(certificate).collect()
    }
}

fn certificate((digest, chain, issued, revoked, at_ms): CertificateRow) -> Result<Certificate, StoreError> {
    Ok(Certificate {
        hash: hash(digest)?,
        chain,
        directory_index: uint(issued)?,
        revoked: revocation(revoked, at_ms)?,
    })
}

pub(super) fn revocation(index: Option<i64>, at_ms: Option<i64>) -> Result<Option<Revocation>, StoreError> {
    match (index, at_ms) {
        (Some(index), Some(at_ms)) => {
            Ok(Some(Revocation { directory_index: uint(index)?, at_ms: uint(at_ms)? }))
        }
        _ => Ok(None),
    }
}

pub(super) fn check_append(append: &DirectoryAppend) -> Result<(), StoreError> {
    if append.leaves.is_empty() {
        return Err(StoreError::Misuse("an append without leaves"));
    }
    if append.frontier.is_empty() || append.checkpoint.is_empty() {
        return Err(StoreError::Misuse("an append without frontier or checkpoint"));
    }
    check("leaves of one append", append.leaves.len(), MAX_DIRECTORY_APPEND)?;
    check("frontier", append.frontier.len(), MAX_FRONTIER)?;
    check("checkpoint", append.checkpoint.len(), MAX_CHECKPOINT)?;
    for leaf in &append.leaves {
        check("leaf", leaf.leaf.len(), MAX_DIRECTORY_LEAF)?;
        if let LeafKind::Issued(certificate) = &leaf.kind {
            check("certificate chain", certificate.chain.len(), MAX_CHAIN)?;
        }
    }
    Ok(())
}

/// Grows the directory inside a transaction.
pub(super) async fn grow(
    connection: &mut SqliteConnection,
    append: DirectoryAppend,
) -> Result<(), StoreError> {
    let DirectoryAppend { expected_size, leaves, frontier, checkpoint } = append;
    let actual: i64 =
        sqlx::query_scalar("SELECT size FROM directory_head").fetch_one(&mut *connection).await?;
    let actual = uint(actual)?;
    if actual != expected_size {
        return Err(StoreError::Conflict { expected: expected_size, actual });
    }
    let size = expected_size.saturating_add(leaves.len() as u64);
    for (index, leaf) in (expected_size..size).zip(leaves) {
        let index = int("directory index", index)?;
        sqlx::query("INSERT INTO directory_entries (idx, leaf, leaf_hash) VALUES (?, ?, ?)")
            .bind(index)
            .bind(leaf.leaf)
            .bind(&leaf.leaf_hash[..])
            .execute(&mut *connection)
            .await?;
        match leaf.kind {
            LeafKind::Issued(certificate) => issue(connection, certificate, index).await?,
            LeafKind::Revoked { certificate, at_ms } => {
                revoke(connection, &certificate, index, at_ms).await?;
            }
            LeafKind::Other => {}
        }
    }
    sqlx::query("UPDATE directory_head SET size = ?, frontier = ?, checkpoint = ?")
        .bind(int("directory size", size)?)
        .bind(frontier)
        .bind(checkpoint)
        .execute(connection)
        .await?;
    Ok(())
}

async fn issue(
    connection: &mut SqliteConnection,
    certificate: NewCertificate,
    index: i64,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO certificates (hash, chain, issued_idx) VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING",
    )
    .bind(&certificate.hash[..])
    .bind(certificate.chain)
    .bind(index)
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::Exists(Unique::Certificate));
    }
    Ok(())
}

async fn revoke(
    connection: &mut SqliteConnection,
    certificate: &Hash,
    index: i64,
    at_ms: u64,
) -> Result<(), StoreError> {
    let revoked: Option<bool> =
        sqlx::query_scalar("SELECT revoked_idx IS NOT NULL FROM certificates WHERE hash = ?")
            .bind(&certificate[..])
            .fetch_optional(&mut *connection)
            .await?;
    match revoked {
        None => return Err(StoreError::NotFound(Thing::Certificate)),
        Some(true) => return Err(StoreError::Refused(Refusal::Revoked)),
        Some(false) => {}
    }
    sqlx::query("UPDATE certificates SET revoked_idx = ?, revoked_ms = ? WHERE hash = ?")
        .bind(index)
        .bind(int("time", at_ms)?)
        .bind(&certificate[..])
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE devices SET active = 0 WHERE certificate = ?")
        .bind(&certificate[..])
        .execute(&mut *connection)
        .await?;
    keys::forget(connection, certificate).await?;
    recoveries::forget(connection, certificate).await
}

/// Refuses a certificate that was never issued.
pub(super) async fn require_issued(
    connection: &mut SqliteConnection,
    certificate: &Hash,
) -> Result<(), StoreError> {
    let issued: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM certificates WHERE hash = ?)")
        .bind(&certificate[..])
        .fetch_one(connection)
        .await?;
    if issued { Ok(()) } else { Err(StoreError::NotFound(Thing::Certificate)) }
}
