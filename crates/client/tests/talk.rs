//! The main job on a real server: join, talk, log, receipts, export, verify.

mod common;

use client::{ClientError, Disclose, ExportOptions, Home, MessageState, Outgoing, VaultError, What};
use common::{World, export, in_room, said, texts, verdict, within};
use evidence::bundle::Root;
use evidence::content::Reference;
use evidence::entry::Place;
use evidence::log::{TreeHead, leaf_hash};
use evidence::membership::DeviceRef;
use evidence::verdict::Word;
use pki::{Name, Password};
use session::message::Reply;
use testkit::member::append;

#[tokio::test]
async fn two_people_talk_and_their_record_stands() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    within("bob is in", in_room(&bob, room, 2)).await;
    assert_eq!(bob.find_room("ops").await.unwrap(), room);

    let mut first = alice.send(room, Outgoing::text("hello, bob")).await.unwrap();
    let first = within("acknowledged", first.logged()).await.unwrap();
    assert_eq!((first.seq, first.index), (3, 2));
    within("delivered", bob.synced(room, 3)).await.unwrap();
    let mut second = bob.send(room, Outgoing::text("hello, alice")).await.unwrap();
    let second = within("acknowledged", second.logged()).await.unwrap();
    assert_eq!((second.seq, second.index), (1, 3));
    for client in [&alice, &bob] {
        within("delivered", client.synced(room, 4)).await.unwrap();
    }

    let expected =
        [("alice", "hello, bob"), ("bob", "hello, alice")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(said(&alice, room).await, expected);
    assert_eq!(said(&bob, room).await, expected);
    let items = alice.timeline(room, 0, 2).await.unwrap();
    assert_eq!(
        items[0].what,
        What::Created { name: Some("ops".to_owned()), users: vec!["alice".to_owned()] }
    );
    assert_eq!(items[1].what, What::Added { users: vec!["bob".to_owned()] });

    bob.shown(room, 4).unwrap();
    bob.close().await;
    within("receipts", async {
        let mut events = alice.events();
        while alice.timeline(room, 2, 1).await.unwrap()[0].state
            != (MessageState::Received { by: vec!["bob".to_owned()] })
        {
            events.next().await.unwrap();
        }
    })
    .await;

    let root = world.root();
    let bundle = export(&alice, room, &ExportOptions::default()).await;
    let (verified, messages) = verdict(&bundle, Root::Pinned(root));
    assert_eq!((verified.word, verified.problems.as_slice()), (Word::Valid, [].as_slice()));
    assert_eq!((verified.messages, verified.disclosed, verified.withheld), (2, 2, 0));
    assert_eq!(messages[0].received_by, ["bob"]);
    assert_eq!(verdict(&bundle, Root::Unpinned).0.word, Word::ConsistentUnpinned);

    let only = ExportOptions { disclose: Disclose::Only(vec![3..=3]), ..ExportOptions::default() };
    let bundle = export(&alice, room, &only).await;
    let (verified, messages) = verdict(&bundle, Root::Pinned(root));
    assert_eq!((verified.word, verified.disclosed, verified.withheld), (Word::Valid, 1, 1));
    assert_eq!(messages[1].text.as_deref(), Some("hello, alice"));
    assert!(!bundle.windows(10).any(|window| window == b"hello, bob"));
    let beyond = ExportOptions { disclose: Disclose::Only(vec![3..=3, 99..=99]), ..ExportOptions::default() };
    let refused = alice.export(room, &beyond, std::io::Cursor::new(Vec::new())).await;
    assert!(matches!(refused, Err(ClientError::Input(_))));
    alice.close().await;
}

#[tokio::test]
async fn who_is_not_a_member_is_told_so_whatever_it_wants_to_change() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    within("bob is in", in_room(&bob, room, 2)).await;
    alice.remove(room, &["bob"]).await.unwrap();
    assert!(matches!(bob.add(room, &["alice"]).await, Err(ClientError::NotAMember)));
    assert!(matches!(bob.remove(room, &["alice"]).await, Err(ClientError::NotAMember)));
    assert!(matches!(bob.leave(room).await, Err(ClientError::NotAMember)));
    alice.close().await;
    bob.close().await;
}

