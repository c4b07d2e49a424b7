//! Reading logs.

use std::sync::Arc;

use super::fixtures::{append_one, create_room, enrol, entry, id, room_append};
use crate::{Hash, NewEntry, Store};

async fn ten_entries(store: &dyn Store) -> (Hash, Hash) {
    let ada = enrol(store, "ada").await;
    let room = create_room(store, "plans", &[ada]).await;
    let beside = create_room(store, "beside", &[ada]).await;
    let sized = |seq: u64| NewEntry {
        statement: vec![1; 60],
        ciphertext: Some(vec![2; 40]),
        leaf_hash: id(&format!("hash {}", seq - 1)),
        ..entry(ada, seq)
    };
    append_one(store, room_append(room, 1, (2..=10).map(sized).collect())).await.unwrap();
    append_one(store, room_append(beside, 1, (2..=5).map(sized).collect())).await.unwrap();
    (room, ada)
}

/// A page ends at its count, at its bytes, or with the log, and has one entry at least if there is one.
pub async fn pages(store: Arc<dyn Store>) {
    let (room, _) = ten_entries(&*store).await;
    let store = &*store;
    let read = async |from, count, bytes| -> Vec<u64> {
        let entries = store.entries(&room, from, count, bytes).await.unwrap();
        entries.into_iter().map(|entry| entry.index).collect()
    };
    assert_eq!(read(1, 3, 10_000).await, [1, 2, 3]);
    assert_eq!(read(8, 3, 10_000).await, [8, 9]);
    assert_eq!(read(10, 3, 10_000).await, [] as [u64; 0]);
    assert_eq!(read(1, 0, 10_000).await, [] as [u64; 0]);
    assert_eq!(read(1, 10, 299).await, [1, 2]);
    assert_eq!(read(1, 10, 300).await, [1, 2, 3]);
    assert_eq!(read(1, 10, 0).await, [1]);
    assert_eq!(read(0, u32::MAX, u64::MAX).await.len(), 10);
    assert_eq!(store.entries(&id("nowhere"), 0, 10, 10_000).await.unwrap(), []);
}

/// An entry is found by its sender's number, in its room.
pub async fn by_seq(store: Arc<dyn Store>) {
    let (room, ada) = ten_entries(&*store).await;
    let entry = store.entry_by_seq(&room, &ada, 7).await.unwrap().unwrap();
    assert_eq!((entry.index, entry.seq, entry.leaf_hash), (6, 7, id("hash 6")));
    for seq in [0, 11] {
        assert_eq!(store.entry_by_seq(&room, &ada, seq).await.unwrap(), None);
    }
    assert_eq!(store.entry_by_seq(&room, &id("ghost"), 7).await.unwrap(), None);
    assert_eq!(store.entry_by_seq(&id("nowhere"), &ada, 7).await.unwrap(), None);
    assert_eq!(store.last_seq(&room, &ada).await.unwrap(), 10);
    assert_eq!(store.last_seq(&room, &id("ghost")).await.unwrap(), 0);
    assert_eq!(store.last_seq(&id("nowhere"), &ada).await.unwrap(), 0);
    assert_eq!(store.last_seqs(&room).await.unwrap(), [(ada, 10)]);
    assert_eq!(store.last_seqs(&id("nowhere")).await.unwrap(), []);
}
