//! Blobs.

use std::sync::Arc;

use aws_lc_rs::digest;

use super::fixtures::{
    NOW, append_one, assert_error, create_room, directory_append, enrol, entry, first, id, room, room_append,
};
use crate::limits::{
    BLOB_GRACE_MS, BLOB_PIECE, MAX_BLOB, MAX_ENTRY_BLOBS, MAX_PENDING_BLOBS, PENDING_BLOB_MS,
};
use crate::{
    AppendError, BlobPiece, Depth, Hash, LeafKind, MemberChange, NewEntry, NewPiece, PieceOutcome, Refusal,
    RoomAppend, Store, StoreError, Thing, TooLarge,
};

const PIECE: u64 = BLOB_PIECE as u64;
/// Blobs of one piece in the test of limits.
const SMALL: u64 = 32;
/// More bytes than a blob has here.
const MANY: usize = 8 * BLOB_PIECE;

fn sha256(bytes: &[u8]) -> Hash {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().unwrap()
}

/// Bytes of that length, others for each number.
fn blob(number: u8, size: u64) -> Vec<u8> {
    (0..size).map(|at| number.wrapping_add((at % 251) as u8)).collect()
}

/// The piece of a blob at `offset`.
fn piece(device: Hash, blob: &[u8], offset: u64) -> NewPiece {
    let rest = blob.get(offset as usize..).unwrap();
    let bytes = rest.get(..BLOB_PIECE).unwrap_or(rest).to_vec();
    NewPiece { device, hash: sha256(blob), size: blob.len() as u64, offset, bytes, now_ms: NOW }
}

/// Hands in a whole blob and returns its hash.
pub async fn put(store: &dyn Store, device: Hash, blob: &[u8]) -> Hash {
    for offset in (0..blob.len() as u64).step_by(BLOB_PIECE) {
        store.put_piece(piece(device, blob, offset)).await.unwrap();
    }
    sha256(blob)
}

/// An entry of a sender that names blobs.
fn naming(sender: Hash, seq: u64, blobs: &[Hash]) -> NewEntry {
    NewEntry { blobs: blobs.to_vec(), ..entry(sender, seq) }
}

async fn indices(store: &dyn Store, room: Hash, hash: Hash) -> Vec<u64> {
    store.room_blob_piece(&room, &hash, 0).await.unwrap().map_or_else(Vec::new, |found| found.indices)
}

