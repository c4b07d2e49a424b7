//! Encrypted rooms as their members see them (docs/group.md, section 6).

#![expect(clippy::unwrap_used, reason = "a test's helper fails the test")]

mod common;

use client::{Client, Event, ExportOptions, Outgoing, What};
use common::{World, execute, export, in_room, query, say, texts, verdict, within};
use evidence::bundle::Root;
use evidence::content::{Attachment, Content, Field, FileBytes, FileName};
use evidence::limits::{MAX_CONTENT, MAX_INLINE_ATTACHMENT};
use evidence::receipt::Unopened;
use evidence::room::RoomId;
use evidence::verdict::{UnopenedBy, Word};

async fn epoch(client: &Client, room: RoomId) -> Option<u64> {
    client.rooms().await.unwrap().into_iter().find(|known| known.id == room).unwrap().key_epoch
}

/// GR-9, EV-45
#[tokio::test]
async fn who_was_removed_reads_nothing_later_and_who_is_new_nothing_earlier() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let carol = world.member("carol").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    say(&alice, room, "for two").await;
    alice.add(room, &["carol"]).await.unwrap();
    say(&alice, room, "for three").await;
    in_room(&bob, room, 5).await;
    alice.remove(room, &["bob"]).await.unwrap();
    let last = say(&carol_in(&carol, room, 6).await, room, "without bob").await;
    within("read", alice.synced(room, last + 1)).await.unwrap();
    assert_eq!(texts(&alice, room).await, ["for two", "for three", "without bob"]);
    within("read", carol.synced(room, last + 1)).await.unwrap();
    assert_eq!(texts(&carol, room).await, ["for three", "without bob"]);
    within("told", bob.synced(room, 6)).await.unwrap();
    assert_eq!(texts(&bob, room).await, ["for two", "for three"]);
    assert_eq!(epoch(&alice, room).await, Some(4));
    // He comes back, and is as new.
    alice.add(room, &["bob"]).await.unwrap();
    let last = say(&alice, room, "with bob again").await;
    in_room(&bob, room, last + 1).await;
    assert_eq!(texts(&bob, room).await, ["for two", "for three", "with bob again"]);
    for client in [&alice, &bob, &carol] {
        let bundle = export(client, room, &ExportOptions::default()).await;
        assert_eq!(verdict(&bundle, Root::Pinned(world.root())).0.word, Word::Valid);
    }
    for client in [alice, bob, carol] {
        client.close().await;
    }
}

async fn carol_in(carol: &Client, room: RoomId, size: u64) -> Client {
    in_room(carol, room, size).await;
    carol.clone()
}

/// EV-45, GR-19
#[tokio::test]
async fn whoever_speaks_next_removes_who_left() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let carol = world.member("carol").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob", "carol"]).await.unwrap();
    in_room(&bob, room, 2).await;
    in_room(&carol, room, 2).await;
    bob.leave(room).await.unwrap();
    assert_eq!(epoch(&bob, room).await, Some(2), "leaving makes no commit");
    in_room(&carol, room, 3).await;
    let index = say(&carol, room, "he is gone").await;
    assert_eq!((index, epoch(&carol, room).await), (4, Some(3)), "an update came first");
    assert!(carol.refusals(room).await.unwrap().is_empty(), "nothing was sealed for who is gone");
    within("read", alice.synced(room, 5)).await.unwrap();
    assert_eq!(texts(&alice, room).await, ["he is gone"]);
    assert!(texts(&bob, room).await.is_empty());
    // One who lingers can be added again in the same step.
    carol.leave(room).await.unwrap();
    within("told", alice.synced(room, 6)).await.unwrap();
    alice.add(room, &["carol", "bob"]).await.unwrap();
    let last = say(&alice, room, "all back").await;
    for client in [&bob, &carol] {
        in_room(client, room, last + 1).await;
        assert_eq!(texts(client, room).await.last().unwrap(), "all back");
    }
    for client in [alice, bob, carol] {
        client.close().await;
    }
}

/// GR-12, GR-20
#[tokio::test]
async fn a_device_that_lost_its_keys_comes_back_and_says_what_it_could_not_read() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    say(&alice, room, "before").await;
    in_room(&bob, room, 3).await;
    bob.close().await;
    say(&alice, room, "while away").await;
    execute(
        &world.home("bob").join("vault.db"),
        "DELETE FROM group_record WHERE room > 0; UPDATE room SET group_version = group_version + 1",
    )
    .await;
    let bob = world.reopen("bob").await;
    // His return is in the log behind what he could not read.
    within("back", bob.synced(room, 5)).await.unwrap();
    assert_eq!(bob.timeline(room, 3, 1).await.unwrap()[0].what, What::Unopened(Unopened::NotDecryptable));
    let index = say(&bob, room, "back").await;
    within("read", alice.synced(room, index + 1)).await.unwrap();
    let last = say(&alice, room, "welcome back").await;
    for client in [&alice, &bob] {
        within("read", client.synced(room, last + 1)).await.unwrap();
    }
    assert_eq!(texts(&alice, room).await, ["before", "while away", "back", "welcome back"]);
    assert_eq!(texts(&bob, room).await, ["before", "back", "welcome back"]);
    // His receipt names what did not open, and evidence tells it.
    bob.close().await;
    let bundle = export(&alice, room, &ExportOptions::default()).await;
    let (verified, messages) = verdict(&bundle, Root::Pinned(world.root()));
    assert_eq!((verified.word, verified.problems.as_slice()), (Word::Valid, [].as_slice()));
    let claims: Vec<_> =
        messages.iter().map(|said| said.unopened_by.iter().map(UnopenedBy::sentence)).collect();
    let claims: Vec<Vec<String>> = claims.into_iter().map(Iterator::collect).collect();
    let complaint = "bob/laptop says, signed, that what they were given did not decrypt".to_owned();
    assert_eq!(claims, [vec![], vec![complaint], vec![], vec![]]);
    alice.close().await;
}

