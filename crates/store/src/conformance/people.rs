//! Settings, invites, enrolment, accounts.

use std::sync::Arc;

use super::fixtures::{NOW, assert_error, directory_append, enrol, enrolment, id, invite};
use crate::limits::{MAX_NAME, MAX_SETTING};
use crate::{LeafKind, NewInvite, OpaqueRecord, Refusal, Role, Store, StoreError, Thing, TooLarge, Unique};

/// Values are set, replaced, and set only once where asked.
pub async fn settings(store: Arc<dyn Store>) {
    assert_eq!(store.setting("a").await.unwrap(), None);
    store.put_setting("a", b"1").await.unwrap();
    store.put_setting("a", b"2").await.unwrap();
    assert_eq!(store.setting("a").await.unwrap(), Some(b"2".to_vec()));
    assert_eq!(store.put_setting_if_absent("a", b"3").await.unwrap(), b"2");
    assert_eq!(store.put_setting_if_absent("b", b"").await.unwrap(), b"");
    assert_eq!(store.setting("b").await.unwrap(), Some(Vec::new()));
    let result = store.put_setting("a", &vec![0; MAX_SETTING + 1]).await;
    let limit = MAX_SETTING as u64;
    assert_error(result, &TooLarge { what: "setting", value: limit + 1, limit }.into());
    assert_eq!(store.setting("a").await.unwrap(), Some(b"2".to_vec()));
}

/// An invite is made once, listed, looked at, revoked, and over at its last millisecond.
pub async fn invites(store: Arc<dyn Store>) {
    let full = NewInvite {
        role: Role::Admin,
        user: Some("ada".into()),
        email: Some("ada@example.org".into()),
        uses: 3,
        created_by: None,
        ..invite("one")
    };
    store.create_invite(full.clone()).await.unwrap();
    assert_error(store.create_invite(invite("one")).await, &StoreError::Exists(Unique::Token));
    store.create_invite(invite("two")).await.unwrap();
    assert_error(
        store.create_invite(NewInvite { uses: 0, ..invite("none") }).await,
        &StoreError::Misuse("an invite without uses"),
    );

    let all = store.invites(0, 10).await.unwrap();
    let made: Vec<_> = all.iter().map(|invite| invite.made.clone()).collect();
    assert_eq!(made, [full.clone(), invite("two")]);
    let first = all.first().unwrap();
    assert_eq!((first.uses_left, first.revoked), (3, false));
    assert_eq!(store.invites(first.id, 10).await.unwrap().len(), 1);
    assert_eq!(store.invites(0, 1).await.unwrap().first(), Some(first));
    assert_eq!(store.invites(u64::MAX, 10).await.unwrap(), []);

    assert_eq!(store.peek_invite(&id("one"), NOW).await.unwrap().made, full);
    store.peek_invite(&id("one"), NOW + 999).await.unwrap();
    let expired = StoreError::Refused(Refusal::Expired);
    assert_error(store.peek_invite(&id("one"), NOW + 1_000).await, &expired);
    let unknown = StoreError::NotFound(Thing::Invite);
    assert_error(store.peek_invite(&id("three"), NOW).await, &unknown);
    assert_error(store.revoke_invite(&id("three")).await, &unknown);
    store.revoke_invite(&id("one")).await.unwrap();
    store.revoke_invite(&id("one")).await.unwrap();
    assert_error(store.peek_invite(&id("one"), NOW).await, &StoreError::Refused(Refusal::Revoked));
    assert!(store.invites(0, 1).await.unwrap().first().unwrap().revoked);
}

