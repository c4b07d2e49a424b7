//! Users of an earlier system: how they are imported, and how they join (SE-27 to SE-32).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails the test")]

mod common;

use common::{PASSWORD, Running, classic, start};
use pki::ed25519::SigningKey;
use server::console::{ClassicUser, ConsoleError, ImportFault, Imported};
use session::limits::LOGIN_FREE_TRIES;
use session::link::Link;
use session::login::{ClassicHash, ClientLogin, ClientRegistration, Parties, classic_identity};
use session::message::{Command, FailureCode, Reply, Role};
use testkit::member::{Member, anonymous};
use testkit::peer::{Peer, now_ms};

/// A password that would not be taken from anybody now.
const OLD: &str = "apollo";

fn name(text: &str) -> pki::Name {
    pki::Name::parse(text).unwrap()
}

async fn peer(running: &Running, link: &Link) -> Peer {
    Peer::connect(running.address(), anonymous(&link.root)).await.unwrap()
}

async fn start_import(peer: &mut Peer, link: &Link, user: &str) -> Reply {
    let start = Command::ImportStart {
        token: link.token.to_vec(),
        user: user.to_owned(),
        device: "laptop".to_owned(),
    };
    peer.ask(start).await.unwrap()
}

async fn salt(running: &Running, link: &Link, user: &str) -> Vec<u8> {
    match start_import(&mut peer(running, link).await, link, user).await {
        Reply::ImportChallenge { salt, .. } => salt,
        other => panic!("{other:?}"),
    }
}

/// Logs in by the earlier system's password; what the server says, or none if its challenge is of another password.
async fn open(peer: &mut Peer, link: &Link, user: &str, old: &str) -> Option<(ClientRegistration, Reply)> {
    let salt = match start_import(peer, link, user).await {
        Reply::ImportChallenge { salt, .. } => salt,
        other => panic!("{other:?}"),
    };
    let (hash, identity) = (ClassicHash::of(&salt, old), classic_identity(&salt));
    let (login, ke1) = ClientLogin::start(hash.as_str()).unwrap();
    let ke2 = match peer.ask(Command::ImportLogin { ke1 }).await.unwrap() {
        Reply::LoginChallenge { ke2 } => ke2,
        other => panic!("{other:?}"),
    };
    let parties = Parties { user: &identity, root: &link.root };
    let ke3 = login.finish(hash.as_str(), &ke2, parties, &peer.exporter()).ok()?.ke3;
    let (registration, registration_request) = ClientRegistration::start(PASSWORD).unwrap();
    let reply = peer.ask(Command::ImportRegister { ke3, registration_request }).await.unwrap();
    Some((registration, reply))
}

async fn join(running: &Running, link: &Link, user: &str, key: &SigningKey) -> Reply {
    let mut peer = peer(running, link).await;
    let Some((registration, reply)) = open(&mut peer, link, user, OLD).await else {
        panic!("wrong password")
    };
    let Reply::ImportAccepted { user, registration_response } = reply else { return reply };
    let parties = Parties { user: &user, root: &link.root };
    let registration_upload = registration.finish(PASSWORD, &registration_response, parties).unwrap();
    let request = pki::request::create(key).unwrap();
    let proof = pki::request::prove_possession(key, &peer.exporter(), &request).to_vec();
    peer.ask(Command::ImportFinish { registration_upload, request, proof }).await.unwrap()
}

fn is_failure(reply: &Reply, expected: FailureCode) -> bool {
    matches!(reply, Reply::Failed { code, .. } if *code == expected)
}

