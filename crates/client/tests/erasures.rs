//! What was said is erased (EV-48, SE-51): by whom, where it goes, and what stays.

#![expect(clippy::unwrap_used, reason = "a test's helper fails the test")]

mod common;

use std::fs::{self, File};

use client::{Client, ClientError, ExportOptions, FileToSend, MessageState, Outgoing, Transfer, What};
use common::{World, export, in_room, query, run, say, texts, verdict, within};
use evidence::bundle::Root;
use evidence::content::FileName;
use evidence::room::RoomId;
use evidence::verdict::{Erased, Said, State, Verdict, Word};
use session::limits::FETCH_BYTES;
use tokio::sync::watch;

async fn erase(client: &Client, room: RoomId, indices: &[u64], reason: &str) -> u64 {
    let mut handle = client.erase(room, indices, reason).await.unwrap();
    let index = within("logged", handle.logged()).await.unwrap().index;
    within("read", client.synced(room, index + 1)).await.unwrap();
    index
}

async fn send_tape(client: &Client, room: RoomId, world: &World) -> u64 {
    let path = world.folder.path().join("tape.bin");
    fs::write(&path, vec![7; 300_000]).unwrap();
    let name = FileName::parse("tape.bin").unwrap();
    let file = FileToSend { name, media_type: None, file: File::open(&path).unwrap() };
    let told = watch::Sender::new(Transfer::default());
    let sent = client.send_files(room, Outgoing::text("the tape"), vec![file], told).await.unwrap();
    let mut handle = within("handed in", sent.queued()).await.unwrap();
    within("logged", handle.logged()).await.unwrap().index
}

async fn what(client: &Client, room: RoomId, index: u64) -> What {
    client.timeline(room, index, 1).await.unwrap().pop().unwrap().what
}

/// A verdict without a problem.
async fn proved(client: &Client, room: RoomId, world: &World) -> (Verdict, Vec<Said>, Vec<u8>) {
    let bundle = export(client, room, &ExportOptions::default()).await;
    let (found, said) = verdict(&bundle, Root::Pinned(world.root()));
    assert_eq!((found.word, found.problems.as_slice()), (Word::Valid, [].as_slice()));
    (found, said, bundle)
}

#[tokio::test]
async fn what_is_erased_is_gone_from_every_home_and_every_proof_stays_good() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let carol = world.member("carol").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob", "carol"]).await.unwrap();
    in_room(&carol, room, 2).await;
    in_room(&bob, room, 2).await;
    carol.close().await;
    let tape = send_tape(&alice, room, &world).await;
    within("read", alice.synced(room, tape + 1)).await.unwrap();
    let mut handle = alice.edit(room, tape, "the tape of the day").await.unwrap();
    let edit = within("logged", handle.logged()).await.unwrap().index;
    let by_bob = say(&bob, room, "from bob").await;
    within("read", alice.synced(room, by_bob + 1)).await.unwrap();
    // Bob says in a receipt that he has it before it goes.
    let received = async {
        while proved(&bob, room, &world).await.1.first().is_none_or(|said| said.received_by.is_empty()) {}
    };
    within("received", received).await;
    let (.., before) = proved(&alice, room, &world).await;

    assert_eq!(alice.erasable(room, &[tape]).await.unwrap(), [tape, edit]);
    let at = erase(&alice, room, &[tape], "said in the wrong room").await;
    within("read", bob.synced(room, at + 1)).await.unwrap();
    let reason = "said in the wrong room".to_owned();
    let last = say(&alice, room, "after").await;
    let carol = world.reopen("carol").await;
    in_room(&carol, room, last + 1).await;
    within("read", bob.synced(room, last + 1)).await.unwrap();
    for client in [&alice, &bob, &carol] {
        within("read", client.synced(room, last + 1)).await.unwrap();
        assert_eq!(texts(client, room).await, ["from bob", "after"]);
        for index in [tape, edit] {
            assert_eq!(what(client, room, index).await, What::Erased { at, reason: reason.clone() });
        }
        let erasure = What::Erasure { erased: vec![tape, edit], reason: reason.clone() };
        assert_eq!(what(client, room, at).await, erasure);
        assert_eq!(client.attachments(room, tape).await.unwrap(), []);
        let to = world.folder.path().join("back");
        let fetched = client.fetch_file(room, tape, 0, &to, watch::Sender::default()).await;
        assert!(matches!(fetched, Err(ClientError::NotFound(_))));
    }
    // Carol's keys went on over what she was never given, and she speaks.
    let by_carol = say(&carol, room, "from carol").await;
    for client in [alice, bob, carol] {
        within("read", client.synced(room, by_carol + 1)).await.unwrap();
        client.close().await;
    }

    // Carol never had it, and does not say that the server withheld it; bob had it.
    let alice = world.reopen("alice").await;
    let (found, said, _) = proved(&alice, room, &world).await;
    assert_eq!((found.messages, found.disclosed, found.withheld, found.erased), (5, 3, 0, 2));
    let first = said.first().unwrap();
    let expected = Erased { index: at, by: "alice".into(), reason: reason.clone() };
    assert_eq!(
        (first.state, first.text.as_ref(), first.erased.as_ref()),
        (State::Erased, None, Some(&expected))
    );
    let claims: Vec<_> = first.unopened_by.iter().map(|by| (by.user.as_str(), by.reason)).collect();
    assert_eq!(
        (first.received_by.as_slice(), claims.as_slice()),
        (["bob".to_owned()].as_slice(), [("carol", "erased")].as_slice())
    );
    let (found, said) = verdict(&before, Root::Pinned(world.root()));
    assert_eq!((found.word, found.disclosed, said[0].text.as_deref()), (Word::Valid, 3, Some("the tape")));

    // A bundle that ends before the erasure does not show it, and whoever makes one is told.
    let options = ExportOptions { to: Some(by_bob), ..ExportOptions::default() };
    let exported = alice.export(room, &options, std::io::Cursor::new(Vec::new())).await.unwrap();
    assert_eq!((exported.disclosed, exported.erased, exported.erased_later), (1, 2, 2));

    // A device that comes later gets nothing of it from the history.
    let phone = run(world.device(&alice, "phone").await).await;
    within("read", phone.history_read()).await;
    assert_eq!(texts(&phone, room).await, ["from bob", "after", "from carol"]);
    assert!(matches!(what(&phone, room, tape).await, What::Erased { .. }));
    phone.close().await;
    alice.close().await;
}

