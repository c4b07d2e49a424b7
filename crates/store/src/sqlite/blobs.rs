//! Blobs: handed in piece by piece, then named by an entry.

use std::collections::HashSet;

use async_trait::async_trait;
use aws_lc_rs::digest;
use futures_util::TryStreamExt as _;
use sqlx::sqlite::SqliteConnection;

use super::value::{bound, hash, int, uint};
use super::{SqliteStore, devices};
use crate::error::TooLarge;
use crate::limits::{BLOB_GRACE_MS, BLOB_PIECE, MAX_BLOB, MAX_PENDING_BLOBS, PENDING_BLOB_MS};
use crate::{
    AppendError, BlobPiece, Blobs, Hash, NewEntry, NewPiece, PieceOutcome, Problem, Report, StoreError,
};

/// Old pending blobs of which one piece deletes some: more than it can make, and not so many that others wait.
const EXPIRED_AT_ONCE: u32 = 2;
/// Pieces of a blob that are deleted in one transaction.
const TRIMMED_AT_ONCE: u64 = 32;

const FIND_WHOLE: &str =
    "SELECT no FROM blobs WHERE owner = ? AND hash = ? AND room_no IS NULL AND held = size";

/// Number, owner, hash, size, held.
type Row = (i64, Vec<u8>, Vec<u8>, i64, i64);

#[async_trait]
impl Blobs for SqliteStore {
    async fn put_piece(&self, piece: NewPiece) -> Result<PieceOutcome, StoreError> {
        check_piece(&piece)?;
        if piece.bytes.is_empty() {
            let since = since(piece.now_ms);
            let found = find_pending(&mut *self.readers.acquire().await?, &piece).await?;
            let found = found.filter(|(.., created_ms)| *created_ms >= since);
            return Ok(PieceOutcome::Held(uint(found.map_or(0, |(_, held, _)| held))?));
        }
        let whole = self.digest_with(&piece).await?;
        let mut transaction = self.begin().await?;
        let outcome = put(&mut transaction, piece, whole).await;
        transaction.finish(outcome).await
    }

    async fn pending_blob(
        &self,
        device: &Hash,
        hash: &Hash,
        most: usize,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let pieces: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT p.bytes FROM blobs b JOIN blob_pieces p ON p.blob_no = b.no \
             WHERE b.owner = ? AND b.hash = ? AND b.size <= ? AND b.room_no IS NULL AND b.held = b.size \
             ORDER BY p.piece",
        )
        .bind(&device[..])
        .bind(&hash[..])
        .bind(bound(most as u64))
        .fetch_all(&self.readers)
        .await?;
        Ok((!pieces.is_empty()).then(|| pieces.concat()))
    }

    async fn has_pending_blobs(
        &self,
        device: &Hash,
        hashes: &[Hash],
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        for hash in hashes {
            let there: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM blobs \
                 WHERE owner = ? AND hash = ? AND room_no IS NULL AND held = size AND created_ms >= ?)",
            )
            .bind(&device[..])
            .bind(&hash[..])
            .bind(since(now_ms))
            .fetch_one(&self.readers)
            .await?;
            if !there {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn discard_pending_blobs(&self, device: &Hash, hashes: &[Hash]) -> Result<(), StoreError> {
        let mut there = false;
        for hash in hashes {
            let found: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM blobs WHERE owner = ? AND hash = ? AND room_no IS NULL)",
            )
            .bind(&device[..])
            .bind(&hash[..])
            .fetch_one(&self.readers)
            .await?;
            there |= found;
        }
        // Mostly there is none, and nothing to be synced.
        if !there {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        let outcome = discard(&mut transaction, device, hashes).await;
        transaction.finish(outcome).await
    }

    async fn room_blob_piece(
        &self,
        room: &Hash,
        hash: &Hash,
        offset: u64,
    ) -> Result<Option<BlobPiece>, StoreError> {
        let Some(number) = number(offset) else { return Ok(None) };
        let found: Vec<(i64, i64, i64)> = sqlx::query_as(
            "SELECT no, idx, size FROM blobs \
             WHERE room_no = (SELECT no FROM rooms WHERE id = ?) AND hash = ? ORDER BY idx",
        )
        .bind(&room[..])
        .bind(&hash[..])
        .fetch_all(&self.readers)
        .await?;
        let Some((no, _, size)) = found.first() else { return Ok(None) };
        let bytes: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT bytes FROM blob_pieces WHERE blob_no = ? AND piece = ?")
                .bind(no)
                .bind(number)
                .fetch_optional(&self.readers)
                .await?;
        let Some(bytes) = bytes else { return Ok(None) };
        let indices = found.iter().map(|(_, index, _)| uint(*index)).collect::<Result<_, _>>()?;
        Ok(Some(BlobPiece { indices, size: uint(*size)?, bytes }))
    }
}

