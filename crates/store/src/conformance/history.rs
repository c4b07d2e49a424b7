//! What a user's devices keep for each other.

use std::sync::Arc;

use super::fixtures::{NOW, assert_error, directory_append, enrol, id};
use crate::limits::{MAX_HISTORY_BOX, MAX_HISTORY_PIECE};
use crate::{Hash, LeafKind, NewHistory, Refusal, Store, StoreError, Thing, TooLarge};

fn piece(device: Hash, room: &str, first: u64, end: u64) -> NewHistory {
    NewHistory { device, room: id(room), first, end, piece: format!("{room} {first} {end}").into_bytes() }
}

/// A box is there until it is taken, one of each giver; one that could not be opened was never given.
pub async fn boxes_are_taken_once(store: Arc<dyn Store>) {
    let (ada, bob) = (enrol(&*store, "ada").await, enrol(&*store, "bob").await);
    let boxes = async || store.history_boxes(&ada).await.unwrap();
    assert_eq!(boxes().await, []);
    for (keys, sealed) in [(1, &b"one"[..]), (2, b"two")] {
        store.put_history_box(&ada, &bob, keys, sealed).await.unwrap();
        assert_eq!(boxes().await, [(bob, keys, sealed.to_vec())]);
        assert_eq!(store.history_keys_given(&bob).await.unwrap(), [(ada, keys)]);
    }
    assert_eq!(store.history_keys_given(&ada).await.unwrap(), []);
    assert_eq!(store.history_boxes(&bob).await.unwrap(), []);
    store.take_history_box(&ada, &bob, 1, true).await.unwrap();
    assert_eq!(boxes().await.len(), 1, "it is another box that was taken");
    store.take_history_box(&ada, &bob, 2, true).await.unwrap();
    assert_eq!((boxes().await, store.history_keys_given(&bob).await.unwrap()), (vec![], vec![(ada, 2)]));
    store.take_history_box(&ada, &bob, 2, false).await.unwrap();
    store.take_history_box(&bob, &ada, 2, false).await.unwrap();
    assert_eq!(store.history_keys_given(&bob).await.unwrap(), []);
    let limit = MAX_HISTORY_BOX as u64;
    let large = TooLarge { what: "history keys", value: limit + 1, limit };
    let put = async |device, sealed: &[u8]| store.put_history_box(&device, &bob, 1, sealed).await;
    assert_error(put(ada, &[0; MAX_HISTORY_BOX + 1]).await, &large.into());
    assert_error(put(id("nobody"), b"x").await, &StoreError::NotFound(Thing::Device));
    let revoked = LeafKind::Revoked { certificate: ada, at_ms: NOW };
    store.append_directory(directory_append(2, vec![revoked])).await.unwrap();
    assert_error(put(ada, b"x").await, &StoreError::Refused(Refusal::DeviceRevoked));
    let by_revoked = store.put_history_box(&bob, &ada, 1, b"x").await;
    assert_error(by_revoked, &StoreError::Refused(Refusal::DeviceRevoked));
}

/// A piece is kept if it does not begin before the end of those that are there.
pub async fn pieces_go_on(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let ask = |room| NewHistory { piece: Vec::new(), ..piece(ada, room, 0, 0) };
    assert_eq!(store.put_history(ask("ops")).await.unwrap(), 0);
    for (first, end, held) in [(0, 5, 5), (0, 9, 5), (4, 9, 5), (5, 9, 9), (20, 21, 21), (9, 12, 21)] {
        assert_eq!(store.put_history(piece(ada, "ops", first, end)).await.unwrap(), held, "{first} {end}");
        assert_eq!(store.put_history(ask("ops")).await.unwrap(), held);
    }
    assert_eq!(store.put_history(ask("other")).await.unwrap(), 0);
    for (first, end) in [(30, 30), (31, 30)] {
        assert!(matches!(store.put_history(piece(ada, "ops", first, end)).await, Err(StoreError::Misuse(_))));
    }
    let limit = MAX_HISTORY_PIECE as u64;
    let large = NewHistory { piece: vec![0; MAX_HISTORY_PIECE + 1], ..piece(ada, "ops", 40, 41) };
    let too_large = TooLarge { what: "piece of history", value: limit + 1, limit };
    assert_error(store.put_history(large).await, &too_large.into());
    assert_error(
        store.put_history(piece(id("nobody"), "ops", 0, 1)).await,
        &StoreError::NotFound(Thing::Device),
    );
    let revoked = LeafKind::Revoked { certificate: ada, at_ms: NOW };
    store.append_directory(directory_append(1, vec![revoked])).await.unwrap();
    let refused = store.put_history(piece(ada, "ops", 40, 41)).await;
    assert_error(refused, &StoreError::Refused(Refusal::DeviceRevoked));
}

/// A device is given the pieces of its user's others, in order and in parts, and nobody else's.
pub async fn a_users_devices_read_each_other(store: Arc<dyn Store>) {
    let (ada, bob) = (enrol(&*store, "ada").await, enrol(&*store, "bob").await);
    for put in
        [piece(ada, "ops", 0, 5), piece(bob, "ops", 0, 5), piece(ada, "other", 0, 2), piece(ada, "ops", 5, 9)]
    {
        store.put_history(put).await.unwrap();
    }
    let read = async |user: &str, device: Hash, after, bytes| {
        let found = store.history(user, &device, &id("ops"), after, bytes).await.unwrap();
        found
            .into_iter()
            .map(|piece| (piece.position, piece.device, piece.first, piece.end))
            .collect::<Vec<_>>()
    };
    // Another device of ada's reads both; she herself reads none of them.
    let phone = id("phone");
    let both = read("ada", phone, 0, 1_000).await;
    assert_eq!(
        both.iter().map(|(_, device, first, end)| (*device, *first, *end)).collect::<Vec<_>>(),
        [(ada, 0, 5), (ada, 5, 9)]
    );
    let [one, two] = both.as_slice() else { panic!("{both:?}") };
    assert!(store.last_history().await.unwrap() >= two.0);
    assert_eq!(read("ada", phone, 0, 1).await, [*one]);
    assert_eq!(read("ada", phone, one.0, 1).await, [*two]);
    assert_eq!(read("ada", phone, two.0, 1_000).await, []);
    assert_eq!(read("ada", ada, 0, 1_000).await, []);
    assert_eq!(read("bob", phone, 0, 1_000).await.len(), 1);
    let found = store.history("ada", &phone, &id("ops"), 0, 1_000).await.unwrap();
    assert_eq!(found.last().unwrap().piece, b"ops 5 9");
    // What a lost device has handed in stays its user's.
    let revoked = LeafKind::Revoked { certificate: ada, at_ms: NOW };
    store.append_directory(directory_append(2, vec![revoked])).await.unwrap();
    assert_eq!(read("ada", phone, 0, 1_000).await, both);
}