#[tokio::test]
async fn what_other_devices_have_from_the_history_goes_too() {
    let world = World::new().await;
    let alice = world.member("alice").await;
    let room = alice.create_room("ops").await.unwrap();
    let (slip, other) = (say(&alice, room, "a slip").await, say(&alice, room, "no slip").await);
    within("read", alice.synced(room, other + 1)).await.unwrap();
    let phone = run(world.device(&alice, "phone").await).await;
    within("read", phone.history_read()).await;
    assert_eq!(texts(&phone, room).await, ["a slip", "no slip"]);
    // From another device than the one that said it.
    let at = erase(&phone, room, &[slip], "a slip").await;
    within("read", alice.synced(room, at + 1)).await.unwrap();
    for client in [&alice, &phone] {
        assert_eq!(texts(client, room).await, ["no slip"]);
    }
    phone.close().await;
    let vault = world.home("phone").join("vault.db");
    let kept: Vec<(i64,)> = query(&vault, "SELECT idx FROM history ORDER BY idx").await;
    assert_eq!(kept, [(i64::try_from(other).unwrap(),)]);
    // Nor does it come back from what the server may still give.
    common::execute(&vault, "DELETE FROM history; UPDATE room SET history_read = 0").await;
    let phone = world.reopen("phone").await;
    within("read", phone.history_read()).await;
    assert_eq!(texts(&phone, room).await, ["no slip"]);
    alice.close().await;
    phone.close().await;
}

/// An erasure waits like a message, and is signed again when the room has moved on under it.
#[tokio::test]
async fn an_erasure_made_offline_is_signed_for_the_room_as_it_is() {
    let mut world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let carol = world.member("carol").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    in_room(&bob, room, 2).await;
    let slip = say(&alice, room, "a slip").await;
    within("read", alice.synced(room, slip + 1)).await.unwrap();
    bob.close().await;
    world.stop().await;
    let waiting = alice.erase(room, &[slip], "a slip").await.unwrap();
    alice.send(room, Outgoing::text("behind it")).await.unwrap();
    drop(waiting);
    alice.close().await;
    world.start().await;
    let bob = world.reopen("bob").await;
    within("read", bob.synced(room, slip + 1)).await.unwrap();
    bob.add(room, &["carol"]).await.unwrap();
    let alice = world.reopen("alice").await;
    within("read", alice.synced(room, slip + 4)).await.unwrap();
    within("read", bob.synced(room, slip + 4)).await.unwrap();
    for client in [&alice, &bob] {
        assert_eq!(texts(client, room).await, ["behind it"]);
        assert_eq!(what(client, room, slip).await, What::Erased { at: slip + 2, reason: "a slip".into() });
    }
    let reasons: Vec<_> = alice.refusals(room).await.unwrap();
    assert!(!reasons.is_empty(), "it was signed before the room moved on");
    for client in [alice, bob, carol] {
        client.close().await;
    }
}

