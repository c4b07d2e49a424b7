//! Keys of encrypted rooms: key packages, blobs, and what shows of group messages (SE-33 to SE-37).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails the test")]

mod common;

use common::sealed::{SealedRoom, sealed_room};
use common::{place, start};
use evidence::limits::{MAX_CIPHERTEXT, MAX_GROUP_MESSAGE};
use evidence::membership::{Change, MlsHashes};
use evidence::refusal::{Reason, Refusal};
use group::{Group, Place};
use minicbor::bytes::ByteArray;
use session::limits::{
    BLOB_PIECE, MAX_BLOB, MAX_KEY_PACKAGE, MAX_KEY_PACKAGES, MAX_PENDING_BLOBS, MAX_TAKEN, TAKEN_PER_HOUR,
};
use session::message::{Command, FailureCode, Reply};
use testkit::member::{Member, append};
use testkit::peer::{Peer, now_ms};

fn code(reply: &Reply) -> FailureCode {
    let Reply::Failed { code, .. } = reply else { panic!("{reply:?}") };
    *code
}

fn reason(reply: &Reply) -> Reason {
    let Reply::Refused { refusal } = reply else { panic!("{reply:?}") };
    Refusal::parse(refusal).unwrap().claim().reason
}

fn packages(numbers: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    numbers.map(|number| format!("package {number}").into_bytes()).collect()
}

async fn put_packages(peer: &mut Peer, packages: Vec<Vec<u8>>, last_resort: Option<&[u8]>) -> Reply {
    let packages = packages.into_iter().map(Into::into).collect();
    let last_resort = last_resort.map(<[u8]>::to_vec);
    peer.ask(Command::KeyPackagePut { packages, last_resort }).await.unwrap()
}

fn take(certificates: &[[u8; 32]]) -> Command {
    Command::KeyPackageTake { certificates: certificates.iter().map(|hash| ByteArray::from(*hash)).collect() }
}

fn taken(reply: Reply) -> Vec<Option<Vec<u8>>> {
    let Reply::KeyPackages { packages } = reply else { panic!("{reply:?}") };
    packages.into_iter().map(|package| package.map(Into::into)).collect()
}

#[tokio::test]
async fn a_key_package_is_given_once_and_the_one_of_last_resort_again() {
    let running = start().await;
    let (alice, bob) = (running.member("alice").await, running.member("bob").await);
    let mut alices = alice.connect(running.address()).await.unwrap();
    let mut bobs = bob.connect(running.address()).await.unwrap();
    let count = |count, last_resort| Reply::KeyPackageCount { count, last_resort };
    assert_eq!(bobs.ask(Command::KeyPackageCount).await.unwrap(), count(0, false));
    assert_eq!(put_packages(&mut bobs, packages(0..2), Some(b"last")).await, count(2, true));
    assert_eq!(put_packages(&mut bobs, packages(1..3), None).await, count(3, true));
    assert_eq!(alices.ask(Command::KeyPackageCount).await.unwrap(), count(0, false));

    let (bob, nobody) = (bob.certificate(), [9; 32]);
    let got = taken(alices.ask(take(&[nobody, bob, alice.certificate(), bob])).await.unwrap());
    assert_eq!(got, [None, Some(b"package 2".to_vec()), None, Some(b"package 1".to_vec())]);
    assert_eq!(bobs.ask(Command::KeyPackageCount).await.unwrap(), count(1, true));
    let got = taken(alices.ask(take(&[bob; 3])).await.unwrap());
    let last = Some(b"last".to_vec());
    assert_eq!(got, [Some(b"package 0".to_vec()), last.clone(), last]);

    let most = MAX_KEY_PACKAGES;
    assert_eq!(code(&put_packages(&mut bobs, packages(0..most + 1), None).await), FailureCode::TooLarge);
    assert_eq!(put_packages(&mut bobs, packages(0..most), None).await, count(most.into(), true));
    for (wrong, expected) in [
        (vec![vec![1; MAX_KEY_PACKAGE + 1]], FailureCode::TooLarge),
        (vec![Vec::new()], FailureCode::Malformed),
    ] {
        assert_eq!(code(&put_packages(&mut bobs, wrong, Some(b"other")).await), expected);
    }
    assert_eq!(bobs.ask(Command::KeyPackageCount).await.unwrap(), count(most.into(), true));

    // Two more take the places of the two oldest.
    assert_eq!(put_packages(&mut bobs, packages(most..most + 2), None).await, count(most.into(), true));
    let mut got = Vec::new();
    for _ in 0..most as usize / MAX_TAKEN {
        got.extend(taken(alices.ask(take(&[bob; MAX_TAKEN])).await.unwrap()).into_iter().flatten());
    }
    got.reverse();
    assert_eq!(got, packages(2..most + 2));
}

