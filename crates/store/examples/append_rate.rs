//! Entries a second through [`store::Log::append`], each batch one transaction and one sync.
//!
//! `cargo run --release -p countersign-store --features testing --example append_rate [FOLDER]`: the folder
//! decides which disk is measured.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement, not a product")]

use std::time::Instant;

use store::conformance::fixtures::{create_room, enrol, entry, id, room_append};
use store::{NewEntry, RoomAppend, SqliteStore, Store};

/// Rooms, entries per room and batch, batches.
const SHAPES: [(usize, u64, u64); 6] =
    [(1, 1, 500), (1, 64, 200), (1, 512, 100), (16, 16, 100), (256, 1, 100), (256, 4, 100)];

#[tokio::main]
async fn main() {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(folder).unwrap();
    println!("rooms  entries/room  batches    entries/s  ms/batch");
    for (rooms, each, batches) in SHAPES {
        let path = folder.path().join(format!("{rooms}-{each}.db"));
        let store = SqliteStore::open(&path).await.unwrap();
        let seconds = measure(&store, rooms, each, batches).await;
        let entries = rooms as u64 * each * batches;
        println!(
            "{rooms:5}  {each:12}  {batches:7}  {:11.0}  {:8.2}",
            entries as f64 / seconds,
            seconds * 1e3 / batches as f64
        );
        store::Upkeep::close(&store).await;
    }
    read_rate(&SqliteStore::open(&folder.path().join("1-512.db")).await.unwrap()).await;
}

/// Appends of the size of a chat: 450 bytes of statement, 250 of ciphertext.
async fn measure(store: &dyn Store, rooms: usize, each: u64, batches: u64) -> f64 {
    let sender = enrol(store, "ada").await;
    let mut ids = Vec::new();
    for n in 0..rooms {
        ids.push(create_room(store, &format!("room {n}"), &[sender]).await);
    }
    let batch = |size: u64| -> Vec<RoomAppend> {
        let entries = || {
            (size + 1..=size + each)
                .map(|seq| NewEntry {
                    statement: vec![7; 450],
                    ciphertext: Some(vec![9; 250]),
                    leaf_hash: id(&seq.to_string()),
                    ..entry(sender, seq)
                })
                .collect()
        };
        let append = |room: &_| RoomAppend {
            frontier: vec![1; 400],
            checkpoint: vec![2; 300],
            ..room_append(*room, size, entries())
        };
        ids.iter().map(append).collect()
    };
    let batches: Vec<_> = (0..batches).map(|n| batch(1 + n * each)).collect();
    let start = Instant::now();
    for batch in batches {
        assert!(store.append(batch).await.unwrap().iter().all(Result::is_ok));
    }
    start.elapsed().as_secs_f64()
}

async fn read_rate(store: &dyn Store) {
    let room = id("room 0");
    let size = store.room_head(&room).await.unwrap().unwrap().size;
    let start = Instant::now();
    let mut read = 0;
    while read < size {
        read += store.entries(&room, read, 512, u64::MAX).await.unwrap().len() as u64;
    }
    println!("entries read   {:11.0}/s", read as f64 / start.elapsed().as_secs_f64());
}
