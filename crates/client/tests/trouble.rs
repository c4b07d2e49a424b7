//! What goes wrong: each a clear error, and nothing half-made, lost or doubled.

mod common;

use client::{
    Client, ClientError, ClientOptions, Event, ExportOptions, Home, Joiner, Outgoing, VaultError, join,
};
use common::{World, ended, export, password, run, said, texts, verdict, within};
use evidence::bundle::Root;
use evidence::verdict::Word;
use pki::Password;
use session::message::Role;

#[tokio::test]
async fn joining_with_bad_input_leaves_nothing() {
    let world = World::new().await;
    let link = world.invite(Role::Member).await;
    let joiner = |user, password| Joiner { user, email: None, device: "laptop", password, earlier: None };
    let home = world.home("x");
    let broken = link.replace("root=", "root=00");
    let mut wrong_root = link.clone();
    let at = wrong_root.find("root=").unwrap() + 5;
    let flipped = if wrong_root.as_bytes()[at] == b'0' { "1" } else { "0" };
    wrong_root.replace_range(at..=at, flipped);
    for (link, user, secret, code) in [
        (link.as_str(), "alice", "short", "input"),
        (link.as_str(), "root", common::PASSWORD, "input"),
        (broken.as_str(), "alice", common::PASSWORD, "input"),
        (wrong_root.as_str(), "alice", common::PASSWORD, "not-trusted"),
    ] {
        let error = join(&home, link, joiner(user, Password::new(secret.to_owned()))).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(!home.exists());
        assert_eq!(std::fs::read_dir(world.folder.path()).unwrap().count(), 1);
    }
    join(&home, &link, joiner("alice", password())).await.unwrap();
    let again = join(&world.home("y"), &link, joiner("bob", password())).await.unwrap_err();
    assert_eq!(again.code(), "input", "a used invite: {again}");
    let taken = join(&home, &world.invite(Role::Member).await, joiner("bob", password())).await.unwrap_err();
    assert!(matches!(taken, ClientError::HomeExists(_)));
    let name = join(&world.home("y"), &world.invite(Role::Member).await, joiner("alice", password())).await;
    assert_eq!(name.unwrap_err().code(), "exists");
    assert!(!world.home("y").exists());
}

#[tokio::test]
async fn what_does_not_heal_ends_the_client_with_its_reason() {
    let world = World::new().await;
    let alice = world.join("alice").await;
    let wrong = Home::open(&world.home("alice"), Password::new("wrong".to_owned())).await;
    assert!(matches!(wrong, Err(ClientError::Vault(VaultError::WrongPassword))));
    drop(alice);

    let other = World::new().await;
    let server = client::Address { host: other.address.ip().to_string(), port: other.address.port() };
    let home = Home::open(&world.home("alice"), password()).await.unwrap();
    let options = ClientOptions { server: Some(server), ..ClientOptions::default() };
    let client = Client::start(home, options).await.unwrap();
    let error = within("another organisation", client.ready()).await.unwrap_err();
    assert_eq!(error.code(), "not-trusted", "{error}");
    client.close().await;

    let link = world.invite(Role::Admin).await;
    let joiner = Joiner { user: "boss", email: None, device: "desk", password: password(), earlier: None };
    let boss = run(join(&world.home("boss"), &link, joiner).await.unwrap()).await;
    assert_eq!(boss.role(), Some(Role::Admin));
    boss.enable_user("alice", false).await.unwrap();
    let home = || async { Home::open(&world.home("alice"), password()).await.unwrap() };
    assert_eq!(ended(home().await).await, "credentials");
    boss.enable_user("alice", true).await.unwrap();
    let alice = run(home().await).await;
    assert_eq!(alice.invites().await.unwrap_err().code(), "not-allowed");
    let device = boss.devices(Some("alice")).await.unwrap().remove(0);
    boss.revoke_device(device.certificate, "key-compromise").await.unwrap();
    within("revoked", async {
        let mut events = alice.events();
        while alice.ready().await.is_ok() {
            let _ = events.next().await;
        }
    })
    .await;
    let error = alice.ready().await.unwrap_err();
    assert_eq!(error.code(), "not-trusted", "{error}");
    alice.close().await;
    boss.close().await;
}

#[tokio::test]
async fn a_client_that_is_killed_loses_nothing_and_doubles_nothing() {
    let world = World::new().await;
    let alice = world.member("alice").await;
    let room = alice.create_room("ops").await.unwrap();
    let mut client = alice;
    for round in 0..5 {
        for number in 0..40 {
            client.send(room, Outgoing::text(format!("{round} {number}"))).await.unwrap();
        }
        // Dropped in the middle: no answers are waited for, nothing is closed.
        drop(client);
        client = world.reopen("alice").await;
    }
    within("all are there", client.synced(room, 201)).await.unwrap();
    let expected: Vec<_> =
        (0..5).flat_map(|round| (0..40).map(move |number| format!("{round} {number}"))).collect();
    assert_eq!(texts(&client, room).await, expected);
    client.close().await;
}