#[tokio::test]
async fn a_revoked_device_has_no_key_packages() {
    let running = start().await;
    let bob = running.member("bob").await;
    let mut bobs = bob.connect(running.address()).await.unwrap();
    put_packages(&mut bobs, packages(0..2), Some(b"last")).await;
    let link = running.invite(session::message::Role::Admin, 1, now_ms() + 60_000).await;
    let admin = Member::join(&link, "olivia", "desk", common::PASSWORD).await.unwrap();
    let mut admin = admin.connect(running.address()).await.unwrap();
    let certificate = ByteArray::from(bob.certificate());
    let revoke = Command::DeviceRevoke { certificate, reason: "key-compromise".into() };
    assert_eq!(admin.ask(revoke).await.unwrap(), Reply::Done);
    assert_eq!(taken(admin.ask(take(&[bob.certificate()])).await.unwrap()), [None]);
}

#[tokio::test]
async fn takers_at_the_same_time_get_different_ones() {
    let running = start().await;
    let (alice, bob) = (running.member("alice").await, running.member("bob").await);
    let mut bobs = bob.connect(running.address()).await.unwrap();
    put_packages(&mut bobs, packages(0..64), None).await;
    let mut takers = Vec::new();
    for _ in 0..4 {
        let mut peer = alice.connect(running.address()).await.unwrap();
        let bob = bob.certificate();
        takers.push(tokio::spawn(async move {
            let mut sent = Vec::new();
            for _ in 0..8 {
                sent.push(peer.send(take(&[bob; 2])).await);
            }
            let mut got = Vec::new();
            for id in sent {
                got.extend(taken(peer.reply(id).await.unwrap()).into_iter().map(Option::unwrap));
            }
            got
        }));
    }
    let mut got = Vec::new();
    for taker in takers {
        got.extend(taker.await.unwrap());
    }
    got.sort();
    let mut expected = packages(0..64);
    expected.sort();
    assert_eq!(got, expected);
}

#[tokio::test]
async fn a_device_takes_so_many_key_packages_an_hour() {
    let running = start().await;
    let (alice, bob) = (running.member("alice").await, running.member("bob").await);
    let mut peer = alice.connect(running.address()).await.unwrap();
    let too_many = peer.ask(take(&[[9; 32]; MAX_TAKEN + 1])).await.unwrap();
    assert_eq!(code(&too_many), FailureCode::TooLarge);
    for _ in 0..TAKEN_PER_HOUR / MAX_TAKEN as u32 {
        taken(peer.ask(take(&[[9; 32]; MAX_TAKEN])).await.unwrap());
    }
    assert_eq!(code(&peer.ask(take(&[[9; 32]])).await.unwrap()), FailureCode::RateLimited);
    taken(peer.ask(take(&[])).await.unwrap());
    let mut bobs = bob.connect(running.address()).await.unwrap();
    taken(bobs.ask(take(&[[9; 32]])).await.unwrap());
}

