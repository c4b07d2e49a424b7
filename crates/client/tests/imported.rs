//! Users of an earlier system join with the password that they had there (SE-29 to SE-32).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's helper fails the test")]

mod common;

use std::path::Path;

use client::{ClientError, Home, Joiner, Outgoing, join};
use common::{PASSWORD, World, in_room, password, run, said, within};
use pki::Password;
use server::console::{ClassicUser, Console, Imported};
use server::organisation::{Authority, DataFolder, KeyProtection};
use session::login::ClassicHash;
use session::message::Role;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const SALT: &[u8; 16] = b"sixteen of salt!";

fn secret(text: &str) -> Password {
    Password::new(text.to_owned())
}

async fn import(world: &World, name: &str, email: &str, old: &str) {
    let folder = DataFolder::open(&world.home("server")).unwrap();
    let authority = Authority::load(&folder, &KeyProtection::Plain).unwrap();
    let console = Console::open(&folder).await.unwrap();
    let user = ClassicUser {
        name: name.to_owned(),
        email: Some(email.to_owned()),
        salt: SALT.to_vec(),
        password_hash: ClassicHash::of(SALT, old).as_str().to_owned().into(),
    };
    let outcome = console.importer(&authority, false).await.unwrap().import(user).await.unwrap();
    assert!(matches!(outcome, Imported::New(_)), "{outcome:?}");
    console.close().await;
}

fn joiner(user: &str, password: Password) -> Joiner<'_> {
    Joiner { user, email: None, device: "laptop", password, earlier: None }
}

/// Whether the bytes stand in a file of the server.
fn is_kept(world: &World, bytes: &[u8]) -> bool {
    ["store.db", "store.db-wal"].iter().any(|name| {
        let content = std::fs::read(world.home("server").join(name)).unwrap_or_default();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test]
async fn a_user_of_an_earlier_system_joins_by_name_and_another_by_address_and_they_talk() {
    let mut world = World::new().await;
    import(&world, "alice", "alice@example.org", PASSWORD).await;
    import(&world, "bob", "bob@example.org", PASSWORD).await;
    assert!(is_kept(&world, SALT));
    let link = world.invite(Role::Member).await;
    let alice = join(&world.home("alice"), &link, joiner("Alice", password())).await.unwrap();
    let alice = run(alice).await;
    let link = world.invite(Role::Member).await;
    let bob = join(&world.home("bob"), &link, joiner("BOB@example.org", password())).await.unwrap();
    assert_eq!(bob.user().as_str(), "bob");
    let bob = run(bob).await;
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    in_room(&bob, room, 2).await;
    within("said", bob.send(room, Outgoing::text("as before")).await.unwrap().logged()).await.unwrap();
    within("heard", alice.synced(room, 3)).await.unwrap();
    assert_eq!(said(&alice, room).await, [("bob".to_owned(), "as before".to_owned())]);
    alice.close().await;
    bob.close().await;
    world.stop().await;
    assert!(!is_kept(&world, SALT));
    assert!(!is_kept(&world, ClassicHash::of(SALT, PASSWORD).as_str().as_bytes()));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_no_further_and_leave_nothing() {
    let world = World::new().await;
    let link = world.invite(Role::Member).await;
    let home = world.home("x");
    let nobody = join(&home, &link, joiner("alice@example.org", password())).await.unwrap_err();
    assert_eq!(nobody.code(), "not-found", "{nobody}");
    import(&world, "alice", "alice@example.org", PASSWORD).await;
    for (user, password, code) in [
        ("alice", "eight lanterns over water", "exists"),
        ("alice@example.org", "eight lanterns over water", "credentials"),
        ("carol@example.org", PASSWORD, "credentials"),
        ("alice", "short", "input"),
    ] {
        let error = join(&home, &link, joiner(user, secret(password))).await.unwrap_err();
        assert_eq!(error.code(), code, "{user}: {error}");
        assert!(!home.exists() && !world.home("x.joining").exists());
    }
    join(&home, &link, joiner("alice", password())).await.unwrap();
}

#[tokio::test]
async fn a_password_that_cannot_be_kept_opens_the_account_and_another_takes_its_place() {
    let world = World::new().await;
    import(&world, "alice", "alice@example.org", "apollo").await;
    let link = world.invite(Role::Member).await;
    let home = world.home("alice");
    for user in ["alice", "alice@example.org"] {
        let error = join(&home, &link, joiner(user, secret("apollo"))).await.unwrap_err();
        assert!(matches!(error, ClientError::NewPassword(_)), "{error}");
        assert!(!home.exists());
    }
    let both = |new: &str, old: &str| Joiner { earlier: Some(secret(old)), ..joiner("alice", secret(new)) };
    for (new, old, code) in [("short", "apollo", "input"), (PASSWORD, "gemini", "credentials")] {
        let error = join(&home, &link, both(new, old)).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    let addressed = Joiner { email: Some("alice@example.com"), ..both(PASSWORD, "apollo") };
    assert_eq!(join(&home, &link, addressed).await.unwrap_err().code(), "input");
    let alice = join(&home, &link, both(PASSWORD, "apollo")).await.unwrap();
    run(alice).await.close().await;
    assert!(Home::open(&home, secret("apollo")).await.is_err());
    run(Home::open(&home, password()).await.unwrap()).await.close().await;
}

/// Passes bytes on to the server, and after `records` reads from it says nothing more to the client.
async fn cut_off(world: &World, records: usize) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, server) = (listener.local_addr().unwrap(), world.address);
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(server).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let up = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
        let mut buffer = vec![0; 64 * 1024];
        for _ in 0..records {
            let read = from_server.read(&mut buffer).await.unwrap();
            to_client.write_all(&buffer[..read]).await.unwrap();
        }
        // The next answer is made, and lost.
        let _ = from_server.read(&mut buffer).await;
        up.abort();
    });
    address
}

fn through(link: &str, address: std::net::SocketAddr) -> String {
    let (before, rest) = link.split_at(link.rfind("/join").unwrap());
    format!("{}:{}{rest}", &before[..before.rfind(':').unwrap()], address.port())
}

async fn is_there(home: &Path) -> bool {
    Home::open(home, password()).await.is_ok()
}

#[tokio::test]
async fn joining_that_is_cut_off_at_any_answer_is_gone_on_with() {
    for user in ["alice", "alice@example.org"] {
        let mut lost_at_the_end = false;
        for answers in 1.. {
            let world = World::new().await;
            import(&world, "alice", "alice@example.org", PASSWORD).await;
            let link = world.invite(Role::Member).await;
            let home = world.home("alice");
            let address = cut_off(&world, answers).await;
            let cut = within("cut", join(&home, &through(&link, address), joiner(user, password()))).await;
            if cut.is_ok() {
                break;
            }
            lost_at_the_end = !is_kept(&world, SALT);
            let again = join(&home, &link, joiner(user, password())).await;
            run(again.unwrap_or_else(|e| panic!("{user}, {answers} answers: {e}"))).await.close().await;
            assert!(is_there(&home).await && !world.home("alice.joining").exists());
        }
        assert!(lost_at_the_end, "the last one to be cut off had joined");
    }
}
