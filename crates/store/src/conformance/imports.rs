//! Users of an earlier system.

use std::sync::Arc;

use super::fixtures::{NOW, assert_error, directory_append, enrol, enrolment, id, invite, issuing};
use crate::limits::MAX_SALT;
use crate::{
    ImportEnrolment, LeafKind, NewDevice, NewImport, NewInvite, OpaqueRecord, Refusal, Role, Store,
    StoreError, Thing, TooLarge, Unique,
};

fn import(user: &str, email: Option<&str>) -> NewImport {
    NewImport {
        user: user.into(),
        skeleton: user.replace('1', "l"),
        email: email.map(str::to_owned),
        salt: format!("salt of {user}").into_bytes(),
        opaque_record: OpaqueRecord(b"old record".to_vec()),
        now_ms: NOW,
    }
}

fn joining(token: &str, user: &str, directory_size: u64) -> ImportEnrolment {
    let certificate = id(&format!("{user} laptop"));
    ImportEnrolment {
        invite: id(token),
        now_ms: NOW,
        user: user.into(),
        opaque_record: OpaqueRecord(b"new record".to_vec()),
        device: NewDevice {
            name: "laptop".into(),
            certificate,
            key: id(&format!("{user} key")),
            issued_ms: NOW,
        },
        directory: issuing(directory_size, certificate),
    }
}

/// An import makes an account that waits, and replaces one that does; names and addresses stay unique.
pub async fn imports_wait(store: Arc<dyn Store>) {
    assert!(!store.any_import().await.unwrap());
    enrol(&*store, "ada").await;
    store.put_import(import("paul", Some("paul@example.org"))).await.unwrap();
    let account = store.account("paul").await.unwrap().unwrap();
    assert_eq!((account.role, account.enabled, account.imported_ms), (Role::Member, true, Some(NOW)));
    assert_eq!(
        (account.email.as_deref(), &account.opaque_record.0[..]),
        (Some("paul@example.org"), &b""[..])
    );
    let kept = store.import("paul").await.unwrap().unwrap();
    assert_eq!((&kept.salt[..], &kept.opaque_record.0[..]), (&b"salt of paul"[..], &b"old record"[..]));
    assert!(store.any_import().await.unwrap());
    assert_eq!(store.import("ada").await.unwrap(), None);
    assert_eq!(store.account("ada").await.unwrap().unwrap().imported_ms, None);

    store.put_import(NewImport { salt: vec![9], ..import("paul", None) }).await.unwrap();
    assert_eq!(store.import("paul").await.unwrap().unwrap().salt, [9]);
    assert_eq!(store.account("paul").await.unwrap().unwrap().email, None);

    store.put_import(import("bob", Some("bob@example.org"))).await.unwrap();
    let long = vec![1; MAX_SALT + 1];
    let limit = MAX_SALT as u64;
    let cases = [
        (import("ada", None), StoreError::Exists(Unique::UserName)),
        (import("pau1", None), StoreError::Exists(Unique::Skeleton)),
        (import("carol", Some("bob@example.org")), StoreError::Exists(Unique::Email)),
        (import("paul", Some("bob@example.org")), StoreError::Exists(Unique::Email)),
        (
            NewImport { salt: Vec::new(), ..import("eve", None) },
            StoreError::Misuse("an import without a salt"),
        ),
        (
            NewImport { salt: long, ..import("eve", None) },
            TooLarge { what: "salt", value: limit + 1, limit }.into(),
        ),
    ];
    for (wanted, expected) in cases {
        assert_error(store.put_import(wanted).await, &expected);
    }
    assert_eq!(store.accounts("", 10).await.unwrap().len(), 3);
    assert_eq!(store.import("paul").await.unwrap().unwrap().salt, [9], "a refused import replaces nothing");
    store.create_invite(invite("t")).await.unwrap();
    assert_error(store.enrol(enrolment("t", "bob", 1)).await, &StoreError::Exists(Unique::UserName));
}

/// Joining makes the device, uses the invite, and leaves nothing of the earlier system; refused, it changes nothing.
pub async fn an_import_joins_once(store: Arc<dyn Store>) {
    enrol(&*store, "ada").await;
    store.put_import(import("bob", Some("bob@example.org"))).await.unwrap();
    store.put_import(import("eve", None)).await.unwrap();
    store.set_account_enabled("eve", false).await.unwrap();
    store.create_invite(NewInvite { role: Role::Admin, uses: 2, ..invite("open") }).await.unwrap();
    store.create_invite(NewInvite { user: Some("ada".into()), ..invite("ada's") }).await.unwrap();
    let other = NewInvite { email: Some("else@example.org".into()), ..invite("else") };
    store.create_invite(other).await.unwrap();

    let mut late = joining("open", "bob", 1);
    late.now_ms = NOW + 1_000;
    let mut not_issued = joining("open", "bob", 1);
    not_issued.directory = directory_append(1, vec![LeafKind::Other]);
    let cases = [
        (joining("nothing", "bob", 1), StoreError::NotFound(Thing::Invite)),
        (late, StoreError::Refused(Refusal::Expired)),
        (joining("ada's", "bob", 1), StoreError::Refused(Refusal::OtherUser)),
        (joining("else", "bob", 1), StoreError::Refused(Refusal::OtherEmail)),
        (joining("open", "ada", 1), StoreError::NotFound(Thing::Account)),
        (joining("open", "nobody", 1), StoreError::NotFound(Thing::Account)),
        (joining("open", "eve", 1), StoreError::Refused(Refusal::Disabled)),
        (joining("open", "bob", 0), StoreError::Conflict { expected: 0, actual: 1 }),
        (not_issued, StoreError::NotFound(Thing::Certificate)),
    ];
    for (wanted, expected) in cases {
        assert_error(store.enrol_import(wanted).await, &expected);
        assert!(store.import("bob").await.unwrap().is_some(), "{expected}");
        assert_eq!(store.account("bob").await.unwrap().unwrap().opaque_record.0, b"", "{expected}");
        assert_eq!(store.directory_head().await.unwrap().size, 1, "{expected}");
        assert_eq!(store.peek_invite(&id("open"), NOW).await.unwrap().uses_left, 2, "{expected}");
    }

    store.enrol_import(joining("open", "bob", 1)).await.unwrap();
    let bob = store.account("bob").await.unwrap().unwrap();
    assert_eq!((bob.role, &bob.opaque_record.0[..]), (Role::Admin, &b"new record"[..]));
    assert_eq!((bob.email.as_deref(), bob.imported_ms), (Some("bob@example.org"), Some(NOW)));
    assert_eq!(store.import("bob").await.unwrap(), None);
    assert_eq!(store.device(&id("bob laptop")).await.unwrap().unwrap().user, "bob");
    assert_eq!(store.peek_invite(&id("open"), NOW).await.unwrap().uses_left, 1);
    let gone = StoreError::NotFound(Thing::Account);
    assert_error(store.enrol_import(joining("open", "bob", 2)).await, &gone);
    assert_error(store.put_import(import("bob", None)).await, &StoreError::Exists(Unique::UserName));
}
