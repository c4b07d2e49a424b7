//! What a user's devices keep for each other (docs/group.md, section 8).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails the test")]

mod common;

use std::fs::{self, File};

use client::{Client, ExportOptions, FileToSend, MessageState, Outgoing, Transfer, join_device};
use common::{World, execute, export, in_room, password, query, run, say, texts, verdict, within};
use evidence::bundle::Root;
use evidence::content::{Content, Field, FileName};
use evidence::entry::{Entry, UnverifiedEntry};
use evidence::membership::{DeviceClaim, DeviceStatement};
use evidence::room::RoomId;
use evidence::verdict::Word;
use group::{HistoryBox, HistoryKey, PiecePlace};
use minicbor::bytes::ByteVec;
use pki::Name;
use session::link::{Link, Purpose};
use session::message::{Command, Reply};
use testkit::sealed::Party;
use tokio::sync::watch;

/// A further device of a user, vouched for by one that it has; what there is to read of the past is read.
async fn device(world: &World, earlier: &Client, name: &'static str) -> Client {
    let device = run(world.device(earlier, name).await).await;
    within("read", device.history_read()).await;
    device
}

async fn say_and_read(client: &Client, room: RoomId, text: &str) -> u64 {
    let index = say(client, room, text).await;
    within("read", client.synced(room, index + 1)).await.unwrap();
    index
}

/// GR-28, GR-29: text, file and evidence of before; receipts do not say that it came to this device.
#[tokio::test]
async fn a_new_device_reads_shows_and_proves_what_its_user_has_read() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    in_room(&bob, room, 2).await;
    let first = say_and_read(&bob, room, "from bob").await;
    within("read", alice.synced(room, first + 1)).await.unwrap();
    let path = world.folder.path().join("tape.bin");
    fs::write(&path, vec![7; 300_000]).unwrap();
    let name = FileName::parse("tape.bin").unwrap();
    let file = FileToSend { name, media_type: None, file: File::open(&path).unwrap() };
    let told = watch::Sender::new(Transfer::default());
    let sent = alice.send_files(room, Outgoing::text("the tape"), vec![file], told).await.unwrap();
    let mut handle = within("handed in", sent.queued()).await.unwrap();
    let tape = within("logged", handle.logged()).await.unwrap().index;
    within("read", alice.synced(room, tape + 1)).await.unwrap();
    let edit = alice.edit(room, tape, "the tape of the day").await.unwrap().logged().await.unwrap().index;
    within("read", alice.synced(room, edit + 1)).await.unwrap();

    let phone = device(&world, &alice, "phone").await;
    assert_eq!(texts(&phone, room).await, ["from bob", "the tape", "the tape of the day"]);
    let items = phone.timeline(room, tape, 1).await.unwrap();
    assert_eq!(items[0].edited().and_then(|edited| edited.text.as_deref()), Some("the tape of the day"));
    let to = world.folder.path().join("back");
    within("fetched", phone.fetch_file(room, tape, 0, &to, watch::Sender::default())).await.unwrap();
    assert!(fs::read(&to).unwrap() == vec![7; 300_000]);
    let bundle = export(&phone, room, &ExportOptions::default()).await;
    let (found, shown) = verdict(&bundle, Root::Pinned(world.root()));
    assert_eq!((found.word, found.problems.len(), found.disclosed), (Word::Valid, 0, 3));
    assert!(shown.iter().all(|said| said.unopened_by.is_empty()));
    // What both say from now on is on both, and bob has no receipt of the phone's for what was before it.
    let last = say_and_read(&phone, room, "from the phone").await;
    within("read", alice.synced(room, last + 1)).await.unwrap();
    assert_eq!(texts(&alice, room).await.len(), 4);
    phone.close().await;
    alice.close().await;
    let item = bob.timeline(room, first, 1).await.unwrap().remove(0);
    assert!(matches!(&item.state, MessageState::Received { by } if by == &["alice"]), "{:?}", item.state);
    bob.close().await;
    // It is there at the next start, without being read again.
    let phone = world.reopen("phone").await;
    assert_eq!(texts(&phone, room).await.len(), 4);
    phone.close().await;
}