/// A blob comes in pieces, each the next; it is pending when it is whole.
pub async fn pieces(store: Arc<dyn Store>) {
    let (ada, bob) = (enrol(&*store, "ada").await, enrol(&*store, "bob").await);
    let whole = blob(1, 2 * PIECE + 5);
    let hash = sha256(&whole);
    let ask = || NewPiece { bytes: Vec::new(), ..piece(ada, &whole, 0) };
    let held = |bytes| PieceOutcome::Held(bytes);
    assert_eq!(store.put_piece(ask()).await.unwrap(), held(0));
    assert_eq!(store.put_piece(piece(ada, &whole, PIECE)).await.unwrap(), held(0));
    for (offset, after) in [(0, PIECE), (0, PIECE), (2 * PIECE, PIECE), (PIECE, 2 * PIECE)] {
        assert_eq!(store.put_piece(piece(ada, &whole, offset)).await.unwrap(), held(after), "{offset}");
        assert_eq!(store.put_piece(ask()).await.unwrap(), held(after), "{offset}");
        assert_eq!(store.pending_blob(&ada, &hash, MANY).await.unwrap(), None);
        assert!(!store.has_pending_blobs(&ada, &[hash], NOW).await.unwrap());
    }
    assert_eq!(store.put_piece(NewPiece { device: bob, ..ask() }).await.unwrap(), held(0));
    for offset in [2 * PIECE, 0] {
        assert_eq!(store.put_piece(piece(ada, &whole, offset)).await.unwrap(), held(2 * PIECE + 5));
    }
    assert_eq!(store.pending_blob(&ada, &hash, MANY).await.unwrap(), Some(whole.clone()));
    assert_eq!(store.pending_blob(&bob, &hash, MANY).await.unwrap(), None);
    assert_eq!(store.pending_blob(&ada, &hash, whole.len() - 1).await.unwrap(), None);
    assert!(store.has_pending_blobs(&ada, &[hash, hash], NOW).await.unwrap());
    assert!(!store.has_pending_blobs(&ada, &[hash, id("nothing")], NOW).await.unwrap());
    assert!(!store.has_pending_blobs(&bob, &[hash], NOW).await.unwrap());
    assert!(store.has_pending_blobs(&bob, &[], NOW).await.unwrap());
    assert_eq!(put(&*store, bob, &whole).await, hash);
    assert_eq!(store.pending_blob(&bob, &hash, MANY).await.unwrap(), Some(whole));

    let misuse = StoreError::Misuse("a piece that the blob does not have");
    let small = piece(ada, &[1, 2, 3], 0);
    for wrong in [
        NewPiece { size: 0, bytes: Vec::new(), ..small.clone() },
        NewPiece { size: 4, ..small.clone() },
        NewPiece { size: 2, ..small.clone() },
        NewPiece { size: PIECE + 3, offset: 1, ..small.clone() },
        NewPiece { size: PIECE + 3, offset: PIECE - 1, ..small.clone() },
        NewPiece { offset: u64::MAX, ..small.clone() },
    ] {
        assert_error(store.put_piece(wrong).await, &misuse);
    }
    let nobody = NewPiece { device: id("nobody"), ..small.clone() };
    assert_error(store.put_piece(nobody).await, &StoreError::NotFound(Thing::Device));
    let revoked = LeafKind::Revoked { certificate: ada, at_ms: NOW };
    store.append_directory(directory_append(2, vec![revoked])).await.unwrap();
    assert_error(store.put_piece(small).await, &StoreError::Refused(Refusal::DeviceRevoked));
}

/// A blob whose bytes have another hash is gone whole, and may be handed in again.
pub async fn another_hash(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let whole = blob(1, PIECE + 1);
    let hash = sha256(&whole);
    store.put_piece(piece(ada, &whole, 0)).await.unwrap();
    let wrong = NewPiece { bytes: vec![!whole.last().unwrap()], ..piece(ada, &whole, PIECE) };
    assert_eq!(store.put_piece(wrong).await.unwrap(), PieceOutcome::OtherHash);
    let ask = NewPiece { bytes: Vec::new(), ..piece(ada, &whole, 0) };
    assert_eq!(store.put_piece(ask).await.unwrap(), PieceOutcome::Held(0));
    assert_eq!(store.pending_blob(&ada, &hash, MANY).await.unwrap(), None);

    // One that was begun under another size stands in nobody's way.
    let longer = NewPiece { size: PIECE + 2, ..piece(ada, &whole, 0) };
    assert_eq!(store.put_piece(longer).await.unwrap(), PieceOutcome::Held(PIECE));
    put(&*store, ada, &whole).await;
    assert_eq!(store.pending_blob(&ada, &hash, MANY).await.unwrap(), Some(whole));
}