#[tokio::test]
async fn the_same_import_again_changes_nothing_and_who_has_joined_is_not_touched() {
    let running = start().await;
    let mail = Some("Alice@Example.org");
    assert_eq!(running.import("Alice", mail, OLD).await, Imported::New(name("alice")));
    assert_eq!(running.import("Alice", mail, OLD).await, Imported::Unchanged(name("alice")));
    // Regression: another alice of another source took the account over.
    for (mail, password) in [(None, OLD), (Some("other@example.org"), "another")] {
        let outcome = running.import("alice", mail, password).await;
        assert!(matches!(outcome, Imported::Refused(ImportFault::OtherAddress(_))), "{outcome:?}");
    }
    let replaced = running.import_replacing("alice", None, OLD).await;
    assert_eq!(replaced, Imported::Replaced(name("alice")));
    assert_eq!(running.import("alice", None, "another").await, Imported::Replaced(name("alice")));
    assert_eq!(running.import("alice", mail, OLD).await, Imported::Replaced(name("alice")));
    let link = running.invite_for("alice").await;
    let joined = join(&running, &link, "alice@example.org", &SigningKey::generate().unwrap()).await;
    assert!(matches!(&joined, Reply::Joined { user, .. } if user == "alice"), "{joined:?}");
    assert_eq!(running.import("alice", mail, "another").await, Imported::Joined(name("alice")));
}

#[tokio::test]
async fn a_user_that_cannot_be_imported_is_refused_with_its_reason_and_a_dry_run_says_the_same() {
    let running = start().await;
    running.member("paul").await;
    let no_salt = ClassicUser { salt: Vec::new(), ..classic("eve", None, OLD) };
    let long_salt = ClassicUser { salt: vec![1; 65], ..classic("eve", None, OLD) };
    let no_hash = ClassicUser { password_hash: "00".repeat(31).into(), ..classic("eve", None, OLD) };
    for dry_run in [true, false] {
        let console = running.console().await;
        let mut importer = console.importer(&running.authority(), dry_run).await.unwrap();
        let copy = |user: &ClassicUser| ClassicUser {
            name: user.name.clone(),
            email: user.email.clone(),
            salt: user.salt.clone(),
            password_hash: user.password_hash.clone(),
        };
        let cases = [
            (classic("bob", Some("bob@example.org"), OLD), None),
            (classic("paul", None, OLD), Some("taken")),
            (classic("pau1", None, OLD), Some("looks-alike")),
            (classic("B0B", None, OLD), Some("repeated")),
            (classic("carol smith", None, OLD), Some("bad-name")),
            (classic("root", None, OLD), Some("bad-name")),
            (classic("dora", Some("dora"), OLD), Some("bad-email")),
            (classic("dora", Some("BOB@example.org"), OLD), Some("email-taken")),
            (copy(&no_salt), Some("bad-salt")),
            (copy(&long_salt), Some("bad-salt")),
            (copy(&no_hash), Some("bad-hash")),
            (classic("dora", None, OLD), None),
        ];
        for (user, expected) in cases {
            let name = user.name.clone();
            let outcome = importer.import(user).await.unwrap();
            let code = match &outcome {
                Imported::Refused(fault) => Some(fault.code()),
                _ => None,
            };
            assert_eq!(code, expected, "{name}: {outcome:?}");
        }
        console.close().await;
    }
    assert_eq!(running.import("bob", Some("bob@example.org"), OLD).await, Imported::Unchanged(name("bob")));
    let elsewhere = running.import("eve", Some("bob@example.org"), OLD).await;
    assert_eq!(elsewhere, Imported::Refused(ImportFault::EmailTaken));
}

