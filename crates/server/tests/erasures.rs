//! Erasures as the server takes them (EV-48) and does what they say (SE-50).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails the test")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::place;
use common::room::{Room, room};
use evidence::content::Reference;
use evidence::log::leaf_hash;
use evidence::refusal::Reason;
use minicbor::bytes::ByteVec;
use session::limits::ERASURES_PER_HOUR;
use session::message::{Command, Entry, FailureCode, Reply};
use testkit::member::append;
use testkit::peer::Peer;
use testkit::sealed::put_blob;
use tokio::time::{Instant, sleep};

async fn fetch(peer: &mut Peer, room: [u8; 32]) -> Vec<Entry> {
    let fetch = Command::Fetch { room: room.into(), from: 0, limit: 100 };
    let Reply::Entries { entries, .. } = peer.ask(fetch).await.unwrap() else { panic!("no entries") };
    entries
}

fn named(index: u64, statement: &[u8]) -> Reference {
    Reference { index, leaf: leaf_hash(statement) }
}

fn appended(reply: &Reply) -> u64 {
    let Reply::Appended { index, .. } = reply else { panic!("{reply:?}") };
    *index
}

/// Whether a file below the folder has these bytes.
fn holds(folder: &Path, what: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, what);
        }
        std::fs::read(path).unwrap().windows(what.len()).any(|window| window == what)
    })
}

#[tokio::test]
async fn what_is_erased_is_dropped_with_its_files_and_everything_else_stays() {
    let mut room = room().await;
    let id = room.id;
    let file = b"a sealed file, or what passes for one".repeat(20_000);
    let hash = put_blob(&mut room.peer, &file).await;
    let (one, content) = room.alice.say(place(id, 2, 0), "one");
    let said = Command::Append {
        room: id.0.into(),
        statement: one.clone(),
        content: Some(content.clone()),
        files: vec![hash.into()],
    };
    assert_eq!(appended(&room.peer.ask(said.clone()).await.unwrap()), 1);
    room.append(place(id, 3, 0), "two").await;
    let piece: Vec<(u64, ByteVec)> =
        vec![(1, b"sealed one".to_vec().into()), (2, b"sealed two".to_vec().into())];
    let piece = minicbor::to_vec(piece).unwrap();
    let put = |piece, first, end| Command::HistoryPut { room: id.0.into(), first, end, piece };
    assert_eq!(room.peer.ask(put(piece, 0, 3)).await.unwrap(), Reply::HistoryHeld { end: 3 });
    let mut bobs = room.bob.connect(room.running.address()).await.unwrap();
    let before = fetch(&mut bobs, id.0).await;
    assert!(before[1].content.is_some() && holds(room.running.folder.path(), &content));

    let erasure = room.alice.erase(place(id, 4, 0), vec![named(1, &one)]);
    let erase = append(id, erasure.clone(), None);
    assert_eq!(appended(&room.peer.ask(erase.clone()).await.unwrap()), 3);
    let after = fetch(&mut bobs, id.0).await;
    assert_eq!((after[1].content.as_ref(), &after[2], &after[3].statement), (None, &before[2], &erasure));
    assert_eq!(after[1].statement, before[1].statement);
    let get = Command::BlobGet { room: id.0.into(), hash: hash.into(), offset: 0 };
    let reply = bobs.ask(get).await.unwrap();
    assert!(matches!(reply, Reply::Failed { code: FailureCode::NotFound, .. }), "{reply:?}");
    let deadline = Instant::now() + Duration::from_secs(30);
    while holds(room.running.folder.path(), &content) || holds(room.running.folder.path(), &file[..64]) {
        assert!(Instant::now() < deadline, "it is in the server's folder still");
        sleep(Duration::from_millis(50)).await;
    }

    // Whoever said it, and a new device of that user's, get nothing of it either.
    let phone = room.alice.further(room.running.address(), &mut room.peer, "phone").await.unwrap();
    let mut phone = phone.connect(room.running.address()).await.unwrap();
    let history = Command::HistoryGet { room: id.0.into(), after: 0 };
    let Reply::History { pieces, .. } = phone.ask(history).await.unwrap() else { panic!("no history") };
    let left: Vec<(u64, ByteVec)> = minicbor::decode(&pieces[0].piece).unwrap();
    assert_eq!(left, [(2, b"sealed two".to_vec().into())]);
    let late = minicbor::to_vec(vec![(3_u64, ByteVec::from(b"x".to_vec()))]).unwrap();
    assert_eq!(room.peer.ask(put(late, 3, 4)).await.unwrap(), Reply::HistoryHeld { end: 4 });

    // The same bytes again get the same answers, and bring nothing back, after a restart either.
    for again in [erase, said] {
        assert!(matches!(room.peer.ask(again).await.unwrap(), Reply::Appended { .. }));
    }
    let Room { running, alice, .. } = room;
    let folder = running.folder;
    running.server.stop().await;
    let server = common::serve(folder.path()).await;
    let mut peer = alice.connect(server.address()).await.unwrap();
    assert_eq!(fetch(&mut peer, id.0).await, after);
    let (next, content) = alice.say(place(id, 5, 0), "and on");
    assert_eq!(appended(&peer.ask(append(id, next, Some(content))).await.unwrap()), 4);
    server.stop().await;
}

