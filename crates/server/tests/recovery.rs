//! Recovery keys, and what is given to whom without a certificate (SE-41, SE-42, ID-54).
#![expect(clippy::unwrap_used, reason = "a test's helper fails the test")]

mod common;

use common::{PASSWORD, Running, start};
use minicbor::bytes::ByteArray;
use pki::Name;
use pki::ed25519::SigningKey;
use session::limits::{LOGIN_FREE_TRIES, MAX_RECOVERIES, MAX_RECOVERY};
use session::login::{ClientLogin, Parties};
use session::message::{Command, FailureCode, Reply};
use testkit::member::{Member, anonymous};
use testkit::peer::Peer;

/// A recovery key of a user, logged in.
async fn paper(running: &Running, member: &Member) -> Peer {
    let key = SigningKey::generate().unwrap();
    let name = Name::of_recovery_key(key.public());
    let mut session = member.connect(running.address()).await.unwrap();
    let paper = member.further_of(running.address(), &mut session, name.as_str(), &key).await.unwrap();
    paper.connect(running.address()).await.unwrap()
}

fn put(token: u8, sealed: &[u8]) -> Command {
    Command::RecoveryPut { token: ByteArray::from([token; 32]), sealed: sealed.to_vec() }
}

fn code(reply: &Reply) -> Option<FailureCode> {
    match reply {
        Reply::Failed { code, .. } => Some(*code),
        _ => None,
    }
}

/// Logs in without a certificate, by a token.
async fn open(running: &Running, token: u8, user: &str, password: &str) -> Reply {
    let root = *running.authority().root_fingerprint();
    let mut peer = Peer::connect(running.address(), anonymous(&root)).await.unwrap();
    let (login, ke1) = ClientLogin::start(password).unwrap();
    let start = Command::RecoveryStart { token: vec![token; 32], user: user.into(), ke1 };
    let ke2 = match peer.ask(start).await.unwrap() {
        Reply::LoginChallenge { ke2 } => ke2,
        other => return other,
    };
    // Who cannot answer the challenge answers something.
    let ke3 = login
        .finish(password, &ke2, Parties { user, root: &root }, &peer.exporter())
        .map_or_else(|_| vec![0; 64], |done| done.ke3);
    let reply = peer.ask(Command::RecoveryOpen { ke3: ke3.clone() }).await.unwrap();
    assert_eq!(code(&peer.ask(Command::RecoveryOpen { ke3 }).await.unwrap()), Some(FailureCode::NotAllowed));
    reply
}

#[tokio::test]
async fn a_record_is_given_to_token_user_and_password_together_alone() {
    let running = start().await;
    let (alice, _bob) = (running.member("alice").await, running.member("bob").await);
    let mut paper = paper(&running, &alice).await;
    assert_eq!(paper.ask(put(1, b"sealed")).await.unwrap(), Reply::Done);
    assert_eq!(open(&running, 1, "alice", PASSWORD).await, Reply::Recovery { sealed: b"sealed".to_vec() });
    for (token, user, password) in [
        (1, "alice", "wrong lanterns"),
        (2, "alice", PASSWORD),
        (1, "bob", PASSWORD),
        (1, "nobody-here", PASSWORD),
    ] {
        let reply = open(&running, token, user, password).await;
        assert_eq!(code(&reply), Some(FailureCode::Credentials), "{token} {user}");
    }
    // The record of now: the one that is replaced opens to nothing.
    assert_eq!(paper.ask(put(3, b"sealed anew")).await.unwrap(), Reply::Done);
    assert_eq!(
        open(&running, 3, "alice", PASSWORD).await,
        Reply::Recovery { sealed: b"sealed anew".to_vec() }
    );
}

#[tokio::test]
async fn tries_with_a_token_are_the_accounts_and_without_one_the_address_alone() {
    let running = start().await;
    let alice = running.member("alice").await;
    let mut paper = paper(&running, &alice).await;
    paper.ask(put(1, b"sealed")).await.unwrap();
    for _ in 0..LOGIN_FREE_TRIES {
        let reply = open(&running, 1, "alice", "wrong lanterns").await;
        assert_eq!(code(&reply), Some(FailureCode::Credentials));
    }
    let limited = open(&running, 1, "alice", PASSWORD).await;
    assert_eq!(code(&limited), Some(FailureCode::RateLimited), "{limited:?}");
    alice.connect(running.address()).await.unwrap();
}