#[tokio::test]
async fn an_account_that_waits_is_joined_by_its_password_alone_and_its_name_is_taken_for_all_others() {
    let running = start().await;
    running.import("alice", Some("alice@example.org"), OLD).await;
    let link = running.invite(Role::Admin, 2, now_ms() + 60_000).await;
    for user in ["alice", "a1ice"] {
        let refused = Member::join(&link, user, "laptop", PASSWORD).await.err().unwrap();
        assert!(refused.contains("Exists"), "{user}: {refused}");
    }
    let console = running.console().await;
    let request = pki::request::create(&SigningKey::generate().unwrap()).unwrap();
    let issued = console.issue(&running.authority(), &request, name("alice"), name("desk")).await;
    assert!(matches!(issued, Err(ConsoleError::Waits(_))));
    console.close().await;

    assert!(open(&mut peer(&running, &link).await, &link, "alice", "Apollo").await.is_none());
    // What made the challenge wrong cannot be gone over.
    let mut forger = peer(&running, &link).await;
    start_import(&mut forger, &link, "alice").await;
    let (_, ke1) = ClientLogin::start("guess").unwrap();
    forger.ask(Command::ImportLogin { ke1 }).await.unwrap();
    let (_, registration_request) = ClientRegistration::start(PASSWORD).unwrap();
    let reply = forger.ask(Command::ImportRegister { ke3: vec![0; 64], registration_request }).await.unwrap();
    assert!(is_failure(&reply, FailureCode::Credentials), "{reply:?}");
    let finish = Command::ImportFinish { registration_upload: Vec::new(), request, proof: Vec::new() };
    let reply = forger.ask(finish).await.unwrap();
    assert!(is_failure(&reply, FailureCode::NotAllowed), "{reply:?}");

    let joined = join(&running, &link, "alice", &SigningKey::generate().unwrap()).await;
    assert!(
        matches!(&joined, Reply::Joined { user, role: Role::Admin, .. } if user == "alice"),
        "{joined:?}"
    );
    running.import("bob", None, OLD).await;
    assert!(open(&mut peer(&running, &link).await, &link, "alice", OLD).await.is_none(), "it has joined");
}

#[tokio::test]
async fn everybody_is_told_a_salt_alike_while_somebody_waits() {
    let running = start().await;
    let link = running.invite(Role::Member, 3, now_ms() + 60_000).await;
    let nobody = start_import(&mut peer(&running, &link).await, &link, "alice").await;
    assert!(is_failure(&nobody, FailureCode::NotFound), "{nobody:?}");

    running.import("alice", Some("alice@example.org"), OLD).await;
    running.member("bob").await;
    assert_eq!(salt(&running, &link, "alice").await, [b'a'; 16]);
    assert_eq!(salt(&running, &link, "alice@example.org").await, [b'a'; 16]);
    let mut seen = Vec::new();
    for user in ["bob", "carol", "carol@example.org"] {
        let told = salt(&running, &link, user).await;
        assert_eq!((told.len(), salt(&running, &link, user).await), (16, told.clone()), "{user}");
        assert!(open(&mut peer(&running, &link).await, &link, user, OLD).await.is_none());
        seen.push(told);
    }
    seen.dedup();
    assert_eq!(seen.len(), 3);

    // An invite for somebody else does not tell either.
    let for_dora = running.invite_for("dora").await;
    assert_ne!(salt(&running, &for_dora, "alice@example.org").await, [b'a'; 16]);
    let reply = start_import(&mut peer(&running, &for_dora).await, &for_dora, "alice").await;
    assert!(is_failure(&reply, FailureCode::NotAllowed), "{reply:?}");
    let mut bad = link.clone();
    bad.token = [7; 32];
    let reply = start_import(&mut peer(&running, &bad).await, &bad, "alice").await;
    assert!(is_failure(&reply, FailureCode::Credentials), "{reply:?}");
    for user in ["Alice", "alice@Example.org", "alice@", "root"] {
        let reply = start_import(&mut peer(&running, &link).await, &link, user).await;
        assert!(is_failure(&reply, FailureCode::Malformed), "{user}: {reply:?}");
    }
}

