//! Evidence without the server: whoever holds a room's log can prove it, whatever the server does (SE-26).

#![expect(clippy::unwrap_used, reason = "a test's helper fails the test")]

mod common;

use client::{Client, ClientOptions, Event, ExportOptions, Exported, Home, Outgoing, Progress, join_device};
use common::{World, password, run, said, texts, within};
use evidence::bundle::Root;
use evidence::room::RoomId;
use evidence::verdict::{Verdict, Word};
use pki::Fingerprint;
use session::message::Role;

/// A room of alice and bob with two messages, all of it held by both, as far as index 3.
async fn talk(world: &World) -> (Client, Client, RoomId) {
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    alice.send(room, Outgoing::text("one")).await.unwrap().logged().await.unwrap();
    common::in_room(&bob, room, 3).await;
    bob.send(room, Outgoing::text("two")).await.unwrap().logged().await.unwrap();
    for client in [&alice, &bob] {
        within("held", client.synced(room, 4)).await.unwrap();
    }
    (alice, bob, room)
}

/// An administrator with a home of its own.
async fn admin(world: &World) -> Client {
    let link = world.invite(Role::Admin).await;
    let joiner =
        client::Joiner { user: "boss", email: None, device: "desk", password: password(), earlier: None };
    run(client::join(&world.home("boss"), &link, joiner).await.unwrap()).await
}

/// The client of a home that is not let in, once it knows; and the code of what ended it, if something did.
async fn refused(world: &World, user: &str) -> (Client, Option<&'static str>) {
    let home = Home::open(&world.home(user), password()).await.unwrap();
    let client = Client::start(home, ClientOptions::default()).await.unwrap();
    let mut events = client.events();
    let away = async { while !matches!(events.next().await.unwrap(), Event::Disconnected { .. }) {} };
    let code = tokio::select! {
        ready = client.ready() => ready.err().map(|error| error.code()),
        () = away => None,
    };
    (client, code)
}

async fn export(client: &Client, room: RoomId, root: Fingerprint) -> (Exported, Verdict) {
    let mut bundle = std::io::Cursor::new(Vec::new());
    let exported =
        within("export", client.export(room, &ExportOptions::default(), &mut bundle)).await.unwrap();
    let (verdict, _) = common::verdict(bundle.get_ref(), Root::Pinned(root));
    assert_eq!((verdict.word, verdict.problems.as_slice()), (Word::Valid, [].as_slice()));
    (exported, verdict)
}

#[tokio::test]
async fn what_is_held_is_proved_when_the_server_is_gone_for_good() {
    let mut world = World::new().await;
    let root = world.root();
    let (alice, bob, room) = talk(&world).await;
    alice.close().await;
    bob.close().await;
    world.stop().await;
    std::fs::remove_dir_all(world.home("server")).unwrap();
    for user in ["alice", "bob"] {
        let (client, code) = refused(&world, user).await;
        assert_eq!(code, None);
        let (exported, verdict) = export(&client, room, root).await;
        assert_eq!((exported.size, verdict.disclosed), (4, 2));
        assert!(exported.behind.is_some() && exported.until_ms > 0, "{exported:?}");
        assert!(verdict.directory_size >= 6, "{}", verdict.directory_size);
        assert_eq!(client.members(room).await.unwrap().len(), 2);
        client.close().await;
    }
}

#[tokio::test]
async fn what_is_held_is_proved_in_the_session_in_which_it_came() {
    let mut world = World::new().await;
    let root = world.root();
    let (alice, bob, room) = talk(&world).await;
    let (exported, _) = export(&alice, room, root).await;
    assert_eq!((exported.size, exported.behind), (4, None));
    // Certificates are learnt while messages come: closing does not leave any of them without its place.
    let carol = world.member("carol").await;
    alice.add(room, &["carol"]).await.unwrap();
    common::in_room(&carol, room, 5).await;
    within("held", bob.synced(room, 5)).await.unwrap();
    for client in [alice, bob, carol] {
        client.close().await;
    }
    world.stop().await;
    for user in ["alice", "bob", "carol"] {
        let (client, _) = refused(&world, user).await;
        assert_eq!(export(&client, room, root).await.0.size, 5);
        client.close().await;
    }
}