/// An enrolment makes account, device, certificate and leaf, and uses the invite.
pub async fn enrolment_makes_all(store: Arc<dyn Store>) {
    let email = Some("ada@example.org".to_owned());
    let bound =
        NewInvite { role: Role::Admin, user: Some("ada".into()), email: email.clone(), ..invite("t") };
    store.create_invite(bound).await.unwrap();
    let mut wanted = enrolment("t", "ada", 0);
    wanted.account.email = email.clone();
    let directory = wanted.directory.clone();
    store.enrol(wanted).await.unwrap();

    let account = store.account("ada").await.unwrap().unwrap();
    assert_eq!((account.role, account.enabled, account.created_ms), (Role::Admin, true, NOW));
    assert_eq!((&account.email, &account.opaque_record.0[..]), (&email, &b"record"[..]));
    let device = store.device(&id("ada laptop")).await.unwrap().unwrap();
    assert_eq!((device.user.as_str(), device.name.as_str(), device.key), ("ada", "laptop", id("ada key")));
    assert_eq!((device.vouching, device.revoked, device.issued_ms), (None, None, NOW));
    let certificate = store.certificate(&id("ada laptop")).await.unwrap().unwrap();
    assert_eq!((&certificate.chain[..], certificate.directory_index), (&b"chain"[..], 0));
    let head = store.directory_head().await.unwrap();
    assert_eq!((head.size, head.frontier, head.checkpoint), (1, directory.frontier, directory.checkpoint));
    let used_up = StoreError::Refused(Refusal::UsedUp);
    assert_error(store.peek_invite(&id("t"), NOW).await, &used_up);
    assert_error(store.enrol(enrolment("t", "bob", 1)).await, &used_up);
}

/// Whatever refuses an enrolment leaves invite, accounts, devices and directory as they were.
pub async fn enrolment_refused_leaves_nothing(store: Arc<dyn Store>) {
    enrol(&*store, "ada").await;
    let mut taken = enrolment("address", "eve", 1);
    taken.account.email = Some("eve@example.org".into());
    store.create_invite(invite("address")).await.unwrap();
    store.enrol(taken).await.unwrap();
    let for_bob = NewInvite {
        user: Some("bob".into()),
        email: Some("bob@example.org".into()),
        uses: 2,
        ..invite("bob's")
    };
    store.create_invite(for_bob).await.unwrap();
    store.create_invite(NewInvite { uses: 2, ..invite("open") }).await.unwrap();

    let with_email = |token: &str, user: &str, email: &str| {
        let mut wanted = enrolment(token, user, 2);
        wanted.account.email = Some(email.into());
        wanted
    };
    let mut late = enrolment("open", "bob", 2);
    late.now_ms = NOW + 1_000;
    let mut not_issued = enrolment("open", "bob", 2);
    not_issued.directory = directory_append(2, vec![LeafKind::Other]);
    let mut same_certificate = enrolment("open", "bob", 2);
    same_certificate.directory = super::fixtures::issuing(2, id("ada laptop"));
    let long = "n".repeat(MAX_NAME + 1);
    let cases = [
        (enrolment("nothing", "bob", 2), StoreError::NotFound(Thing::Invite)),
        (late, StoreError::Refused(Refusal::Expired)),
        (with_email("bob's", "bobby", "bob@example.org"), StoreError::Refused(Refusal::OtherUser)),
        (with_email("bob's", "bob", "eve@example.com"), StoreError::Refused(Refusal::OtherEmail)),
        (enrolment("bob's", "bob", 2), StoreError::Refused(Refusal::OtherEmail)),
        (enrolment("open", "ada", 2), StoreError::Exists(Unique::UserName)),
        (with_email("open", "ada", "eve@example.org"), StoreError::Exists(Unique::UserName)),
        (with_email("open", "bob", "eve@example.org"), StoreError::Exists(Unique::Email)),
        (enrolment("open", "bob", 1), StoreError::Conflict { expected: 1, actual: 2 }),
        (enrolment("open", "bob", 3), StoreError::Conflict { expected: 3, actual: 2 }),
        (not_issued, StoreError::NotFound(Thing::Certificate)),
        (same_certificate, StoreError::Exists(Unique::Certificate)),
        (
            enrolment("open", &long, 2),
            TooLarge { what: "user name", value: long.len() as u64, limit: MAX_NAME as u64 }.into(),
        ),
    ];
    for (wanted, expected) in cases {
        assert_error(store.enrol(wanted).await, &expected);
        assert!(store.account("bob").await.unwrap().is_none(), "{expected}");
        assert_eq!(store.directory_head().await.unwrap().size, 2, "{expected}");
        assert_eq!(store.peek_invite(&id("open"), NOW).await.unwrap().uses_left, 2, "{expected}");
        assert_eq!(store.peek_invite(&id("bob's"), NOW).await.unwrap().uses_left, 2, "{expected}");
    }
    store.enrol(with_email("bob's", "bob", "bob@example.org")).await.unwrap();
}

