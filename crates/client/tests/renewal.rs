//! A room whose keys somebody has broken, and its next generation (docs/group.md, GR-35).

#![expect(clippy::unwrap_used, reason = "a test's helper fails the test")]

mod common;

use std::time::Duration;

use client::{Client, Event, ExportOptions, Outgoing, What};
use common::{World, export, in_room, query, run, said, texts, verdict, within};
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
            tokio::time::sleep(Duration::from_millis(50)).await;
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
    assert!(alice.renew(room, &["alice"], false).await.is_err());
    assert!(alice.renew(room, &["nobody-here"], false).await.is_err());
    assert_eq!(within("renewed", alice.renew(room, &["mallory"], false)).await.unwrap(), []);
    within("what waited is logged", alice.synced(room, 6)).await.unwrap();
    let dora = world.reopen("dora").await;
    let mut answer = bob.send(room, Outgoing::text("I hear you")).await.unwrap();
    within("logged", answer.logged()).await.unwrap();
    for client in [&alice, &bob, &dora] {
        within("all is there", in_room(client, room, 7)).await;
        assert_eq!(texts(client, room).await, ["before", "waiting", "I hear you"], "{}", client.user());
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
    assert_eq!(within("renewed", alice.renew(room, &[], false)).await.unwrap(), []);
    in_room(&bob, room, 3).await;
    bob.send(room, Outgoing::text("one")).await.unwrap().logged().await.unwrap();
    assert_eq!(within("renewed", bob.renew(room, &[], false)).await.unwrap(), []);
    in_room(&alice, room, 5).await;
    alice.close().await;
    bob.close().await;
    let (alice, bob) = (world.reopen("alice").await, world.reopen("bob").await);
    alice.send(room, Outgoing::text("two")).await.unwrap().logged().await.unwrap();
    bob.send(room, Outgoing::text("three")).await.unwrap().logged().await.unwrap();
    for client in [&alice, &bob] {
        in_room(client, room, 7).await;
        assert_eq!(texts(client, room).await, ["one", "two", "three"]);
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
    assert_eq!(within("renewed", alice.renew(room, &[], false)).await.unwrap(), []);
    bob.join_group_of(room, 1).await.unwrap();
    assert!(alice.renew(room, &[], false).await.unwrap_err().to_string().contains("bob can come along"));
    assert_eq!(alice.members(room).await.unwrap().len(), 2);
    let left = within("renewed", alice.renew(room, &[], true)).await.unwrap();
    assert_eq!(left.iter().map(|one| one.user.as_str()).collect::<Vec<_>>(), ["bob"]);
    assert_eq!(alice.members(room).await.unwrap().len(), 1);
    alice.send(room, Outgoing::text("alone")).await.unwrap().logged().await.unwrap();
    bob.hand_in_packages(1).await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    bob.join_group_of(room, 2).await.unwrap();
    alice.close().await;
    run(client::Home::open(&world.home("alice"), common::password()).await.unwrap()).await.close().await;
}

/// Who is removed between the key packages and the signature has no leaf in what comes; what is said while a renewal is under way waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_is_for_those_who_are_there_when_it_is_signed_and_what_is_said_meanwhile_waits() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let mallory = world.party("mallory").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob", "mallory"]).await.unwrap();
    in_room(&bob, room, 2).await;
    // As another process of bob's home that sends.
    let lock = world.home("bob").join("outbox.lock");
    let lock = std::fs::File::options().read(true).write(true).open(lock).unwrap();
    lock.lock().unwrap();
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        drop(bob.send(room, Outgoing::text("not for mallory")).await.unwrap());
        alice.remove(room, &["mallory"]).await.unwrap();
        lock.unlock().unwrap();
    };
    let (renewed, ()) =
        within("renewed", async { tokio::join!(bob.renew(room, &[], false), meanwhile) }).await;
    assert_eq!(renewed.unwrap().iter().map(|one| one.user.as_str()).collect::<Vec<_>>(), ["mallory"]);
    for client in [&alice, &bob] {
        within("all is there", in_room(client, room, 5)).await;
        assert_eq!(texts(client, room).await, ["not for mallory"]);
        assert!(!client.rooms().await.unwrap().remove(0).stuck);
    }
    let renewals = renewals(&alice, room).await;
    assert_eq!(renewals, 1, "the group that alice and bob are in has the two of them");
    drop(mallory);
    for client in [alice, bob] {
        client.close().await;
    }
}

/// How many generations the room has had since its first.
async fn renewals(client: &Client, room: RoomId) -> usize {
    let items = client.timeline(room, 0, usize::MAX).await.unwrap();
    items.iter().filter(|item| matches!(item.what, What::Renewed { .. })).count()
}

/// Nobody who has stopped waiting has a room renewed later, and the private keys of packages are gone with each generation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_was_given_up_is_not_made_and_keys_that_were_used_are_deleted() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    in_room(&bob, room, 2).await;
    bob.close().await;
    let lock = world.home("alice").join("outbox.lock");
    let lock = std::fs::File::options().read(true).write(true).open(lock).unwrap();
    lock.lock().unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(1), alice.renew(room, &[], false)).await.is_err());
    lock.unlock().unwrap();
    alice.send(room, Outgoing::text("as before")).await.unwrap().logged().await.unwrap();
    assert_eq!(renewals(&alice, room).await, 0);

    let keys = async || {
        let vault = world.home("bob").join("vault.db");
        query::<(i64,)>(&vault, "SELECT count(*) FROM group_record WHERE room = 0").await[0].0
    };
    let before = keys().await;
    alice.renew(room, &[], false).await.unwrap();
    let bob = world.reopen("bob").await;
    in_room(&bob, room, 4).await;
    bob.close().await;
    let one = before - keys().await;
    for _ in 0..3 {
        alice.renew(room, &[], false).await.unwrap();
    }
    let bob = world.reopen("bob").await;
    in_room(&bob, room, 7).await;
    bob.close().await;
    assert_eq!(before - keys().await, 4 * one);
    alice.close().await;
}
