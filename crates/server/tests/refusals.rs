//! Appends that are refused, for good or not (SE-20, EV-32).

mod common;

use common::room::{Room, room};
use common::{Running, place, serve};
use evidence::entry::Place;
use evidence::log::TreeHead;
use evidence::refusal::Reason;
use evidence::room::RoomId;
use session::message::{FailureCode, Reply};
use store::{Receipts, SqliteStore};
use testkit::member::append;

#[tokio::test]
async fn what_does_not_fit_gets_a_signed_refusal_with_its_reason() {
    let mut room = room().await;
    let base = place(room.id, 2, 0);
    let fork = TreeHead { size: 1, root: [3; 32] };
    let ahead = TreeHead { size: 9, root: [3; 32] };
    for (wrong, reason) in [
        (Place { seq: 3, ..base }, Reason::Sequence),
        (Place { epoch: 1, ..base }, Reason::Epoch),
        (Place { seen: fork, ..base }, Reason::CheckpointSeen),
        (Place { seen: ahead, ..base }, Reason::CheckpointSeen),
        (Place { time_ms: base.time_ms - 301_000, ..base }, Reason::Time),
        (Place { time_ms: base.time_ms + 301_000, ..base }, Reason::Time),
    ] {
        let reply = room.append(wrong, "no").await;
        assert_eq!(room.reason(&reply), reason, "{wrong:?}");
    }
    for content in [None, Some(b"something else".to_vec())] {
        // A statement of its own each time: what was refused once gets the same refusal again.
        let (statement, _) = room.alice.say(base, "no");
        let reply = room.peer.ask(append(room.id, statement, content)).await.unwrap();
        assert_eq!(room.reason(&reply), Reason::Ciphertext);
    }
    let reply = room.append(Place { seq: 2, ..base }, "the number is free again").await;
    assert!(matches!(reply, Reply::Appended { index: 1, .. }), "{reply:?}");
}

#[tokio::test]
async fn what_anybody_could_have_made_fails_without_a_refusal() {
    let mut room = room().await;
    let (mut statement, content) = room.alice.say(place(room.id, 2, 0), "hello");
    let (foreign, foreign_content) = room.bob.say(place(room.id, 2, 0), "as bob");
    let (elsewhere, elsewhere_content) = room.alice.say(place(RoomId([8; 32]), 2, 0), "elsewhere");
    *statement.last_mut().unwrap() ^= 1;
    for (statement, content) in [
        (statement, content),
        (foreign, foreign_content),
        (elsewhere, elsewhere_content),
        (vec![0xd2], vec![]),
    ] {
        let reply = room.peer.ask(append(room.id, statement, Some(content))).await.unwrap();
        assert!(matches!(reply, Reply::Failed { code: FailureCode::Malformed, .. }), "{reply:?}");
    }
    let nowhere = RoomId([8; 32]);
    let (statement, content) = room.alice.say(place(nowhere, 1, 0), "nowhere");
    let reply = room.peer.ask(append(nowhere, statement, Some(content))).await.unwrap();
    assert!(matches!(reply, Reply::Failed { code: FailureCode::NotFound, .. }), "{reply:?}");
}

#[tokio::test]
async fn the_same_bytes_again_get_the_same_index_and_other_bytes_leave_a_proof() {
    let mut room = room().await;
    let (statement, content) = room.alice.say(place(room.id, 2, 0), "once");
    for _ in 0..3 {
        let reply = room.peer.ask(append(room.id, statement.clone(), Some(content.clone()))).await.unwrap();
        assert!(matches!(reply, Reply::Appended { index: 1, .. }), "{reply:?}");
    }
    let reply = room.append(place(room.id, 2, 0), "twice").await;
    assert_eq!(room.reason(&reply), Reason::Sequence);
    // In one batch with the original, too.
    let (third, content3) = room.alice.say(place(room.id, 3, 0), "three");
    let ids = [
        room.peer.send(append(room.id, third.clone(), Some(content3.clone()))).await,
        room.peer.send(append(room.id, third, Some(content3))).await,
    ];
    for id in ids {
        assert!(matches!(room.peer.reply(id).await.unwrap(), Reply::Appended { index: 2, .. }));
    }
}