/// A put of a piece of `blob`.
fn put(blob: &[u8], offset: usize) -> Command {
    let bytes = blob.chunks(BLOB_PIECE).nth(offset / BLOB_PIECE).unwrap().to_vec();
    Command::BlobPut { hash: pki::sha256(blob).into(), size: blob.len() as u64, offset: offset as u64, bytes }
}

/// Asks how much is held of `blob`.
fn ask(blob: &[u8]) -> Command {
    Command::BlobPut { hash: pki::sha256(blob).into(), size: blob.len() as u64, offset: 0, bytes: Vec::new() }
}

fn held(held: usize) -> Reply {
    Reply::BlobHeld { held: held as u64 }
}

#[tokio::test]
async fn a_blob_goes_on_where_it_was_interrupted() {
    let running = start().await;
    let alice = running.member("alice").await;
    let mut peer = alice.connect(running.address()).await.unwrap();
    let blob: Vec<u8> = (0..2 * BLOB_PIECE + 77).map(|at| (at % 251) as u8).collect();
    assert_eq!(peer.ask(ask(&blob)).await.unwrap(), held(0));
    assert_eq!(peer.ask(put(&blob, BLOB_PIECE)).await.unwrap(), held(0), "not the next");
    assert_eq!(peer.ask(put(&blob, 0)).await.unwrap(), held(BLOB_PIECE));
    drop(peer);
    let mut peer = alice.connect(running.address()).await.unwrap();
    assert_eq!(peer.ask(ask(&blob)).await.unwrap(), held(BLOB_PIECE));
    assert_eq!(peer.ask(put(&blob, 0)).await.unwrap(), held(BLOB_PIECE), "again");
    assert_eq!(peer.ask(put(&blob, BLOB_PIECE)).await.unwrap(), held(2 * BLOB_PIECE));
    assert_eq!(peer.ask(put(&blob, 2 * BLOB_PIECE)).await.unwrap(), held(blob.len()));
    assert_eq!(peer.ask(ask(&blob)).await.unwrap(), held(blob.len()));
}

#[tokio::test]
async fn a_blob_that_is_not_what_it_was_said_to_be_is_deleted() {
    let running = start().await;
    let mut peer = running.member("alice").await.connect(running.address()).await.unwrap();
    let blob = vec![7; BLOB_PIECE + 5];
    let (hash, size) = (pki::sha256(&blob).into(), blob.len() as u64);
    let with = |offset, bytes| Command::BlobPut { hash, size, offset, bytes };
    assert_eq!(peer.ask(put(&blob, 0)).await.unwrap(), held(BLOB_PIECE));
    let piece = BLOB_PIECE as u64;
    for wrong in [with(piece, vec![7; 4]), with(piece, vec![7; 6]), with(piece + 1, vec![7; 4])] {
        assert_eq!(code(&peer.ask(wrong).await.unwrap()), FailureCode::Malformed);
        assert_eq!(peer.ask(with(0, Vec::new())).await.unwrap(), held(BLOB_PIECE));
    }
    assert_eq!(code(&peer.ask(with(piece, vec![8; 5])).await.unwrap()), FailureCode::Malformed);
    assert_eq!(peer.ask(with(0, Vec::new())).await.unwrap(), held(0));

    let begun = |number: u8, size: u64| Command::BlobPut {
        hash: [number; 32].into(),
        size,
        offset: 0,
        bytes: vec![number; size.min(piece) as usize],
    };
    assert_eq!(code(&peer.ask(begun(0, 0)).await.unwrap()), FailureCode::Malformed);
    assert_eq!(code(&peer.ask(begun(0, MAX_BLOB + 1)).await.unwrap()), FailureCode::TooLarge);
    for number in 0..(MAX_PENDING_BLOBS / MAX_BLOB) as u8 {
        assert_eq!(peer.ask(begun(number, MAX_BLOB)).await.unwrap(), held(BLOB_PIECE));
    }
    assert_eq!(code(&peer.ask(begun(99, 1)).await.unwrap()), FailureCode::TooLarge);
}