/// GR-20
#[tokio::test]
async fn a_server_that_withholds_a_welcome_is_come_around() {
    let mut world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    bob.close().await;
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    alice.close().await;
    world.stop().await;
    // The second blob of the entry that adds him is the welcome: all of them that are not its group info and tree go.
    execute(
        &world.home("server").join("store.db"),
        "DELETE FROM blob_pieces WHERE blob_no IN (SELECT no FROM blobs WHERE idx = 1 ORDER BY no LIMIT 2); \
         DELETE FROM blobs WHERE no IN (SELECT no FROM blobs WHERE idx = 1 ORDER BY no LIMIT 2)",
    )
    .await;
    world.start().await;
    let bob = world.reopen("bob").await;
    in_room(&bob, room, 3).await;
    let alice = world.reopen("alice").await;
    let last = say(&alice, room, "here you are").await;
    within("read", bob.synced(room, last + 1)).await.unwrap();
    assert_eq!(texts(&bob, room).await, ["here you are"]);
    for client in [alice, bob] {
        client.close().await;
    }
}

/// SE-34, GR-6
#[tokio::test]
async fn key_packages_that_are_not_of_the_device_add_nobody() {
    let mut world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    for client in [&alice, &bob] {
        client.close().await;
    }
    world.stop().await;
    // The server gives alice's own for bob's.
    execute(
        &world.home("server").join("store.db"),
        "UPDATE key_packages SET package = (SELECT package FROM key_packages k JOIN devices d ON d.certificate = k.certificate \
         WHERE d.user_name = 'alice' LIMIT 1) WHERE id = (SELECT max(id) FROM key_packages); \
         DELETE FROM key_packages WHERE certificate = (SELECT certificate FROM devices WHERE user_name = 'bob') \
         AND id <> (SELECT max(id) FROM key_packages)",
    )
    .await;
    world.start().await;
    let alice = world.reopen("alice").await;
    let error = alice.add(room, &["bob"]).await.unwrap_err();
    assert_eq!(error.code(), "not-found");
    assert!(error.to_string().contains("bob has no device that can be added yet"), "{error}");
    say(&alice, room, "alone, and going on").await;
    alice.close().await;
}

/// GR-10: commits for one epoch from several members; one is in the log, the others are made again.
#[tokio::test]
async fn members_who_change_a_room_at_once_all_get_their_way() {
    let world = World::new().await;
    let names = ["alice", "bob", "carol", "dave", "erin", "frank"];
    let mut clients = Vec::new();
    for name in names {
        clients.push(world.member(name).await);
    }
    let room = clients[0].create_room("ops").await.unwrap();
    clients[0].add(room, &["bob", "carol"]).await.unwrap();
    for client in &clients[1..3] {
        in_room(client, room, 2).await;
    }
    let adding: Vec<_> = (0..3)
        .map(|number| {
            let (client, name) = (clients[number].clone(), names[number + 3]);
            tokio::spawn(async move {
                say(&client, room, name).await;
                client.add(room, &[name]).await.unwrap();
                say(&client, room, name).await
            })
        })
        .collect();
    let mut last = 0;
    for task in adding {
        last = last.max(within("added", task).await.unwrap());
    }
    for client in &clients {
        in_room(client, room, last + 1).await;
        assert_eq!(client.members(room).await.unwrap().len(), 6);
    }
    let all = texts(&clients[0], room).await;
    assert_eq!(all.len(), 6);
    for client in &clients[1..3] {
        assert_eq!(texts(client, room).await, all);
    }
    for client in &clients[3..] {
        let own = texts(client, room).await;
        assert!(all.ends_with(&own), "{own:?} of {all:?}");
    }
    for client in clients {
        client.close().await;
    }
}

