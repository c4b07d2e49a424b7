//! A server that does not do what it should: nothing false is shown, and what shows its doing is kept.

#![allow(clippy::unwrap_used, reason = "a test's helper fails the test")]

mod common;

use client::{Client, ClientError, ClientOptions, Event, ExportOptions, Home, MessageState, Outgoing, What};
use common::{World, copy, password, query, said, within};
use evidence::bundle::Root;
use evidence::checkpoint::{Checkpoint, Cosignature, Origin, device_name};
use evidence::content::Reference;
use evidence::entry::Place;
use evidence::limits::MAX_INLINE_ATTACHMENT;
use evidence::log::TreeHead;
use evidence::receipt::{Receipt, Unopened};
use evidence::room::RoomId;
use evidence::verdict::Word;
use session::message::Reply;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use testkit::member::append;

impl World {
    /// Runs SQL on the stopped server's database.
    async fn tamper(&self, sql: &'static str) {
        let path = self.home("server").join("store.db");
        let mut database =
            SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap();
        assert!(sqlx::raw_sql(sql).execute(&mut database).await.unwrap().rows_affected() > 0);
        database.close().await.unwrap();
    }

    /// A room of alice and bob with three messages, of which bob has seen none. Index 0 and 1 are its changes.
    async fn three_unseen(&mut self) -> RoomId {
        let alice = self.member("alice").await;
        self.join("bob").await;
        let room = alice.create_room("ops").await.unwrap();
        alice.add(room, &["bob"]).await.unwrap();
        for text in ["one", "two", "three"] {
            alice.send(room, Outgoing::text(text)).await.unwrap().logged().await.unwrap();
        }
        alice.close().await;
        self.stop().await;
        room
    }

    async fn alarmed(&self, user: &str) -> Client {
        let home = Home::open(&self.home(user), password()).await.unwrap();
        let client = Client::start(home, ClientOptions::default()).await.unwrap();
        let mut events = client.events();
        within("an alarm", async {
            while !matches!(events.next().await.unwrap(), Event::Alarm { stopped: true, .. }) {}
        })
        .await;
        client
    }
}

#[tokio::test]
async fn content_that_is_not_what_was_signed_is_not_shown() {
    let mut world = World::new().await;
    let room = world.three_unseen().await;
    world
        .tamper("UPDATE bodies SET ciphertext = (SELECT ciphertext FROM bodies WHERE id = 3) WHERE id = 4")
        .await;
    world.tamper("UPDATE bodies SET ciphertext = NULL WHERE id = 5").await;
    world.start().await;
    let bob = world.reopen("bob").await;
    within("read", bob.synced(room, 5)).await.unwrap();
    let items = bob.timeline(room, 2, 9).await.unwrap();
    assert_eq!(items[0].text(), Some("one"));
    assert_eq!(items[1].what, What::Unopened(Unopened::Mismatch));
    assert_eq!(items[2].what, What::Unopened(Unopened::Withheld));
    bob.close().await;
}

