//! Joining and logging in, and every way in which it is refused (SE-5 to SE-12).

#![expect(clippy::unwrap_used, reason = "a test's helper fails the test")]

mod common;

use common::{PASSWORD, start};
use session::login::ClientRegistration;
use session::message::{Command, FailureCode, Reply, Role};
use testkit::member::{Member, anonymous};
use testkit::peer::{Peer, now_ms};

#[tokio::test]
async fn a_member_joins_and_logs_in_and_nobody_else_does() {
    let running = start().await;
    let alice = running.member("alice").await;
    let mut peer = alice.connect(running.address()).await.unwrap();
    assert!(
        matches!(peer.ask(Command::Rooms { after: 0 }).await.unwrap(), Reply::Rooms { rooms } if rooms.is_empty())
    );
    peer.close().await;

    let mut peer = Peer::connect(running.address(), alice.config()).await.unwrap();
    assert!(alice.login(&mut peer, "wrong horse battery staple").await.is_err());
}

#[tokio::test]
async fn an_invite_that_is_used_up_expired_or_unknown_admits_nobody_with_one_answer() {
    let running = start().await;
    let used = running.invite(Role::Member, 1, now_ms() + 60_000).await;
    Member::join(&used, "alice", "laptop", PASSWORD).await.unwrap();
    let expired = running.invite(Role::Member, 1, now_ms()).await;
    let mut unknown = used.clone();
    unknown.token = [7; 32];
    let mut answers = Vec::new();
    for link in [&used, &expired, &unknown] {
        answers.push(Member::join(link, "bob", "laptop", PASSWORD).await.err().unwrap());
    }
    assert!(answers[0].contains("Credentials"), "{}", answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[tokio::test]
async fn a_taken_name_and_one_that_reads_like_it_are_refused_and_the_invite_stays_good() {
    let running = start().await;
    running.member("alice").await;
    let link = running.invite(Role::Member, 1, now_ms() + 60_000).await;
    for name in ["alice", "a1ice"] {
        let refused = Member::join(&link, name, "laptop", PASSWORD).await.err().unwrap();
        assert!(refused.contains("Exists"), "{name}: {refused}");
    }
    for name in ["Alice", "admin", "", "-x", "ümlaut"] {
        let refused = Member::join(&link, name, "laptop", PASSWORD).await.err().unwrap();
        assert!(refused.contains("Malformed"), "{name}: {refused}");
    }
    Member::join(&link, "bob", "laptop", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_joiner_that_expects_another_root_goes_no_further() {
    let running = start().await;
    let mut link = running.invite(Role::Member, 1, now_ms() + 60_000).await;
    link.root = [9; 32];
    assert!(Member::join(&link, "alice", "laptop", PASSWORD).await.is_err());
}

#[tokio::test]
async fn a_proof_of_possession_from_another_connection_is_refused() {
    let running = start().await;
    let link = running.invite(Role::Member, 1, now_ms() + 60_000).await;
    let other = Peer::connect(running.address(), anonymous(&link.root)).await.unwrap();
    let mut peer = Peer::connect(running.address(), anonymous(&link.root)).await.unwrap();
    let (registration, registration_request) = ClientRegistration::start(PASSWORD).unwrap();
    let (user, device) = ("alice".to_owned(), "laptop".to_owned());
    let start =
        Command::JoinStart { token: link.token.to_vec(), user, email: None, device, registration_request };
    let Reply::JoinChallenge { registration_response, .. } = peer.ask(start).await.unwrap() else { panic!() };
    let parties = session::login::Parties { user: "alice", root: &link.root };
    let registration_upload = registration.finish(PASSWORD, &registration_response, parties).unwrap();
    let key = pki::ed25519::SigningKey::generate().unwrap();
    let request = pki::request::create(&key).unwrap();
    let proof = pki::request::prove_possession(&key, &other.exporter(), &request).to_vec();
    let reply = peer.ask(Command::JoinFinish { registration_upload, request, proof }).await.unwrap();
    assert!(matches!(reply, Reply::Failed { code: FailureCode::Malformed, .. }), "{reply:?}");
}

#[tokio::test]
async fn before_login_nothing_but_login_is_answered() {
    let running = start().await;
    let alice = running.member("alice").await;
    let mut certified = Peer::connect(running.address(), alice.config()).await.unwrap();
    let link = running.invite(Role::Member, 1, now_ms() + 60_000).await;
    let mut nobody = Peer::connect(running.address(), anonymous(&link.root)).await.unwrap();
    for peer in [&mut certified, &mut nobody] {
        for command in [
            Command::Rooms { after: 0 },
            Command::UserList { after: String::new() },
            Command::Watch,
            Command::DeviceLinkCreate,
        ] {
            let reply = peer.ask(command).await.unwrap();
            assert!(matches!(reply, Reply::Failed { code: FailureCode::NotAllowed, .. }), "{reply:?}");
        }
        assert!(matches!(peer.ask(Command::Time).await.unwrap(), Reply::Time { .. }));
    }
}

#[tokio::test]
async fn too_many_wrong_passwords_have_to_wait() {
    let running = start().await;
    let alice = running.member("alice").await;
    for _ in 0..session::limits::LOGIN_FREE_TRIES {
        let mut peer = Peer::connect(running.address(), alice.config()).await.unwrap();
        peer.ask(Command::LoginStart { ke1: session::login::ClientLogin::start("wrong").unwrap().1 })
            .await
            .unwrap();
        let reply = peer.ask(Command::LoginFinish { ke3: vec![0; 64] }).await.unwrap();
        assert!(matches!(reply, Reply::Failed { code: FailureCode::Credentials, .. }), "{reply:?}");
    }
    let refused = alice.connect(running.address()).await.err().unwrap();
    assert!(refused.contains("RateLimited"), "{refused}");
}

#[tokio::test]
async fn a_password_that_is_only_tried_on_the_challenge_counts() {
    let running = start().await;
    let alice = running.member("alice").await;
    for _ in 0..session::limits::LOGIN_FREE_TRIES {
        let mut peer = Peer::connect(running.address(), alice.config()).await.unwrap();
        let wrong = alice.login(&mut peer, "wrong horse battery staple").await;
        assert!(wrong.is_err(), "the client knows from the challenge");
    }
    let refused = alice.connect(running.address()).await.err().unwrap();
    assert!(refused.contains("RateLimited"), "{refused}");
}

#[tokio::test]
async fn good_logins_are_never_limited() {
    let running = start().await;
    let alice = running.member("alice").await;
    for _ in 0..=2 * session::limits::LOGIN_FREE_TRIES {
        alice.connect(running.address()).await.unwrap();
    }
}

#[tokio::test]
async fn made_up_device_links_limit_their_address_and_lock_no_member_out() {
    let running = start().await;
    let alice = running.member("alice").await;
    let mut session = alice.connect(running.address()).await.unwrap();
    let Reply::DeviceLink { token, .. } = session.ask(Command::DeviceLinkCreate).await.unwrap() else {
        panic!("no link")
    };
    let root = *running.authority().root_fingerprint();
    let ask = async |token: Vec<u8>| {
        let mut peer = Peer::connect(running.address(), anonymous(&root)).await.unwrap();
        let ke1 = session::login::ClientLogin::start("wrong").unwrap().1;
        peer.ask(Command::DeviceStart { token, user: "alice".into(), device: "desk".into(), ke1 })
            .await
            .unwrap()
    };
    for _ in 0..session::limits::LOGIN_FREE_TRIES {
        let reply = ask(vec![7; 32]).await;
        assert!(matches!(reply, Reply::LoginChallenge { .. }), "{reply:?}");
    }
    for token in [vec![7; 32], token.to_vec()] {
        let reply = ask(token).await;
        assert!(matches!(reply, Reply::Failed { code: FailureCode::RateLimited, .. }), "{reply:?}");
    }
    alice.connect(running.address()).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_not_read_from() {
    let running = start().await;
    let alice = running.member("alice").await;
    let mut peer = Peer::connect(running.address(), alice.config()).await.unwrap();
    let requests: Vec<u8> = (0..1600)
        .flat_map(|id| session::message::encode(&session::message::Request { id, command: Command::Time }))
        .collect();
    // More than the system's own buffers hold.
    let most = (32 << 20) / requests.len();
    for _ in 0..most {
        let sent = tokio::time::timeout(std::time::Duration::from_secs(3), peer.send_bytes(&requests)).await;
        if sent.is_err() {
            return;
        }
    }
    panic!("the server reads on, and holds every answer");
}

#[tokio::test]
async fn members_do_not_administrate() {
    let running = start().await;
    let mut peer = running.member("alice").await.connect(running.address()).await.unwrap();
    for command in [
        Command::UserList { after: String::new() },
        Command::InviteList { after: 0 },
        Command::UserEnable { user: "alice".into(), enabled: false },
        Command::InviteCreate { user: None, role: Role::Admin, uses: 1, expires: now_ms() + 1000 },
    ] {
        let reply = peer.ask(command).await.unwrap();
        assert!(matches!(reply, Reply::Failed { code: FailureCode::NotAllowed, .. }), "{reply:?}");
    }
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once_and_does_not_come_back() {
    let running = start().await;
    let link = running.invite(Role::Admin, 1, now_ms() + 60_000).await;
    let mut admin = Member::join(&link, "olivia", "desk", PASSWORD)
        .await
        .unwrap()
        .connect(running.address())
        .await
        .unwrap();
    let bob = running.member("bob").await;
    let mut session = bob.connect(running.address()).await.unwrap();
    let herself = Command::UserEnable { user: "olivia".into(), enabled: false };
    let reply = admin.ask(herself).await.unwrap();
    assert!(matches!(reply, Reply::Failed { code: FailureCode::NotAllowed, .. }), "{reply:?}");
    let disable = Command::UserEnable { user: "bob".into(), enabled: false };
    assert_eq!(admin.ask(disable).await.unwrap(), Reply::Done);
    assert!(matches!(session.event().await, Ok(session::message::Event::Closing { .. })));
    assert!(session.event().await.is_err());
    assert!(bob.connect(running.address()).await.is_err());
    admin.ask(Command::UserEnable { user: "bob".into(), enabled: true }).await.unwrap();
    bob.connect(running.address()).await.unwrap();
}

async fn try_to_join(
    running: &common::Running,
    link: &session::link::Link,
    key: &pki::ed25519::SigningKey,
) -> Reply {
    let mut peer = Peer::connect(running.address(), anonymous(&link.root)).await.unwrap();
    let (registration, registration_request) = ClientRegistration::start(PASSWORD).unwrap();
    let (user, device) = ("alice".to_owned(), "laptop".to_owned());
    let start =
        Command::JoinStart { token: link.token.to_vec(), user, email: None, device, registration_request };
    let reply = peer.ask(start).await.unwrap();
    let Reply::JoinChallenge { registration_response, .. } = reply else { return reply };
    let parties = session::login::Parties { user: "alice", root: &link.root };
    let registration_upload = registration.finish(PASSWORD, &registration_response, parties).unwrap();
    let request = pki::request::create(key).unwrap();
    let proof = pki::request::prove_possession(key, &peer.exporter(), &request).to_vec();
    peer.ask(Command::JoinFinish { registration_upload, request, proof }).await.unwrap()
}

#[tokio::test]
async fn who_never_got_the_answer_to_joining_gets_it_again_by_its_key_and_nobody_else() {
    let running = start().await;
    let link = running.invite(Role::Member, 1, now_ms() + 60_000).await;
    let key = pki::ed25519::SigningKey::generate().unwrap();
    let Reply::Joined { chain: first, .. } = try_to_join(&running, &link, &key).await else { panic!() };
    let Reply::Joined { chain: again, .. } = try_to_join(&running, &link, &key).await else { panic!() };
    assert_eq!(first, again);
    let other = pki::ed25519::SigningKey::generate().unwrap();
    let refused = try_to_join(&running, &link, &other).await;
    assert!(matches!(refused, Reply::Failed { code: FailureCode::Credentials, .. }), "{refused:?}");
}

#[tokio::test]
async fn handshakes_that_stall_on_every_place_make_room_for_who_comes() {
    use server::admission::{MAX_UNAUTHENTICATED, MAX_UNAUTHENTICATED_PER_ADDRESS};
    use tokio::io::AsyncReadExt;

    let running = start().await;
    let alice = running.member("alice").await;
    let mut stalled = Vec::new();
    for n in 0..MAX_UNAUTHENTICATED {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        let from = [127, 0, 1, u8::try_from(1 + n / MAX_UNAUTHENTICATED_PER_ADDRESS).unwrap()];
        socket.bind(std::net::SocketAddr::from((from, 0))).unwrap();
        stalled.push(socket.connect(running.address()).await.unwrap());
    }
    // Connections are taken up in the order in which they came: this one finds every place taken.
    alice.connect(running.address()).await.unwrap();
    let mut end = Vec::new();
    stalled[0].read_to_end(&mut end).await.unwrap();
    assert!(end.is_empty(), "the oldest made room");
    for still_there in &mut stalled[1..] {
        let mut byte = [0];
        let error = still_there.try_read(&mut byte).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}
