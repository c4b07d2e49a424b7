//! Appends: what is acknowledged, what is refused, and that it is there after a stop (SE-18 to SE-22).

mod common;

use common::room::{Room, room, room_on};
use common::{Running, place, serve, start, start_made_at};
use evidence::checkpoint::{Checkpoint, Cosignature, Origin, SignedCheckpoint, device_name};
use evidence::content::{Content, Field};
use evidence::directory::Leaf;
use evidence::entry::Place;
use evidence::limits::MAX_CONTENT;
use evidence::log::{InclusionProof, Tree, TreeHead, leaf_hash};
use evidence::membership::Change;
use evidence::receipt::{Level, Receipt, ReceiptClaim};
use evidence::refusal::{Reason, Refusal};
use evidence::room::RoomId;
use minicbor::bytes::ByteArray;
use session::message::{Command, Event, FailureCode, Reply};
use store::SqliteStore;
use testkit::member::{Member, append};
use testkit::peer::{Peer, now_ms};

#[tokio::test]
async fn an_acknowledgement_carries_a_checkpoint_and_a_proof_that_verify() {
    let mut room = room().await;
    let (log, cosigner) = room.certificates();
    let origin = Origin::room(&room.alice.organisation, room.id);
    for seq in 2..20 {
        let (statement, content) = room.alice.say(place(room.id, seq, 0), "go");
        let reply = room.peer.ask(append(room.id, statement.clone(), Some(content))).await.unwrap();
        let Reply::Appended { index, checkpoint, proof } = reply else { panic!("{reply:?}") };
        assert_eq!(index, seq - 1);
        let head = SignedCheckpoint::verify(&checkpoint, &origin, &log, &cosigner).unwrap().head();
        let path = proof.into_iter().map(|h| *h).collect();
        InclusionProof { index, size: head.size, path }.verify(&leaf_hash(&statement), &head.root).unwrap();
    }
}

/// ID-33: everything ends with the issuing CA, 7,300 days after the hour before it was made.
#[tokio::test]
async fn a_session_does_not_sign_beyond_the_end_of_its_certificate() {
    const LIFE_MS: u64 = 7_300 * 86_400_000 - 3_600_000;
    let mut long = room_on(start_made_at(now_ms() + 600_000 - LIFE_MS).await).await;
    let reply = long.append(place(long.id, 2, 0), "ten minutes are enough").await;
    assert!(matches!(reply, Reply::Appended { .. }), "{reply:?}");

    let running = start_made_at(now_ms() + 50_000 - LIFE_MS).await;
    let alice = running.member("alice").await;
    let mut peer = alice.connect(running.address()).await.unwrap();
    let (_, reply) = alice.create_room(&mut peer, "flight", vec![alice.device_ref()]).await.unwrap();
    let Reply::Failed { code: FailureCode::NotAllowed, message, .. } = reply else { panic!("{reply:?}") };
    assert!(message.contains("has ended"), "{message}");
}

#[tokio::test]
async fn everybody_gets_every_entry_in_order_and_a_checkpoint_over_them() {
    let mut room = room().await;
    let mut listener = room.bob.connect(room.running.address()).await.unwrap();
    listener.ask(Command::Watch).await.unwrap();
    let Reply::Entries { entries, .. } =
        listener.ask(Command::Fetch { room: room.id.0.into(), from: 0, limit: 10 }).await.unwrap()
    else {
        panic!()
    };
    let mut tree = Tree::default();
    entries.iter().for_each(|e| {
        tree.push(leaf_hash(&e.statement));
    });
    let mut sent = Vec::new();
    for seq in 2..200 {
        let (statement, content) = room.alice.say(place(room.id, seq, 0), &format!("line {seq}"));
        sent.push(room.peer.send(append(room.id, statement, Some(content))).await);
    }
    let (log, cosigner) = room.certificates();
    let origin = Origin::room(&room.alice.organisation, room.id);
    while tree.size() < 199 {
        let Event::Entries { first, entries, checkpoint, .. } = listener.event().await.unwrap() else {
            continue;
        };
        assert_eq!(first, tree.size());
        for entry in entries {
            assert!(entry.content.is_some());
            tree.push(leaf_hash(&entry.statement));
        }
        let head = SignedCheckpoint::verify(&checkpoint, &origin, &log, &cosigner).unwrap().head();
        assert_eq!(head, TreeHead { size: tree.size(), root: tree.root() });
    }
    for id in sent {
        assert!(matches!(room.peer.reply(id).await.unwrap(), Reply::Appended { .. }));
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart_and_the_log_goes_on() {
    let mut room = room().await;
    for seq in 2..10 {
        room.append(place(room.id, seq, 0), "before").await;
    }
    let refused = room.alice.say(Place { epoch: 7, ..place(room.id, 10, 0) }, "refused");
    let reply = room.peer.ask(append(room.id, refused.0.clone(), Some(refused.1.clone()))).await.unwrap();
    assert_eq!(room.reason(&reply), Reason::Epoch);
    let Room { running, alice, id, peer, .. } = room;
    let Running { folder, server } = running;
    drop(peer);
    server.stop().await;
    let server = serve(folder.path()).await;
    let mut peer = alice.connect(server.address()).await.unwrap();
    let reply = peer.ask(append(id, refused.0, Some(refused.1))).await.unwrap();
    assert!(matches!(reply, Reply::Refused { .. }), "{reply:?}");
    let (statement, content) = alice.say(place(id, 10, 0), "after");
    let reply = peer.ask(append(id, statement, Some(content))).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 9, .. }), "{reply:?}");
}