/// A device has so much that is pending; after a day it counts no more and cannot be named, after one hour more it is gone.
pub async fn pending_ones_are_limited(store: Arc<dyn Store>) {
    let (ada, bob) = (enrol(&*store, "ada").await, enrol(&*store, "bob").await);
    let begun = |device, number: u8, size, now_ms| NewPiece {
        device,
        hash: id(&format!("blob {number}")),
        size,
        offset: 0,
        bytes: vec![number; size.min(PIECE) as usize],
        now_ms,
    };
    let too_large = |what, value, limit| StoreError::from(TooLarge { what, value, limit });
    let above = begun(ada, 0, MAX_BLOB + 1, NOW);
    assert_error(store.put_piece(above).await, &too_large("blob", MAX_BLOB + 1, MAX_BLOB));
    let most = MAX_PENDING_BLOBS / MAX_BLOB;
    for number in 1..most {
        store.put_piece(begun(ada, number as u8, MAX_BLOB, NOW)).await.unwrap();
    }
    // However small it is, one counts as a piece.
    let limit = MAX_PENDING_BLOBS;
    let small: Vec<_> = (0..SMALL).map(|number| blob(number as u8, 3)).collect();
    for blob in &small {
        put(&*store, ada, blob).await;
    }
    store.put_piece(begun(ada, 76, MAX_BLOB - SMALL * PIECE, NOW)).await.unwrap();
    let full = begun(ada, 77, 1, NOW + PENDING_BLOB_MS);
    assert_error(store.put_piece(full.clone()).await, &too_large("pending blobs", limit + PIECE, limit));
    let goes_on = NewPiece { offset: PIECE, ..begun(ada, 1, MAX_BLOB, NOW) };
    assert_eq!(store.put_piece(goes_on).await.unwrap(), PieceOutcome::Held(2 * PIECE));
    store.put_piece(begun(bob, 1, MAX_BLOB, NOW + 1)).await.unwrap();

    let later = NOW + PENDING_BLOB_MS + 1;
    let anew = PieceOutcome::Held(PIECE);
    for number in 100..(100 + most as u8) {
        assert_eq!(store.put_piece(begun(ada, number, MAX_BLOB, later)).await.unwrap(), anew);
    }
    assert_error(
        store.put_piece(begun(ada, 78, MAX_BLOB, later)).await,
        &too_large("pending blobs", limit + MAX_BLOB, limit),
    );
    // An entry that was found good a moment ago can take it still.
    let (taken, small) = small.split_first().unwrap();
    let hash = sha256(taken);
    assert!(store.has_pending_blobs(&ada, &[hash], later - 1).await.unwrap());
    assert!(!store.has_pending_blobs(&ada, &[hash], later).await.unwrap());
    let made = room("sealed");
    let created = RoomAppend { entries: vec![naming(ada, 1, &[hash])], ..first(made.id, &[ada]) };
    store.create_room(made, created).await.unwrap();
    // One that is handed in again is a new one.
    let bobs = |now_ms, bytes| NewPiece { bytes, now_ms, ..begun(bob, 1, MAX_BLOB, later) };
    for (now_ms, held) in [(later, PIECE), (later + 1, 0)] {
        assert_eq!(store.put_piece(bobs(now_ms, Vec::new())).await.unwrap(), PieceOutcome::Held(held));
    }
    let again = begun(bob, 1, MAX_BLOB, later + 1);
    assert_eq!(store.put_piece(again).await.unwrap(), PieceOutcome::Held(PIECE));

    for at in [later, later + BLOB_GRACE_MS] {
        for blob in small {
            let there = store.pending_blob(&ada, &sha256(blob), MANY).await.unwrap();
            assert!(there.is_some(), "{at}");
        }
        for _ in 0..small.len() {
            store.put_piece(begun(bob, 2, MAX_BLOB, at)).await.unwrap();
        }
    }
    for blob in small {
        assert_eq!(store.pending_blob(&ada, &sha256(blob), MANY).await.unwrap(), None);
    }
    let still = bobs(later + BLOB_GRACE_MS, Vec::new());
    assert_eq!(store.put_piece(still).await.unwrap(), PieceOutcome::Held(PIECE));
}

