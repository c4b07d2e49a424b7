use super::segments::StoredEntry;
use super::*;

fn password(text: &str) -> Arc<Password> {
    Arc::new(Password::new(text.to_owned()))
}

fn record(byte: u8) -> RoomRecord {
    RoomRecord { room: [byte; 32].into(), name: "ops".into(), direct_with: None }
}

/// Moves a room over entries and writes them.
async fn append(
    vault: &Vault,
    transaction: &mut WriteTransaction,
    key: RoomKey,
    from: u64,
    entries: Vec<StoredEntry>,
) -> Result<(), VaultError> {
    let step = Step { from, to: from + entries.len() as u64, next_seq: 0, head: None };
    vault.move_room(transaction, key, &step).await?;
    let rows: Vec<_> = entries
        .iter()
        .map(|StoredEntry { entry, content, unopened }| NewStoredEntry {
            entry,
            content: content.as_deref(),
            unopened: *unopened,
        })
        .collect();
    vault.append(transaction, key, from, &rows).await
}

fn entry(byte: u8) -> StoredEntry {
    StoredEntry { entry: vec![byte; 300], content: Some(vec![byte; 40]), unopened: None }
}

#[tokio::test]
async fn opens_with_its_password_alone_and_keeps_what_was_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    let vault = Vault::create(&path, password("correct horse")).await.unwrap();
    let key = vault.ensure_room(&record(1)).await.unwrap();
    let mut transaction = vault.begin().await.unwrap();
    append(&vault, &mut transaction, key, 0, (0..=254).map(entry).collect()).await.unwrap();
    append(&vault, &mut transaction, key, 255, (0..10).map(entry).collect()).await.unwrap();
    transaction.commit().await.unwrap();
    vault.close().await;

    assert!(matches!(Vault::open(&path, password("wrong horse")).await, Err(VaultError::WrongPassword)));
    let vault = Vault::open(&path, password("correct horse")).await.unwrap();
    let entries = vault.entries(key, 250, 10).await.unwrap();
    assert_eq!(entries.iter().map(|(index, entry)| (*index, entry.entry[0])).collect::<Vec<_>>(), {
        let mut expected: Vec<(u64, u8)> = (250..255).map(|i| (i, i as u8)).collect();
        expected.extend((0..5).map(|i| (255 + i, i as u8)));
        expected
    });
    assert_eq!(vault.entries(key, 265, 10).await.unwrap().len(), 0);

    vault.rewrap(password("another horse")).await.unwrap();
    vault.close().await;
    assert!(matches!(Vault::open(&path, password("correct horse")).await, Err(VaultError::WrongPassword)));
    let vault = Vault::open(&path, password("another horse")).await.unwrap();
    assert_eq!(vault.room(&[1; 32]).await.unwrap().unwrap().size, 265);
    assert!(vault.room(&[2; 32]).await.unwrap().is_none());
}

#[tokio::test]
async fn nothing_personal_stands_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    let vault = Vault::create(&path, password("correct horse")).await.unwrap();
    let mut told = record(7);
    told.name = "a room called walrus".into();
    let key = vault.ensure_room(&told).await.unwrap();
    let mut transaction = vault.begin().await.unwrap();
    let walrus = StoredEntry { content: Some(b"the walrus said".to_vec()), ..entry(7) };
    append(&vault, &mut transaction, key, 0, vec![walrus]).await.unwrap();
    transaction.commit().await.unwrap();
    vault.close().await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for needle in [&b"walrus"[..], &[7; 32]] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle));
        }
    }
}

#[tokio::test]
async fn a_changed_or_moved_value_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    let vault = Vault::create(&path, password("correct horse")).await.unwrap();
    let key = vault.ensure_room(&record(1)).await.unwrap();
    let mut transaction = vault.begin().await.unwrap();
    append(&vault, &mut transaction, key, 0, vec![entry(1)]).await.unwrap();
    append(&vault, &mut transaction, key, 1, vec![entry(2)]).await.unwrap();
    sqlx::query("UPDATE segment SET sealed = (SELECT sealed FROM segment WHERE first = 0) WHERE first = 1")
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert!(vault.entries(key, 0, 1).await.is_ok());
    assert!(matches!(vault.entries(key, 1, 1).await, Err(VaultError::Damaged("segment"))));
}