/// SE-9: a client sees by the challenge whether its password is right, before anything is counted against the account.
#[tokio::test]
async fn without_a_good_token_a_challenge_does_not_tell_whether_the_password_is_right() {
    let running = start().await;
    let alice = running.member("alice").await;
    paper(&running, &alice).await.ask(put(1, b"sealed")).await.unwrap();
    let mut session = alice.connect(running.address()).await.unwrap();
    let Reply::DeviceLink { token: link, .. } = session.ask(Command::DeviceLinkCreate).await.unwrap() else {
        panic!("no link")
    };
    let root = *running.authority().root_fingerprint();
    let tells = async |start: &dyn Fn(Vec<u8>) -> Command| {
        let mut peer = Peer::connect(running.address(), anonymous(&root)).await.unwrap();
        let (login, ke1) = ClientLogin::start(PASSWORD).unwrap();
        let Reply::LoginChallenge { ke2 } = peer.ask(start(ke1)).await.unwrap() else {
            panic!("no challenge")
        };
        login.finish(PASSWORD, &ke2, Parties { user: "alice", root: &root }, &peer.exporter()).is_ok()
    };
    for (token, good) in [([1; 32], true), ([2; 32], false)] {
        let start = |ke1| Command::RecoveryStart { token: token.to_vec(), user: "alice".into(), ke1 };
        assert_eq!(tells(&start).await, good, "a recovery key's");
    }
    for (token, good) in [(link, true), (vec![2; 32], false)] {
        let start = |ke1| {
            let (token, user, device) = (token.clone(), "alice".into(), "desk".into());
            Command::DeviceStart { token, user, device, ke1 }
        };
        assert_eq!(tells(&start).await, good, "a link's");
    }
}

#[tokio::test]
async fn only_a_recovery_key_hands_in_a_record_and_few_of_them() {
    let running = start().await;
    let alice = running.member("alice").await;
    let mut session = alice.connect(running.address()).await.unwrap();
    assert_eq!(code(&session.ask(put(1, b"sealed")).await.unwrap()), Some(FailureCode::NotAllowed));
    let mut papers = Vec::new();
    for number in 0..MAX_RECOVERIES as u8 {
        let mut one = paper(&running, &alice).await;
        assert_eq!(one.ask(put(number, b"sealed")).await.unwrap(), Reply::Done);
        papers.push(one);
    }
    let mut more = paper(&running, &alice).await;
    assert_eq!(code(&more.ask(put(99, b"sealed")).await.unwrap()), Some(FailureCode::TooLarge));
    for (sealed, expected) in
        [(vec![], FailureCode::Malformed), (vec![0; MAX_RECOVERY + 1], FailureCode::TooLarge)]
    {
        let reply = papers[0].ask(put(0, &sealed)).await.unwrap();
        assert_eq!(code(&reply), Some(expected));
    }
    assert_eq!(code(&papers[0].ask(put(1, b"x")).await.unwrap()), Some(FailureCode::Exists));
}

/// ID-54
#[tokio::test]
async fn the_name_of_a_recovery_key_is_that_of_its_key_and_nobody_joins_with_one() {
    let running = start().await;
    let alice = running.member("alice").await;
    let mut session = alice.connect(running.address()).await.unwrap();
    let key = SigningKey::generate().unwrap();
    let other = SigningKey::generate().unwrap();
    for name in [Name::of_recovery_key(other.public()).as_str(), "recovery-1"] {
        let refused = alice.further_of(running.address(), &mut session, name, &key).await;
        assert!(refused.is_err(), "{name}");
    }
    let link = running.invite(session::message::Role::Member, 1, testkit::peer::now_ms() + 60_000).await;
    let refused = Member::join(&link, "bob", "recovery-1", PASSWORD).await.err().unwrap();
    assert!(refused.contains("recovery"), "{refused}");
}

/// SE-17
#[tokio::test]
async fn a_new_password_comes_with_all_records_or_not_at_all() {
    let running = start().await;
    let alice = running.member("alice").await;
    let mut paper = paper(&running, &alice).await;
    paper.ask(put(1, b"sealed")).await.unwrap();
    let mut session = alice.connect(running.address()).await.unwrap();
    let (registration, registration_request) =
        session::login::ClientRegistration::start("new lanterns").unwrap();
    let reply = session.ask(Command::PasswordStart { registration_request }).await.unwrap();
    let Reply::PasswordChallenge { registration_response, mut recoveries } = reply else {
        panic!("{reply:?}")
    };
    assert_eq!(recoveries.len(), 1);
    assert_eq!(recoveries[0].sealed, b"sealed");
    let root = *running.authority().root_fingerprint();
    let parties = Parties { user: "alice", root: &root };
    let registration_upload = registration.finish("new lanterns", &registration_response, parties).unwrap();
    let finish =
        |recoveries| Command::PasswordFinish { registration_upload: registration_upload.clone(), recoveries };
    assert_eq!(code(&session.ask(finish(vec![])).await.unwrap()), Some(FailureCode::Conflict));
    assert!(matches!(open(&running, 1, "alice", PASSWORD).await, Reply::Recovery { .. }));
    recoveries[0].sealed = b"under the new one".to_vec();
    assert_eq!(session.ask(finish(recoveries)).await.unwrap(), Reply::Done);
    let opened = open(&running, 1, "alice", "new lanterns").await;
    assert_eq!(opened, Reply::Recovery { sealed: b"under the new one".to_vec() });
}