/// Who was added later has no more of the past on a second device; a device that is lost leaves its history to the others.
#[tokio::test]
async fn history_is_that_of_its_user_and_outlives_a_device() {
    let mut world = World::new().await;
    let (alice, carol) = (world.member("alice").await, world.member("carol").await);
    let room = alice.create_room("ops").await.unwrap();
    say_and_read(&alice, room, "before carol").await;
    alice.add(room, &["carol"]).await.unwrap();
    let last = say_and_read(&alice, room, "with carol").await;
    in_room(&carol, room, last + 1).await;
    let tablet = device(&world, &carol, "tablet").await;
    assert_eq!(texts(&tablet, room).await, ["with carol"]);
    tablet.close().await;

    let phone = device(&world, &alice, "phone").await;
    let laptop = alice.certificate();
    alice.close().await;
    phone.revoke_device(laptop, "key-compromise").await.unwrap();
    let last = say_and_read(&phone, room, "after the laptop").await;
    let desk = device(&world, &phone, "desk").await;
    within("read", desk.synced(room, last + 1)).await.unwrap();
    assert_eq!(texts(&desk, room).await, ["before carol", "with carol", "after the laptop"]);
    for client in [carol, phone, desk] {
        client.close().await;
    }
    // GR-26, GR-27: the laptop has no key to what was handed in later, and was given none.
    world.stop().await;
    let known: Vec<(Vec<u8>,)> =
        query(&world.home("alice").join("vault.db"), "SELECT id FROM history_key").await;
    let server = world.folder.path().join("server/store.db");
    let newest: Vec<(Vec<u8>,)> =
        query(&server, "SELECT piece FROM history ORDER BY position DESC LIMIT 2").await;
    let names = |piece: &[u8]| known.iter().any(|(id,)| piece.windows(id.len()).any(|at| at == id));
    assert!(!known.is_empty() && newest.iter().all(|(piece,)| !names(piece)), "{known:?} {newest:?}");
    let given: Vec<(Vec<u8>, i64)> = query(&server, "SELECT certificate, keys FROM history_boxes").await;
    assert!(given.iter().all(|(certificate, keys)| certificate != &laptop || *keys == 1));
    assert!(given.iter().any(|(_, keys)| *keys == 2));
}

/// GR-29: what the server makes of the history changes nothing that is shown.
#[tokio::test]
async fn a_history_that_was_changed_is_missing_and_nothing_else() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let (room, other) = (alice.create_room("ops").await.unwrap(), alice.create_room("other").await.unwrap());
    say_and_read(&alice, room, "in ops").await;
    say_and_read(&alice, other, "in other").await;
    let phone = device(&world, &alice, "phone").await;
    assert_eq!((texts(&phone, room).await.len(), texts(&phone, other).await.len()), (1, 1));
    alice.close().await;
    phone.close().await;
    world.stop().await;
    // As if the phone had never read them: each room's under the name of the other, then each with another byte.
    let swap = "CREATE TEMP TABLE t AS SELECT room FROM history; \
                UPDATE history SET room = (SELECT t.room FROM t WHERE t.room <> history.room)";
    let flip = "UPDATE history SET piece = CAST(substr(piece, 1, 50) || x'0000000000000000' || substr(piece, 59) AS BLOB)";
    for change in [swap, &format!("{swap}; {flip}")] {
        world.execute(change).await;
        let vault = world.home("phone").join("vault.db");
        execute(&vault, "DELETE FROM history; UPDATE room SET history_read = 0").await;
        world.start().await;
        let phone = world.reopen("phone").await;
        within("read", phone.history_read()).await;
        for room in [room, other] {
            assert!(texts(&phone, room).await.is_empty());
            let bundle = export(&phone, room, &ExportOptions::default()).await;
            let (found, _) = verdict(&bundle, Root::Pinned(world.root()));
            assert_eq!((found.word, found.disclosed, found.withheld), (Word::Valid, 0, 1));
        }
        phone.close().await;
        world.stop().await;
    }
}

