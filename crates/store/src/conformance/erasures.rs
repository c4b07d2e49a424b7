//! Erasures: what was said goes, and the entries stay.

use std::sync::Arc;

use minicbor::bytes::ByteVec;

use super::blobs::put;
use super::fixtures::{append_one, create_room, enrol, entry, id, room_append};
use crate::limits::{BLOB_PIECE, MAX_ERASES};
use crate::{AppendError, Depth, Hash, NewEntry, NewHistory, Store, TooLarge};

/// An entry of a sender without content that erases others.
fn erasing(sender: Hash, seq: u64, erases: &[u64]) -> NewEntry {
    NewEntry { ciphertext: None, erases: erases.to_vec(), ..entry(sender, seq) }
}

/// Indices of the entries that have content.
async fn said(store: &dyn Store, room: Hash) -> Vec<u64> {
    let entries = store.entries(&room, 0, 100, 1_000_000).await.unwrap();
    entries.into_iter().filter(|entry| entry.ciphertext.is_some()).map(|entry| entry.index).collect()
}

async fn swept(store: &dyn Store) {
    while !store.sweep().await.unwrap() {}
}

/// Content and blobs of the entries named go, those of others stay, of the same bytes too; a large blob goes in steps.
pub async fn what_was_said_goes(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let (room, other) =
        (create_room(&*store, "plans", &[ada]).await, create_room(&*store, "ops", &[ada]).await);
    let (small, large) = (b"a small file".to_vec(), vec![7; 40 * BLOB_PIECE]);
    for (seq, index) in [(2, 1), (3, 2)] {
        let blobs = vec![put(&*store, ada, &small).await, put(&*store, ada, &large).await];
        let with = NewEntry { blobs, ..entry(ada, seq) };
        append_one(&*store, room_append(room, index, vec![with])).await.unwrap();
    }
    append_one(&*store, room_append(room, 3, vec![entry(ada, 4)])).await.unwrap();
    append_one(&*store, room_append(other, 1, vec![entry(ada, 2)])).await.unwrap();
    let before = store.entries(&room, 0, 100, 1_000_000).await.unwrap();
    append_one(&*store, room_append(room, 4, vec![erasing(ada, 5, &[1, 3])])).await.unwrap();
    assert_eq!((said(&*store, room).await, said(&*store, other).await), (vec![0, 2], vec![0, 1]));
    let after = store.entries(&room, 0, 100, 1_000_000).await.unwrap();
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before.statement, before.seq), (&after.statement, after.seq));
    }
    for hash in [put(&*store, ada, &small).await, put(&*store, ada, &large).await] {
        let left = store.room_blob_piece(&room, &hash, 0).await.unwrap().unwrap();
        assert_eq!(left.indices, [2]);
    }
    swept(&*store).await;
    append_one(&*store, room_append(room, 5, vec![erasing(ada, 6, &[2])])).await.unwrap();
    let hash = put(&*store, ada, &small).await;
    assert_eq!(store.room_blob_piece(&room, &hash, 0).await.unwrap(), None);
    swept(&*store).await;
    assert!(store.sweep().await.unwrap());
}

/// What is said and erased in one batch, and in one append of it, is as if it had come apart.
pub async fn what_came_in_one_batch_goes(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let (room, other) =
        (create_room(&*store, "plans", &[ada]).await, create_room(&*store, "ops", &[ada]).await);
    let hash = put(&*store, ada, b"a file").await;
    let with = NewEntry { blobs: vec![hash], ..entry(ada, 2) };
    let batch = vec![
        room_append(room, 1, vec![with, entry(ada, 3), erasing(ada, 4, &[1])]),
        room_append(other, 1, vec![entry(ada, 2)]),
        room_append(other, 2, vec![erasing(ada, 3, &[1])]),
    ];
    assert_eq!(store.append(batch).await.unwrap(), [Ok(()), Ok(()), Ok(())]);
    assert_eq!((said(&*store, room).await, said(&*store, other).await), (vec![0, 2], vec![0]));
    assert_eq!(store.room_blob_piece(&room, &hash, 0).await.unwrap(), None);
    swept(&*store).await;
}