#[tokio::test]
async fn wrong_passwords_of_who_waits_have_to_wait_and_good_ones_do_not_count() {
    let running = start().await;
    running.import("alice", None, OLD).await;
    let link = running.invite_for("alice").await;
    for _ in 0..=LOGIN_FREE_TRIES {
        let opened = open(&mut peer(&running, &link).await, &link, "alice", OLD).await;
        assert!(matches!(opened, Some((_, Reply::ImportAccepted { .. }))));
    }
    for _ in 0..LOGIN_FREE_TRIES {
        assert!(open(&mut peer(&running, &link).await, &link, "alice", "wrong").await.is_none());
    }
    let mut last = peer(&running, &link).await;
    // The address has used up its tries, so that it is not even told a salt.
    let reply = start_import(&mut last, &link, "alice").await;
    assert!(is_failure(&reply, FailureCode::RateLimited), "{reply:?}");
}

#[tokio::test]
async fn who_never_got_the_answer_to_joining_from_an_earlier_system_gets_it_again_by_its_key() {
    let running = start().await;
    running.import("alice", None, OLD).await;
    let link = running.invite_for("alice").await;
    let key = SigningKey::generate().unwrap();
    let Reply::Joined { chain: first, .. } = join(&running, &link, "alice", &key).await else { panic!() };
    let again = async |key: &SigningKey| {
        let mut peer = peer(&running, &link).await;
        let (registration, registration_request) = ClientRegistration::start(PASSWORD).unwrap();
        let (user, device) = ("alice".to_owned(), "laptop".to_owned());
        let token = link.token.to_vec();
        let start = Command::JoinStart { token, user, email: None, device, registration_request };
        let Reply::JoinChallenge { registration_response, .. } = peer.ask(start).await.unwrap() else {
            panic!()
        };
        let parties = Parties { user: "alice", root: &link.root };
        let registration_upload = registration.finish(PASSWORD, &registration_response, parties).unwrap();
        let request = pki::request::create(key).unwrap();
        let proof = pki::request::prove_possession(key, &peer.exporter(), &request).to_vec();
        peer.ask(Command::JoinFinish { registration_upload, request, proof }).await.unwrap()
    };
    let Reply::Joined { chain: second, .. } = again(&key).await else { panic!() };
    assert_eq!(first, second);
    let other = again(&SigningKey::generate().unwrap()).await;
    assert!(is_failure(&other, FailureCode::Credentials), "{other:?}");
}

#[tokio::test]
async fn administrators_see_who_waits_and_a_disabled_one_stays_out() {
    let running = start().await;
    let link = running.invite(Role::Admin, 1, now_ms() + 60_000).await;
    let olivia = Member::join(&link, "olivia", "desk", PASSWORD).await.unwrap();
    let mut admin = olivia.connect(running.address()).await.unwrap();
    running.import("alice", None, OLD).await;
    let Reply::Users { users } = admin.ask(Command::UserList { after: String::new() }).await.unwrap() else {
        panic!()
    };
    let waits: Vec<_> = users.iter().map(|u| (u.user.as_str(), u.devices, u.imported.is_some())).collect();
    assert_eq!(waits, [("alice", 0, true), ("olivia", 1, false)]);
    let expires = now_ms() + 60_000;
    let invite = |user: &str| Command::InviteCreate {
        user: Some(user.to_owned()),
        role: Role::Member,
        uses: 1,
        expires,
    };
    assert!(matches!(admin.ask(invite("alice")).await.unwrap(), Reply::Invite { .. }));
    for taken in ["a1ice", "olivia"] {
        let reply = admin.ask(invite(taken)).await.unwrap();
        assert!(is_failure(&reply, FailureCode::Exists), "{taken}: {reply:?}");
    }
    admin.ask(Command::UserEnable { user: "alice".into(), enabled: false }).await.unwrap();
    let link = running.invite_for("alice").await;
    assert!(open(&mut peer(&running, &link).await, &link, "alice", OLD).await.is_none());
    admin.ask(Command::UserEnable { user: "alice".into(), enabled: true }).await.unwrap();
    let joined = join(&running, &link, "alice", &SigningKey::generate().unwrap()).await;
    assert!(matches!(joined, Reply::Joined { .. }), "{joined:?}");
}