#[tokio::test]
async fn a_disabled_user_and_a_revoked_device_prove_what_they_hold() {
    let world = World::new().await;
    let root = world.root();
    let (alice, bob, room) = talk(&world).await;
    alice.close().await;
    let boss = admin(&world).await;
    let mut events = bob.events();
    boss.enable_user("bob", false).await.unwrap();
    within("out", async { while !matches!(events.next().await.unwrap(), Event::Ended(_)) {} }).await;
    let (exported, _) = export(&bob, room, root).await;
    assert!(exported.behind.is_some());
    bob.close().await;
    let (bob, code) = refused(&world, "bob").await;
    assert_eq!(code, Some("credentials"));
    assert!(export(&bob, room, root).await.0.behind.unwrap().contains("disabled"));
    assert_eq!(said(&bob, room).await.len(), 2);
    bob.close().await;

    boss.enable_user("bob", true).await.unwrap();
    let device = boss.devices(Some("bob")).await.unwrap().remove(0);
    boss.revoke_device(device.certificate, "affiliation-changed").await.unwrap();
    let (bob, code) = refused(&world, "bob").await;
    assert_eq!(code, Some("not-trusted"));
    let (exported, verdict) = export(&bob, room, root).await;
    assert_eq!((exported.size, verdict.disclosed), (4, 2));
    assert!(exported.behind.unwrap().contains("revoked"));
    bob.close().await;
    boss.close().await;
}

#[tokio::test]
async fn who_was_removed_while_away_sees_it_and_proves_up_to_there() {
    let mut world = World::new().await;
    let root = world.root();
    let (alice, bob, room) = talk(&world).await;
    bob.close().await;
    alice.send(room, Outgoing::text("three")).await.unwrap().logged().await.unwrap();
    alice.remove(room, &["bob"]).await.unwrap();
    alice.send(room, Outgoing::text("not for bob")).await.unwrap().logged().await.unwrap();
    for _ in 0..2 {
        let bob = world.reopen("bob").await;
        within("his removal", bob.synced(room, 6)).await.unwrap();
        let rooms = bob.rooms().await.unwrap();
        assert_eq!((rooms[0].size, rooms[0].member, rooms[0].stopped), (6, false, false));
        assert_eq!(texts(&bob, room).await, ["one", "two", "three"]);
        let (exported, verdict) = export(&bob, room, root).await;
        assert_eq!((exported.size, exported.behind, verdict.disclosed), (6, None, 3));
        bob.close().await;
    }
    alice.close().await;
    world.stop().await;
    let (bob, _) = refused(&world, "bob").await;
    assert_eq!(export(&bob, room, root).await.0.size, 6);
    bob.close().await;
}

#[tokio::test]
async fn a_second_device_holds_who_vouched_for_it_and_a_revocation_is_shown() {
    let mut world = World::new().await;
    let root = world.root();
    let (alice, bob, room) = talk(&world).await;
    let (link, _) = alice.create_device_link().await.unwrap();
    let (folder, link) = (world.home("phone"), link.format());
    let mut events = alice.events();
    let joining = tokio::spawn(async move {
        join_device(&folder, &link, "phone", password(), |progress| {
            let Progress::Waiting { .. } = progress;
        })
        .await
        .unwrap()
    });
    within("asked", async {
        while !matches!(events.next().await.unwrap(), Event::DeviceRequested { .. }) {}
    })
    .await;
    let request = alice.device_requests().await.unwrap().remove(0);
    alice.approve_device(&request).await.unwrap();
    let phone = run(within("approved", joining).await.unwrap()).await;
    common::in_room(&phone, room, 5).await;
    phone.send(room, Outgoing::text("from the phone")).await.unwrap().logged().await.unwrap();
    for client in [&alice, &bob, &phone] {
        within("held", client.synced(room, 6)).await.unwrap();
    }
    // The phone is lost: its revocation is entered in the room, and those who are in it learn of the leaf.
    phone.close().await;
    alice.revoke_device(request_certificate(&alice).await, "key-compromise").await.unwrap();
    for client in [&alice, &bob] {
        within("the revocation", client.synced(room, 7)).await.unwrap();
    }
    alice.close().await;
    bob.close().await;
    world.stop().await;
    for (user, size) in [("phone", 6), ("alice", 7), ("bob", 7)] {
        let (client, _) = refused(&world, user).await;
        let (exported, verdict) = export(&client, room, root).await;
        assert_eq!(exported.size, size);
        let disputed = verdict.notes.iter().any(|note| note.message.contains("key-compromise"));
        assert_eq!(disputed, user != "phone", "{user}: {:?}", verdict.notes);
        client.close().await;
    }
}

async fn request_certificate(client: &Client) -> [u8; 32] {
    let devices = client.devices(None).await.unwrap();
    devices.into_iter().find(|device| device.device == "phone").unwrap().certificate
}
