//! What a user's devices keep for each other, as the server takes and gives it (SE-38, SE-39).

#![expect(clippy::panic, reason = "a test's helper fails the test")]

mod common;

use common::sealed::{SealedRoom, sealed_room};
use common::{place, start};
use session::limits::{HISTORY_KIB_PER_HOUR, MAX_HISTORY_BOX, MAX_HISTORY_PIECE};
use session::message::{Command, FailureCode, HistoryBox, HistoryKeysGiven, Reply};
use testkit::member::append;

fn code(reply: &Reply) -> FailureCode {
    let Reply::Failed { code, .. } = reply else { panic!("{reply:?}") };
    *code
}

/// SE-38: boxes go from one device of a user to another, and to no other user's.
#[tokio::test]
async fn history_keys_are_given_among_the_devices_of_one_user() {
    let running = start().await;
    let (alice, bob) = (running.member("alice").await, running.member("bob").await);
    let mut alices = alice.connect(running.address()).await.unwrap();
    let phone = alice.further(running.address(), &mut alices, "phone").await.unwrap();
    let mut phones = phone.connect(running.address()).await.unwrap();
    let phone = phone.certificate();
    let mut bobs = bob.connect(running.address()).await.unwrap();
    let give = |certificate: [u8; 32], sealed: &[u8]| Command::HistoryKeyPut {
        certificate: certificate.into(),
        keys: 1,
        sealed: sealed.to_vec(),
    };
    for (certificate, sealed, failure) in [
        (alice.certificate(), &b"a box"[..], FailureCode::Malformed),
        (phone, b"", FailureCode::Malformed),
        (phone, &[0; MAX_HISTORY_BOX + 1], FailureCode::TooLarge),
        (bob.certificate(), b"a box", FailureCode::NotFound),
        ([9; 32], b"a box", FailureCode::NotFound),
    ] {
        assert_eq!(code(&alices.ask(give(certificate, sealed)).await.unwrap()), failure);
    }
    assert_eq!(code(&bobs.ask(give(phone, b"a box")).await.unwrap()), FailureCode::NotFound);
    assert_eq!(alices.ask(give(phone, b"a box")).await.unwrap(), Reply::Done);
    let given = |keys| Reply::HistoryKeys {
        given: Vec::from_iter((keys > 0).then(|| HistoryKeysGiven { certificate: phone.into(), keys })),
    };
    assert_eq!(alices.ask(Command::HistoryKeys).await.unwrap(), given(1));
    let one = HistoryBox { giver: alice.certificate().into(), keys: 1, sealed: b"a box".to_vec() };
    let boxes = |boxes| Reply::HistoryBoxes { boxes };
    for peer in [&mut alices, &mut bobs] {
        assert_eq!(peer.ask(Command::HistoryKeyGet).await.unwrap(), boxes(vec![]));
    }
    assert_eq!(phones.ask(Command::HistoryKeyGet).await.unwrap(), boxes(vec![one]));
    for (opened, keys) in [(true, 1), (false, 0)] {
        let taken = Command::HistoryKeyTaken { giver: alice.certificate().into(), keys: 1, opened };
        assert_eq!(phones.ask(taken).await.unwrap(), Reply::Done);
        assert_eq!(phones.ask(Command::HistoryKeyGet).await.unwrap(), boxes(vec![]));
        assert_eq!(alices.ask(Command::HistoryKeys).await.unwrap(), given(keys));
    }
}

/// SE-39
#[tokio::test]
async fn history_is_taken_in_order_up_to_its_limits_and_given_to_no_other_user() {
    let SealedRoom { running, mut alice, mut bob, id, mut group, .. } = sealed_room().await;
    for seq in 2..10 {
        let sealed = alice.seal(&mut group, "to be kept");
        let statement = alice.say(place(id, seq, 0), &sealed);
        let reply = alice.peer.ask(append(id, statement, Some(sealed))).await.unwrap();
        assert!(matches!(reply, Reply::Appended { .. }), "{reply:?}");
    }
    let put = |first, end, piece| Command::HistoryPut { room: id.0.into(), first, end, piece };
    for (first, end, held) in [(0, 5, 5), (0, 9, 5), (7, 9, 9)] {
        let reply = alice.peer.ask(put(first, end, vec![1])).await.unwrap();
        assert_eq!(reply, Reply::HistoryHeld { end: held });
    }
    assert_eq!(alice.peer.ask(put(0, 0, Vec::new())).await.unwrap(), Reply::HistoryHeld { end: 9 });
    assert_eq!(code(&alice.peer.ask(put(9, 9, vec![1])).await.unwrap()), FailureCode::Malformed);
    assert_eq!(code(&alice.peer.ask(put(9, 10, vec![1])).await.unwrap()), FailureCode::Malformed);
    let large = put(0, 9, vec![1; MAX_HISTORY_PIECE + 1]);
    assert_eq!(code(&alice.peer.ask(large).await.unwrap()), FailureCode::TooLarge);
    let elsewhere = Command::HistoryPut { room: [1; 32].into(), first: 0, end: 1, piece: vec![1] };
    assert_eq!(code(&alice.peer.ask(elsewhere).await.unwrap()), FailureCode::NotFound);
    let get = |after| Command::HistoryGet { room: id.0.into(), after };
    for peer in [&mut alice.peer, &mut bob.peer] {
        let Reply::History { pieces, .. } = peer.ask(get(0)).await.unwrap() else { panic!("no history") };
        assert_eq!(pieces, []);
    }
    let phone = alice.member.further(running.address(), &mut alice.peer, "phone").await.unwrap();
    let mut phone = phone.connect(running.address()).await.unwrap();
    let Reply::History { last, pieces } = phone.ask(get(0)).await.unwrap() else { panic!("no history") };
    let told: Vec<_> = pieces.iter().map(|piece| (piece.first, piece.end, piece.piece.as_slice())).collect();
    assert_eq!((told, pieces[1].position), (vec![(0, 5, &[1][..]), (7, 9, &[1])], last));
    let Reply::History { pieces, .. } = phone.ask(get(last)).await.unwrap() else { panic!("no history") };
    assert_eq!(pieces, []);
    // The large one is counted too.
    let most = u64::from(HISTORY_KIB_PER_HOUR) * 1024 / MAX_HISTORY_PIECE as u64;
    for _ in 0..most {
        let reply = bob.peer.ask(put(0, 1, vec![0; MAX_HISTORY_PIECE])).await.unwrap();
        assert_eq!(reply, Reply::HistoryHeld { end: 1 });
    }
    assert_eq!(code(&bob.peer.ask(put(1, 2, vec![1])).await.unwrap()), FailureCode::RateLimited);
}