/// SE-36: a create without its blobs, or with other messages than its own, makes no room.
#[tokio::test]
async fn a_sealed_room_is_created_with_its_messages_alone() {
    let running = start().await;
    let (mut alice, bob) = (running.party("alice").await, running.party("bob").await);
    let (id, change) = alice.creation(vec![alice.member.device_ref(), bob.member.device_ref()]);
    let mut group = Group::create(&alice.provider, &alice.device(), &id.0, 0).unwrap();
    let (package, other) = (bob.package(), bob.package());
    let commit = alice.commit(&mut group, &[(&bob, &package)], &[]);
    alice.discard(&mut group);
    let mut elsewhere = Group::create(&alice.provider, &alice.device(), &[8; 32], 0).unwrap();
    let foreign = alice.commit(&mut elsewhere, &[(&bob, &other)], &[]);
    alice.discard(&mut elsewhere);

    let absent = MlsHashes { commit: None, ..testkit::sealed::hashes(&commit) };
    assert_eq!(code(&alice.create(id, change.clone(), absent).await), FailureCode::Conflict);
    let foreign = MlsHashes { commit: None, ..alice.put_commit(&foreign).await };
    assert_eq!(code(&alice.create(id, change.clone(), foreign).await), FailureCode::Malformed);
    let none = MlsHashes::default();
    assert_eq!(code(&alice.create(id, change.clone(), none).await), FailureCode::Malformed);
    let Reply::Rooms { rooms } = alice.peer.ask(Command::Rooms { after: 0 }).await.unwrap() else { panic!() };
    assert_eq!(rooms, []);
    alice.put_commit(&commit).await;
    let statement = alice.sign(place(id, 1, 0), change, absent);
    for _ in 0..2 {
        let reply = alice.create_by(id, statement.clone()).await;
        assert!(matches!(reply, Reply::Appended { index: 0, .. }), "{reply:?}");
    }
    let Reply::Rooms { rooms } = alice.peer.ask(Command::Rooms { after: 0 }).await.unwrap() else { panic!() };
    assert_eq!(rooms.iter().map(|room| room.suite).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn members_talk_and_who_is_added_gets_what_it_joins_by() {
    let SealedRoom { running, mut alice, mut bob, id, mut group, first } = sealed_room().await;
    let members = [alice.certificate.clone(), bob.certificate.clone()];
    let welcome = bob.get(id, first.welcome.unwrap()).await.unwrap();
    let tree = bob.get(id, first.group.unwrap().tree).await.unwrap();
    let at = Place { room: &id.0, generation: 0, epoch: 1, members: &members };
    let mut bobs = Group::join(&bob.provider, &welcome, &tree, at).unwrap();
    bob.provider.store().take_changes();

    let sealed = alice.seal(&mut group, "Houston, we've had a problem");
    let statement = alice.say(place(id, 2, 0), &sealed);
    let reply = alice.peer.ask(append(id, statement, Some(sealed))).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 1, .. }), "{reply:?}");
    let fetch = Command::Fetch { room: id.0.into(), from: 1, limit: 1 };
    let Reply::Entries { entries, .. } = bob.peer.ask(fetch).await.unwrap() else { panic!() };
    let sealed = entries[0].content.clone().unwrap();
    let opened = bobs.open(&bob.provider, &sealed, b"", &members[0].hash()).unwrap();
    assert_eq!(opened.as_slice(), b"Houston, we've had a problem");
    bob.provider.store().take_changes();

    let mut carol = running.party("carol").await;
    let outside = carol.get(id, first.welcome.unwrap()).await.unwrap_err();
    assert_eq!(code(&outside), FailureCode::NotFound);
    let commit = alice.commit(&mut group, &[(&carol, &carol.package())], &[]);
    let mls = alice.put_commit(&commit).await;
    // Who is in no such room learns nothing of it, whatever it names.
    carol.put_commit(&commit).await;
    let mut update = carol.sign(place(id, 1, 0), Change::Update, MlsHashes { welcome: None, ..mls });
    let reply = carol.peer.ask(append(id, update.clone(), None)).await.unwrap();
    assert_eq!(code(&reply), FailureCode::NotFound);
    *update.last_mut().unwrap() ^= 1;
    assert_eq!(code(&carol.peer.ask(append(id, update, None)).await.unwrap()), FailureCode::Malformed);
    let add = alice.sign(place(id, 3, 0), Change::Add(vec![carol.member.device_ref()]), mls);
    for _ in 0..2 {
        // Handed in again with the statement, they are the room's still, and count for nothing.
        alice.put_commit(&commit).await;
        let reply = alice.peer.ask(append(id, add.clone(), None)).await.unwrap();
        assert!(matches!(reply, Reply::Appended { index: 2, .. }), "{reply:?}");
        assert_eq!(alice.peer.ask(ask(&commit.message)).await.unwrap(), held(0));
    }
    alice.confirm(&mut group);
    for hash in mls.named() {
        carol.get(id, hash).await.unwrap();
        bob.get(id, hash).await.unwrap();
    }
    for hash in first.named() {
        assert_eq!(code(&carol.get(id, hash).await.unwrap_err()), FailureCode::NotFound, "before its time");
    }
    let three = [alice.certificate.clone(), bob.certificate.clone(), carol.certificate.clone()];
    let at = Place { room: &id.0, generation: 0, epoch: 2, members: &three };
    let welcome = carol.get(id, mls.welcome.unwrap()).await.unwrap();
    let tree = carol.get(id, mls.group.unwrap().tree).await.unwrap();
    Group::join(&carol.provider, &welcome, &tree, at).unwrap();
    assert_eq!(code(&carol.get(id, [9; 32]).await.unwrap_err()), FailureCode::NotFound);

    // Bob has lost his group and comes back by the newest group info.
    let info = bob.get(id, mls.group.unwrap().info).await.unwrap();
    let (_, back) = Group::rejoin(&bob.provider, &bob.device(), &info, &tree, at).unwrap();
    let mls = bob.put_commit(&back).await;
    let refused = bob.sign(place(id, 1, 1), Change::Update, mls);
    let reply = bob.peer.ask(append(id, refused, None)).await.unwrap();
    assert_eq!(reason(&reply), Reason::Membership, "an external commit is that of a return");
    bob.put_commit(&back).await;
    let comes_back = bob.sign(place(id, 1, 1), Change::Return, mls);
    let reply = bob.peer.ask(append(id, comes_back, None)).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 3, .. }), "{reply:?}");

    // A leave names nothing, and what a former member was given stays its own.
    let leave = bob.sign(place(id, 2, 2), Change::Leave(vec![bob.member.device_ref()]), MlsHashes::default());
    let reply = bob.peer.ask(append(id, leave, None)).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 4, .. }), "{reply:?}");
    bob.get(id, mls.commit.unwrap()).await.unwrap();
}

