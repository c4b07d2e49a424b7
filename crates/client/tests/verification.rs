//! Safety codes, and what the directory says of names (ID-52, ID-53, SE-40).

#![allow(clippy::unwrap_used, reason = "a test's helper fails the test")]

mod common;

use client::{Client, ClientError, Compared, DirectoryNews, Event, Voucher};
use common::{World, execute, run, within};
use evidence::directory::{Issue, Leaf, Subject};
use pki::Name;
use pki::name::Holder;

/// A leaf as if a certificate had been issued for a device of `user`.
fn ghost(user: &str, device: &str, vouched: Option<[u8; 32]>) -> Vec<u8> {
    let [user, device] = [user, device].map(|name| Name::canonical(name).unwrap());
    let subject = Subject::Holder(Holder::Device { user, device });
    let (certificate, serial, time_ms) = ([9; 32], vec![0x41; 16], client::system_clock());
    Leaf::Issue(Issue { certificate, vouched, subject, serial, time_ms }).to_bytes()
}

async fn code(client: &Client, user: &str) -> String {
    client.person(user).await.unwrap().code.unwrap()
}

async fn news(client: &Client) -> Vec<DirectoryNews> {
    client.directory_news(true).await.unwrap().0
}

async fn tell(client: &Client) {
    let (_, size) = client.directory_news(true).await.unwrap();
    client.directory_news_told(size).await.unwrap();
}

#[tokio::test]
async fn two_users_see_one_safety_code_which_new_and_revoked_devices_do_not_change() {
    let world = World::new().await;
    let (alice, bob, carol) =
        (world.member("alice").await, world.member("bob").await, world.member("carol").await);
    let seen = code(&alice, "bob").await;
    assert_eq!(seen, code(&bob, "alice").await);
    assert!(seen != code(&alice, "carol").await && seen != code(&bob, "carol").await);
    assert_eq!(alice.compared("bob").await.unwrap(), Compared::No);
    alice.record_comparison(&alice.person("bob").await.unwrap()).await.unwrap();

    let phone = run(world.device(&bob, "phone").await).await;
    phone.revoke_device(bob.certificate(), "superseded").await.unwrap();
    let person = alice.person("bob").await.unwrap();
    assert_eq!(person.code.as_ref(), Some(&seen));
    assert!(matches!(person.compared, Compared::Yes { .. }));
    assert_eq!(code(&phone, "alice").await, seen);
    assert_eq!(code(&carol, "bob").await, code(&phone, "carol").await);
    let devices: Vec<_> = person
        .devices
        .iter()
        .map(|device| (device.device.as_str(), device.voucher.clone(), device.revoked_ms.is_some()))
        .collect();
    let by_laptop = Voucher::Device("laptop".to_owned());
    assert_eq!(devices, [("laptop", Voucher::First, true), ("phone", by_laptop, false)]);
    assert_eq!(person.devices[1].certificate, phone.certificate());

    alice.forget_comparison("bob").await.unwrap();
    assert_eq!(alice.compared("bob").await.unwrap(), Compared::No);
    assert!(matches!(alice.person("alice").await, Err(ClientError::Input(_))));
    assert!(matches!(alice.person("nobody-here").await, Err(ClientError::NotFound(_))));
    for client in [alice, carol, phone] {
        client.close().await;
    }
}

#[tokio::test]
async fn a_second_first_certificate_is_told_and_its_user_no_longer_counts_as_compared() {
    let mut world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let before = alice.person("bob").await.unwrap();
    alice.record_comparison(&before).await.unwrap();
    assert_eq!(news(&alice).await, []);
    let heard = [alice.events(), bob.events()];
    world.stop().await;
    world.rewrite_directory(|leaves| leaves.push(ghost("bob", "laptop", None))).await;
    world.start().await;
    let told = DirectoryNews::SecondFirst { user: "bob".to_owned() };
    for mut events in heard {
        within("told", async {
            loop {
                if let Event::Directory(news) = events.next().await.unwrap() {
                    assert_eq!(news, told);
                    break;
                }
            }
        })
        .await;
    }
    tell(&alice).await;
    assert_eq!(news(&alice).await, [told], "an alarm is told every time");
    let after = alice.person("bob").await.unwrap();
    assert_eq!((&after.code, after.devices.len()), (&None, 2));
    assert!(matches!(after.compared, Compared::NoLonger { .. }));
    assert_eq!(alice.compared("bob").await.unwrap(), after.compared);
    assert!(alice.record_comparison(&after).await.is_err());
    assert_eq!(bob.person("alice").await.unwrap().code, None, "nobody knows which bob is meant");
    for client in [alice, bob] {
        client.close().await;
    }
}

