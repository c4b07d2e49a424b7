//! What a user's devices keep for each other, as the server takes and gives it (SE-38, SE-39).

#![expect(clippy::panic, reason = "a test's helper fails the test")]

mod common;

use common::start;
use minicbor::bytes::ByteArray;
use session::limits::{HISTORY_KIB_PER_HOUR, MAX_HISTORY_BOX, MAX_HISTORY_PIECE};
use session::message::{Command, FailureCode, HistoryKeyHolder, Reply};

fn code(reply: &Reply) -> FailureCode {
    let Reply::Failed { code, .. } = reply else { panic!("{reply:?}") };
    *code
}

fn put(first: u64, end: u64, piece: Vec<u8>) -> Command {
    Command::HistoryPut { room: [1; 32].into(), first, end, piece }
}

/// A device gives the key to devices of its own user alone, and says of itself alone that it has it or not.
#[tokio::test]
async fn a_history_key_is_given_among_the_devices_of_one_user() {
    let running = start().await;
    let (alice, bob) = (running.member("alice").await, running.member("bob").await);
    let mut alices = alice.connect(running.address()).await.unwrap();
    let mut bobs = bob.connect(running.address()).await.unwrap();
    let give = |certificate: [u8; 32], sealed: Option<&[u8]>| Command::HistoryKeyPut {
        certificate: certificate.into(),
        sealed: sealed.map(<[u8]>::to_vec),
    };
    let holders = |has_key| Reply::HistoryKeys {
        devices: vec![HistoryKeyHolder { certificate: ByteArray::from(alice.certificate()), has_key }],
    };
    assert_eq!(alices.ask(Command::HistoryKeys).await.unwrap(), holders(false));
    assert_eq!(alices.ask(Command::HistoryKeyGet).await.unwrap(), Reply::HistoryKey { sealed: None });
    for (certificate, sealed, failure) in [
        (alice.certificate(), Some(&b"a box"[..]), FailureCode::Malformed),
        (bob.certificate(), Some(b""), FailureCode::Malformed),
        (bob.certificate(), None, FailureCode::Malformed),
        (bob.certificate(), Some(b"a box"), FailureCode::NotFound),
        ([9; 32], Some(b"a box"), FailureCode::NotFound),
    ] {
        assert_eq!(code(&alices.ask(give(certificate, sealed)).await.unwrap()), failure);
    }
    let large = give(bob.certificate(), Some(&[0; MAX_HISTORY_BOX + 1]));
    assert_eq!(code(&alices.ask(large).await.unwrap()), FailureCode::NotFound);
    for (sealed, has_key) in [(Some(&b""[..]), true), (None, false)] {
        assert_eq!(alices.ask(give(alice.certificate(), sealed)).await.unwrap(), Reply::Done);
        assert_eq!(alices.ask(Command::HistoryKeys).await.unwrap(), holders(has_key));
    }
    assert_eq!(bobs.ask(Command::HistoryKeyGet).await.unwrap(), Reply::HistoryKey { sealed: None });
}

#[tokio::test]
async fn history_is_taken_in_order_up_to_its_limits_and_given_to_no_other_user() {
    let running = start().await;
    let (alice, bob) = (running.member("alice").await, running.member("bob").await);
    let mut alices = alice.connect(running.address()).await.unwrap();
    let mut bobs = bob.connect(running.address()).await.unwrap();
    for (first, end, held) in [(0, 5, 5), (0, 9, 5), (7, 9, 9)] {
        let reply = alices.ask(put(first, end, vec![1])).await.unwrap();
        assert_eq!(reply, Reply::HistoryHeld { end: held });
    }
    assert_eq!(alices.ask(put(0, 0, Vec::new())).await.unwrap(), Reply::HistoryHeld { end: 9 });
    assert_eq!(code(&alices.ask(put(9, 9, vec![1])).await.unwrap()), FailureCode::Malformed);
    let large = put(9, 10, vec![1; MAX_HISTORY_PIECE + 1]);
    assert_eq!(code(&alices.ask(large).await.unwrap()), FailureCode::TooLarge);
    let get = || Command::HistoryGet { room: [1; 32].into(), after: 0 };
    for peer in [&mut alices, &mut bobs] {
        assert_eq!(peer.ask(get()).await.unwrap(), Reply::History { pieces: Vec::new() });
    }
    // The large one is counted too.
    let most = u64::from(HISTORY_KIB_PER_HOUR) * 1024 / MAX_HISTORY_PIECE as u64;
    for number in 0..most {
        let reply = bobs.ask(put(number, number + 1, vec![0; MAX_HISTORY_PIECE])).await.unwrap();
        assert_eq!(reply, Reply::HistoryHeld { end: number + 1 });
    }
    assert_eq!(code(&bobs.ask(put(most, most + 1, vec![1])).await.unwrap()), FailureCode::RateLimited);
}