#[tokio::test]
async fn who_is_not_a_member_neither_reads_nor_writes_and_who_was_removed_reads_up_to_there() {
    let mut room = room().await;
    let carol = room.running.member("carol").await;
    let mut outside = carol.connect(room.running.address()).await.unwrap();
    let id = room.id.0;
    let fetch = || Command::Fetch { room: id.into(), from: 0, limit: 100 };
    assert!(matches!(outside.ask(fetch()).await.unwrap(), Reply::Failed { code: FailureCode::NotFound, .. }));
    let (statement, content) = carol.say(place(room.id, 1, 0), "let me in");
    let reply = outside.ask(append(room.id, statement, Some(content))).await.unwrap();
    assert!(matches!(reply, Reply::Failed { code: FailureCode::NotFound, .. }), "nothing is told: {reply:?}");

    room.append(place(room.id, 2, 0), "bob hears this").await;
    let remove = Change::Remove(vec![room.bob.device_ref()]);
    let remove = room.alice.membership(&mut room.peer, place(room.id, 3, 0), 1, remove).await;
    let reply = room.peer.ask(append(room.id, remove, None)).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 2, .. }), "{reply:?}");
    room.append(place(room.id, 4, 1), "bob does not").await;
    let mut bob = room.bob.connect(room.running.address()).await.unwrap();
    let (statement, content) = room.bob.say(place(room.id, 1, 1), "let me back");
    let reply = bob.ask(append(room.id, statement, Some(content))).await.unwrap();
    assert!(matches!(reply, Reply::Failed { code: FailureCode::NotFound, .. }), "{reply:?}");
    let Reply::Entries { entries, checkpoint, .. } = bob.ask(fetch()).await.unwrap() else { panic!() };
    let mut read = Tree::default();
    for entry in &entries {
        read.push(leaf_hash(&entry.statement));
    }
    let (log, cosigner) = room.certificates();
    let origin = Origin::room(&room.bob.organisation, room.id);
    let head = SignedCheckpoint::verify(&checkpoint, &origin, &log, &cosigner).unwrap().head();
    assert_eq!((entries.len(), head), (3, TreeHead { size: 3, root: read.root() }));
    let reply = bob.ask(Command::Receipts { room: id.into(), from: 0 }).await.unwrap();
    assert!(matches!(reply, Reply::Failed { code: FailureCode::NotAllowed, .. }), "{reply:?}");
    let add = Change::Add(vec![carol.device_ref()]);
    let add = room.alice.membership(&mut room.peer, place(room.id, 5, 1), 2, add).await;
    let reply = room.peer.ask(append(room.id, add, None)).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 4, .. }), "{reply:?}");
    let Reply::Entries { entries, .. } = outside.ask(fetch()).await.unwrap() else { panic!() };
    assert_eq!(entries.iter().filter(|e| e.content.is_some()).count(), 0);
}