#[tokio::test]
async fn a_hostile_file_of_a_member_is_told_as_not_matching_and_the_talk_goes_on() {
    let world = World::new().await;
    let alice = world.member("alice").await;
    let mut bob = world.party("bob").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    let attachment = |length: u64, form: u8, name: &str, size: &[u8], hash: &[u8; 32], more: &[u8]| {
        let mut e = minicbor::Encoder::new(Vec::new());
        e.array(1).and_then(|e| e.array(length)?.u8(form)?.str(name)?.null()).unwrap();
        [e.writer(), size, &[0x58, 32][..], hash, &[0x41, b'x'], more].concat()
    };
    let hash = pki::sha256(b"x");
    let mut long = minicbor::Encoder::new(Vec::new());
    let too_long = vec![0; MAX_INLINE_ATTACHMENT + 1];
    long.array(1).and_then(|e| e.array(6)?.u8(0)?.str("a")?.null()?.u64(98_305)).unwrap();
    long.bytes(&pki::sha256(&too_long)).and_then(|e| e.bytes(&too_long)).unwrap();
    let good = attachment(6, 0, "a", &[1], &hash, &[]);
    let values = [
        (good.clone(), true),
        (attachment(6, 0, "a", &[2], &hash, &[]), false),
        (attachment(6, 0, "a", &[1], &[0; 32], &[]), false),
        (attachment(7, 0, "a", &[1], &hash, &[0xf6]), false),
        (attachment(6, 1, "a", &[1], &hash, &[]), false),
        (attachment(6, 0, "a", &[0x18, 1], &hash, &[]), false),
        (attachment(6, 0, "../a", &[1], &hash, &[]), false),
        (attachment(6, 0, "", &[1], &hash, &[]), false),
        (long.into_writer(), false),
        (vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], false),
        (vec![0x80], false),
        (good, true),
    ];
    let mut group = bob.join_group(room).await.unwrap();
    for (seq, (value, _)) in (1..).zip(&values) {
        let place = Place { room, seq, time_ms: client::system_clock(), epoch: 1, seen: TreeHead::empty() };
        let (statement, content) = bob.say_raw(&mut group, place, 7, value);
        let reply = bob.peer.ask(append(room, statement, Some(content))).await.unwrap();
        assert!(matches!(reply, Reply::Appended { .. }), "{reply:?}");
    }
    within("read", alice.synced(room, 2 + values.len() as u64)).await.unwrap();
    for (index, (_, stands)) in (2..).zip(values) {
        let item = alice.timeline(room, index, 1).await.unwrap().remove(0);
        let files = alice.attachments(room, index).await.unwrap();
        assert_eq!((item.attachments().len(), files.len()), (usize::from(stands), usize::from(stands)));
        assert_eq!(item.what == What::Unopened(Unopened::Mismatch), !stands, "at {index}");
        assert!(item.text().is_none());
    }
    bob.peer.close().await;
    alice.close().await;
}

#[tokio::test]
async fn an_entry_that_was_changed_stops_the_room() {
    let mut world = World::new().await;
    let room = world.three_unseen().await;
    // The last byte of the signature.
    world
        .tamper(
            "UPDATE bodies SET statement = CAST(substr(statement, 1, length(statement) - 1) || \
             CASE substr(statement, -1) WHEN x'01' THEN x'02' ELSE x'01' END AS BLOB) WHERE id = 4",
        )
        .await;
    world.start().await;
    let bob = world.alarmed("bob").await;
    assert_eq!(said(&bob, room).await, []);
    let kept = bob.contradictions(room).await.unwrap();
    assert!(kept[0].what.contains("signature"), "{}", kept[0].what);
    assert!(kept[0].entry.is_some());
    bob.close().await;
}

/// EV-48: a server that lets a member erase what another said is not followed, and nothing is dropped.
#[tokio::test]
async fn an_erasure_of_what_another_said_stops_the_room_and_drops_nothing() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let mut bob = world.party("bob").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    alice.send(room, Outgoing::text("one")).await.unwrap().logged().await.unwrap();
    within("read", alice.synced(room, 3)).await.unwrap();
    alice.close().await;
    let mut group = bob.join_group(room).await.unwrap();
    let place = Place { room, seq: 1, time_ms: client::system_clock(), epoch: 1, seen: TreeHead::empty() };
    let (statement, content) = bob.say_raw(&mut group, place, 1, b"\x63two");
    let reply = bob.peer.ask(append(room, statement, Some(content))).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 3, .. }), "{reply:?}");
    bob.peer.close().await;
    world.stop().await;
    let leaves: Vec<(Vec<u8>,)> =
        query(&world.home("server").join("store.db"), "SELECT leaf_hash FROM entries WHERE idx = 2").await;
    let named = Reference { index: 2, leaf: leaves[0].0.as_slice().try_into().unwrap() };
    let erasure = hex::encode(bob.member.erase(place, vec![named]));
    let logged = "(SELECT body FROM entries WHERE idx = 3)";
    let put = format!("UPDATE bodies SET statement = x'{erasure}', ciphertext = NULL WHERE id = {logged}");
    world.execute(&put).await;
    world.start().await;
    let alice = world.alarmed("alice").await;
    let kept = alice.contradictions(room).await.unwrap();
    assert!(kept[0].what.contains("to be erased by another user"), "{}", kept[0].what);
    assert_eq!(said(&alice, room).await, [("alice".to_owned(), "one".to_owned())]);
    alice.close().await;
}