/// What a blob would be with its last piece.
struct Whole {
    /// Number of the blob that the pieces before it are of, and when that was made; none if it is the only one.
    of: Option<(i64, i64)>,
    digest: Hash,
}

impl SqliteStore {
    /// The digest of a blob with its last piece, if this is it. It is read before the transaction, as others wait for that.
    async fn digest_with(&self, piece: &NewPiece) -> Result<Option<Whole>, StoreError> {
        if piece.offset.saturating_add(piece.bytes.len() as u64) != piece.size {
            return Ok(None);
        }
        let (mut context, mut of) = (digest::Context::new(&digest::SHA256), None);
        if piece.completes_many() {
            let mut reader = self.readers.acquire().await?;
            let found = find_pending(&mut reader, piece).await?;
            // One that is too old is made anew first, within what its device may have.
            let since = since(piece.now_ms);
            let fits = |(_, held, created_ms): &(i64, i64, i64)| {
                *held == bound(piece.offset) && *created_ms >= since
            };
            let Some((found, _, created_ms)) = found.filter(fits) else { return Ok(None) };
            read_pieces(&mut reader, found, &mut context).await?;
            of = Some((found, created_ms));
        }
        context.update(&piece.bytes);
        Ok(Some(Whole { of, digest: hash(context.finish().as_ref().to_vec())? }))
    }
}

/// Number, bytes held and time of the pending blob that a piece is of.
async fn find_pending(
    connection: &mut SqliteConnection,
    piece: &NewPiece,
) -> Result<Option<(i64, i64, i64)>, StoreError> {
    let found = sqlx::query_as(
        "SELECT no, held, created_ms FROM blobs WHERE owner = ? AND hash = ? AND size = ? AND room_no IS NULL",
    )
    .bind(&piece.device[..])
    .bind(&piece.hash[..])
    .bind(int("size", piece.size)?)
    .fetch_optional(connection)
    .await?;
    Ok(found)
}

/// The number of the piece that begins at `offset`; none if no piece does.
fn number(offset: u64) -> Option<i64> {
    let piece = BLOB_PIECE as u64;
    offset.is_multiple_of(piece).then(|| bound(offset / piece))
}

/// When the oldest pending blob was made that can be named at `now_ms`, and counts.
fn since(now_ms: u64) -> i64 {
    bound(now_ms.saturating_sub(PENDING_BLOB_MS))
}

fn check_piece(piece: &NewPiece) -> Result<(), StoreError> {
    if piece.size > MAX_BLOB {
        return Err(TooLarge { what: "blob", value: piece.size, limit: MAX_BLOB }.into());
    }
    if !piece.fits() {
        return Err(StoreError::Misuse("a piece that the blob does not have"));
    }
    Ok(())
}

