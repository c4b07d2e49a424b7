//! Opening files of the SQLite backend.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use store::conformance::blobs::put;
use store::conformance::fixtures::{create_room, enrol, enrolment, entry, id, invite, room_append};
use store::{
    Accounts as _, Blobs as _, Depth, Histories as _, Imports as _, Invites as _, KeyPackages as _, Log as _,
    Problem, Rooms as _, Settings as _, SqliteStore, StoreError, Unique, Upkeep as _,
};

async fn sql(path: &Path, statements: &'static str) {
    let mut connection =
        SqliteConnectOptions::new().filename(path).foreign_keys(false).connect().await.unwrap();
    sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
}

#[tokio::test]
async fn what_was_written_is_there_after_closing_and_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let ada = enrol(&store, "ada").await;
    let room = create_room(&store, "plans", &[ada]).await;
    store.close().await;
    assert!(matches!(store.room_head(&room).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.put_setting("a", b"1").await, Err(StoreError::Unavailable(_))));
    store.close().await;

    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(store.room_head(&room).await.unwrap().unwrap().size, 1);
    assert!(store.account("ada").await.unwrap().is_some());
    let report = store.check(Depth::Deep).await.unwrap();
    assert_eq!((report.schema, report.directory, report.rooms, report.entries), (8, 1, 1, 1));
}

/// The foreign key of blobs looks each entry up that comes: by its index, not among all blobs of its room.
#[tokio::test]
async fn an_entry_that_comes_is_looked_up_among_blobs_by_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    SqliteStore::open(&path).await.unwrap().close().await;
    let mut connection =
        SqliteConnectOptions::new().filename(&path).foreign_keys(true).connect().await.unwrap();
    let plan: Vec<(i64, i64, i64, String)> =
        sqlx::query_as("EXPLAIN QUERY PLAN INSERT INTO entries SELECT * FROM entries")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    assert!(plan.iter().any(|(.., step)| step.contains("blobs_of_entry (room_no=? AND idx=?)")), "{plan:?}");
}

#[tokio::test]
async fn members_of_an_earlier_schema_have_no_closing_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let ada = enrol(&store, "ada").await;
    let room = create_room(&store, "plans", &[ada]).await;
    store.close().await;
    sql(
        &path,
        "ALTER TABLE members DROP COLUMN closing; DROP TABLE imports; DROP TABLE key_packages; \
         DROP TABLE erased; DROP TABLE blob_pieces; DROP TABLE blobs; DROP TABLE history_erased; DROP TABLE history; DROP TABLE history_devices; DROP TABLE history_boxes; DROP TABLE recoveries; \
         ALTER TABLE accounts DROP COLUMN imported_ms; DELETE FROM schema_version WHERE version > 2",
    )
    .await;
    let store = SqliteStore::open(&path).await.unwrap();
    let members = store.members(&room).await.unwrap();
    assert_eq!(members.iter().map(|m| (m.from_index, m.closing.as_ref())).collect::<Vec<_>>(), [(0, None)]);
}

#[tokio::test]
async fn the_file_is_readable_by_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    store.put_setting("a", b"1").await.unwrap();
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    SqliteStore::open(&path).await.unwrap().close().await;
    sql(&path, "INSERT INTO schema_version (version) VALUES (9)").await;
    for _ in 0..2 {
        let error = SqliteStore::open(&path).await.err().unwrap();
        assert!(matches!(error, StoreError::NewerSchema { found: 9, supported: 8 }), "{error:?}");
    }
}

#[tokio::test]
async fn accounts_of_the_first_schema_get_their_skeletons() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    std::fs::write(&path, b"").unwrap();
    sql(&path, include_str!("../migrations/0001_initial.sql")).await;
    sql(
        &path,
        "CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT; \
         INSERT INTO schema_version (version) VALUES (1); \
         INSERT INTO accounts (user_name, role, enabled, opaque_record, created_ms) \
         VALUES ('rnvv01', 0, 1, x'00', 1), ('paul', 0, 1, x'00', 2), ('pau1', 1, 0, x'00', 3)",
    )
    .await;
    let store = SqliteStore::open(&path).await.unwrap();
    for (skeleton, user) in [("mwol", "rnvv01"), ("paul", "paul")] {
        assert_eq!(store.account_by_skeleton(skeleton).await.unwrap().unwrap().user, user);
    }
    let raced = store.account("pau1").await.unwrap().unwrap();
    assert!(!raced.enabled, "both of two that raced stay as they were");
    let mut third = enrolment("t", "rnwol", 0);
    third.account.skeleton = "mwol".into();
    store.create_invite(invite("t")).await.unwrap();
    assert!(matches!(store.enrol(third).await, Err(StoreError::Exists(Unique::Skeleton))));
}