#[tokio::test]
async fn what_is_not_sealed_for_the_room_now_is_refused() {
    let SealedRoom { running: _running, mut alice, id, mut group, .. } = sealed_room().await;
    let stale = alice.seal(&mut group, "of epoch 1");
    let commit = alice.commit(&mut group, &[], &[]);
    let handshake = commit.message.clone();
    let mls = alice.put_commit(&commit).await;
    let update = alice.sign(place(id, 2, 0), Change::Update, mls);
    let reply = alice.peer.ask(append(id, update, None)).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 1, .. }), "{reply:?}");
    alice.confirm(&mut group);

    let mut elsewhere = Group::create(&alice.provider, &alice.device(), &[8; 32], 0).unwrap();
    for _ in 0..2 {
        alice.commit(&mut elsewhere, &[], &[]);
        alice.confirm(&mut elsewhere);
    }
    let foreign = alice.seal(&mut elsewhere, "of another room");
    let next = alice.commit(&mut group, &[], &[]).message;
    alice.discard(&mut group);
    let good = alice.seal(&mut group, "good");
    let cut = good[..good.len() - 1].to_vec();
    for wrong in [stale.clone(), foreign, handshake, next, cut, b"clear text".to_vec(), Vec::new()] {
        let statement = alice.say(place(id, 3, 1), &wrong);
        let reply = alice.peer.ask(append(id, statement, Some(wrong))).await.unwrap();
        assert_eq!(reason(&reply), Reason::Ciphertext);
    }
    let long = alice.seal(&mut group, &"x".repeat(MAX_CIPHERTEXT));
    let statement = alice.say(place(id, 3, 1), &long);
    let reply = alice.peer.ask(append(id, statement, Some(long))).await.unwrap();
    assert_eq!(reason(&reply), Reason::TooLarge);
    // What is stale as a statement is told so: it is sealed and said again.
    let statement = alice.say(place(id, 3, 0), &stale);
    let reply = alice.peer.ask(append(id, statement, Some(stale))).await.unwrap();
    assert_eq!(reason(&reply), Reason::Epoch);
    let statement = alice.say(place(id, 3, 1), &good);
    let reply = alice.peer.ask(append(id, statement, Some(good))).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 2, .. }), "{reply:?}");
}