#[tokio::test]
async fn an_entry_that_is_left_out_stops_the_room() {
    let mut world = World::new().await;
    let room = world.three_unseen().await;
    world.tamper("UPDATE entries SET body = 5 WHERE idx = 3").await;
    world.start().await;
    let bob = world.alarmed("bob").await;
    assert_eq!(said(&bob, room).await, []);
    bob.close().await;
}

#[tokio::test]
async fn a_server_that_takes_its_word_back_is_not_followed() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.send(room, Outgoing::text("one")).await.unwrap().logged().await.unwrap();
    alice.close().await;
    world.stop().await;
    let (data, before) = (world.home("server"), world.home("before"));
    copy(&data, &before);

    world.start().await;
    let alice = world.reopen("alice").await;
    alice.send(room, Outgoing::text("two")).await.unwrap().logged().await.unwrap();
    within("held", alice.synced(room, 3)).await.unwrap();
    alice.close().await;
    world.stop().await;
    std::fs::remove_dir_all(&data).unwrap();
    copy(&before, &data);

    world.start().await;
    let home = Home::open(&world.home("alice"), password()).await.unwrap();
    let alice = Client::start(home, ClientOptions::default()).await.unwrap();
    let mut events = alice.events();
    within("an alarm", async {
        while !matches!(events.next().await.unwrap(), Event::Alarm { stopped: true, .. }) {}
    })
    .await;
    let kept = alice.contradictions(room).await.unwrap();
    assert!(kept[0].held.is_some() && kept[0].what.contains('3'), "{}", kept[0].what);
    assert!(matches!(alice.send(room, Outgoing::text("three")).await, Err(ClientError::Stopped(_))));
    assert_eq!(said(&alice, room).await.len(), 2);
    alice.close().await;
    assert!(world.reopen("alice").await.rooms().await.unwrap()[0].stopped);
}

#[tokio::test]
async fn a_second_history_stops_the_room_and_both_are_kept() {
    let mut world = World::new().await;
    let room = world.three_unseen().await;
    let (data, before) = (world.home("server"), world.home("before"));
    copy(&data, &before);
    world.start().await;
    let alice = world.reopen("alice").await;
    alice.send(room, Outgoing::text("for alice")).await.unwrap().logged().await.unwrap();
    within("held", alice.synced(room, 6)).await.unwrap();
    alice.close().await;
    world.stop().await;
    std::fs::remove_dir_all(&data).unwrap();
    copy(&before, &data);
    world.start().await;
    let bob = world.reopen("bob").await;
    bob.send(room, Outgoing::text("for bob")).await.unwrap().logged().await.unwrap();
    bob.send(room, Outgoing::text("for bob as well")).await.unwrap().logged().await.unwrap();
    bob.close().await;

    let alice = world.alarmed("alice").await;
    let kept = alice.contradictions(room).await.unwrap();
    assert!(kept[0].held.is_some() && kept[0].shown.is_some() && kept[0].held != kept[0].shown);
    assert!(!said(&alice, room).await.iter().any(|(_, text)| text.starts_with("for bob")));
    alice.close().await;
}