#[tokio::test]
async fn what_is_no_database_is_damage_and_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let text = b"this is a letter to somebody, not a database. ".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let error = SqliteStore::open(&path).await.err().unwrap();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
    assert_eq!(std::fs::read(&path).unwrap(), text);
    let error = SqliteStore::open(&folder.path().join("no/such/folder.db")).await.err().unwrap();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn checks_find_what_was_tampered_with() {
    let room = id("plans");
    let ada = id("ada laptop");
    let cases: [(&'static str, Depth, Vec<Problem>); 8] = [
        (
            "DELETE FROM entries WHERE idx = 4",
            Depth::Quick,
            vec![Problem::RoomSize { room, head: 5, entries: 4 }],
        ),
        (
            "DELETE FROM entries WHERE idx = 2",
            Depth::Deep,
            vec![Problem::RoomSize { room, head: 5, entries: 4 }, Problem::Sequence { room, sender: ada }],
        ),
        ("UPDATE room_heads SET checkpoint = x''", Depth::Quick, vec![Problem::RoomCheckpoint { room }]),
        (
            "DELETE FROM room_heads",
            Depth::Quick,
            vec![Problem::RoomSize { room, head: 0, entries: 5 }, Problem::RoomCheckpoint { room }],
        ),
        ("DELETE FROM bodies WHERE id = 2", Depth::Deep, vec![Problem::Body { room, entries: 1 }]),
        ("UPDATE room_senders SET last_seq = 4", Depth::Deep, vec![Problem::Sequence { room, sender: ada }]),
        (
            "UPDATE directory_head SET size = 3, checkpoint = x''",
            Depth::Quick,
            vec![Problem::DirectorySize { head: 3, leaves: 1 }, Problem::DirectoryCheckpoint],
        ),
        (
            "UPDATE devices SET user_name = 'zoe'",
            Depth::Deep,
            vec![Problem::Structure("row 1 of devices refers to no accounts".into())],
        ),
    ];
    for (statement, depth, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = SqliteStore::open(&path).await.unwrap();
        enrol(&store, "ada").await;
        create_room(&store, "plans", &[ada]).await;
        let entries = (2..=5).map(|seq| entry(ada, seq)).collect();
        assert_eq!(store.append(vec![room_append(room, 1, entries)]).await.unwrap(), [Ok(())]);
        store.close().await;
        sql(&path, statement).await;
        let store = SqliteStore::open(&path).await.unwrap();
        assert_eq!(store.check(depth).await.unwrap().problems, expected, "{statement}");
    }
}

#[tokio::test]
async fn the_deep_check_finds_blobs_of_other_bytes() {
    // SHA-256 of b"one" and of b"two".
    let hashes = [
        "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
        "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3",
    ];
    let [one, two] = hashes.map(|hex| {
        let mut hash = [0; 32];
        hash.iter_mut()
            .zip(0..)
            .for_each(|(to, at)| *to = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap());
        hash
    });
    let ada = id("ada laptop");
    for (statement, expected) in [
        ("UPDATE blob_pieces SET bytes = x'6f6e66' WHERE blob_no = 1", vec![one]),
        ("UPDATE blob_pieces SET bytes = x'74776f00' WHERE blob_no = 2", vec![two]),
        ("DELETE FROM blob_pieces", vec![one, two]),
        ("UPDATE blobs SET size = 4 WHERE room_no IS NULL", vec![]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = SqliteStore::open(&path).await.unwrap();
        enrol(&store, "ada").await;
        let room = create_room(&store, "plans", &[ada]).await;
        for (hash, bytes) in [(one, b"one"), (two, b"two")] {
            let bytes = bytes.to_vec();
            let piece = store::NewPiece { device: ada, hash, size: 3, offset: 0, bytes, now_ms: 1 };
            assert_eq!(store.put_piece(piece).await.unwrap(), store::PieceOutcome::Held(3));
        }
        let naming = store::NewEntry { blobs: vec![one], ..entry(ada, 2) };
        assert_eq!(store.append(vec![room_append(room, 1, vec![naming])]).await.unwrap(), [Ok(())]);
        store.close().await;
        sql(&path, statement).await;
        let store = SqliteStore::open(&path).await.unwrap();
        let expected: Vec<_> = expected.into_iter().map(|hash| Problem::Blob { owner: ada, hash }).collect();
        assert_eq!(store.check(Depth::Deep).await.unwrap().problems, expected, "{statement}");
    }
}

#[tokio::test]
async fn an_entry_without_its_body_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let ada = enrol(&store, "ada").await;
    let room = create_room(&store, "plans", &[ada]).await;
    store.close().await;
    sql(&path, "DELETE FROM bodies").await;
    let store = SqliteStore::open(&path).await.unwrap();
    assert!(matches!(store.entries(&room, 0, 1, 1).await, Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn what_was_kept_of_an_import_is_in_no_file_once_it_has_joined() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let (salt, record) = (b"sixteen of salt!", b"an old record, longer than a salt");
    let import = store::NewImport {
        user: "bob".into(),
        skeleton: "bob".into(),
        email: None,
        salt: salt.to_vec(),
        opaque_record: store::OpaqueRecord(record.to_vec()),
        now_ms: 1,
    };
    store.put_import(import).await.unwrap();
    let found = |what: &[u8]| {
        let files = ["store.db", "store.db-wal"].map(|name| std::fs::read(folder.path().join(name)).unwrap());
        files.iter().any(|bytes| bytes.windows(what.len()).any(|window| window == what))
    };
    assert!(found(salt) && found(record));
    store.create_invite(invite("t")).await.unwrap();
    let store::Enrolment { invite, now_ms, device, directory, account } = enrolment("t", "bob", 0);
    let joining = store::ImportEnrolment {
        invite,
        now_ms,
        user: account.user,
        opaque_record: store::OpaqueRecord(b"new".to_vec()),
        device,
        directory,
    };
    store.enrol_import(joining).await.unwrap();
    assert!(!found(salt) && !found(record));
    assert!(store.account("bob").await.unwrap().is_some());
}

/// SE-50
#[tokio::test]
async fn what_was_erased_is_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
    let ada = enrol(&store, "ada").await;
    let room = create_room(&store, "plans", &[ada]).await;
    let (said, file) = (b"what was said, sealed".repeat(500), b"what was in a file, sealed".repeat(50_000));
    let hash = put(&store, ada, &file).await;
    let with = store::NewEntry { ciphertext: Some(said.clone()), blobs: vec![hash], ..entry(ada, 2) };
    store.append(vec![room_append(room, 1, vec![with])]).await.unwrap();
    let found = |database: &str, what: &[u8]| {
        let log = format!("{database}-wal");
        let files = [database, &log].map(|name| std::fs::read(folder.path().join(name)).unwrap_or_default());
        files.iter().any(|bytes| bytes.windows(40).any(|window| window == &what[..40]))
    };
    let kept = b"what is kept for the others, sealed".repeat(500);
    let piece = minicbor::to_vec([(1_u64, minicbor::bytes::ByteVec::from(kept.clone()))]).unwrap();
    store.put_history(store::NewHistory { device: ada, room, first: 1, end: 2, piece }).await.unwrap();
    assert!(found("store.db", &said) && found("store.db", &file) && found("store.db", &kept));
    let erasing = store::NewEntry { ciphertext: None, erases: vec![1], ..entry(ada, 3) };
    store.append(vec![room_append(room, 2, vec![erasing])]).await.unwrap();
    // Nor in a copy that is made before it has all been overwritten.
    store.backup(&folder.path().join("copy.db")).await.unwrap();
    while !store.sweep().await.unwrap() {}
    for database in ["store.db", "copy.db"] {
        assert!(!found(database, &said) && !found(database, &file) && !found(database, &kept), "{database}");
    }
    assert_eq!(store.entries(&room, 0, 9, 1_000_000).await.unwrap().len(), 3);
}

/// SE-34
#[tokio::test]
async fn a_backup_gives_no_key_package_that_may_be_given_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
    let ada = enrol(&store, "ada").await;
    let packages = vec![b"one".to_vec(), b"two".to_vec()];
    store.put_key_packages(&ada, packages, Some(b"last".to_vec())).await.unwrap();
    let copy = folder.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    let restored = SqliteStore::open(&copy).await.unwrap();
    for (store, count) in [(&store, 2), (&restored, 0)] {
        let left = store.key_package_count(&ada).await.unwrap();
        assert_eq!((left.count, left.last_resort), (count, true));
    }
    assert!(restored.check(Depth::Deep).await.unwrap().problems.is_empty());
}