#[tokio::test]
async fn many_messages_under_way_arrive_once_and_in_order() {
    const MANY: usize = 600;
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    within("bob is in", in_room(&bob, room, 2)).await;
    let bad = vec![Outgoing::text("good"), Outgoing::text("")];
    assert!(matches!(alice.send_all(room, bad).await, Err(ClientError::Input(_))));
    let both = [&alice, &bob].map(|client| async {
        let texts: Vec<_> = (0..MANY).map(|number| Outgoing::text(number.to_string())).collect();
        let (some, rest) = texts.split_at(MANY / 3);
        let mut handles = Vec::new();
        for text in some {
            handles.push(client.send(room, text.clone()).await.unwrap());
        }
        handles.extend(client.send_all(room, rest.to_vec()).await.unwrap());
        for handle in &mut handles {
            handle.logged().await.unwrap();
        }
    });
    let [one, two] = both;
    within("all are logged", async { tokio::join!(one, two) }).await;
    let size = 2 + 2 * MANY as u64;
    for client in [&alice, &bob] {
        within("all are delivered", client.synced(room, size)).await.unwrap();
        let all = said(client, room).await;
        for user in ["alice", "bob"] {
            let of: Vec<_> =
                all.iter().filter(|(from, _)| from == user).map(|(_, text)| text.clone()).collect();
            assert_eq!(of, (0..MANY).map(|number| number.to_string()).collect::<Vec<_>>());
        }
    }
    assert_eq!(said(&alice, room).await, said(&bob, room).await);
    assert!(alice.outbox(room).await.unwrap().is_empty());
    alice.close().await;
    bob.close().await;
}

#[tokio::test]
async fn messages_wait_while_the_server_is_away_and_go_out_when_it_is_back() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let room = alice.create_room("ops").await.unwrap();
    world.stop().await;
    let mut first = alice.send(room, Outgoing::text("said while it was away")).await.unwrap();
    alice.close().await;
    assert!(first.logged().await.is_err());

    let home = Home::open(&world.home("alice"), common::password()).await.unwrap();
    let alice = client::Client::start(home, client::ClientOptions::default()).await.unwrap();
    assert_eq!(alice.outbox(room).await.unwrap().len(), 1);
    let mut second = alice.send(room, Outgoing::text("said after a restart")).await.unwrap();
    world.start().await;
    within("acknowledged", second.logged()).await.unwrap();
    within("both are there", alice.synced(room, 3)).await.unwrap();
    assert_eq!(texts(&alice, room).await, ["said while it was away", "said after a restart"]);
    alice.close().await;
}

#[tokio::test]
async fn two_processes_of_one_home_share_its_state() {
    let world = World::new().await;
    let one = world.member("alice").await;
    let room = one.create_room("ops").await.unwrap();
    let two = world.reopen("alice").await;
    let both = [&one, &two].map(|client| async {
        for number in 0..40 {
            let mut handle = client.send(room, Outgoing::text(number.to_string())).await.unwrap();
            handle.logged().await.unwrap();
        }
    });
    let [a, b] = both;
    within("all are logged", async { tokio::join!(a, b) }).await;
    for client in [&one, &two] {
        within("all are here", client.synced(room, 81)).await.unwrap();
        assert_eq!(said(client, room).await.len(), 80);
    }
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn a_change_of_members_under_messages_on_their_way_loses_none() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let carol = world.member("carol").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    within("bob is in", in_room(&bob, room, 2)).await;
    // Each change raises the epoch, so that messages made before it are refused and signed again.
    let talk = async {
        let mut handles = Vec::new();
        for number in 0..200 {
            handles.push(bob.send(room, Outgoing::text(number.to_string())).await.unwrap());
            tokio::task::yield_now().await;
        }
        for handle in &mut handles {
            handle.logged().await.unwrap();
        }
    };
    let change = async {
        for _ in 0..3 {
            alice.add(room, &["carol"]).await.unwrap();
            alice.remove(room, &["carol"]).await.unwrap();
        }
    };
    within("all are logged", async { tokio::join!(talk, change) }).await;
    within("all are delivered", alice.synced(room, 2 + 200 + 6)).await.unwrap();
    assert_eq!(texts(&alice, room).await, (0..200).map(|number| number.to_string()).collect::<Vec<_>>());
    for client in [alice, bob, carol] {
        client.close().await;
    }
}

#[tokio::test]
async fn who_creates_a_direct_room_at_once_gets_the_same() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let (one, two) = tokio::join!(alice.direct("bob"), bob.direct("alice"));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one, two);
    assert_eq!(alice.find_room("@bob").await.unwrap(), one);
    assert!(matches!(alice.direct("nobody-here").await, Err(ClientError::NotFound(_))));
    alice.close().await;
    bob.close().await;
}

#[tokio::test]
async fn a_room_name_is_taken_once_by_who_is_in_a_room_of_it() {
    let world = World::new().await;
    let alice = world.member("alice").await;
    let room = alice.create_room("ops").await.unwrap();
    let error = alice.create_room("ops").await.unwrap_err();
    assert_eq!(error.code(), "exists");
    assert!(error.to_string().contains(&room.to_string()), "{error}");
    alice.leave(room).await.unwrap();
    let next = alice.create_room("ops").await.unwrap();
    assert_eq!(alice.find_room("ops").await.unwrap(), next, "a room that was left does not count");
    alice.close().await;
}

