//! What is acknowledged is there after a crash, and what is there is whole.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use futures_util::FutureExt as _;
use store::conformance::assert_sound;
use store::conformance::fixtures::{
    create_room, enrol, enrolment, entry, first, id, invite, room, room_append,
};
use store::sqlite::Fault;
use store::{
    Accounts as _, Blobs as _, Directory as _, FinalRefusal, Hash, Invites as _, KeyPackages as _, Log as _,
    NewEntry, NewPiece, NewReceipt, PieceOutcome, Receipts as _, RoomAppend, Rooms as _, Settings as _,
    SqliteStore, StoreError,
};

/// Entries of one append in these tests: enough to fill pages.
const EACH: u64 = 8;

fn large_append(room: Hash, sender: Hash, size: u64) -> RoomAppend {
    let entries = (size + 1..=size + EACH)
        .map(|seq| NewEntry { statement: vec![seq as u8; 2_000], ..entry(sender, seq) });
    room_append(room, size, entries.collect())
}

async fn grow(store: &SqliteStore, room: Hash, sender: Hash, size: u64) {
    assert_eq!(store.append(vec![large_append(room, sender, size)]).await.unwrap(), [Ok(())]);
}

fn assert_unavailable<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
}

#[tokio::test]
async fn an_append_of_unknown_outcome_is_recognised_and_repeated_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
    let ada = enrol(&store, "ada").await;
    let room = create_room(&store, "plans", &[ada]).await;
    for (fault, happened) in [(Fault::BeforeCommit, false), (Fault::AfterCommit, true)] {
        let size = store.room_head(&room).await.unwrap().unwrap().size;
        let wanted = entry(ada, size + 1);
        let append = room_append(room, size, vec![wanted.clone()]);
        store.fail_next(fault);
        assert_unavailable(store.append(vec![append.clone()]).await);
        let found = store.entry_by_seq(&room, &ada, size + 1).await.unwrap();
        assert_eq!(found.as_ref().map(|entry| entry.leaf_hash), happened.then_some(wanted.leaf_hash));
        let repeated = store.append(vec![append]).await.unwrap();
        assert_eq!(repeated.first().unwrap().is_ok(), !happened);
        assert_eq!(store.room_head(&room).await.unwrap().unwrap().size, size + 1);
    }
    assert_sound(&store).await;
}

#[tokio::test]
async fn every_other_transaction_happens_wholly_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
    let ada = enrol(&store, "ada").await;
    let plans = create_room(&store, "plans", &[ada]).await;
    for (n, fault, happened) in [(1, Fault::BeforeCommit, false), (2, Fault::AfterCommit, true)] {
        let label = format!("case-{n}");
        store.fail_next(fault);
        assert_unavailable(store.put_setting(&label, b"1").await);
        assert_eq!(store.setting(&label).await.unwrap().is_some(), happened);

        store.create_invite(invite(&label)).await.unwrap();
        let size = store.directory_head().await.unwrap().size;
        store.fail_next(fault);
        assert_unavailable(store.enrol(enrolment(&label, &label, size)).await);
        assert_eq!(store.account(&label).await.unwrap().is_some(), happened);
        assert_eq!(store.directory_head().await.unwrap().size, size + u64::from(happened));
        assert_eq!(store.peek_invite(&id(&label), 0).await.is_err(), happened);

        store.fail_next(fault);
        assert_unavailable(store.create_room(room(&label), first(id(&label), &[ada])).await);
        assert_eq!(store.room(&id(&label)).await.unwrap().is_some(), happened);
        assert_eq!(store.room_head(&id(&label)).await.unwrap().is_some(), happened);

        let receipt = NewReceipt {
            room: plans,
            device: ada,
            size: n,
            level: 0,
            receipt: b"receipt".to_vec(),
            cosignature: b"cosignature".to_vec(),
            received_ms: 0,
        };
        store.fail_next(fault);
        assert_unavailable(store.put_receipts(vec![receipt]).await);
        assert_eq!(!store.receipts(&plans, 0, 10).await.unwrap().is_empty(), happened);

        let refusal = FinalRefusal {
            room: plans,
            device: ada,
            seq: n,
            statement_hash: id("s"),
            refusal: b"no".to_vec(),
        };
        store.fail_next(fault);
        assert_unavailable(store.put_final_refusal(refusal).await);
        assert_eq!(!store.final_refusals(&plans, &ada, n).await.unwrap().is_empty(), happened);

        store.fail_next(fault);
        assert_unavailable(store.put_key_packages(&ada, vec![b"package".to_vec()], None).await);
        assert_eq!(store.key_package_count(&ada).await.unwrap().count, u64::from(happened));
        store.put_key_packages(&ada, vec![b"package".to_vec()], None).await.unwrap();
        store.fail_next(fault);
        assert_unavailable(store.take_key_packages(&[ada]).await);
        assert_eq!(store.key_package_count(&ada).await.unwrap().count, u64::from(!happened));
        store.take_key_packages(&[ada]).await.unwrap();

        let piece = NewPiece {
            device: ada,
            hash: id(&label),
            size: 1 << 20,
            offset: 0,
            bytes: vec![1; 1 << 18],
            now_ms: 1,
        };
        store.fail_next(fault);
        assert_unavailable(store.put_piece(piece.clone()).await);
        let held = store.put_piece(NewPiece { bytes: Vec::new(), ..piece.clone() }).await.unwrap();
        assert_eq!(held, PieceOutcome::Held(if happened { 1 << 18 } else { 0 }));

        store.put_piece(piece.clone()).await.unwrap();
        store.fail_next(fault);
        assert_unavailable(store.discard_pending_blobs(&ada, &[piece.hash]).await);
        let held = store.put_piece(NewPiece { bytes: Vec::new(), ..piece }).await.unwrap();
        assert_eq!(held, PieceOutcome::Held(if happened { 0 } else { 1 << 18 }));
    }
    assert_sound(&store).await;
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_all_or_nothing_and_the_next_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
    let ada = enrol(&store, "ada").await;
    let room = create_room(&store, "plans", &[ada]).await;
    for steps in 0..40 {
        let size = store.room_head(&room).await.unwrap().unwrap().size;
        let mut append = Box::pin(store.append(vec![large_append(room, ada, size)]));
        for _ in 0..steps {
            if append.as_mut().now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(append);
        store.put_setting("after", &[steps]).await.unwrap();
        let head = store.room_head(&room).await.unwrap().unwrap();
        assert!(head.size == size || head.size == size + EACH, "{size} to {}", head.size);
    }
    assert_sound(&store).await;
}