async fn put(
    connection: &mut SqliteConnection,
    piece: NewPiece,
    whole: Option<Whole>,
) -> Result<PieceOutcome, StoreError> {
    devices::require_in_force(connection, &piece.device).await?;
    let since = since(piece.now_ms);
    let expired: Vec<i64> = sqlx::query_scalar(
        "SELECT no FROM blobs WHERE room_no IS NULL AND created_ms < ? ORDER BY created_ms LIMIT ?",
    )
    .bind(since.saturating_sub(bound(BLOB_GRACE_MS)))
    .bind(EXPIRED_AT_ONCE)
    .fetch_all(&mut *connection)
    .await?;
    for no in expired {
        trim(connection, no).await?;
    }
    let found = find_pending(connection, &piece).await?;
    let NewPiece { device, hash, size, offset, bytes, now_ms } = piece;
    if let Some((no, _, created_ms)) = found
        && created_ms < since
    {
        check_pending(connection, &device, size, since).await?;
        sqlx::query("UPDATE blobs SET created_ms = ? WHERE no = ?")
            .bind(int("time", now_ms)?)
            .bind(no)
            .execute(&mut *connection)
            .await?;
    }
    let held = uint(found.map_or(0, |(_, held, _)| held))?;
    if offset != held {
        return Ok(PieceOutcome::Held(held));
    }
    let made = found.map(|(no, _, created_ms)| (no, created_ms));
    let no = match found {
        Some((no, ..)) => no,
        None => {
            check_pending(connection, &device, size, since).await?;
            sqlx::query("INSERT INTO blobs (owner, hash, size, held, created_ms) VALUES (?, ?, ?, 0, ?)")
                .bind(&device[..])
                .bind(&hash[..])
                .bind(int("size", size)?)
                .bind(int("time", now_ms)?)
                .execute(&mut *connection)
                .await?
                .last_insert_rowid()
        }
    };
    let held = held.saturating_add(bytes.len() as u64);
    if held == size {
        match whole {
            Some(whole) if whole.of.is_none_or(|of| Some(of) == made) => {
                if whole.digest != hash {
                    remove(connection, no).await?;
                    return Ok(PieceOutcome::OtherHash);
                }
            }
            // It is another blob than the one that was read a moment ago.
            _ => return Ok(PieceOutcome::Held(offset)),
        }
    }
    sqlx::query("INSERT INTO blob_pieces (blob_no, piece, bytes) VALUES (?, ?, ?)")
        .bind(no)
        .bind(number(offset))
        .bind(bytes)
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE blobs SET held = ? WHERE no = ?")
        .bind(int("size", held)?)
        .bind(no)
        .execute(&mut *connection)
        .await?;
    Ok(PieceOutcome::Held(held))
}

/// Refuses one more pending blob of `size` bytes if there would be too much of them; what is from before `since` is as good as
/// deleted.
async fn check_pending(
    connection: &mut SqliteConnection,
    device: &Hash,
    size: u64,
    since: i64,
) -> Result<(), StoreError> {
    let least = BLOB_PIECE as u64;
    let pending: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(max(size, ?)), 0) FROM blobs \
         WHERE owner = ? AND room_no IS NULL AND created_ms >= ?",
    )
    .bind(bound(least))
    .bind(&device[..])
    .bind(since)
    .fetch_one(connection)
    .await?;
    let value = uint(pending)?.saturating_add(size.max(least));
    if value > MAX_PENDING_BLOBS {
        return Err(TooLarge { what: "pending blobs", value, limit: MAX_PENDING_BLOBS }.into());
    }
    Ok(())
}

/// Deletes the last pieces of a pending blob, and the blob once it has none: one of many is gone after several calls. Whether it is.
async fn trim(connection: &mut SqliteConnection, no: i64) -> Result<bool, StoreError> {
    let held: i64 = sqlx::query_scalar("SELECT held FROM blobs WHERE no = ?")
        .bind(no)
        .fetch_one(&mut *connection)
        .await?;
    let pieces = uint(held)?.div_ceil(BLOB_PIECE as u64).saturating_sub(TRIMMED_AT_ONCE);
    if pieces == 0 {
        sqlx::query("DELETE FROM blobs WHERE no = ?").bind(no).execute(&mut *connection).await?;
        return Ok(true);
    }
    sqlx::query("DELETE FROM blob_pieces WHERE blob_no = ? AND piece >= ?")
        .bind(no)
        .bind(bound(pieces))
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE blobs SET held = ? WHERE no = ?")
        .bind(bound(pieces.saturating_mul(BLOB_PIECE as u64)))
        .bind(no)
        .execute(&mut *connection)
        .await?;
    Ok(false)
}