#[tokio::test]
async fn messages_signed_long_ago_are_signed_again_and_a_wrong_clock_is_told() {
    fn an_hour_ago() -> u64 {
        client::system_clock() - 3_600_000
    }
    fn in_an_hour() -> u64 {
        client::system_clock() + 3_600_000
    }
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.close().await;
    world.stop().await;
    let home = Home::open(&world.home("alice"), password()).await.unwrap();
    let options = ClientOptions { clock: an_hour_ago, ..ClientOptions::default() };
    let slow = Client::start(home, options).await.unwrap();
    slow.send(room, Outgoing::text("said an hour ago")).await.unwrap();
    slow.close().await;

    world.start().await;
    let alice = world.reopen("alice").await;
    // Fresh keys first: one was used for what was refused.
    within("signed again", alice.synced(room, 3)).await.unwrap();
    assert_eq!(said(&alice, room).await[0].1, "said an hour ago");
    let refusals = alice.refusals(room).await.unwrap();
    assert_eq!(refusals.len(), 1);
    let bundle = export(&alice, room, &ExportOptions::default()).await;
    assert_eq!(verdict(&bundle, Root::Pinned(world.root())).0.word, Word::Valid);
    alice.close().await;

    let home = Home::open(&world.home("alice"), password()).await.unwrap();
    let options = ClientOptions { clock: in_an_hour, ..ClientOptions::default() };
    let fast = Client::start(home, options).await.unwrap();
    let mut events = fast.events();
    within("login", fast.ready()).await.unwrap();
    let mut handle = fast.send(room, Outgoing::text("said in an hour")).await.unwrap();
    within("told", async {
        loop {
            if let Event::NotSent { why, .. } = events.next().await.unwrap() {
                assert_eq!(why.code(), "clock");
                break;
            }
        }
    })
    .await;
    assert_eq!(within("told", handle.logged()).await.unwrap_err().code(), "clock");
    assert_eq!(fast.outbox(room).await.unwrap().len(), 1);
    fast.close().await;
}

#[tokio::test]
async fn a_changed_copy_of_the_root_is_noticed_at_opening() {
    let (one, other) = (World::new().await, World::new().await);
    drop(one.join("alice").await);
    drop(other.join("alice").await);
    std::fs::copy(other.home("alice").join("root.pem"), one.home("alice").join("root.pem")).unwrap();
    let error = Home::open(&one.home("alice"), password()).await.unwrap_err();
    assert_eq!(error.code(), "home");
    assert!(error.to_string().contains("root.pem"), "{error}");
}

#[tokio::test]
async fn what_the_server_puts_off_is_said_and_other_rooms_go_on() {
    let world = World::new().await;
    let alice = world.member("alice").await;
    let first = alice.create_room("room 0").await.unwrap();
    for n in 1..session::limits::ROOMS_PER_HOUR {
        alice.create_room(&format!("room {n}")).await.unwrap();
    }
    let error = within("an answer", alice.create_room("one too many")).await.unwrap_err();
    assert_eq!(error.code(), "rate-limited", "{error}");
    let mut sent = alice.send(first, Outgoing::text("still here")).await.unwrap();
    within("the others", sent.logged()).await.unwrap();
    alice.close().await;
}

#[tokio::test]
async fn a_direct_room_that_could_not_be_created_does_not_stand_in_the_way() {
    fn in_an_hour() -> u64 {
        client::system_clock() + 3_600_000
    }
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    alice.close().await;
    let home = Home::open(&world.home("alice"), password()).await.unwrap();
    let options = ClientOptions { clock: in_an_hour, ..ClientOptions::default() };
    let fast = Client::start(home, options).await.unwrap();
    within("login", fast.ready()).await.unwrap();
    let error = within("told", fast.direct("bob")).await.unwrap_err();
    assert_eq!(error.code(), "malformed", "{error}");
    assert!(fast.rooms().await.unwrap().is_empty());
    fast.close().await;
    let alice = world.reopen("alice").await;
    let room = alice.direct("bob").await.unwrap();
    let index = alice.send(room, Outgoing::text("hello")).await.unwrap().logged().await.unwrap().index;
    common::in_room(&bob, room, index + 1).await;
    assert_eq!(said(&bob, room).await, [("alice".to_owned(), "hello".to_owned())]);
    for client in [alice, bob] {
        client.close().await;
    }
}