#[tokio::test]
async fn who_is_removed_amid_many_entries_reads_up_to_there_under_its_own_checkpoint() {
    let mut room = room().await;
    let mut sent = Vec::new();
    for seq in 2..40 {
        let (statement, content) = if seq == 20 {
            let remove = Change::Remove(vec![room.bob.device_ref()]);
            (room.alice.membership(&mut room.peer, place(room.id, seq, 0), 1, remove).await, None)
        } else {
            let (statement, content) = room.alice.say(place(room.id, seq, u64::from(seq > 20)), "go");
            (statement, Some(content))
        };
        sent.push(room.peer.send(append(room.id, statement, content)).await);
    }
    for id in sent {
        let reply = room.peer.reply(id).await.unwrap();
        assert!(matches!(reply, Reply::Appended { .. }), "{reply:?}");
    }
    let mut bob = room.bob.connect(room.running.address()).await.unwrap();
    let fetch = Command::Fetch { room: room.id.0.into(), from: 0, limit: 100 };
    let Reply::Entries { entries, checkpoint, .. } = bob.ask(fetch).await.unwrap() else { panic!() };
    let (log, cosigner) = room.certificates();
    let origin = Origin::room(&room.bob.organisation, room.id);
    let head = SignedCheckpoint::verify(&checkpoint, &origin, &log, &cosigner).unwrap().head();
    assert_eq!((entries.len(), head.size), (20, 20));
}

#[tokio::test]
async fn a_revoked_device_is_out_of_its_sessions_its_rooms_and_the_door() {
    let mut room = room().await;
    let link = room.running.invite(session::message::Role::Admin, 1, now_ms() + 60_000).await;
    let admin = Member::join(&link, "olivia", "desk", common::PASSWORD).await.unwrap();
    let mut admin = admin.connect(room.running.address()).await.unwrap();
    let mut bob = room.bob.connect(room.running.address()).await.unwrap();
    room.peer.ask(Command::Watch).await.unwrap();
    let certificate = ByteArray::from(room.bob.certificate());
    let revoke = Command::DeviceRevoke { certificate, reason: "key-compromise".into() };
    assert_eq!(admin.ask(revoke).await.unwrap(), Reply::Done);
    while let Ok(event) = bob.event().await {
        assert!(matches!(event, Event::Closing { .. }), "{event:?}");
    }
    assert!(Peer::connect(room.running.address(), room.bob.config()).await.is_err());
    let Event::Entries { entries, first: 1, .. } = room.peer.event().await.unwrap() else { panic!() };
    let entry = evidence::entry::Entry::parse(&entries[0].statement).unwrap();
    assert!(matches!(entry, evidence::entry::UnverifiedEntry::Revocation(_)));
    // His keys are in the group until a commit takes them out (EV-45).
    let (statement, content) = room.alice.say_in(place(room.id, 2, 1), 1, "he would read it");
    let reply = room.peer.ask(append(room.id, statement, Some(content))).await.unwrap();
    assert_eq!(room.reason(&reply), Reason::Keys);
    let update = room.alice.membership(&mut room.peer, place(room.id, 2, 1), 1, Change::Update).await;
    let reply = room.peer.ask(append(room.id, update, None)).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 2, .. }), "{reply:?}");
    let (statement, content) = room.alice.say_in(place(room.id, 3, 2), 2, "after");
    let reply = room.peer.ask(append(room.id, statement, Some(content))).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 3, .. }), "{reply:?}");
}

/// Regression: for up to two seconds after another process had revoked a device, what it said was entered.
#[tokio::test]
async fn nothing_is_entered_of_a_device_that_another_process_has_revoked() {
    let mut room = room().await;
    let mut bob = room.bob.connect(room.running.address()).await.unwrap();
    bob.ask(Command::Watch).await.unwrap();
    let console = room.running.console().await;
    let certificate = pki::Fingerprint(room.alice.certificate());
    let (authority, reason) = (room.running.authority(), pki::trust::Reason::KeyCompromise);
    console.revoke(&authority, certificate, reason).await.unwrap();
    let (statement, content) = room.alice.say(place(room.id, 2, 0), "too late");
    let reply = room.peer.ask(append(room.id, statement, Some(content))).await;
    assert!(!matches!(reply, Ok(Reply::Appended { .. })), "{reply:?}");
    while room.peer.event().await.is_ok() {}
    // The revocation itself, at the next look at the directory.
    let Event::Entries { entries, first: 1, .. } = bob.event().await.unwrap() else { panic!() };
    let entry = evidence::entry::Entry::parse(&entries[0].statement).unwrap();
    assert!(matches!(entry, evidence::entry::UnverifiedEntry::Revocation(_)));
    let update = room.bob.membership(&mut bob, place(room.id, 1, 1), 1, Change::Update).await;
    let reply = bob.ask(append(room.id, update, None)).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 2, .. }), "{reply:?}");
    let (statement, content) = room.bob.say_in(place(room.id, 2, 2), 2, "still here");
    let reply = bob.ask(append(room.id, statement, Some(content))).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 3, .. }), "{reply:?}");
}