#[tokio::test]
async fn a_change_whose_messages_do_not_fit_is_refused_and_one_without_them_waits() {
    let SealedRoom { running: _running, mut alice, mut bob, id, mut group, .. } = sealed_room().await;
    let stale = alice.commit(&mut group, &[], &[]);
    alice.confirm(&mut group);
    let ahead = alice.commit(&mut group, &[], &[]);
    alice.discard(&mut group);
    // The log is in key epoch 1: the first fits, what its maker made after it does not.
    let mls = testkit::sealed::hashes(&ahead);
    let early = alice.sign(place(id, 2, 0), Change::Update, mls);
    for _ in 0..2 {
        alice.put_commit(&ahead).await;
        let reply = alice.peer.ask(append(id, early.clone(), None)).await.unwrap();
        assert_eq!(reason(&reply), Reason::Membership);
        assert_eq!(alice.peer.ask(ask(&ahead.message)).await.unwrap(), held(0), "it goes with its statement");
    }
    let good = testkit::sealed::hashes(&stale);
    let swapped = MlsHashes { commit: good.group.map(|group| group.info), ..good };
    for wrong in [swapped, MlsHashes { group: mls.group, ..good }, MlsHashes { commit: mls.commit, ..good }] {
        alice.put_commit(&ahead).await;
        alice.put_commit(&stale).await;
        let statement = alice.sign(place(id, 2, 0), Change::Update, wrong);
        let reply = alice.peer.ask(append(id, statement, None)).await.unwrap();
        assert_eq!(reason(&reply), Reason::Membership, "{wrong:?}");
    }

    // Alice's blobs are not Bob's.
    alice.put_commit(&stale).await;
    let bobs = bob.sign(place(id, 1, 0), Change::Update, good);
    assert_eq!(code(&bob.peer.ask(append(id, bobs.clone(), None)).await.unwrap()), FailureCode::Conflict);
    let Reply::Entries { entries, .. } =
        bob.peer.ask(Command::Fetch { room: id.0.into(), from: 0, limit: 10 }).await.unwrap()
    else {
        panic!()
    };
    assert_eq!(entries.len(), 1);
    bob.put_commit(&stale).await;
    let reply = bob.peer.ask(append(id, bobs, None)).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 1, .. }), "the same, with what it names: {reply:?}");

    // What was good a moment ago is of the epoch before.
    let late = alice.sign(place(id, 2, 1), Change::Update, good);
    let reply = alice.peer.ask(append(id, late, None)).await.unwrap();
    assert_eq!(reason(&reply), Reason::Membership);
    let mls = alice.put_commit(&ahead).await;
    let update = alice.sign(place(id, 2, 1), Change::Update, mls);
    let reply = alice.peer.ask(append(id, update, None)).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 2, .. }), "{reply:?}");
}