#[tokio::test]
async fn of_two_processes_the_second_to_move_a_room_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    let one = Vault::create(&path, password("correct horse")).await.unwrap();
    let two = Vault::open(&path, password("correct horse")).await.unwrap();
    let key = one.ensure_room(&record(1)).await.unwrap();
    assert_eq!(two.ensure_room(&record(1)).await.unwrap(), key);

    let mut transaction = one.begin().await.unwrap();
    append(&one, &mut transaction, key, 0, vec![entry(1), entry(2)]).await.unwrap();
    transaction.commit().await.unwrap();
    let mut transaction = two.begin().await.unwrap();
    let lost = append(&two, &mut transaction, key, 0, vec![entry(1)]).await;
    assert!(matches!(lost, Err(VaultError::Moved)));
    drop(transaction);
    assert_eq!(two.entries(key, 0, 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_transaction_that_ends_before_its_commit_never_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    let vault = Vault::create(&path, password("correct horse")).await.unwrap();
    let key = vault.ensure_room(&record(1)).await.unwrap();
    let mut transaction = vault.begin().await.unwrap();
    assert_eq!(vault.take_seqs(&mut transaction, key, 1).await.unwrap(), 1);
    append(&vault, &mut transaction, key, 0, vec![entry(1)]).await.unwrap();
    drop(transaction);
    let mut transaction = vault.begin().await.unwrap();
    assert_eq!(vault.take_seqs(&mut transaction, key, 1).await.unwrap(), 1);
    assert_eq!(vault.take_seqs(&mut transaction, key, 1).await.unwrap(), 2);
    transaction.commit().await.unwrap();
    assert_eq!(vault.room(&[1; 32]).await.unwrap().unwrap().size, 0);
}

#[tokio::test]
async fn numbers_are_taken_once_by_two_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    let one = Arc::new(Vault::create(&path, password("correct horse")).await.unwrap());
    let two = Arc::new(Vault::open(&path, password("correct horse")).await.unwrap());
    let key = one.ensure_room(&record(1)).await.unwrap();
    let tasks = [one, two].map(|vault| {
        tokio::spawn(async move {
            let mut taken = Vec::new();
            for _ in 0..50 {
                let mut transaction = vault.begin().await.unwrap();
                taken.push(vault.take_seqs(&mut transaction, key, 1).await.unwrap());
                transaction.commit().await.unwrap();
            }
            taken
        })
    });
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_newer_schema_and_a_file_that_is_none_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    assert!(matches!(Vault::open(&path, password("x")).await, Err(VaultError::Damaged(_))));
    let vault = Vault::create(&path, password("correct horse")).await.unwrap();
    let mut transaction = vault.begin().await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 99").execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    vault.close().await;
    assert!(matches!(
        Vault::open(&path, password("correct horse")).await,
        Err(VaultError::Newer { found: 99, .. })
    ));
    std::fs::write(folder.path().join("other.db"), b"not a database, but long enough to be looked at")
        .unwrap();
    assert!(Vault::open(&folder.path().join("other.db"), password("x")).await.is_err());
}

#[tokio::test]
async fn a_home_of_the_first_schema_is_brought_to_the_newest_and_keeps_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    let vault = Vault::create(&path, password("correct horse")).await.unwrap();
    vault.ensure_room(&record(1)).await.unwrap();
    let mut transaction = vault.begin().await.unwrap();
    sqlx::raw_sql(
        "DROP TABLE directory; DROP TABLE directory_hashes; DROP TABLE directory_leaf; DROP TABLE group_record; DROP TABLE upload; DROP TABLE history; DROP TABLE history_key; DROP TABLE comparison; DROP TABLE erased; \
         ALTER TABLE room DROP COLUMN group_version; ALTER TABLE room DROP COLUMN group_generation; ALTER TABLE room DROP COLUMN history_end; ALTER TABLE room DROP COLUMN history_put; ALTER TABLE room DROP COLUMN history_read; PRAGMA user_version = 1",
    )
    .execute(&mut *transaction)
    .await
    .unwrap();
    transaction.commit().await.unwrap();
    vault.close().await;
    let vault = Vault::open(&path, password("correct horse")).await.unwrap();
    assert!(vault.room(&[1; 32]).await.unwrap().is_some());
    assert!(vault.directory().await.unwrap().note.is_none());
    vault.put_directory(0, &[[1; 32]], b"note", &[]).await.unwrap();
}

#[tokio::test]
async fn of_two_processes_the_second_to_read_the_directory_on_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    let one = Vault::create(&path, password("correct horse")).await.unwrap();
    let two = Vault::open(&path, password("correct horse")).await.unwrap();
    let hashes: Vec<_> = (0..9).map(|byte| [byte; 32]).collect();
    one.put_directory(0, &hashes[..4], b"four", &[(2, b"two")]).await.unwrap();
    let late = two.put_directory(0, &hashes[..3], b"three", &[(1, b"one")]).await;
    assert!(matches!(late, Err(VaultError::Moved)));
    two.put_directory(4, &hashes[4..], b"nine", &[(8, b"eight")]).await.unwrap();
    one.put_directory_leaves(&[(2, b"other"), (3, b"three")]).await.unwrap();
    let stored = one.directory().await.unwrap();
    assert_eq!((stored.hashes, stored.note.as_deref()), (hashes, Some(&b"nine"[..])));
    let leaves: Vec<_> = stored.leaves.iter().map(|(index, leaf)| (*index, leaf.as_slice())).collect();
    assert_eq!(leaves, [(2, &b"two"[..]), (3, b"three"), (8, b"eight")]);

    let mut transaction = one.begin().await.unwrap();
    sqlx::raw_sql("DELETE FROM directory_hashes WHERE first = 0").execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(matches!(one.directory().await, Err(VaultError::Damaged(_))));
}