/// Deletes a pending blob; of a large one what is left is under a name that nobody knows, and goes as one that is too old does.
async fn remove(connection: &mut SqliteConnection, no: i64) -> Result<(), StoreError> {
    if !trim(connection, no).await? {
        sqlx::query("UPDATE blobs SET hash = randomblob(32), created_ms = 0 WHERE no = ?")
            .bind(no)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Takes a room's blobs from an entry: they are nobody's from now on, and deleted step by step ([`trim_dropped`]).
pub(super) async fn drop_of_entry(
    connection: &mut SqliteConnection,
    room_no: i64,
    index: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE blobs SET room_no = NULL, idx = NULL, hash = randomblob(32), created_ms = 0 WHERE room_no = ? AND idx = ?",
    )
    .bind(room_no)
    .bind(index)
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes a part of what was dropped; whether there was anything.
pub(super) async fn trim_dropped(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let dropped: Option<i64> =
        sqlx::query_scalar("SELECT no FROM blobs WHERE room_no IS NULL AND created_ms = 0 LIMIT 1")
            .fetch_optional(&mut *connection)
            .await?;
    let Some(no) = dropped else { return Ok(false) };
    trim(connection, no).await?;
    Ok(true)
}

/// SHA-256 and bytes of what is held of a blob.
async fn digest_of(connection: &mut SqliteConnection, no: i64) -> Result<(Hash, u64), StoreError> {
    let mut digest = digest::Context::new(&digest::SHA256);
    let size = read_pieces(connection, no, &mut digest).await?;
    Ok((hash(digest.finish().as_ref().to_vec())?, size))
}

/// Takes what is held of a blob into a digest, and says how many bytes that is.
async fn read_pieces(
    connection: &mut SqliteConnection,
    no: i64,
    digest: &mut digest::Context,
) -> Result<u64, StoreError> {
    let mut size: u64 = 0;
    let mut pieces = sqlx::query_scalar("SELECT bytes FROM blob_pieces WHERE blob_no = ? ORDER BY piece")
        .bind(no)
        .fetch(connection);
    while let Some(bytes) = pieces.try_next().await? {
        let bytes: Vec<u8> = bytes;
        digest.update(&bytes);
        size = size.saturating_add(bytes.len() as u64);
    }
    Ok(size)
}

async fn discard(
    connection: &mut SqliteConnection,
    device: &Hash,
    hashes: &[Hash],
) -> Result<(), StoreError> {
    for hash in hashes {
        let found: Vec<i64> =
            sqlx::query_scalar("SELECT no FROM blobs WHERE owner = ? AND hash = ? AND room_no IS NULL")
                .bind(&device[..])
                .bind(&hash[..])
                .fetch_all(&mut *connection)
                .await?;
        for no in found {
            remove(connection, no).await?;
        }
    }
    Ok(())
}

/// A blob that an entry names.
pub(super) struct Named {
    index: u64,
    sender: Hash,
    hash: Hash,
}

/// The blobs that entries name, the first of which gets the index `first`.
pub(super) fn named(entries: &[NewEntry], first: u64) -> Vec<Named> {
    let named = (0..).zip(entries).flat_map(|(at, entry)| {
        let index = first.saturating_add(at);
        entry.blobs.iter().map(move |hash| Named { index, sender: entry.sender, hash: *hash })
    });
    named.collect()
}

/// The pending blobs that are named, by number, each with its entry's index; or which is not there.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    named: Vec<Named>,
) -> Result<Result<Vec<(i64, u64)>, AppendError>, StoreError> {
    let mut found = Vec::with_capacity(named.len());
    let mut seen = HashSet::new();
    for Named { index, sender, hash } in named {
        let no: Option<i64> = sqlx::query_scalar(FIND_WHOLE)
            .bind(&sender[..])
            .bind(&hash[..])
            .fetch_optional(&mut *connection)
            .await?;
        match no.filter(|no| seen.insert(*no)) {
            Some(no) => found.push((no, index)),
            None => return Ok(Err(AppendError::MissingBlob(hash))),
        }
    }
    Ok(Ok(found))
}

/// Makes pending blobs the room's.
pub(super) async fn give(
    connection: &mut SqliteConnection,
    room_no: i64,
    found: Vec<(i64, u64)>,
) -> Result<(), StoreError> {
    for (no, index) in found {
        sqlx::query("UPDATE blobs SET room_no = ?, idx = ? WHERE no = ?")
            .bind(room_no)
            .bind(int("index", index)?)
            .bind(no)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Every blob has the bytes that it is said to have, and a whole one its hash, but for those that were dropped.
pub(super) async fn check(connection: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
    let blobs: Vec<Row> = sqlx::query_as(
        "SELECT no, owner, hash, size, held FROM blobs WHERE room_no IS NOT NULL OR created_ms > 0 ORDER BY no",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (no, owner, digest, size, held) in blobs {
        let (owner, digest) = (hash(owner)?, hash(digest)?);
        let (found, bytes) = digest_of(connection, no).await?;
        if bytes != uint(held)? || (held == size && found != digest) {
            report.problems.push(Problem::Blob { owner, hash: digest });
        }
    }
    Ok(())
}