/// An entry takes the blobs that it names: one that was looked at before, and names one of them too, does not disturb the room.
#[tokio::test]
async fn a_blob_goes_with_one_entry() {
    let SealedRoom { running: _running, mut alice, id, mut group, .. } = sealed_room().await;
    let one = alice.commit(&mut group, &[], &[]);
    alice.confirm(&mut group);
    let two = alice.commit(&mut group, &[], &[]);
    let (first, mut second) = (alice.put_commit(&one).await, alice.put_commit(&two).await);
    second.group.as_mut().unwrap().tree = first.group.unwrap().tree;
    let first = alice.sign(place(id, 2, 0), Change::Update, first);
    let second = alice.sign(place(id, 3, 1), Change::Update, second);
    let ids = [
        alice.peer.send(append(id, first, None)).await,
        alice.peer.send(append(id, second.clone(), None)).await,
    ];
    let reply = alice.peer.reply(ids[0]).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 1, .. }), "{reply:?}");
    let reply = alice.peer.reply(ids[1]).await.unwrap();
    let Reply::Failed { code: FailureCode::Conflict, message, .. } = reply else { panic!("{reply:?}") };
    assert!(message.contains("blob"), "{message}");
    alice.put(&one.tree).await;
    let reply = alice.peer.ask(append(id, second, None)).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 2, .. }), "{reply:?}");
}

/// SE-36: sealed files go with the statement that comes with them, to whom its content is given.
#[tokio::test]
async fn files_are_a_rooms_once_their_statement_is_logged() {
    let SealedRoom { running, mut alice, mut bob, id, mut group, .. } = sealed_room().await;
    let mut carol = running.party("carol").await;
    let (one, two) = (vec![1; 2 * BLOB_PIECE + 5], vec![2; 3]);
    let files = |hashes: &[[u8; 32]]| hashes.iter().map(|hash| ByteArray::from(*hash)).collect::<Vec<_>>();
    let sealed = alice.seal(&mut group, "with files");
    let statement = alice.say(place(id, 2, 0), &sealed);
    let say = |files: &[ByteArray<32>]| Command::Append {
        room: id.0.into(),
        statement: statement.clone(),
        content: Some(sealed.clone()),
        files: files.to_vec(),
    };
    let one = alice.put(&one).await;
    // One of them is another's.
    let bobs = bob.put(&two).await;
    let reply = alice.peer.ask(say(&files(&[one, bobs]))).await.unwrap();
    let Reply::Failed { code: FailureCode::Conflict, message, .. } = reply else { panic!("{reply:?}") };
    assert!(message.contains("blob"), "{message}");
    let many: Vec<[u8; 32]> = (0..17).map(|n| [n; 32]).collect();
    for wrong in [files(&[one, one]), files(&many)] {
        assert_eq!(code(&alice.peer.ask(say(&wrong)).await.unwrap()), FailureCode::Malformed);
    }
    let without = Command::Append {
        room: id.0.into(),
        statement: statement.clone(),
        content: None,
        files: files(&[one]),
    };
    assert_eq!(code(&alice.peer.ask(without).await.unwrap()), FailureCode::Malformed);
    assert!(alice.get(id, one).await.is_err());

    let two = alice.put(&two).await;
    for _ in 0..2 {
        let reply = alice.peer.ask(say(&files(&[one, two]))).await.unwrap();
        assert!(matches!(reply, Reply::Appended { index: 1, .. }), "{reply:?}");
    }
    assert_eq!(bob.get(id, one).await.unwrap(), vec![1; 2 * BLOB_PIECE + 5]);
    assert_eq!(bob.get(id, two).await.unwrap(), [2; 3]);
    let not_found = |reply: &Reply| matches!(reply, Reply::Failed { code: FailureCode::NotFound, .. });
    assert!(not_found(&carol.get(id, one).await.unwrap_err()));
    // Who comes later reads nothing of before, files included.
    let package = carol.package();
    let commit = alice.commit(&mut group, &[(&carol, &package)], &[]);
    alice.confirm(&mut group);
    let mls = alice.put_commit(&commit).await;
    let add = alice.sign(place(id, 3, 0), Change::Add(vec![carol.member.device_ref()]), mls);
    let reply = alice.peer.ask(append(id, add, None)).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 2, .. }), "{reply:?}");
    assert!(not_found(&carol.get(id, one).await.unwrap_err()));
}

