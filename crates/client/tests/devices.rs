//! Several devices of one user.

mod common;

use client::{Event, ExportOptions, Outgoing, Progress, join_device};
use common::{World, export, in_room, password, run, said, texts, verdict, within};
use evidence::bundle::Root;
use evidence::verdict::Word;
use tokio::sync::mpsc;

#[tokio::test]
async fn a_new_device_is_vouched_for_and_joins_the_rooms_of_its_user() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    alice.send(room, Outgoing::text("before the phone")).await.unwrap().logged().await.unwrap();

    let (link, _) = alice.create_device_link().await.unwrap();
    let mut events = alice.events();
    let (codes, mut shown) = mpsc::unbounded_channel();
    let (folder, link) = (world.home("phone"), link.format());
    let phone = tokio::spawn(async move {
        join_device(&folder, &link, "phone", password(), move |progress| {
            let Progress::Waiting { code } = progress;
            codes.send(code).unwrap();
        })
        .await
        .unwrap()
    });
    let code = within("the phone waits", shown.recv()).await.unwrap();
    within("alice is told", async {
        loop {
            if let Event::DeviceRequested { device, code: asked, .. } = events.next().await.unwrap() {
                assert_eq!((device.as_str(), &asked), ("phone", &code));
                break;
            }
        }
    })
    .await;
    let requests = alice.device_requests().await.unwrap();
    assert_eq!((requests.len(), &requests[0].code), (1, &code));
    alice.approve_device(&requests[0]).await.unwrap();
    let phone = run(within("approved", phone).await.unwrap()).await;
    assert_eq!((phone.user(), phone.device()), ("alice", "phone"));

    within("the phone is in", phone.synced(room, 4)).await.unwrap();
    let mut said_by_phone = phone.send(room, Outgoing::text("from the phone")).await.unwrap();
    assert_eq!(within("logged", said_by_phone.logged()).await.unwrap().index, 4);
    for client in [&alice, &bob] {
        within("delivered", client.synced(room, 5)).await.unwrap();
        assert_eq!(texts(client, room).await, ["before the phone", "from the phone"]);
    }
    within("its own comes back", phone.synced(room, 5)).await.unwrap();
    within("read", phone.history_read()).await;
    assert_eq!(said(&phone, room).await, said(&alice, room).await);
    let devices: Vec<_> =
        bob.members(room).await.unwrap().into_iter().map(|member| (member.user, member.device)).collect();
    assert_eq!(devices.len(), 3);
    assert!(devices.contains(&("alice".to_owned(), "phone".to_owned())));

    for client in [&bob, &phone] {
        let bundle = export(client, room, &ExportOptions::default()).await;
        let (verified, _) = verdict(&bundle, Root::Pinned(world.root()));
        assert_eq!((verified.word, verified.problems.as_slice()), (Word::Valid, [].as_slice()));
    }
    for client in [alice, bob, phone] {
        client.close().await;
    }
}

/// GR-21
#[tokio::test]
async fn a_device_that_was_left_out_is_added_by_another_of_its_user() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let (link, _) = alice.create_device_link().await.unwrap();
    let (codes, mut shown) = mpsc::unbounded_channel();
    let (folder, text) = (world.home("phone"), link.format());
    let phone = tokio::spawn(async move {
        join_device(&folder, &text, "phone", password(), move |_| codes.send(()).unwrap()).await.unwrap()
    });
    within("the phone waits", shown.recv()).await.unwrap();
    let request = alice.device_requests().await.unwrap().remove(0);
    alice.approve_device(&request).await.unwrap();
    drop(within("approved", phone).await.unwrap());
    alice.close().await;
    world.stop().await;
    world.execute("DELETE FROM key_packages").await;
    world.start().await;
    let alice = world.reopen("alice").await;
    let room = alice.create_room("ops").await.unwrap();
    assert_eq!(alice.members(room).await.unwrap().len(), 1, "the phone has no key packages");
    let phone = world.reopen("phone").await;
    alice.close().await;
    let alice = world.reopen("alice").await;
    within("added", in_room(&phone, room, 2)).await;
    alice.send(room, Outgoing::text("on both")).await.unwrap().logged().await.unwrap();
    within("read", phone.synced(room, 3)).await.unwrap();
    assert_eq!(said(&phone, room).await, [("alice".to_owned(), "on both".to_owned())]);
    for client in [alice, phone] {
        client.close().await;
    }
}

#[tokio::test]
async fn a_device_that_revokes_itself_hears_that_it_is_done() {
    let world = World::new().await;
    for user in ["alice", "bob", "carol"] {
        let client = world.member(user).await;
        client.revoke_device(client.certificate(), "superseded").await.unwrap();
        client.close().await;
        let home = client::Home::open(&world.home(user), password()).await.unwrap();
        assert_eq!(common::ended(home).await, "not-trusted");
    }
}

#[tokio::test]
async fn a_device_that_is_turned_away_gets_nothing() {
    let world = World::new().await;
    let alice = world.member("alice").await;
    let (link, _) = alice.create_device_link().await.unwrap();
    let (codes, mut shown) = mpsc::unbounded_channel();
    let (folder, text) = (world.home("phone"), link.format());
    let phone = tokio::spawn(async move {
        join_device(&folder, &text, "phone", password(), move |_| codes.send(()).unwrap()).await.map(drop)
    });
    within("the phone waits", shown.recv()).await.unwrap();
    let request = alice.device_requests().await.unwrap().remove(0);
    alice.deny_device(&request).await.unwrap();
    let error = within("told", phone).await.unwrap().unwrap_err();
    assert_eq!(error.code(), "not-allowed");
    assert!(!world.home("phone").exists());
    alice.close().await;
}
