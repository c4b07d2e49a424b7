//! Key packages and blobs of encrypted rooms (SE-33 to SE-36).

use std::collections::HashSet;

use evidence::limits::MAX_ATTACHMENTS;
use minicbor::bytes::{ByteArray, ByteVec};
use session::limits;
use session::message::{FailureCode, Reply};
use store::{Hash, KeyPackageCount, NewPiece, PieceOutcome};

use super::room::Visible;
use super::{Answer, malformed, not_found};
use crate::clock::now_ms;
use crate::failure;
use crate::rooms::Session;
use crate::shared::Shared;

// What the store keeps is what clients are told.
const _: () = {
    use {limits as told, store::limits as kept};
    assert!(told::MAX_KEY_PACKAGES == kept::MAX_KEY_PACKAGES);
    assert!(told::MAX_KEY_PACKAGE == kept::MAX_KEY_PACKAGE);
    assert!(told::MAX_TAKEN == kept::MAX_TAKEN);
    assert!(told::MAX_BLOB == kept::MAX_BLOB);
    assert!(told::BLOB_PIECE == kept::BLOB_PIECE);
    assert!(told::MAX_PENDING_BLOBS == kept::MAX_PENDING_BLOBS);
    assert!(told::PENDING_BLOB_MS == kept::PENDING_BLOB_MS);
};

pub(super) async fn put_packages(
    shared: &Shared,
    session: &Session,
    packages: Vec<ByteVec>,
    last_resort: Option<Vec<u8>>,
) -> Answer {
    let packages: Vec<Vec<u8>> = packages.into_iter().map(Into::into).collect();
    if packages.iter().chain(&last_resort).any(Vec::is_empty) {
        return Err(malformed("a key package of no bytes"));
    }
    let count = shared.store.put_key_packages(&session.certificate, packages, last_resort).await;
    Ok(counted(count.map_err(|e| failure::store(&e))?))
}

pub(super) async fn count_packages(shared: &Shared, session: &Session) -> Answer {
    let count = shared.store.key_package_count(&session.certificate).await;
    Ok(counted(count.map_err(|e| failure::store(&e))?))
}

fn counted(KeyPackageCount { count, last_resort }: KeyPackageCount) -> Reply {
    Reply::KeyPackageCount { count, last_resort }
}

pub(super) async fn take_packages(
    shared: &Shared,
    session: &Session,
    certificates: &[ByteArray<32>],
) -> Answer {
    if certificates.len() > limits::MAX_TAKEN {
        let why = format!("key packages of more than {} devices at a time", limits::MAX_TAKEN);
        return Err(failure::failed(FailureCode::TooLarge, why));
    }
    let count = u32::try_from(certificates.len()).unwrap_or(u32::MAX);
    shared.takes_packages(session.certificate, count, now_ms())?;
    let certificates: Vec<Hash> = certificates.iter().map(|certificate| **certificate).collect();
    let taken = shared.store.take_key_packages(&certificates).await.map_err(|e| failure::store(&e))?;
    Ok(Reply::KeyPackages { packages: taken.into_iter().map(|package| package.map(Into::into)).collect() })
}

pub(super) async fn put_blob(
    shared: &Shared,
    session: &Session,
    hash: Hash,
    size: u64,
    offset: u64,
    bytes: Vec<u8>,
) -> Answer {
    let piece = NewPiece { device: session.certificate, hash, size, offset, bytes, now_ms: now_ms() };
    if !piece.fits() {
        return Err(malformed("a piece that the blob does not have"));
    }
    shared.hands_in(session.certificate, piece.bytes.len(), piece.now_ms)?;
    // Of a large blob all that is there is read with its last piece: one at a time.
    let _one = match piece.completes_many() {
        true => Some(shared.blob_hashes.acquire().await),
        false => None,
    };
    match shared.store.put_piece(piece).await.map_err(|e| failure::store(&e))? {
        PieceOutcome::Held(held) => Ok(Reply::BlobHeld { held }),
        PieceOutcome::OtherHash => Err(malformed("the blob has another hash; all of it is deleted")),
    }
}

/// The blobs that come as the files of a statement with content, as many as a content has files (SE-36).
pub(super) fn files(hashes: &[ByteArray<32>], has_content: bool) -> Result<Vec<Hash>, Reply> {
    let files: Vec<Hash> = hashes.iter().map(|hash| **hash).collect();
    let once: HashSet<&Hash> = files.iter().collect();
    if files.len() > MAX_ATTACHMENTS || once.len() < files.len() || !(has_content || files.is_empty()) {
        return Err(malformed("files that a statement cannot come with"));
    }
    Ok(files)
}

/// A blob is given to whom content at the index of an entry that names it would be given (SE-18), or to another device of the same user.
pub(super) async fn get_blob(
    shared: &Shared,
    session: &Session,
    room: &Hash,
    hash: &Hash,
    offset: u64,
) -> Answer {
    let visible = Visible::of_user(shared, session, room).await?;
    let found = shared.store.room_blob_piece(room, hash, offset).await.map_err(|e| failure::store(&e))?;
    let found = found.filter(|piece| piece.indices.iter().any(|index| visible.content(*index)));
    let piece = found.ok_or_else(|| not_found("there is no such blob in this room"))?;
    Ok(Reply::Blob { size: piece.size, bytes: piece.bytes })
}
