//! Key packages.

use std::sync::Arc;

use super::fixtures::{NOW, assert_error, directory_append, enrol, id};
use crate::limits::{MAX_KEY_PACKAGE, MAX_KEY_PACKAGES, MAX_TAKEN};
use crate::{Hash, KeyPackageCount, LeafKind, Refusal, Store, StoreError, Thing, TooLarge};

fn package(number: u64) -> Vec<u8> {
    format!("package {number}").into_bytes()
}

/// Packages with these numbers.
fn packages(numbers: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    numbers.map(package).collect()
}

fn count(count: u64, last_resort: bool) -> KeyPackageCount {
    KeyPackageCount { count, last_resort }
}

async fn take_one(store: &dyn Store, device: Hash) -> Option<Vec<u8>> {
    store.take_key_packages(&[device]).await.unwrap().pop().unwrap()
}

/// The newest comes first and is gone then; the one of last resort stays, and another replaces it.
pub async fn packages_are_given_once(store: Arc<dyn Store>) {
    let (ada, bob) = (enrol(&*store, "ada").await, enrol(&*store, "bob").await);
    assert_eq!(store.key_package_count(&ada).await.unwrap(), count(0, false));
    assert_eq!(store.put_key_packages(&ada, packages(1..4), None).await.unwrap(), count(3, false));
    let last = Some(b"last".to_vec());
    assert_eq!(store.put_key_packages(&ada, packages(3..5), last.clone()).await.unwrap(), count(4, true));
    assert_eq!(store.put_key_packages(&ada, packages(3..5), last.clone()).await.unwrap(), count(4, true));
    store.put_key_packages(&bob, packages(1..2), None).await.unwrap();

    let taken = store.take_key_packages(&[bob, id("nobody"), ada, ada, bob]).await.unwrap();
    assert_eq!(taken, [Some(package(1)), None, Some(package(4)), Some(package(3)), None]);
    for left in [Some(package(2)), Some(package(1)), last.clone(), last] {
        assert_eq!(take_one(&*store, ada).await, left);
    }
    let other = Some(b"another".to_vec());
    assert_eq!(store.put_key_packages(&ada, Vec::new(), other.clone()).await.unwrap(), count(0, true));
    assert_eq!(take_one(&*store, ada).await, other);

    // One that was an ordinary one becomes that of last resort.
    store.put_key_packages(&ada, packages(7..9), None).await.unwrap();
    assert_eq!(store.put_key_packages(&ada, packages(7..8), Some(package(7))).await.unwrap(), count(1, true));
    assert_eq!(store.take_key_packages(&[ada; 2]).await.unwrap(), [Some(package(8)), Some(package(7))]);
    assert_eq!(store.take_key_packages(&[]).await.unwrap(), []);
}

/// What is over a limit changes nothing.
pub async fn packages_are_limited(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let most = u64::from(MAX_KEY_PACKAGES);
    let last = Some(b"last".to_vec());
    let put = store.put_key_packages(&ada, packages(0..most), last.clone()).await.unwrap();
    assert_eq!(put, count(most, true));
    let too_large = |what, value, limit| StoreError::from(TooLarge { what, value, limit });
    let limit = MAX_KEY_PACKAGE as u64;
    let cases = [
        (packages(0..most + 1), too_large("key packages", most + 1, most)),
        (vec![vec![1; MAX_KEY_PACKAGE + 1]], too_large("key package", limit + 1, limit)),
        (vec![Vec::new()], StoreError::Misuse("an empty key package")),
    ];
    for (wanted, expected) in cases {
        assert_error(store.put_key_packages(&ada, wanted, Some(b"other".to_vec())).await, &expected);
        assert_eq!(store.key_package_count(&ada).await.unwrap(), count(most, true));
    }
    assert_eq!(store.put_key_packages(&ada, packages(0..most), None).await.unwrap(), count(most, true));
    let limit = MAX_TAKEN as u64;
    assert_error(
        store.take_key_packages(&[ada; MAX_TAKEN + 1]).await,
        &too_large("key packages taken", limit + 1, limit),
    );
    let newest: Vec<_> = (most - limit..most).rev().map(|number| Some(package(number))).collect();
    assert_eq!(store.take_key_packages(&[ada; MAX_TAKEN]).await.unwrap(), newest);
    for number in (0..most - limit).rev() {
        assert_eq!(take_one(&*store, ada).await, Some(package(number)));
    }
    assert_eq!(take_one(&*store, ada).await, last, "what was refused has replaced nothing");
    store.put_key_packages(&ada, vec![vec![1; MAX_KEY_PACKAGE]], None).await.unwrap();
}

/// Of too many the oldest go, of the device that has too many alone; the one of last resort is not counted.
pub async fn the_oldest_packages_make_room(store: Arc<dyn Store>) {
    let (ada, bob) = (enrol(&*store, "ada").await, enrol(&*store, "bob").await);
    let most = u64::from(MAX_KEY_PACKAGES);
    let last = Some(b"last".to_vec());
    store.put_key_packages(&bob, packages(0..2), None).await.unwrap();
    store.put_key_packages(&ada, packages(0..most), last.clone()).await.unwrap();
    // One that is there already is not newer for it.
    let again = [package(0), package(most), package(most + 1)].to_vec();
    assert_eq!(store.put_key_packages(&ada, again, None).await.unwrap(), count(most, true));
    for number in (2..most + 2).rev() {
        assert_eq!(take_one(&*store, ada).await, Some(package(number)));
    }
    assert_eq!(take_one(&*store, ada).await, last);
    assert_eq!(store.key_package_count(&bob).await.unwrap(), count(2, false));
}

/// A revoked device has none and gets none; nor does one that there is not.
pub async fn packages_go_with_the_certificate(store: Arc<dyn Store>) {
    let (ada, bob) = (enrol(&*store, "ada").await, enrol(&*store, "bob").await);
    for device in [ada, bob] {
        store.put_key_packages(&device, packages(0..2), Some(b"last".to_vec())).await.unwrap();
    }
    let revoked = LeafKind::Revoked { certificate: ada, at_ms: NOW };
    store.append_directory(directory_append(2, vec![revoked])).await.unwrap();
    assert_eq!(store.key_package_count(&ada).await.unwrap(), count(0, false));
    assert_eq!(store.take_key_packages(&[ada, bob]).await.unwrap(), [None, Some(package(1))]);
    let put = store.put_key_packages(&ada, packages(5..6), None).await;
    assert_error(put, &StoreError::Refused(Refusal::DeviceRevoked));
    let put = store.put_key_packages(&id("nobody"), packages(5..6), None).await;
    assert_error(put, &StoreError::NotFound(Thing::Device));
}

/// Of many who take at once no two get the same.
pub async fn many_takers(store: Arc<dyn Store>) {
    const TAKERS: u64 = 8;
    let ada = enrol(&*store, "ada").await;
    store.put_key_packages(&ada, packages(0..TAKERS * 8), None).await.unwrap();
    let takers: Vec<_> = (0..TAKERS)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut taken = Vec::new();
                for _ in 0..4 {
                    taken.extend(store.take_key_packages(&[ada; 2]).await.unwrap().into_iter().flatten());
                }
                taken
            })
        })
        .collect();
    let mut taken = Vec::new();
    for taker in takers {
        taken.extend(taker.await.unwrap());
    }
    taken.sort();
    let mut expected = packages(0..TAKERS * 8);
    expected.sort();
    assert_eq!(taken, expected);
}
