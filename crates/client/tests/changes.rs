//! Replies, edits, reactions, deletions and mentions (EV-6, EV-43, EV-44).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's helper fails the test")]

mod common;

use client::{Client, ClientError, Outgoing, SendHandle, TimelineItem};
use common::{World, export, in_room, verdict, within};
use evidence::bundle::Root;
use evidence::entry::Place;
use evidence::log::TreeHead;
use evidence::relation::{Edited, Referred};
use evidence::room::RoomId;
use evidence::verdict::Word;
use session::message::Reply;
use testkit::member::append;

async fn logged(handle: Result<SendHandle, ClientError>) -> u64 {
    within("acknowledged", handle.unwrap().logged()).await.unwrap().index
}

async fn at(client: &Client, room: RoomId, index: u64) -> TimelineItem {
    client.timeline(room, index, 1).await.unwrap().pop().unwrap()
}

fn refused<T>(outcome: Result<T, ClientError>, what: &str) {
    match outcome {
        Err(error @ (ClientError::Input(_) | ClientError::NotFound(_))) => {
            assert!(error.to_string().contains(what), "{error}");
        }
        Err(other) => assert_eq!(other.to_string(), what),
        Ok(_) => assert_eq!("it was sent", what),
    }
}

#[tokio::test]
async fn two_people_reply_edit_react_and_delete() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    within("bob is in", in_room(&bob, room, 2)).await;
    assert_eq!(logged(alice.send(room, Outgoing::text("one")).await).await, 2);
    within("delivered", bob.synced(room, 3)).await.unwrap();

    let reply = Outgoing { reply_to: Some(2), ..Outgoing::text("@alice, say again; mail me@alice") };
    assert_eq!(logged(bob.send(room, reply).await).await, 3);
    assert_eq!(logged(bob.react(room, 2, "👍", true).await).await, 4);
    within("delivered", alice.synced(room, 5)).await.unwrap();
    assert_eq!(logged(alice.edit(room, 2, "uno").await).await, 5);
    within("delivered", bob.synced(room, 6)).await.unwrap();

    refused(bob.edit(room, 2, "due").await, "not yours; only alice");
    refused(bob.delete(room, 2).await, "not yours");
    refused(bob.edit(room, 4, "x").await, "itself an edit, a reaction or a deletion");
    refused(bob.edit(room, 3, "").await, "an edit needs a text");
    refused(bob.react(room, 2, "\u{1b}[2J", true).await, "control characters");
    refused(bob.react(room, 1, "👍", true).await, "a change of the room");
    refused(bob.delete(room, 99).await, "no entry at index 99");
    let beyond = Outgoing { reply_to: Some(99), ..Outgoing::text("what?") };
    refused(bob.send(room, beyond).await, "no entry at index 99");

    let good = |index| Some(Referred { index, good: Some(true) });
    for client in [&alice, &bob] {
        within("delivered", client.synced(room, 6)).await.unwrap();
        let first = at(client, room, 2).await;
        assert_eq!(first.text(), Some("one"));
        assert_eq!(first.edited(), Some(&Edited { index: 5, text: Some("uno".into()) }));
        assert_eq!(first.deleted(), None);
        let second = at(client, room, 3).await;
        let relations = second.relations().unwrap();
        assert_eq!(
            (&relations.reply_to, relations.mentions.as_slice()),
            (&good(2), ["alice".into()].as_slice())
        );
        let reaction = at(client, room, 4).await.relations().unwrap().reaction.clone().unwrap();
        assert_eq!(
            (reaction.index, reaction.good, reaction.text.as_str(), reaction.given),
            (2, Some(true), "👍", true)
        );
        assert_eq!(at(client, room, 5).await.relations().unwrap().edits, good(2));
    }

    assert_eq!(logged(alice.delete(room, 2).await).await, 6);
    within("held", alice.synced(room, 7)).await.unwrap();
    refused(alice.edit(room, 2, "tre").await, "was deleted at 6");
    assert_eq!(logged(bob.react(room, 2, "👍", false).await).await, 7);
    within("delivered", alice.synced(room, 8)).await.unwrap();
    // Whoever reads from the middle of the log is told the same as who has read all of it.
    let again = world.reopen("alice").await;
    for client in [&alice, &again] {
        assert_eq!(at(client, room, 5).await.deleted(), Some(6), "the text of the edit is deleted too");
        let first = at(client, room, 2).await;
        assert_eq!((first.text(), first.deleted()), (Some("one"), Some(6)));
        assert_eq!(first.edited().unwrap().index, 5);
        assert_eq!(at(client, room, 6).await.relations().unwrap().deletes, good(2));
    }
    let bundle = export(&alice, room, &client::ExportOptions::default()).await;
    assert_eq!(verdict(&bundle, Root::Pinned(world.root())).0.word, Word::Valid);
    for client in [alice, bob, again] {
        client.close().await;
    }
}