/// What is stored of a commit is not read into memory however large it is: a file under the name of one is not there.
#[tokio::test]
async fn a_commit_that_is_as_large_as_a_file_is_not_looked_at() {
    let SealedRoom { running: _running, mut alice, id, mut group, .. } = sealed_room().await;
    let commit = alice.commit(&mut group, &[], &[]);
    let mut mls = alice.put_commit(&commit).await;
    mls.commit = Some(alice.put(&vec![0; MAX_GROUP_MESSAGE + 1]).await);
    let update = alice.sign(place(id, 2, 0), Change::Update, mls);
    let reply = alice.peer.ask(append(id, update, None)).await.unwrap();
    assert_eq!(code(&reply), FailureCode::Conflict);
}

/// Nor does a create that comes in one batch with the entry.
#[tokio::test]
async fn a_create_takes_no_blob_of_an_entry_before_it() {
    let SealedRoom { running: _running, mut alice, id, mut group, .. } = sealed_room().await;
    let sealed: Vec<_> = (0..8).map(|_| alice.seal(&mut group, "to fill a batch")).collect();
    let one = alice.commit(&mut group, &[], &[]);
    let update = alice.put_commit(&one).await;
    let (other, change) = alice.creation(vec![alice.member.device_ref()]);
    let mut begun = Group::create(&alice.provider, &alice.device(), &other.0, 0).unwrap();
    let two = alice.commit(&mut begun, &[], &[]);
    let mut create = MlsHashes { commit: None, ..alice.put_commit(&two).await };
    create.group.as_mut().unwrap().tree = update.group.unwrap().tree;
    let create = alice.sign(place(other, 1, 0), change, create);
    let mut ids = Vec::new();
    for (seq, sealed) in (2..).zip(sealed) {
        let statement = alice.say(place(id, seq, 0), &sealed);
        ids.push(alice.peer.send(append(id, statement, Some(sealed))).await);
    }
    let update = alice.sign(place(id, 10, 0), Change::Update, update);
    ids.push(alice.peer.send(append(id, update, None)).await);
    let room = other.0.into();
    let created = alice.peer.send(Command::RoomCreate { room, statement: create.clone() }).await;
    for id in ids {
        let reply = alice.peer.reply(id).await.unwrap();
        assert!(matches!(reply, Reply::Appended { .. }), "{reply:?}");
    }
    assert_eq!(code(&alice.peer.reply(created).await.unwrap()), FailureCode::Conflict);
    alice.put(&one.tree).await;
    let reply = alice.create_by(other, create).await;
    assert!(matches!(reply, Reply::Appended { index: 0, .. }), "{reply:?}");
}

/// The server judges group messages without a library of MLS, and has none to be attacked through.
#[test]
fn the_server_is_built_without_a_library_of_mls() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let arguments = ["tree", "--offline", "--locked", "--prefix", "none", "--edges", "normal,build"];
    let tree = std::process::Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--manifest-path", manifest, "--package", "countersign-server"])
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("countersign-store"));
    assert!(!tree.contains("openmls") && !tree.contains("countersign-group"), "{tree}");
}
