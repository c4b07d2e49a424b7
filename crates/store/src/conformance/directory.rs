//! The directory.

use std::sync::Arc;

use super::fixtures::{
    NOW, append_one, assert_error, create_room, directory_append, enrol, entry, id, issuing, room_append,
};
use crate::limits::MAX_DIRECTORY_APPEND;
use crate::{
    AppendError, LeafKind, NewCertificate, Refusal, Revocation, Store, StoreError, Thing, TooLarge, Unique,
};

/// The directory begins empty and grows at the expected size alone.
pub async fn grows_by_compare_and_swap(store: Arc<dyn Store>) {
    let head = store.directory_head().await.unwrap();
    assert_eq!((head.size, head.frontier, head.checkpoint), (0, Vec::new(), Vec::new()));
    let three = || {
        let issued = LeafKind::Issued(NewCertificate { hash: id("server"), chain: b"chain".to_vec() });
        directory_append(0, vec![LeafKind::Other, issued, LeafKind::Other])
    };
    let ahead = directory_append(1, vec![LeafKind::Other]);
    assert_error(store.append_directory(ahead).await, &StoreError::Conflict { expected: 1, actual: 0 });
    store.append_directory(three()).await.unwrap();
    assert_error(store.append_directory(three()).await, &StoreError::Conflict { expected: 0, actual: 3 });
    assert_error(
        store.append_directory(issuing(3, id("server"))).await,
        &StoreError::Exists(Unique::Certificate),
    );
    let misuse = StoreError::Misuse("an append without leaves");
    assert_error(store.append_directory(directory_append(3, Vec::new())).await, &misuse);
    let limit = MAX_DIRECTORY_APPEND as u64;
    assert_error(
        store.append_directory(directory_append(3, vec![LeafKind::Other; MAX_DIRECTORY_APPEND + 1])).await,
        &TooLarge { what: "leaves of one append", value: limit + 1, limit }.into(),
    );

    let head = store.directory_head().await.unwrap();
    assert_eq!((head.size, &head.checkpoint[..]), (3, &b"directory checkpoint 3"[..]));
    let entries = store.directory_entries(1, 10).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.index).collect::<Vec<_>>(), [1, 2]);
    let last = entries.last().unwrap();
    assert_eq!((&last.leaf[..], last.leaf_hash), (&b"leaf 2"[..], id("leaf hash 2")));
    assert_eq!(store.directory_entries(0, 2).await.unwrap().len(), 2);
    assert_eq!(store.directory_entries(3, 2).await.unwrap(), []);
    let hashes = [id("leaf hash 1"), id("leaf hash 2")];
    assert_eq!(store.directory_leaf_hashes(1, 3).await.unwrap(), hashes);
    assert_eq!(store.directory_leaf_hashes(1, u64::MAX).await.unwrap(), hashes);
    assert_eq!(store.directory_leaf_hashes(0, 1).await.unwrap(), [id("leaf hash 0")]);
    assert_eq!(store.certificate(&id("server")).await.unwrap().unwrap().directory_index, 1);
    assert_eq!(store.certificate(&id("nobody")).await.unwrap(), None);
}

/// A revocation marks certificate and device, stands once, and frees the device's name.
pub async fn revocation(store: Arc<dyn Store>) {
    let laptop = enrol(&*store, "ada").await;
    let revoked = |size, certificate| {
        directory_append(size, vec![LeafKind::Other, LeafKind::Revoked { certificate, at_ms: NOW + 7 }])
    };
    assert_error(
        store.append_directory(revoked(1, id("nobody"))).await,
        &StoreError::NotFound(Thing::Certificate),
    );
    assert_eq!(store.revoked_certificates(0, 10).await.unwrap(), []);
    store.append_directory(revoked(1, laptop)).await.unwrap();
    assert_error(store.append_directory(revoked(3, laptop)).await, &StoreError::Refused(Refusal::Revoked));
    let expected = Some(Revocation { directory_index: 2, at_ms: NOW + 7 });
    assert_eq!(store.device(&laptop).await.unwrap().unwrap().revoked, expected);
    let certificate = store.certificate(&laptop).await.unwrap().unwrap();
    assert_eq!(certificate.revoked, expected);
    assert_eq!(store.revoked_certificates(2, 10).await.unwrap(), [certificate]);
    assert_eq!(store.revoked_certificates(3, 10).await.unwrap(), []);
    assert_eq!(store.directory_head().await.unwrap().size, 3);
}

/// From the revocation on nothing of that sender is entered, while the others go on.
pub async fn revoked_senders(store: Arc<dyn Store>) {
    let (ada, eve) = (enrol(&*store, "ada").await, enrol(&*store, "eve").await);
    let room = create_room(&*store, "plans", &[ada]).await;
    append_one(&*store, room_append(room, 1, vec![entry(eve, 1)])).await.unwrap();
    let leaf = LeafKind::Revoked { certificate: eve, at_ms: NOW };
    let size = store.directory_head().await.unwrap().size;
    store.append_directory(directory_append(size, vec![leaf])).await.unwrap();
    for entries in [vec![entry(eve, 2)], vec![entry(ada, 2), entry(eve, 2)]] {
        let refused = append_one(&*store, room_append(room, 2, entries)).await;
        assert_eq!(refused, Err(AppendError::RevokedCertificate(eve)));
    }
    append_one(&*store, room_append(room, 2, vec![entry(ada, 2)])).await.unwrap();
    assert_eq!(store.room_head(&room).await.unwrap().unwrap().size, 3);
}

/// Of many who append at one size one wins, and the others learn the new size.
pub async fn one_of_many_wins(store: Arc<dyn Store>) {
    let racers: Vec<_> = (0..8)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.append_directory(issuing(0, id(&format!("racer {n}")))).await })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        match racer.await.unwrap() {
            Ok(()) => won += 1,
            other => assert_error(other, &StoreError::Conflict { expected: 0, actual: 1 }),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(store.directory_entries(0, 10).await.unwrap().len(), 1);
}