/// One of many pieces is gone for its device at once, and from the database step by step, which a check finds nothing wrong with.
pub async fn a_large_one_goes_in_steps(store: Arc<dyn Store>) {
    let (ada, bob) = (enrol(&*store, "ada").await, enrol(&*store, "bob").await);
    let whole = blob(1, 70 * PIECE);
    let hash = put(&*store, ada, &whole).await;
    let held = async |device, now_ms| {
        let ask = NewPiece { bytes: Vec::new(), now_ms, ..piece(device, &whole, 0) };
        store.put_piece(ask).await.unwrap()
    };
    let good = async || assert_eq!(store.check(Depth::Deep).await.unwrap().problems, []);
    assert_eq!(held(ada, NOW).await, PieceOutcome::Held(70 * PIECE));
    store.discard_pending_blobs(&ada, &[hash]).await.unwrap();
    assert_eq!(held(ada, NOW).await, PieceOutcome::Held(0));
    assert!(!store.has_pending_blobs(&ada, &[hash], NOW).await.unwrap());
    good().await;
    // The last piece is another: nothing of it is of use.
    for offset in (0..69 * PIECE).step_by(BLOB_PIECE) {
        store.put_piece(piece(ada, &whole, offset)).await.unwrap();
    }
    let wrong = NewPiece { bytes: vec![9; BLOB_PIECE], ..piece(ada, &whole, 69 * PIECE) };
    assert_eq!(store.put_piece(wrong).await.unwrap(), PieceOutcome::OtherHash);
    assert_eq!(held(ada, NOW).await, PieceOutcome::Held(0));
    // One that is too old goes as others hand theirs in; what is left of it meanwhile can be gone on with.
    put(&*store, ada, &whole).await;
    good().await;
    let late = NOW + PENDING_BLOB_MS + BLOB_GRACE_MS + 1;
    let begun = NewPiece { now_ms: late, ..piece(bob, &whole, 0) };
    store.put_piece(begun.clone()).await.unwrap();
    good().await;
    let goes_on = NewPiece { now_ms: late, ..piece(ada, &whole, 0) };
    let PieceOutcome::Held(left) = store.put_piece(goes_on).await.unwrap() else { panic!("another hash") };
    assert!((PIECE..70 * PIECE).contains(&left), "{left}");
    for offset in (left..70 * PIECE).step_by(BLOB_PIECE) {
        store.put_piece(NewPiece { now_ms: late, ..piece(ada, &whole, offset) }).await.unwrap();
    }
    assert!(store.has_pending_blobs(&ada, &[hash], late).await.unwrap());
    good().await;
}

/// With its entry a pending blob of the sender becomes the room's; the same one of another device stays that one's.
pub async fn an_entry_takes_its_blobs(store: Arc<dyn Store>) {
    let (ada, bob) = (enrol(&*store, "ada").await, enrol(&*store, "bob").await);
    let (large, small) = (blob(1, PIECE + 9), blob(2, 7));
    let (one, two) = (put(&*store, ada, &large).await, put(&*store, ada, &small).await);
    put(&*store, bob, &small).await;
    let made = room("sealed");
    let created = RoomAppend { entries: vec![naming(ada, 1, &[two])], ..first(made.id, &[ada, bob]) };
    store.create_room(made.clone(), created).await.unwrap();
    assert_eq!(store.pending_blob(&ada, &two, MANY).await.unwrap(), None);
    assert!(!store.has_pending_blobs(&ada, &[two], NOW).await.unwrap());
    let found = BlobPiece { indices: vec![0], size: 7, bytes: small.clone() };
    assert_eq!(store.room_blob_piece(&made.id, &two, 0).await.unwrap(), Some(found));
    assert_eq!(store.room_blob_piece(&made.id, &one, 0).await.unwrap(), None);

    put(&*store, ada, &small).await;
    let entries = vec![entry(ada, 2), naming(ada, 3, &[one, two]), naming(bob, 1, &[two])];
    append_one(&*store, room_append(made.id, 1, entries)).await.unwrap();
    assert_eq!(indices(&*store, made.id, one).await, [2]);
    assert_eq!(indices(&*store, made.id, two).await, [0, 2, 3]);
    let end =
        BlobPiece { indices: vec![2], size: PIECE + 9, bytes: large.get(BLOB_PIECE..).unwrap().to_vec() };
    assert_eq!(store.room_blob_piece(&made.id, &one, PIECE).await.unwrap(), Some(end));
    for offset in [1, PIECE - 1, 2 * PIECE, u64::MAX] {
        assert_eq!(store.room_blob_piece(&made.id, &one, offset).await.unwrap(), None, "{offset}");
    }
    let other = create_room(&*store, "other", &[ada]).await;
    assert_eq!(store.room_blob_piece(&other, &two, 0).await.unwrap(), None);
    assert_eq!(store.room_blob_piece(&id("nowhere"), &two, 0).await.unwrap(), None);

    // What a room has is nobody's pending blob, however old it gets.
    let later = NOW + 2 * PENDING_BLOB_MS;
    for _ in 0..4 {
        store.put_piece(NewPiece { now_ms: later, ..piece(bob, &large, 0) }).await.unwrap();
    }
    assert_eq!(indices(&*store, made.id, two).await, [0, 2, 3]);
}