#[tokio::test]
async fn a_reader_that_never_reads_is_cut_off_and_the_others_do_not_wait() {
    use tokio::io::AsyncReadExt;
    let mut room = room().await;
    let mut deaf = room.bob.connect(room.running.address()).await.unwrap();
    deaf.ask(Command::Watch).await.unwrap();
    let text = "x".repeat(60_000);
    let mut seq = 2;
    // More than the queue and what the system buffers of a connection.
    while seq < 400 {
        room.append(place(room.id, seq, 0), &text).await;
        seq += 1;
    }
    let mut ended = deaf.into_stream();
    let mut all = Vec::new();
    let _ = ended.read_to_end(&mut all).await;
    assert!(all.len() < 400 * 60_000, "{} bytes came through", all.len());
}

#[tokio::test]
async fn garbage_on_the_port_and_in_the_session_ends_only_its_own_connection() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut room = room().await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 4096], &[1, 0, 0, 0, 0, 0xff, 0xff], &[0xff; 64]] {
        let mut stream = tokio::net::TcpStream::connect(room.running.address()).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.len() < 64, "{rest:x?}");
    }
    for garbage in [&[0, 0, 0, 0][..], &[0xff; 8], &[0, 0, 0, 1, 0xff], &[0, 0, 0, 2, 0x81, 0x00]] {
        let mut peer = room.bob.connect(room.running.address()).await.unwrap();
        peer.send_bytes(garbage).await;
        assert!(peer.event().await.is_err());
    }
    assert!(matches!(room.append(place(room.id, 2, 0), "still here").await, Reply::Appended { .. }));
}