#[tokio::test]
async fn what_was_refused_for_good_is_not_logged_later_though_it_would_fit_then() {
    let mut room = room().await;
    let early = room.alice.say(place(room.id, 3, 0), "too early");
    let again = || append(room.id, early.0.clone(), Some(early.1.clone()));
    let reply = room.peer.ask(again()).await.unwrap();
    assert!(matches!(reply, Reply::Refused { .. }), "{reply:?}");
    let (statement, content) = room.alice.say(place(room.id, 2, 0), "in its turn");
    let reply = room.peer.ask(append(room.id, statement, Some(content))).await.unwrap();
    assert!(matches!(reply, Reply::Appended { index: 1, .. }), "{reply:?}");
    // Now it is the next number of its sender, at the right epoch and time.
    let reply = room.peer.ask(again()).await.unwrap();
    assert!(matches!(reply, Reply::Refused { .. }), "{reply:?}");
    let command = again();
    let Room { running: Running { folder, server }, alice, peer, .. } = room;
    drop(peer);
    server.stop().await;
    let server = serve(folder.path()).await;
    let reply = alice.connect(server.address()).await.unwrap().ask(command).await.unwrap();
    assert!(matches!(reply, Reply::Refused { .. }), "{reply:?}");
}

#[tokio::test]
async fn a_refused_statement_sent_again_after_its_number_was_used_is_no_equivocation() {
    let mut room = room().await;
    let (refused, content) = room.alice.say(Place { epoch: 7, ..place(room.id, 2, 0) }, "refused");
    let again = append(room.id, refused, Some(content));
    let first = room.peer.ask(again.clone()).await.unwrap();
    assert_eq!(room.reason(&first), Reason::Epoch);
    assert!(matches!(room.append(place(room.id, 2, 0), "instead").await, Reply::Appended { index: 1, .. }));
    assert_eq!(room.peer.ask(again).await.unwrap(), first);
    let (id, folder) = (room.id.0, room.running.folder.path().join("store.db"));
    let store = SqliteStore::open(&folder).await.unwrap();
    assert_eq!(Receipts::equivocations(&store, &id, 0, 10).await.unwrap(), []);
}

#[tokio::test]
async fn refusals_of_a_device_end_after_so_many_and_others_are_not_concerned() {
    use session::limits::REFUSALS_PER_HOUR;
    let mut room = room().await;
    let wrong = |n: u32| Place { epoch: 7, ..place(room.id, 2 + u64::from(n), 0) };
    let mut sent = Vec::new();
    for n in 0..=REFUSALS_PER_HOUR {
        let (statement, content) = room.alice.say(wrong(n), "no");
        let command = append(room.id, statement, Some(content));
        sent.push((room.peer.send(command.clone()).await, command));
    }
    let mut replies = Vec::new();
    for (id, _) in &sent {
        replies.push(room.peer.reply(*id).await.unwrap());
    }
    let last = replies.pop().unwrap();
    let Reply::Failed { code: FailureCode::RateLimited, retry_ms: Some(wait), .. } = last else {
        panic!("{last:?}")
    };
    assert!(wait <= 3_600_000);
    assert!(replies.iter().all(|reply| matches!(reply, Reply::Refused { .. })));
    let again = room.peer.ask(sent[0].1.clone()).await.unwrap();
    assert_eq!(again, replies[0], "what was refused is told again");
    let mut bob = room.bob.connect(room.running.address()).await.unwrap();
    let (statement, content) = room.bob.say(Place { epoch: 7, ..place(room.id, 1, 0) }, "no");
    let reply = bob.ask(append(room.id, statement, Some(content))).await.unwrap();
    assert_eq!(room.reason(&reply), Reason::Epoch);
    assert!(matches!(room.append(place(room.id, 2, 0), "good").await, Reply::Appended { .. }));
}