/// GR-29: nor can another device of one's own put words into anybody's mouth.
#[tokio::test]
async fn a_device_of_ones_own_that_lies_about_the_past_is_not_believed() {
    let world = World::new().await;
    let bob = world.member("bob").await;
    let mut alice = world.party("alice").await;
    let room = bob.create_room("ops").await.unwrap();
    bob.add(room, &["alice"]).await.unwrap();
    let mut group = alice.join_group(room).await.unwrap();
    let (first, last) =
        (say_and_read(&bob, room, "the truth").await, say_and_read(&bob, room, "more of it").await);
    let fetch = Command::Fetch { room: room.0.into(), from: first, limit: 2 };
    let Reply::Entries { entries, .. } = alice.peer.ask(fetch).await.unwrap() else { panic!("no entries") };
    let mut contents: Vec<(u64, ByteVec)> = Vec::new();
    for (index, entry) in (first..).zip(entries) {
        let Ok(UnverifiedEntry::Statement(statement)) = Entry::parse(&entry.statement) else {
            panic!("{index}")
        };
        let claim = statement.claim();
        let context = group::context(&room.0, &claim.certificate, claim.place.seq, &claim.commitment);
        let sealed = entry.content.unwrap();
        let content = group.open(&alice.provider, &sealed, &context, &claim.certificate).unwrap();
        contents.push((index, content.to_vec().into()));
    }
    contents[0].1 = Content::new(vec![Field::Text("a lie".into())]).unwrap().to_bytes().into();

    let phone = vouched_for(&world, &mut alice, "phone").await;
    let certificate = phone.certificate();
    bob.add(room, &["alice"]).await.unwrap();
    in_room(&phone, room, last + 1).await;
    let key = HistoryKey::generate().unwrap();
    let take = Command::KeyPackageTake { certificates: vec![certificate.into()] };
    let Reply::KeyPackages { mut packages } = alice.peer.ask(take).await.unwrap() else {
        panic!("no package")
    };
    let package = packages.remove(0).unwrap();
    let (to, now) = (alice.certificate_of(certificate).await.unwrap(), client::system_clock());
    let given = HistoryBox::give([&key], "alice", &alice.device(), &to, &package, now).unwrap();
    let parts = [given.welcome, given.tree, given.message].map(ByteVec::from);
    let sealed = wire::cbor::to_vec(&parts);
    let put = Command::HistoryKeyPut { certificate: certificate.into(), keys: 1, sealed };
    assert_eq!(alice.peer.ask(put).await.unwrap(), Reply::Done);
    let place = PiecePlace { room: room.0, device: alice.certificate.hash(), first, end: last + 1 };
    let piece = key.seal(&place, &wire::cbor::to_vec(&contents)).unwrap();
    let put = Command::HistoryPut { room: room.0.into(), first, end: last + 1, piece };
    assert_eq!(alice.peer.ask(put).await.unwrap(), Reply::HistoryHeld { end: last + 1 });

    // What is true in the same piece is taken.
    within("read", async {
        while texts(&phone, room).await.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(texts(&phone, room).await, ["more of it"]);
    for client in [bob, phone] {
        client.close().await;
    }
}

/// A further device of a user whose first is in the test's hands, which vouches for it.
async fn vouched_for(world: &World, earlier: &mut Party, name: &'static str) -> Client {
    let Reply::DeviceLink { token, .. } = earlier.peer.ask(Command::DeviceLinkCreate).await.unwrap() else {
        panic!("no link")
    };
    let user = earlier.member.user.clone();
    let link = Link {
        host: world.address.ip().to_string(),
        port: world.address.port(),
        root: *world.root().as_bytes(),
        token: token.try_into().unwrap(),
        purpose: Purpose::Device { user: user.to_string() },
    };
    let (folder, link) = (world.home(name), link.format());
    let joining = tokio::spawn(async move { join_device(&folder, &link, name, password(), |_| {}).await });
    let request = loop {
        let reply = earlier.peer.ask(Command::DeviceRequests).await.unwrap();
        let Reply::DeviceRequests { mut requests } = reply else { panic!("{reply:?}") };
        if let Some(request) = requests.pop() {
            break request;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let key = *pki::CertificateRequest::parse(&request.request).unwrap().key();
    let (own, now) = (earlier.certificate.hash(), client::system_clock());
    let claim = DeviceClaim::new(own, now, user, Name::canonical(name).unwrap(), &key);
    let statement = DeviceStatement::sign(&claim, &earlier.member.key());
    let reply = earlier.peer.ask(Command::DeviceApprove { id: request.id, statement }).await.unwrap();
    assert!(matches!(reply, Reply::DeviceApproved { .. }), "{reply:?}");
    run(within("approved", joining).await.unwrap().unwrap()).await
}