#[tokio::test]
async fn nobody_erases_what_another_said_or_what_is_no_message() {
    let mut room = room().await;
    let id = room.id;
    let (one, content) = room.alice.say(place(id, 2, 0), "one");
    room.peer.ask(append(id, one.clone(), Some(content))).await.unwrap();
    let mut bobs = room.bob.connect(room.running.address()).await.unwrap();
    let (two, content) = room.bob.say(place(id, 1, 0), "two");
    assert_eq!(appended(&bobs.ask(append(id, two.clone(), Some(content))).await.unwrap()), 2);
    let create = fetch(&mut room.peer, id.0).await[0].statement.clone();
    let own = named(1, &one);
    for erased in [
        vec![named(2, &two)],
        vec![own, named(2, &two)],
        vec![named(0, &create)],
        vec![own, named(3, b"itself")],
        vec![named(9, b"later")],
        vec![named(1, &two)],
    ] {
        let refused = room.alice.erase(place(id, 3, 0), erased);
        let reply = room.peer.ask(append(id, refused, None)).await.unwrap();
        assert_eq!(room.reason(&reply), Reason::Erasure);
    }
    let by_bob = room.bob.erase(place(id, 2, 0), vec![own]);
    let reply = bobs.ask(append(id, by_bob, None)).await.unwrap();
    assert_eq!(room.reason(&reply), Reason::Erasure);
    for entry in &fetch(&mut room.peer, id.0).await[1..] {
        assert!(entry.content.is_some(), "a refusal drops nothing");
    }

    let erasure = room.alice.erase(place(id, 3, 0), vec![own]);
    let with_content = append(id, erasure.clone(), Some(b"with content".to_vec()));
    let reply = room.peer.ask(with_content).await.unwrap();
    assert!(matches!(reply, Reply::Failed { code: FailureCode::Malformed, .. }), "{reply:?}");
    // Somebody else's, replayed.
    let reply = bobs.ask(append(id, erasure.clone(), None)).await.unwrap();
    assert!(matches!(reply, Reply::Failed { code: FailureCode::Malformed, .. }), "{reply:?}");
    assert_eq!(appended(&room.peer.ask(append(id, erasure.clone(), None)).await.unwrap()), 3);
    let again = room.alice.erase(place(id, 4, 0), vec![own]);
    let reply = room.peer.ask(append(id, again, None)).await.unwrap();
    assert_eq!(room.reason(&reply), Reason::Erasure);
    let of_erasure = room.alice.erase(place(id, 4, 0), vec![named(3, &erasure)]);
    let reply = room.peer.ask(append(id, of_erasure, None)).await.unwrap();
    assert_eq!(room.reason(&reply), Reason::Erasure);
}

/// What an erasure costs the server is more than what it costs its sender.
#[tokio::test]
async fn a_device_erases_so_often_in_an_hour_and_others_are_not_concerned() {
    let mut room = room().await;
    let id = room.id;
    let most = u64::from(ERASURES_PER_HOUR);
    let mut statements = Vec::new();
    for seq in 2..most + 3 {
        let (statement, content) = room.alice.say(place(id, seq, 0), "so");
        let index = appended(&room.peer.ask(append(id, statement.clone(), Some(content))).await.unwrap());
        statements.push(named(index, &statement));
    }
    for (seq, erased) in (most + 3..).zip(&statements[1..]) {
        let erasure = room.alice.erase(place(id, seq, 0), vec![*erased]);
        appended(&room.peer.ask(append(id, erasure, None)).await.unwrap());
    }
    let once_more = room.alice.erase(place(id, 2 * most + 3, 0), vec![statements[0]]);
    let reply = room.peer.ask(append(id, once_more, None)).await.unwrap();
    assert!(matches!(reply, Reply::Failed { code: FailureCode::RateLimited, .. }), "{reply:?}");
    let (next, content) = room.alice.say(place(id, 2 * most + 3, 0), "but it speaks");
    appended(&room.peer.ask(append(id, next, Some(content))).await.unwrap());
    let mut bobs = room.bob.connect(room.running.address()).await.unwrap();
    let (said, content) = room.bob.say(place(id, 1, 0), "and others erase");
    let index = appended(&bobs.ask(append(id, said.clone(), Some(content))).await.unwrap());
    let erasure = room.bob.erase(place(id, 2, 0), vec![named(index, &said)]);
    appended(&bobs.ask(append(id, erasure, None)).await.unwrap());
}
