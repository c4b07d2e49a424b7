//! A room whose keys somebody has broken, and its next generation (docs/group.md, GR-35).

#![expect(clippy::unwrap_used, reason = "a test's helper fails the test")]

mod common;

use client::{Client, Event, ExportOptions, Outgoing};
use common::{World, export, in_room, run, said, verdict, within};
use evidence::bundle::Root;
use evidence::entry::Place;
use evidence::log::TreeHead;
use evidence::membership::Change;
use evidence::room::RoomId;
use evidence::verdict::Word;
use session::message::{Command, Reply};
use testkit::sealed::{Party, shown};

/// A change of the members that nobody can follow, and that shows no way back.
async fn break_keys(mallory: &mut Party, room: RoomId, epoch: u64, key_epoch: u64) {
    let shown::Shown { hashes, blobs } = shown::change(room, key_epoch, &Change::Update);
    for blob in blobs {
        mallory.put(&blob).await;
    }
    let seen = TreeHead::empty();
    let place = Place { room, seq: 1, time_ms: client::system_clock(), epoch, seen };
    let statement = mallory.sign(place, Change::Update, hashes);
    let append = Command::Append { room: room.0.into(), statement, content: None, files: vec![] };
    let reply = mallory.peer.ask(append).await.unwrap();
    assert!(matches!(reply, Reply::Appended { .. }), "{reply:?}");
}

async fn alarmed(client: &Client, room: RoomId) {
    within("the alarm", async {
        while !client.rooms().await.unwrap().iter().any(|known| known.id == room && known.stuck) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_room_whose_keys_a_member_has_broken_goes_on_without_that_member() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let dora = world.member("dora").await;
    let mut mallory = world.party("mallory").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob", "dora", "mallory"]).await.unwrap();
    alice.send(room, Outgoing::text("before")).await.unwrap().logged().await.unwrap();
    for client in [&bob, &dora] {
        in_room(client, room, 3).await;
    }
    dora.close().await;

    let mut events = bob.events();
    break_keys(&mut mallory, room, 1, 2).await;
    for client in [&alice, &bob] {
        in_room(client, room, 4).await;
        alarmed(client, room).await;
    }
    within("bob is told", async {
        loop {
            if let Event::Alarm { room: of, what, stopped: false } = events.next().await.unwrap() {
                assert!(of == room && what.contains("renews the room's keys"), "{what}");
                break;
            }
        }
    })
    .await;
    drop(alice.send(room, Outgoing::text("waiting")).await.unwrap());
    assert!(alice.renew(room, &["alice"]).await.is_err());
    assert!(alice.renew(room, &["nobody-here"]).await.is_err());
    assert_eq!(within("renewed", alice.renew(room, &["mallory"])).await.unwrap(), []);
    within("what waited is logged", alice.synced(room, 6)).await.unwrap();
    let dora = world.reopen("dora").await;
    let mut answer = bob.send(room, Outgoing::text("I hear you")).await.unwrap();
    within("logged", answer.logged()).await.unwrap();
    for client in [&alice, &bob, &dora] {
        within("all is there", in_room(client, room, 7)).await;
        let texts: Vec<_> = said(client, room).await.into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["before", "waiting", "I hear you"], "{}", client.user());
        let known = client.rooms().await.unwrap().remove(0);
        assert_eq!((known.stuck, known.key_epoch), (false, Some(1)));
        let users: Vec<_> = client.members(room).await.unwrap().into_iter().map(|one| one.user).collect();
        assert_eq!(users, ["alice", "bob", "dora"]);
    }
    // It goes on as any room: somebody comes, somebody goes, keys change.
    let carol = world.member("carol").await;
    dora.add(room, &["carol"]).await.unwrap();
    bob.remove(room, &["dora"]).await.unwrap();
    carol.send(room, Outgoing::text("hello")).await.unwrap().logged().await.unwrap();
    for client in [&alice, &bob] {
        in_room(client, room, 10).await;
        assert_eq!(said(client, room).await.last().unwrap().1, "hello");
        let bundle = export(client, room, &ExportOptions::default()).await;
        let (verified, _) = verdict(&bundle, Root::Pinned(world.root()));
        assert_eq!((verified.word, verified.problems.as_slice()), (Word::Valid, [].as_slice()));
    }
    for client in [alice, bob, carol, dora] {
        client.close().await;
    }
}

/// Whose group stands when a renewal comes joins the next as well, and a home that is opened again goes on in it.
#[tokio::test]
async fn keys_that_are_good_may_be_begun_anew_too_and_twice() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    in_room(&bob, room, 2).await;
    assert_eq!(within("renewed", alice.renew(room, &[])).await.unwrap(), []);
    in_room(&bob, room, 3).await;
    bob.send(room, Outgoing::text("one")).await.unwrap().logged().await.unwrap();
    assert_eq!(within("renewed", bob.renew(room, &[])).await.unwrap(), []);
    in_room(&alice, room, 5).await;
    alice.close().await;
    bob.close().await;
    let (alice, bob) = (world.reopen("alice").await, world.reopen("bob").await);
    alice.send(room, Outgoing::text("two")).await.unwrap().logged().await.unwrap();
    bob.send(room, Outgoing::text("three")).await.unwrap().logged().await.unwrap();
    for client in [&alice, &bob] {
        in_room(client, room, 7).await;
        let texts: Vec<_> = said(client, room).await.into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["one", "two", "three"]);
    }
    for client in [alice, bob] {
        client.close().await;
    }
}

/// A device without key packages cannot come along, and is added again when it has some.
#[tokio::test]
async fn a_device_without_key_packages_does_not_come_along_and_whose_it_was_is_told() {
    let world = World::new().await;
    let alice = world.member("alice").await;
    let mut bob = world.party("bob").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    // One of the two packages that it had is left.
    assert_eq!(within("renewed", alice.renew(room, &[])).await.unwrap(), []);
    bob.join_group_of(room, 1).await.unwrap();
    let left = within("renewed", alice.renew(room, &[])).await.unwrap();
    assert_eq!(left.iter().map(|one| one.user.as_str()).collect::<Vec<_>>(), ["bob"]);
    assert_eq!(alice.members(room).await.unwrap().len(), 1);
    alice.send(room, Outgoing::text("alone")).await.unwrap().logged().await.unwrap();
    bob.hand_in_packages(1).await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    bob.join_group_of(room, 2).await.unwrap();
    alice.close().await;
    run(client::Home::open(&world.home("alice"), common::password()).await.unwrap()).await.close().await;
}