#[tokio::test]
async fn what_was_compared_counts_for_that_key_alone() {
    let world = World::new().await;
    let (alice, _bob) = (world.member("alice").await, world.member("bob").await);
    let carol = world.member("carol").await;
    let mut other = alice.person("carol").await.unwrap();
    other.user = "bob".to_owned();
    alice.record_comparison(&other).await.unwrap();
    assert!(matches!(alice.compared("bob").await.unwrap(), Compared::NoLonger { .. }));
    assert!(matches!(alice.person("bob").await.unwrap().compared, Compared::NoLonger { .. }));
    alice.record_comparison(&alice.person("bob").await.unwrap()).await.unwrap();
    assert!(matches!(alice.compared("bob").await.unwrap(), Compared::Yes { .. }));
    for client in [alice, carol] {
        client.close().await;
    }
}

#[tokio::test]
async fn a_later_device_does_not_pass_for_the_first() {
    let mut world = World::new().await;
    let bob = world.member("bob").await;
    drop(world.device(&bob, "phone").await);
    let carol = world.member("carol").await;
    let seen = code(&carol, "bob").await;
    for client in [bob, carol] {
        client.close().await;
    }
    world.stop().await;
    world.execute("UPDATE devices SET vouching = NULL WHERE name = 'phone'").await;
    world.start().await;
    let dave = world.member("dave").await;
    let person = dave.person("bob").await.unwrap();
    let vouchers: Vec<_> = person.devices.iter().map(|device| device.voucher.clone()).collect();
    assert_eq!(vouchers, [Voucher::First, Voucher::Unknown]);
    let carol = world.reopen("carol").await;
    assert_eq!(code(&carol, "bob").await, seen);
    world.stop().await;
    for client in [carol, dave] {
        client.close().await;
    }
}

#[tokio::test]
async fn a_ghost_under_ones_own_name_is_told_and_so_is_every_device_that_comes_and_goes() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let phone = run(world.device(&alice, "phone").await).await;
    assert_eq!(news(&alice).await, [], "alice said yes to it here");
    assert_eq!(news(&phone).await, []);
    alice.close().await;
    let tablet = run(world.device(&phone, "tablet").await).await;
    let certificate = tablet.certificate();
    tablet.close().await;
    phone.revoke_device(certificate, "superseded").await.unwrap();
    let alice = world.reopen("alice").await;
    let found = news(&alice).await;
    let device = "tablet".to_owned();
    let added = DirectoryNews::Added { device: device.clone(), certificate, vouched_by: "phone".to_owned() };
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], added);
    assert!(matches!(&found[1], DirectoryNews::Revoked { device: revoked, .. } if *revoked == device));
    tell(&alice).await;
    assert_eq!(news(&alice).await, []);
    for client in [alice, phone] {
        client.close().await;
    }

    world.stop().await;
    world.rewrite_directory(|leaves| leaves.push(ghost("alice", "cellar", Some([7; 32])))).await;
    world.start().await;
    for home in ["alice", "phone"] {
        let client = world.reopen(home).await;
        tell(&client).await;
        let told = DirectoryNews::Unvouched { device: "cellar".to_owned(), certificate: [9; 32] };
        assert_eq!(news(&client).await, [told]);
        client.close().await;
    }
}

#[tokio::test]
async fn a_home_that_kept_hashes_alone_reads_the_leaves_behind_them() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    drop(world.join("bob").await);
    let seen = code(&alice, "bob").await;
    alice.close().await;
    let vault = world.home("alice").join("vault.db");
    execute(&vault, "DELETE FROM directory_leaf WHERE idx <> 4").await;
    let alice = world.reopen("alice").await;
    assert_eq!(code(&alice, "bob").await, seen);
    alice.close().await;

    execute(&vault, "DELETE FROM directory_leaf WHERE idx <> 4").await;
    world.stop().await;
    world.rewrite_directory(|leaves| leaves.swap(0, 1)).await;
    world.start().await;
    let home = client::Home::open(&world.home("alice"), common::password()).await.unwrap();
    assert_eq!(common::ended(home).await, "not-trusted");
}