#[tokio::test]
async fn rooms_come_in_pages_and_a_device_creates_only_so_many() {
    let running = start().await;
    let alice = running.member("alice").await;
    let mut peer = alice.connect(running.address()).await.unwrap();
    let mut made = 0;
    loop {
        match alice.create_room(&mut peer, "one of many", vec![alice.device_ref()]).await.unwrap().1 {
            Reply::Appended { .. } => made += 1,
            Reply::Failed { code: FailureCode::RateLimited, .. } => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(made, session::limits::ROOMS_PER_HOUR);
    let Reply::Rooms { rooms } = peer.ask(Command::Rooms { after: 0 }).await.unwrap() else { panic!() };
    assert_eq!(rooms.len(), session::limits::LIST_PAGE as usize);
    let after = rooms[100].position;
    let Reply::Rooms { rooms } = peer.ask(Command::Rooms { after }).await.unwrap() else { panic!() };
    assert!(rooms.iter().all(|r| r.position > after));
    assert_eq!(rooms.len(), session::limits::LIST_PAGE as usize - 101);
}

#[tokio::test]
async fn a_receipt_that_no_verifier_takes_is_not_passed_on() {
    let mut room = room().await;
    let (statement, content) = room.alice.say(place(room.id, 2, 0), "heard");
    let reply = room.peer.ask(append(room.id, statement, Some(content))).await.unwrap();
    let Reply::Appended { checkpoint, .. } = reply else { panic!("{reply:?}") };
    let (log, cosigner) = room.certificates();
    let origin = Origin::room(&room.bob.organisation, room.id);
    let head = SignedCheckpoint::verify(&checkpoint, &origin, &log, &cosigner).unwrap().head();
    let (bob, key) = (&room.bob, room.bob.key());
    let mut peer = bob.connect(room.running.address()).await.unwrap();
    let now_ms = now_ms();
    let claim = ReceiptClaim {
        certificate: bob.certificate(),
        room: room.id,
        time_ms: now_ms,
        head,
        level: Level::Delivered,
        from: 1,
        to: 1,
        unopened: Vec::new(),
    };
    let name = device_name(&bob.organisation, &bob.user, &bob.device);
    let checkpoint = Checkpoint { origin, head };
    let put = |cosignature: Vec<u8>| Command::ReceiptPut {
        room: room.id.0.into(),
        receipt: Receipt::sign(&claim, &key),
        cosignature,
    };
    let at = |time_s| Cosignature::sign(&checkpoint, &name, &key, time_s).as_bytes().to_vec();
    for bad in [at(now_ms / 1000 + 400), at(0), vec![0; 76], at(now_ms / 1000)[1..].to_vec()] {
        let reply = peer.ask(put(bad)).await.unwrap();
        assert!(matches!(reply, Reply::Failed { code: FailureCode::Malformed, .. }), "{reply:?}");
    }
    let ask = Command::Receipts { room: room.id.0.into(), from: 0 };
    let reply = room.peer.ask(ask.clone()).await.unwrap();
    assert!(matches!(&reply, Reply::Receipts { receipts } if receipts.is_empty()), "{reply:?}");
    assert!(matches!(peer.ask(put(at(now_ms / 1000))).await.unwrap(), Reply::Done));
    let reply = room.peer.ask(ask).await.unwrap();
    assert!(matches!(&reply, Reply::Receipts { receipts } if receipts.len() == 1), "{reply:?}");
}

#[tokio::test]
async fn a_device_adds_only_so_many_people() {
    use session::limits::ADDED_PEOPLE_PER_HOUR;
    let running = start().await;
    let alice = running.member("alice").await;
    let mut others = Vec::new();
    for number in 0..16 {
        others.push(running.member(&format!("member-{number}")).await.device_ref());
    }
    let mut peer = alice.connect(running.address()).await.unwrap();
    let (id, _) = alice.create_room(&mut peer, "in and out", vec![alice.device_ref()]).await.unwrap();
    let all_at_once = u64::from(ADDED_PEOPLE_PER_HOUR) / others.len() as u64;
    for n in 0..=2 * all_at_once {
        let change = if n % 2 == 0 { Change::Add } else { Change::Remove };
        let people = if n < 2 * all_at_once { others.clone() } else { others[..1].to_vec() };
        let statement = alice.membership(&mut peer, place(id, 2 + n, n), 1 + n, change(people)).await;
        let reply = peer.ask(append(id, statement, None)).await.unwrap();
        if n < 2 * all_at_once {
            assert!(matches!(reply, Reply::Appended { .. }), "{reply:?}");
        } else {
            let limited =
                matches!(reply, Reply::Failed { code: FailureCode::RateLimited, retry_ms: Some(_), .. });
            assert!(limited, "{reply:?}");
        }
    }
    let two = vec![alice.device_ref(), others[0].clone()];
    let (_, reply) = alice.create_room(&mut peer, "with another", two).await.unwrap();
    assert!(matches!(reply, Reply::Failed { code: FailureCode::RateLimited, .. }), "{reply:?}");
    let (_, reply) = alice.create_room(&mut peer, "without", vec![alice.device_ref()]).await.unwrap();
    assert!(matches!(reply, Reply::Appended { .. }), "{reply:?}");
}

/// EV-4
#[tokio::test]
async fn a_room_that_the_server_reads_goes_on_but_none_is_created_any_more() {
    let running = start().await;
    let (alice, bob) = (running.member("alice").await, running.member("bob").await);
    let mut peer = alice.connect(running.address()).await.unwrap();
    let create = |room: RoomId, statement| Command::RoomCreate { room: room.0.into(), statement };
    let (id, statement) = alice.create_clear_room("new", vec![alice.device_ref()]);
    let reply = peer.ask(create(id, statement)).await.unwrap();
    let Reply::Failed { code: FailureCode::Malformed, message, .. } = reply else { panic!("{reply:?}") };
    assert!(message.contains("with a newer version"), "{message}");
    let fetch = |room: RoomId| Command::Fetch { room: room.0.into(), from: 0, limit: 100 };
    let reply = peer.ask(fetch(id)).await.unwrap();
    assert!(matches!(reply, Reply::Failed { code: FailureCode::NotFound, .. }), "{reply:?}");

    let store = SqliteStore::open(&running.folder.path().join("store.db")).await.unwrap();
    let authority = running.authority();
    let keys = (authority.log_key(), authority.cosigner_key());
    let devices = vec![alice.device_ref(), bob.device_ref()];
    let (id, first) = testkit::clear::create(&store, keys, &alice, devices).await;
    let reply = peer.ask(create(id, first)).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 0, .. }), "its own create again: {reply:?}");
    let (statement, content) = alice.say_clear(place(id, 2, 0), "as before");
    let reply = peer.ask(append(id, statement, Some(content.clone()))).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 1, .. }), "{reply:?}");
    // Of what is not sealed no more is taken than a content may have.
    let long = vec![0; MAX_CONTENT + 1];
    let text = Content::new(vec![Field::Text("too long".to_owned())]).unwrap();
    let statement = alice.say_over(place(id, 3, 0), &text, &long);
    let reply = peer.ask(append(id, statement, Some(long))).await.unwrap();
    let Reply::Refused { refusal } = reply else { panic!("{reply:?}") };
    assert_eq!(Refusal::parse(&refusal).unwrap().claim().reason, Reason::TooLarge);
    let carol = running.member("carol").await;
    for (seq, change) in
        [(3, Change::Remove(vec![bob.device_ref()])), (4, Change::Add(vec![carol.device_ref()]))]
    {
        let statement = alice.change_clear(place(id, seq, seq - 3), change);
        let reply = peer.ask(append(id, statement, None)).await.unwrap();
        assert!(matches!(&reply, Reply::Appended { index, .. } if *index == seq - 1), "{reply:?}");
    }

    let Running { folder, server } = running;
    drop(peer);
    server.stop().await;
    let server = serve(folder.path()).await;
    let mut carols = carol.connect(server.address()).await.unwrap();
    let (statement, said) = carol.say_clear(place(id, 1, 2), "and after");
    let reply = carols.ask(append(id, statement, Some(said.clone()))).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 4, .. }), "{reply:?}");
    let mut peer = alice.connect(server.address()).await.unwrap();
    let Reply::Entries { entries, .. } = peer.ask(fetch(id)).await.unwrap() else { panic!() };
    let contents: Vec<_> = entries.into_iter().map(|entry| entry.content).collect();
    assert_eq!(contents, [None, Some(content), None, None, Some(said)]);
    let Reply::Rooms { rooms } = peer.ask(Command::Rooms { after: 0 }).await.unwrap() else { panic!() };
    assert_eq!(rooms.iter().map(|room| room.suite).collect::<Vec<_>>(), [0]);
}