#[tokio::test]
async fn what_was_queued_behind_a_deletion_changes_nothing() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let room = alice.create_room("ops").await.unwrap();
    assert_eq!(logged(alice.send(room, Outgoing::text("one")).await).await, 1);
    within("held", alice.synced(room, 2)).await.unwrap();
    world.stop().await;
    let mut queued = vec![
        alice.edit(room, 1, "two").await.unwrap(),
        alice.delete(room, 1).await.unwrap(),
        alice.edit(room, 1, "three").await.unwrap(),
        alice.react(room, 1, "👍", true).await.unwrap(),
    ];
    let outbox = alice.outbox(room).await.unwrap();
    assert_eq!(
        outbox.iter().map(|queued| queued.text.as_str()).collect::<Vec<_>>(),
        ["two", "", "three", ""]
    );
    assert_eq!(outbox.iter().filter(|queued| queued.relations.edits.is_some()).count(), 2);
    assert!(outbox.last().unwrap().relations.reaction.is_some());
    world.start().await;
    for handle in &mut queued {
        within("acknowledged", handle.logged()).await.unwrap();
    }
    within("held", alice.synced(room, 6)).await.unwrap();
    let first = at(&alice, room, 1).await;
    assert_eq!((first.edited().map(|edited| edited.index), first.deleted()), (Some(2), Some(3)));
    assert_eq!(first.edited().unwrap().text.as_deref(), Some("two"));
    assert_eq!(at(&alice, room, 4).await.deleted(), Some(3));
    alice.close().await;
}

/// Leaf hash of the entry at `index` of a bundle that begins at index 0: its archive's `entries.cbor`, walked.
fn leaf(bundle: &[u8], index: usize) -> [u8; 32] {
    let mut rest = bundle;
    loop {
        let (header, after) = rest.split_at(512);
        let size = usize::from_str_radix(std::str::from_utf8(&header[124..135]).unwrap(), 8).unwrap();
        if header.starts_with(b"entries.cbor\0") {
            let mut d = minicbor::Decoder::new(&after[..size]);
            (0..index).for_each(|_| d.skip().unwrap());
            d.array().and_then(|_| d.u64().and(d.u8())).unwrap();
            return evidence::log::leaf_hash(d.bytes().unwrap());
        }
        rest = &after[size.div_ceil(512) * 512..];
    }
}

#[tokio::test]
async fn what_another_user_deletes_is_shown_as_not_good_and_changes_nothing() {
    let world = World::new().await;
    let alice = world.member("alice").await;
    let mut bob = world.party("bob").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    assert_eq!(logged(alice.send(room, Outgoing::text("one")).await).await, 2);
    within("held", alice.synced(room, 3)).await.unwrap();
    let of = leaf(&export(&alice, room, &client::ExportOptions::default()).await, 2);
    let reference = |index: u64, leaf: [u8; 32]| {
        let mut e = minicbor::Encoder::new(Vec::new());
        e.array(2).and_then(|e| e.u64(index)?.bytes(&leaf)).unwrap();
        e.into_writer()
    };
    let values = [reference(2, of), reference(2, [0; 32]), reference(1, of), reference(99, of)];
    let mut group = bob.join_group(room).await.unwrap();
    for (seq, value) in (1..).zip(&values) {
        let place = Place { room, seq, time_ms: client::system_clock(), epoch: 1, seen: TreeHead::empty() };
        let (statement, content) = bob.say_raw(&mut group, place, 9, value);
        let reply = bob.peer.ask(append(room, statement, Some(content))).await.unwrap();
        assert!(matches!(reply, Reply::Appended { .. }), "{reply:?}");
    }
    within("read", alice.synced(room, 7)).await.unwrap();
    for (index, to) in (3..).zip([2, 2, 1, 99]) {
        let deletes = at(&alice, room, index).await.relations().unwrap().deletes.clone();
        assert_eq!(deletes, Some(Referred { index: to, good: Some(false) }));
    }
    assert_eq!(at(&alice, room, 2).await.deleted(), None);
    // The same reference stands if it is alice's.
    assert_eq!(logged(alice.delete(room, 2).await).await, 7);
    within("read", alice.synced(room, 8)).await.unwrap();
    assert_eq!(at(&alice, room, 2).await.deleted(), Some(7));
    bob.peer.close().await;
    alice.close().await;
}