fn piece(device: Hash, room: Hash, (first, end): (u64, u64), contents: &[(u64, &[u8])]) -> NewHistory {
    let contents: Vec<(u64, ByteVec)> =
        contents.iter().map(|(index, content)| (*index, ByteVec::from(content.to_vec()))).collect();
    NewHistory { device, room, first, end, piece: minicbor::to_vec(contents).unwrap() }
}

/// Pieces lose what was erased and nothing else, whoever handed them in, before or after; one that is no list loses all.
pub async fn pieces_of_history_lose_it(store: Arc<dyn Store>) {
    let (ada, bob) = (enrol(&*store, "ada").await, enrol(&*store, "bob").await);
    let room = create_room(&*store, "plans", &[ada]).await;
    append_one(&*store, room_append(room, 1, (2..=9).map(|seq| entry(ada, seq)).collect())).await.unwrap();
    let long = [1; 2_000];
    let all = [(1, &long[..]), (2, b"two"), (3, b"three")];
    let opaque = |range: (u64, u64)| NewHistory { piece: vec![1; 3_000], ..piece(bob, room, range, &[]) };
    for put in [
        piece(ada, room, (0, 4), &all),
        piece(bob, room, (0, 2), &all[..1]),
        opaque((2, 4)),
        opaque((4, 6)),
        opaque((6, 9)),
        piece(ada, id("ops"), (0, 4), &all),
    ] {
        store.put_history(put).await.unwrap();
    }
    append_one(&*store, room_append(room, 9, vec![erasing(ada, 10, &[1, 3, 8])])).await.unwrap();
    let read = async |user: &str, room| {
        let found = store.history(user, &id("phone"), &room, 0, 1_000_000).await.unwrap();
        found.into_iter().map(|piece| (piece.first, piece.end, piece.piece)).collect::<Vec<_>>()
    };
    let list = |range, contents: &[(u64, &[u8])]| piece(ada, room, range, contents).piece;
    let nothing = list((0, 0), &[]);
    let kept = (4, 6, opaque((4, 6)).piece);
    let lost = |first, end| (first, end, nothing.clone());
    // At once, and as much once they are rewritten.
    for rewritten in [false, true] {
        if rewritten {
            swept(&*store).await;
        }
        assert_eq!(read("ada", room).await, [(0, 4, list((0, 4), &all[1..2]))]);
        assert_eq!(read("ada", id("ops")).await, [(0, 4, list((0, 4), &all))]);
        assert_eq!(read("bob", room).await, [lost(0, 2), lost(2, 4), kept.clone(), lost(6, 9)]);
    }

    // A device that has not read of it yet brings nothing back, and goes on where it is.
    let late = piece(ada, room, (8, 10), &[(8, b"eight"), (9, b"nine")]);
    assert_eq!(store.put_history(late).await.unwrap(), 10);
    assert_eq!(read("ada", room).await.last().unwrap().2, list((8, 10), &[(9, b"nine")]));
}

/// Nothing is erased by what does not come after it, and not too much by one.
pub async fn shapes(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let room = create_room(&*store, "plans", &[ada]).await;
    let misuse = Err(AppendError::Misuse("an entry that erases what does not come before it"));
    for erases in [&[1][..], &[0, 7]] {
        let append = room_append(room, 1, vec![erasing(ada, 2, erases)]);
        assert_eq!(append_one(&*store, append).await, misuse);
    }
    let limit = MAX_ERASES as u64;
    let many: Vec<u64> = (0..=limit).collect();
    let large = TooLarge { what: "entries erased by one", value: limit + 1, limit };
    let entries: Vec<NewEntry> = (2..).map(|seq| entry(ada, seq)).take(MAX_ERASES + 1).collect();
    append_one(&*store, room_append(room, 1, entries)).await.unwrap();
    let (size, seq) = (limit + 2, limit + 3);
    let append = room_append(room, size, vec![erasing(ada, seq, &many)]);
    assert_eq!(append_one(&*store, append).await, Err(large.into()));
    assert_eq!(store.check(Depth::Deep).await.unwrap().problems, []);
    let all: Vec<u64> = (0..limit).collect();
    append_one(&*store, room_append(room, size, vec![erasing(ada, seq, &all)])).await.unwrap();
    assert_eq!(said(&*store, room).await.len(), 100 - MAX_ERASES.min(100));
}