#[tokio::test]
async fn everybody_reads_the_directory_as_a_log() {
    let mut room = room().await;
    let carol = room.running.member("carol").await;
    let mut outside = carol.connect(room.running.address()).await.unwrap();
    let certificate = ByteArray::from(room.alice.certificate());
    let revoke = Command::DeviceRevoke { certificate, reason: "superseded".into() };
    // Her session ends with it, maybe before the answer.
    let _ = room.peer.ask(revoke).await;
    let (log, cosigner) = room.certificates();
    let origin = Origin::directory(&carol.organisation);
    let (mut tree, mut read_leaves) = (Tree::default(), Vec::new());
    let head = loop {
        let read = Command::Directory { from: tree.size(), limit: 3 };
        let Reply::Directory { checkpoint, leaves } = outside.ask(read).await.unwrap() else { panic!() };
        assert!(leaves.len() <= 3);
        leaves.iter().for_each(|leaf| {
            tree.push(leaf_hash(leaf));
        });
        let done = leaves.is_empty();
        read_leaves.extend(leaves);
        let head = SignedCheckpoint::verify(&checkpoint, &origin, &log, &cosigner).unwrap().head();
        if done {
            break head;
        }
    };
    assert_eq!(head, TreeHead { size: tree.size(), root: tree.root() });
    let parsed: Vec<Leaf> = read_leaves.iter().map(|leaf| Leaf::from_bytes(leaf).unwrap()).collect();
    let [issued @ .., Leaf::Revoke(last)] = parsed.as_slice() else { panic!("{parsed:?}") };
    assert_eq!(last.certificate, room.alice.certificate());
    assert!(issued.iter().all(|leaf| matches!(leaf, Leaf::Issue(_))));
    let all = Command::Directory { from: 0, limit: u64::MAX };
    let Reply::Directory { leaves, .. } = outside.ask(all).await.unwrap() else { panic!() };
    assert_eq!(leaves, read_leaves);
}