/// Of many who race for the last use of an invite one gets it.
pub async fn last_use_goes_to_one(store: Arc<dyn Store>) {
    store.create_invite(NewInvite { uses: 2, ..invite("t") }).await.unwrap();
    let racers: Vec<_> = (0..8)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                loop {
                    let size = store.directory_head().await.unwrap().size;
                    match store.enrol(enrolment("t", &format!("user-{n}"), size)).await {
                        Err(StoreError::Conflict { .. }) => {}
                        other => return other,
                    }
                }
            })
        })
        .collect();
    let mut enrolled = 0;
    for racer in racers {
        match racer.await.unwrap() {
            Ok(()) => enrolled += 1,
            other => assert_error(other, &StoreError::Refused(Refusal::UsedUp)),
        }
    }
    assert_eq!(enrolled, 2);
    assert_eq!(store.accounts("", 10).await.unwrap().len(), 2);
    assert_eq!(store.directory_head().await.unwrap().size, 2);
}

/// Of two who race for names that look alike one gets in, and uses the invite alone.
pub async fn one_of_names_that_look_alike(store: Arc<dyn Store>) {
    store.create_invite(NewInvite { uses: 2, ..invite("t") }).await.unwrap();
    let racers: Vec<_> = ["paul", "pau1"]
        .into_iter()
        .map(|user| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                loop {
                    let size = store.directory_head().await.unwrap().size;
                    match store.enrol(enrolment("t", user, size)).await {
                        Err(StoreError::Conflict { .. }) => {}
                        other => return (user, other),
                    }
                }
            })
        })
        .collect();
    let mut enrolled = Vec::new();
    for racer in racers {
        match racer.await.unwrap() {
            (user, Ok(())) => enrolled.push(user),
            (_, other) => assert_error(other, &StoreError::Exists(Unique::Skeleton)),
        }
    }
    let found = store.account_by_skeleton("paul").await.unwrap().unwrap();
    assert_eq!(enrolled, [found.user.as_str()]);
    assert_eq!(store.account_by_skeleton("pau1").await.unwrap(), None);
    assert_eq!(store.peek_invite(&id("t"), NOW).await.unwrap().uses_left, 1);
    assert_eq!(store.directory_head().await.unwrap().size, 1);
}

/// Accounts are found by name and address, listed in order, and changed.
pub async fn accounts(store: Arc<dyn Store>) {
    for user in ["carol", "ada", "bob"] {
        enrol(&*store, user).await;
    }
    let names = |accounts: Vec<crate::Account>| accounts.into_iter().map(|a| a.user).collect::<Vec<_>>();
    assert_eq!(names(store.accounts("", 10).await.unwrap()), ["ada", "bob", "carol"]);
    assert_eq!(names(store.accounts("ada", 1).await.unwrap()), ["bob"]);

    store.create_invite(invite("t")).await.unwrap();
    let mut dora = enrolment("t", "dora", 3);
    dora.account.email = Some("dora@example.org".into());
    store.enrol(dora).await.unwrap();
    assert_eq!(store.account_by_email("dora@example.org").await.unwrap().unwrap().user, "dora");
    assert_eq!(store.account_by_email("dora").await.unwrap(), None);
    assert_eq!(store.account("dora@example.org").await.unwrap(), None);

    store.set_account_enabled("ada", false).await.unwrap();
    store.set_account_role("ada", Role::Admin).await.unwrap();
    store.set_opaque_record("ada", OpaqueRecord(b"new".to_vec()), vec![]).await.unwrap();
    let ada = store.account("ada").await.unwrap().unwrap();
    assert_eq!(
        (ada.enabled, ada.role, ada.opaque_record),
        (false, Role::Admin, OpaqueRecord(b"new".to_vec()))
    );
    assert!(store.account("bob").await.unwrap().unwrap().enabled);

    let unknown = StoreError::NotFound(Thing::Account);
    assert_error(store.set_account_enabled("zoe", true).await, &unknown);
    assert_error(store.set_account_role("zoe", Role::Admin).await, &unknown);
    assert_error(store.set_opaque_record("zoe", OpaqueRecord(Vec::new()), vec![]).await, &unknown);
}