#[tokio::test]
async fn a_receipt_that_no_verifier_takes_spoils_nobodys_export() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let bob = world.party("bob").await.member;
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    alice.send(room, Outgoing::text("one")).await.unwrap().logged().await.unwrap();
    within("held", alice.synced(room, 3)).await.unwrap();
    // Her own receipt, of which bob's will be a copy.
    common::export(&alice, room, &ExportOptions::default()).await;
    alice.close().await;
    world.stop().await;

    let path = world.home("server").join("store.db");
    let mut database =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap();
    let query = sqlx::query_scalar("SELECT receipt FROM receipts ORDER BY id DESC");
    let own: Vec<u8> = query.fetch_one(&mut database).await.unwrap();
    let mut claim = Receipt::parse(&own).unwrap().claim().clone();
    (claim.certificate, claim.from) = (bob.certificate(), 2);
    let name = device_name(&bob.organisation, &bob.user, &bob.device);
    let checkpoint = Checkpoint { origin: Origin::room(&bob.organisation, room), head: claim.head };
    let cosignature = Cosignature::sign(&checkpoint, &name, &bob.key(), claim.time_ms / 1_000 + 400);
    sqlx::query(
        "INSERT INTO receipts (id, room_no, device, level, size, receipt, cosignature, received_ms) \
         SELECT id + 2, room_no, ?, level, size, ?, ?, received_ms FROM receipts ORDER BY id DESC LIMIT 1",
    )
    .bind(bob.certificate().as_slice())
    .bind(Receipt::sign(&claim, &bob.key()))
    .bind(cosignature.as_bytes().as_slice())
    .execute(&mut database)
    .await
    .unwrap();
    database.close().await.unwrap();

    world.start().await;
    let alice = world.reopen("alice").await;
    let bundle = common::export(&alice, room, &ExportOptions::default()).await;
    let (verdict, said) = common::verdict(&bundle, Root::Pinned(world.root()));
    assert_eq!((verdict.word, verdict.problems.as_slice()), (Word::Valid, [].as_slice()));
    assert_eq!(said[0].received_by, [""; 0]);
    assert_eq!(alice.timeline(room, 2, 1).await.unwrap()[0].state, MessageState::Logged);
    alice.close().await;
}

#[tokio::test]
async fn a_directory_that_shrinks_or_forks_is_refused_and_what_is_held_is_proved() {
    let mut world = World::new().await;
    let root = world.root();
    let alice = world.member("alice").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.send(room, Outgoing::text("one")).await.unwrap().logged().await.unwrap();
    within("held", alice.synced(room, 2)).await.unwrap();
    alice.close().await;
    world.stop().await;
    let (data, before) = (world.home("server"), world.home("before"));
    copy(&data, &before);
    world.start().await;
    drop(world.join("carol").await);
    world.reopen("alice").await.close().await;
    world.stop().await;
    std::fs::remove_dir_all(&data).unwrap();
    copy(&before, &data);

    world.start().await;
    // Shorter, then as long with somebody else in it, then longer.
    for (joins, words) in
        [(None, "has 5 entries where"), (Some("dave"), "another one"), (Some("eve"), "another one")]
    {
        if let Some(user) = joins {
            drop(world.join(user).await);
        }
        let home = Home::open(&world.home("alice"), password()).await.unwrap();
        let alice = Client::start(home, ClientOptions::default()).await.unwrap();
        let error = within("refused", alice.ready()).await.unwrap_err();
        assert_eq!(error.code(), "not-trusted");
        assert!(error.to_string().contains(words), "{error}");
        let mut bundle = std::io::Cursor::new(Vec::new());
        let exported = alice.export(room, &ExportOptions::default(), &mut bundle).await.unwrap();
        assert!(exported.behind.unwrap().contains("directory"));
        let (verdict, _) = common::verdict(bundle.get_ref(), Root::Pinned(root));
        assert_eq!((verdict.word, verdict.disclosed, verdict.directory_size), (Word::Valid, 1, 6));
        alice.close().await;
    }
}

#[tokio::test]
async fn a_certificate_that_was_never_entered_in_the_directory_ends_the_session() {
    let mut world = World::new().await;
    drop(world.join("alice").await);
    world.stop().await;
    world.rewrite_directory(|leaves| drop(leaves.pop())).await;
    world.start().await;
    let home = Home::open(&world.home("alice"), password()).await.unwrap();
    let alice = Client::start(home, ClientOptions::default()).await.unwrap();
    let error = within("refused", alice.ready()).await.unwrap_err();
    assert!(error.to_string().contains("no entry for a certificate"), "{error}");
    alice.close().await;
}