#[tokio::test]
async fn a_room_name_does_not_move_to_somebody_elses_room() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let mallory = world.member("mallory").await;
    let ambiguous = |error: ClientError, ids: &[(evidence::room::RoomId, &str)]| {
        assert_eq!(error.code(), "ambiguous");
        for (id, creator) in ids {
            assert!(error.to_string().contains(&format!("{id}, created by {creator}")), "{error}");
        }
    };
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    within("bob is in", in_room(&bob, room, 2)).await;
    let other = mallory.create_room("ops").await.unwrap();
    mallory.add(other, &["bob"]).await.unwrap();
    within("bob is in", in_room(&bob, other, 2)).await;
    ambiguous(bob.find_room("ops").await.unwrap_err(), &[(room, "alice"), (other, "mallory")]);

    // A room that came later and is gone again blocks nothing.
    mallory.remove(other, &["bob"]).await.unwrap();
    within("bob is out", bob.synced(other, 3)).await.unwrap();
    assert_eq!(bob.find_room("ops").await.unwrap(), room);

    // Put out of the first, the name does not go over to the second.
    mallory.add(other, &["bob"]).await.unwrap();
    within("bob is in", bob.synced(other, 4)).await.unwrap();
    alice.remove(room, &["bob"]).await.unwrap();
    within("bob is out", bob.synced(room, 3)).await.unwrap();
    ambiguous(bob.find_room("ops").await.unwrap_err(), &[(room, "alice"), (other, "mallory")]);

    // Having left the first by oneself, it does.
    alice.add(room, &["bob"]).await.unwrap();
    within("bob is in", bob.synced(room, 4)).await.unwrap();
    bob.leave(room).await.unwrap();
    assert_eq!(bob.find_room("ops").await.unwrap(), other);
    for client in [alice, bob, mallory] {
        client.close().await;
    }
}

#[tokio::test]
async fn a_password_changes_for_server_and_home() {
    let world = World::new().await;
    let alice = world.member("alice").await;
    alice.change_password(Password::new("another good password".to_owned())).await.unwrap();
    alice.close().await;
    let old = Home::open(&world.home("alice"), common::password()).await;
    assert!(matches!(old, Err(ClientError::Vault(VaultError::WrongPassword))));
    let home =
        Home::open(&world.home("alice"), Password::new("another good password".to_owned())).await.unwrap();
    common::run(home).await.close().await;
}

/// EV-4: rooms of earlier versions, which the server reads.
#[tokio::test]
async fn a_room_of_an_earlier_version_is_read_exported_and_erased_from_and_nothing_more_is_said_in_it() {
    let world = World::new().await;
    let (alice, carol) = (world.member("alice").await, world.member("carol").await);
    let mut bob = world.party("bob").await;
    let alices = DeviceRef { user: Name::canonical("alice").unwrap(), certificate: alice.certificate() };
    alice.close().await;
    let room = world.clear_room(&bob.member, vec![bob.member.device_ref(), alices]).await;
    let alice = world.reopen("alice").await;
    within("alice is in", in_room(&alice, room, 1)).await;
    assert_eq!(alice.rooms().await.unwrap()[0].key_epoch, None);

    let place = Place { room, seq: 2, time_ms: client::system_clock(), epoch: 0, seen: TreeHead::empty() };
    let (statement, content) = bob.member.say_clear(place, "as before");
    let reply = bob.peer.ask(append(room, statement.clone(), Some(content))).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 1, .. }), "{reply:?}");
    within("read", alice.synced(room, 2)).await.unwrap();
    assert_eq!(said(&alice, room).await, [("bob".to_owned(), "as before".to_owned())]);
    let error = alice.send(room, Outgoing::text("in clear?")).await.unwrap_err();
    assert_eq!(error.code(), "unencrypted");
    alice.add(room, &["carol"]).await.unwrap();
    within("carol is in", in_room(&carol, room, 3)).await;
    let error = carol.send(room, Outgoing::text("in clear?")).await.unwrap_err();
    assert_eq!(error.code(), "unencrypted");
    let bundle = export(&alice, room, &ExportOptions::default()).await;
    let (verified, _) = verdict(&bundle, Root::Pinned(world.root()));
    assert_eq!((verified.word, verified.problems.as_slice()), (Word::Valid, [].as_slice()));

    // What the server could read of it can be erased.
    let place = Place { room, seq: 3, time_ms: client::system_clock(), epoch: 1, seen: TreeHead::empty() };
    let named = Reference { index: 1, leaf: leaf_hash(&statement) };
    let erasure = bob.member.erase(place, vec![named]);
    let reply = bob.peer.ask(append(room, erasure, None)).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 3, .. }), "{reply:?}");
    within("read", alice.synced(room, 4)).await.unwrap();
    assert_eq!(said(&alice, room).await, []);
    let bundle = export(&alice, room, &ExportOptions::default()).await;
    let (verified, _) = verdict(&bundle, Root::Pinned(world.root()));
    assert_eq!((verified.word, verified.disclosed, verified.erased), (Word::Valid, 0, 1));
    for client in [alice, carol] {
        client.close().await;
    }
}