/// GR-18: fresh keys after so many statements, unnoticed.
#[tokio::test]
async fn a_device_that_says_much_gives_itself_fresh_keys() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    let count = 2_000;
    let messages = (0..count).map(|number| Outgoing::text(number.to_string())).collect();
    let mut handles = alice.send_all(room, messages).await.unwrap();
    within("logged", handles.pop().unwrap().logged()).await.unwrap();
    within("read", alice.synced(room, count + 2)).await.unwrap();
    assert_eq!(epoch(&alice, room).await, Some(2));
    // More than are under way at once wait for the fresh keys.
    let more = (0..600).map(|number| Outgoing::text(format!("fresh {number}"))).collect();
    let mut handles = alice.send_all(room, more).await.unwrap();
    let last = within("logged", handles.pop().unwrap().logged()).await.unwrap();
    assert_eq!((last.index, epoch(&alice, room).await), (count + 602, Some(3)));
    in_room(&bob, room, count + 603).await;
    assert_eq!(texts(&bob, room).await.len(), 2_600);
    for client in [alice, bob] {
        client.close().await;
    }
}

/// EV-2: the largest content that can be said can be sealed and read.
#[tokio::test]
async fn the_longest_text_with_the_largest_file_is_read_by_others() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    let bytes: Vec<u8> = (0..MAX_INLINE_ATTACHMENT).map(|at| (at % 251) as u8).collect();
    let file = Attachment::inline(FileName::parse("tape.bin").unwrap(), None, bytes.clone());
    let short = vec![Field::Text("x".repeat(1_000)), Field::Attachments(vec![file.clone()])];
    let length = 1_000 + MAX_CONTENT - Content::new(short).unwrap().to_bytes().len();
    let message = |length| Outgoing { attachments: vec![file.clone()], ..Outgoing::text("x".repeat(length)) };
    let mut handle = alice.send(room, message(length)).await.unwrap();
    let index = within("logged", handle.logged()).await.unwrap().index;
    let Err(error) = alice.send(room, message(length + 1)).await else { panic!("it was sent") };
    assert!(error.to_string().contains("send it in parts"), "{error}");
    in_room(&bob, room, index + 1).await;
    let item = bob.timeline(room, index, 1).await.unwrap().remove(0);
    assert_eq!(item.text().map(str::len), Some(length));
    assert!(*bob.attachments(room, index).await.unwrap()[0].bytes() == FileBytes::Inline(bytes));
    let bundle = export(&bob, room, &ExportOptions::default()).await;
    assert_eq!(verdict(&bundle, Root::Pinned(world.root())).0.word, Word::Valid);
    for client in [alice, bob] {
        client.close().await;
    }
}

/// A revoked device is out at once; what is said next it cannot read, and the room goes on.
#[tokio::test]
async fn a_revoked_device_is_out_of_the_keys_before_the_next_message() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    in_room(&bob, room, 2).await;
    let mut events = alice.events();
    bob.revoke_device(bob.certificate(), "key-compromise").await.unwrap();
    within("told", async {
        while alice.synced(room, 3).await.is_err() {
            if let Some(Event::Ended(why)) = events.next().await {
                panic!("{why}");
            }
        }
    })
    .await;
    let index = say(&alice, room, "without him").await;
    assert_eq!((index, epoch(&alice, room).await), (4, Some(3)));
    for client in [alice, bob] {
        client.close().await;
    }
}

/// GR-22
#[tokio::test]
async fn a_copy_of_a_home_takes_fresh_keys_before_it_speaks() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    in_room(&bob, room, 2).await;
    bob.close().await;
    common::copy(&world.home("bob"), &world.home("copy"));
    let mut last = 0;
    for (home, text) in
        [("bob", "one"), ("copy", "two"), ("bob", "three"), ("copy", "four"), ("copy", "five")]
    {
        let client = world.reopen(home).await;
        last = say(&client, room, text).await;
        client.close().await;
    }
    within("read", alice.synced(room, last + 1)).await.unwrap();
    assert_eq!(texts(&alice, room).await, ["one", "two", "three", "four", "five"]);
    // Both at once come to rest.
    let (bob, copy) = (world.reopen("bob").await, world.reopen("copy").await);
    for (client, text) in [(&bob, "six"), (&copy, "seven"), (&bob, "eight")] {
        // Who speaks at the same moment as its copy uses its number, and is refused.
        within("read", client.synced(room, last + 1)).await.unwrap();
        last = say(client, room, text).await;
    }
    within("read", alice.synced(room, last + 1)).await.unwrap();
    assert!(texts(&alice, room).await.ends_with(&["six".to_owned(), "seven".to_owned(), "eight".to_owned()]));
    for client in [alice, bob, copy] {
        client.close().await;
    }
}

/// GR-9
#[tokio::test]
async fn who_is_out_keeps_no_keys() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let carol = world.member("carol").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob", "carol"]).await.unwrap();
    in_room(&bob, room, 2).await;
    in_room(&carol, room, 2).await;
    alice.remove(room, &["carol"]).await.unwrap();
    within("told", carol.synced(room, 3)).await.unwrap();
    within("told", bob.synced(room, 3)).await.unwrap();
    bob.leave(room).await.unwrap();
    for (name, client, kept) in [("alice", alice, true), ("bob", bob, false), ("carol", carol, false)] {
        client.close().await;
        let vault = world.home(name).join("vault.db");
        let records: Vec<(i64,)> = query(&vault, "SELECT room FROM group_record WHERE room > 0").await;
        assert_eq!(!records.is_empty(), kept, "{name}");
    }
}
