//! Records of recovery keys.

use std::sync::Arc;

use super::fixtures::{NOW, assert_error, directory_append, enrol, further, id};
use crate::limits::{MAX_RECOVERIES, MAX_RECOVERY};
use crate::{Hash, LeafKind, OpaqueRecord, Recovery, Refusal, Store, StoreError, Thing, TooLarge, Unique};

async fn revoke(store: &dyn Store, certificate: Hash) {
    let size = store.directory_head().await.unwrap().size;
    let revoked = LeafKind::Revoked { certificate, at_ms: NOW };
    store.append_directory(directory_append(size, vec![revoked])).await.unwrap();
}

/// A record is found by its token, replaced by its own key alone, and goes with its certificate.
pub async fn records_are_kept_and_go(store: Arc<dyn Store>) {
    enrol(&*store, "ada").await;
    enrol(&*store, "bob").await;
    let paper = further(&*store, "ada", "recovery-1").await;
    let put = async |certificate: &Hash, token: &str, sealed: &[u8]| {
        store.put_recovery(certificate, &id(token), sealed).await
    };
    assert_eq!(store.recovery(&id("t1")).await.unwrap(), None);
    put(&paper, "t1", b"one").await.unwrap();
    put(&paper, "t1", b"one").await.unwrap();
    put(&paper, "t2", b"two").await.unwrap();
    let kept = Recovery { certificate: paper, user: "ada".into(), sealed: b"two".to_vec() };
    assert_eq!(store.recovery(&id("t1")).await.unwrap(), None);
    assert_eq!(store.recovery(&id("t2")).await.unwrap(), Some(kept));
    assert_eq!(store.recoveries("bob").await.unwrap(), []);

    let others = further(&*store, "bob", "recovery-2").await;
    assert_error(put(&others, "t2", b"x").await, &StoreError::Exists(Unique::Token));
    assert_error(put(&id("nobody"), "t3", b"x").await, &StoreError::NotFound(Thing::Device));
    let limit = MAX_RECOVERY as u64;
    let large = TooLarge { what: "recovery record", value: limit + 1, limit };
    assert_error(put(&paper, "t2", &[0; MAX_RECOVERY + 1]).await, &large.into());

    for number in 1..MAX_RECOVERIES {
        let more = further(&*store, "ada", &format!("recovery-more{number}")).await;
        put(&more, &format!("more {number}"), b"x").await.unwrap();
    }
    let one_more = further(&*store, "ada", "recovery-one-more").await;
    let limit = MAX_RECOVERIES;
    let too_many = TooLarge { what: "recovery keys", value: limit + 1, limit };
    assert_error(put(&one_more, "t4", b"x").await, &too_many.into());
    put(&paper, "t2", b"three").await.unwrap();

    revoke(&*store, paper).await;
    assert_eq!(store.recovery(&id("t2")).await.unwrap(), None);
    assert_error(put(&paper, "t2", b"x").await, &StoreError::Refused(Refusal::DeviceRevoked));
    put(&one_more, "t4", b"x").await.unwrap();
}

/// With the password all records are replaced, or nothing is.
pub async fn a_password_goes_with_all_records(store: Arc<dyn Store>) {
    enrol(&*store, "ada").await;
    let (one, two) =
        (further(&*store, "ada", "recovery-1").await, further(&*store, "ada", "recovery-2").await);
    for paper in [one, two] {
        store.put_recovery(&paper, &paper, b"old").await.unwrap();
    }
    let record = async || store.account("ada").await.unwrap().unwrap().opaque_record;
    let set = async |recoveries: &[Hash]| {
        let recoveries = recoveries.iter().map(|paper| (*paper, b"new".to_vec())).collect();
        store.set_opaque_record("ada", OpaqueRecord(b"new".to_vec()), recoveries).await
    };
    let before = record().await;
    for wrong in [&[][..], &[one], &[one, one], &[one, two, two], &[one, id("ada laptop")]] {
        assert_error(set(wrong).await, &StoreError::Refused(Refusal::OtherRecoveries));
    }
    assert_eq!(record().await, before);
    set(&[two, one]).await.unwrap();
    assert_eq!(record().await, OpaqueRecord(b"new".to_vec()));
    for paper in [one, two] {
        assert_eq!(store.recovery(&paper).await.unwrap().unwrap().sealed, b"new");
    }
}