/// A blob that is not there, not whole, another device's, or named twice leaves its room as it was, and the others go on.
pub async fn a_missing_one_leaves_the_room(store: Arc<dyn Store>) {
    let (ada, bob) = (enrol(&*store, "ada").await, enrol(&*store, "bob").await);
    let there = put(&*store, ada, &blob(1, 7)).await;
    let part = blob(2, PIECE + 1);
    store.put_piece(piece(ada, &part, 0)).await.unwrap();
    let bobs = put(&*store, bob, &blob(3, 7)).await;
    let (sealed, other) =
        (create_room(&*store, "sealed", &[ada]).await, create_room(&*store, "other", &[ada]).await);
    let adding = |blobs: &[Hash]| RoomAppend {
        members: vec![MemberChange::Added { certificate: bob, index: 1 }],
        ..room_append(sealed, 1, vec![naming(ada, 2, blobs)])
    };
    for (size, missing) in (1..).zip([id("nothing"), sha256(&part), bobs]) {
        let goes_on = room_append(other, size, vec![entry(ada, size + 1)]);
        let answers = store.append(vec![adding(&[there, missing]), goes_on]).await.unwrap();
        assert_eq!(answers, [Err(AppendError::MissingBlob(missing)), Ok(())]);
        assert_eq!(store.members(&sealed).await.unwrap().len(), 1);
        assert_eq!(store.room_head(&sealed).await.unwrap().unwrap().size, 1);
        assert!(store.pending_blob(&ada, &there, MANY).await.unwrap().is_some());
    }
    let twice = Err(AppendError::MissingBlob(there));
    assert_eq!(append_one(&*store, adding(&[there, there])).await, twice);
    let limit = MAX_ENTRY_BLOBS as u64;
    let many = TooLarge { what: "blobs of one entry", value: limit + 1, limit };
    assert_eq!(append_one(&*store, adding(&[there; MAX_ENTRY_BLOBS + 1])).await, Err(many.into()));

    let made = room("new");
    let created = RoomAppend { entries: vec![naming(ada, 1, &[bobs])], ..first(made.id, &[ada]) };
    let refused = store.create_room(made.clone(), created).await;
    assert_error(refused, &AppendError::MissingBlob(bobs).into());
    assert_eq!(store.room(&made.id).await.unwrap(), None);

    // What is discarded is gone: of this device alone, whole or not, and nothing of a room's.
    let (kept, gone) = (put(&*store, ada, &blob(4, 7)).await, put(&*store, ada, &blob(5, 7)).await);
    put(&*store, bob, &blob(5, 7)).await;
    append_one(&*store, room_append(other, 4, vec![naming(ada, 5, &[kept])])).await.unwrap();
    store.discard_pending_blobs(&ada, &[kept, id("nothing")]).await.unwrap();
    store.discard_pending_blobs(&ada, &[gone, kept, sha256(&part)]).await.unwrap();
    assert_eq!(store.pending_blob(&ada, &gone, MANY).await.unwrap(), None);
    assert!(store.pending_blob(&bob, &gone, MANY).await.unwrap().is_some());
    let ask = NewPiece { bytes: Vec::new(), ..piece(ada, &part, 0) };
    assert_eq!(store.put_piece(ask).await.unwrap(), PieceOutcome::Held(0));
    assert_eq!(indices(&*store, other, kept).await, [4]);

    // In one batch the first gets it.
    let batch = vec![adding(&[there]), room_append(sealed, 2, vec![naming(ada, 3, &[there])])];
    assert_eq!(store.append(batch).await.unwrap(), [Ok(()), twice]);
    assert_eq!(indices(&*store, sealed, there).await, [1]);
}