#[tokio::test]
async fn a_wal_cut_anywhere_opens_as_some_earlier_whole_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let ada = enrol(&store, "ada").await;
    let room = create_room(&store, "plans", &[ada]).await;
    let wal = folder.path().join("store.db-wal");
    let mut lengths = vec![(std::fs::metadata(&wal).unwrap().len(), 1)];
    for n in 0..6 {
        grow(&store, room, ada, 1 + n * EACH).await;
        lengths.push((std::fs::metadata(&wal).unwrap().len(), 1 + (n + 1) * EACH));
    }
    let (begin, end) = (lengths.first().unwrap().0, lengths.last().unwrap().0);
    let whole_database = std::fs::read(&path).unwrap();
    let whole_wal = std::fs::read(&wal).unwrap();

    let mut sizes = Vec::new();
    for cut in (begin..=end).step_by(1_499).chain([end]) {
        let crashed = tempfile::tempdir().unwrap();
        let path = crashed.path().join("store.db");
        std::fs::write(&path, &whole_database).unwrap();
        std::fs::write(crashed.path().join("store.db-wal"), &whole_wal[..cut as usize]).unwrap();
        let store = SqliteStore::open(&path).await.unwrap();
        assert_sound(&store).await;
        let size = store.room_head(&room).await.unwrap().unwrap().size;
        let synced = lengths.iter().filter(|(length, _)| *length <= cut).map(|(_, size)| *size).max();
        assert_eq!(Some(size), synced, "cut at {cut}");
        sizes.push(size);
        grow(&store, room, ada, size).await;
    }
    sizes.dedup();
    assert_eq!(sizes.len(), lengths.len(), "every state was met");
}

/// Set for the child of [`what_a_killed_process_acknowledged_is_there`]: the file it writes.
const CHILD: &str = "COUNTERSIGN_STORE_TEST_CHILD";

#[tokio::test]
async fn what_a_killed_process_acknowledged_is_there() {
    if let Some(path) = std::env::var_os(CHILD) {
        return write_until_killed(Path::new(&path)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    for round in 1..=4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "what_a_killed_process_acknowledged_is_there", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let acknowledged = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u64>().ok());
        let last = acknowledged.take(20 * round).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let store = SqliteStore::open(&path).await.unwrap();
        let size = store.room_head(&id("plans")).await.unwrap().unwrap().size;
        assert!(size >= last, "{last} acknowledged, {size} there");
        assert_sound(&store).await;
    }
}

async fn write_until_killed(path: &Path) {
    let store = SqliteStore::open(path).await.unwrap();
    let (room, ada) = (id("plans"), id("ada laptop"));
    if store.room(&room).await.unwrap().is_none() {
        enrol(&store, "ada").await;
        create_room(&store, "plans", &[ada]).await;
    }
    let mut size = store.room_head(&room).await.unwrap().unwrap().size;
    loop {
        grow(&store, room, ada, size).await;
        size += EACH;
        println!("acknowledged {size}");
    }
}