#[tokio::test]
async fn only_what_the_user_said_itself_is_erased_and_once() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    in_room(&bob, room, 2).await;
    let (one, two) = (say(&alice, room, "one").await, say(&bob, room, "two").await);
    within("read", alice.synced(room, two + 1)).await.unwrap();
    let refused =
        async |indices: &[u64], reason: &str, why: &str| match alice.erase(room, indices, reason).await {
            Err(error @ (ClientError::Input(_) | ClientError::NotFound(_))) => {
                assert!(error.to_string().contains(why), "{error}");
            }
            other => panic!("{other:?} instead of {why}"),
        };
    refused(&[two], "x", "not yours; only bob can erase it").await;
    refused(&[one, two], "x", "not yours").await;
    refused(&[1], "x", "a change of the room").await;
    refused(&[99], "x", "no entry at index 99").await;
    refused(&[one], "", "a text of 1 to 512 bytes").await;
    refused(&[one], "a\u{1b}[2J", "without control characters").await;
    refused(&[], "x", "1 to 512 messages").await;
    let at = erase(&alice, room, &[one, one], "once").await;
    refused(&[one], "x", "was erased at").await;
    refused(&[at], "x", "a change of the room").await;
    let again = alice.edit(room, one, "after all").await;
    assert!(matches!(again, Err(ClientError::Input(why)) if why.contains("was erased at")));
    within("read", bob.synced(room, at + 1)).await.unwrap();
    // A reply to it still says what it is to.
    let reply = Outgoing { reply_to: Some(one), ..Outgoing::text("what was that?") };
    let mut handle = bob.send(room, reply).await.unwrap();
    let index = within("logged", handle.logged()).await.unwrap().index;
    within("read", alice.synced(room, index + 1)).await.unwrap();
    let item = alice.timeline(room, index, 1).await.unwrap().pop().unwrap();
    let replied = item.relations().unwrap().reply_to.clone().unwrap();
    assert_eq!((replied.index, replied.good), (one, Some(true)));
    assert!(matches!(item.state, MessageState::Logged | MessageState::Received { .. }));
    alice.close().await;
    bob.close().await;
}

/// What is erased is read before the erasure, in another batch: nothing is said of it in between, and it is not taken for withheld.
#[tokio::test]
async fn who_reads_what_was_erased_long_before_the_erasure_does_not_take_it_for_withheld() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    in_room(&bob, room, 2).await;
    bob.close().await;
    let slip = say(&alice, room, "a slip").await;
    // More than one answer holds.
    let many = FETCH_BYTES / 512;
    let messages = (0..many).map(|n| Outgoing::text(n.to_string())).collect();
    let mut handle = alice.send_all(room, messages).await.unwrap().pop().unwrap();
    let last = within("logged", handle.logged()).await.unwrap().index;
    within("read", alice.synced(room, last + 1)).await.unwrap();
    let at = erase(&alice, room, &[slip], "a slip").await;
    let bob = world.reopen("bob").await;
    within("read", bob.synced(room, at + 1)).await.unwrap();
    assert_eq!(what(&bob, room, slip).await, What::Erased { at, reason: "a slip".into() });
    assert_eq!(texts(&bob, room).await.len(), many);
    bob.close().await;
    let (_, said, _) = proved(&alice, room, &world).await;
    let reasons: Vec<_> = said.iter().flat_map(|said| &said.unopened_by).map(|by| by.reason).collect();
    assert_eq!(reasons, ["erased"]);
    assert!(said.iter().skip(1).all(|said| said.received_by == ["bob"]));
    alice.close().await;
}

/// EV-49: neither an edit that still waits nor a deletion taken out brings back what is erased; a device that was away for all of it reads on.
#[tokio::test]
async fn what_would_bring_a_text_back_is_refused_and_many_erased_messages_cut_nobody_off() {
    let mut world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    in_room(&bob, room, 2).await;
    bob.close().await;
    let slip = say(&alice, room, "a slip").await;
    within("read", alice.synced(room, slip + 1)).await.unwrap();
    let deletion = alice.delete(room, slip).await.unwrap().logged().await.unwrap().index;
    within("read", alice.synced(room, deletion + 1)).await.unwrap();
    let refused = alice.erase(room, &[deletion], "why").await.err().unwrap();
    assert!(refused.to_string().contains("Erase the message itself"), "{refused}");
    erase(&alice, room, &[slip], "a slip").await;

    let messages = (0..1_100).map(|number| Outgoing::text(format!("{number}"))).collect();
    let last = alice.send_all(room, messages).await.unwrap().pop().unwrap().logged().await.unwrap().index;
    within("read", alice.synced(room, last + 1)).await.unwrap();
    let all: Vec<u64> = (last - 1_099..=last).collect();
    for part in all.chunks(512) {
        erase(&alice, room, part, "all of it").await;
    }
    let after = say(&alice, room, "after").await;
    within("read", alice.synced(room, after + 1)).await.unwrap();
    world.stop().await;
    drop(alice.edit(room, after, "the secret itself").await.unwrap());
    let refused = alice.erase(room, &[after], "why").await.err().unwrap();
    assert!(refused.to_string().contains("still waits to be sent"), "{refused}");
    world.start().await;
    let bob = world.reopen("bob").await;
    within("read", bob.synced(room, after + 1)).await.unwrap();
    assert!(matches!(what(&bob, room, after).await, What::Said { .. }));
    for client in [alice, bob] {
        client.close().await;
    }
}
