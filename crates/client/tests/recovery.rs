//! All devices lost: back in with password and recovery code, and with neither alone.

#![expect(clippy::unwrap_used, reason = "a test's helper fails the test")]

mod common;

use client::{
    Client, ClientError, ExportOptions, Home, Outgoing, RecoveryCode, RecoverySheet, join_device, recover,
};
use common::{World, export, in_room, password, run, said, verdict, within};
use evidence::bundle::Root;
use evidence::room::RoomId;
use evidence::verdict::Word;
use pki::Password;

const OTHER: &str = "another horse, another battery";

async fn come_back(world: &World, sheet: &RecoverySheet, home: &str) -> Result<Home, ClientError> {
    let code = RecoveryCode::parse(&sheet.code.format()).unwrap();
    within("recovery", recover(&world.home(home), &sheet.address, &code, home, password())).await
}

/// A room of alice's and bob's, with a message of each.
async fn talked(alice: &Client, bob: &Client) -> RoomId {
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    alice.send(room, Outgoing::text("from alice")).await.unwrap().logged().await.unwrap();
    in_room(bob, room, 3).await;
    bob.send(room, Outgoing::text("from bob")).await.unwrap().logged().await.unwrap();
    within("delivered", alice.synced(room, 4)).await.unwrap();
    room
}

/// GR-30 to GR-34
#[tokio::test]
async fn who_lost_all_devices_comes_back_with_code_and_password_to_rooms_and_history() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = talked(&alice, &bob).await;
    let sheet = alice.create_recovery().await.unwrap();
    // What it says after the code was made is in its history too.
    alice.send(room, Outgoing::text("after the paper")).await.unwrap().logged().await.unwrap();
    within("its own comes back", alice.synced(room, 5)).await.unwrap();
    let before = said(&alice, room).await;
    alice.close().await;
    drop(alice);
    std::fs::remove_dir_all(world.home("alice")).unwrap();

    let home = come_back(&world, &sheet, "desk").await.unwrap();
    assert_eq!((home.user().as_str(), home.device().as_str()), ("alice", "desk"));
    assert!(!world.home("desk.recovering").exists());
    // Bob is there, and reads the directory when he starts or a while later.
    bob.close().await;
    let bob = world.reopen("bob").await;
    let desk = run(home).await;
    in_room(&desk, room, 6).await;
    within("the history", async {
        while said(&desk, room).await.len() < before.len() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await;
    assert_eq!(said(&desk, room).await, before);
    desk.send(room, Outgoing::text("back again")).await.unwrap().logged().await.unwrap();
    within("delivered", bob.synced(room, 7)).await.unwrap();
    assert_eq!(said(&bob, room).await.last().unwrap().1, "back again");
    let devices: Vec<_> = bob.members(room).await.unwrap().into_iter().map(|member| member.device).collect();
    assert_eq!(devices, ["desk", "laptop", "laptop"], "the recovery key is in no room");

    for client in [&bob, &desk] {
        let bundle = export(client, room, &ExportOptions::default()).await;
        let (verified, _) = verdict(&bundle, Root::Pinned(world.root()));
        assert_eq!((verified.word, verified.problems.as_slice()), (Word::Valid, [].as_slice()));
    }

    // The lost one is revoked, and everything lost again: the same paper opens it all, what was said in between included.
    let lost =
        desk.devices(None).await.unwrap().into_iter().find(|device| device.device == "laptop").unwrap();
    desk.revoke_device(lost.certificate, "key-compromise").await.unwrap();
    desk.send(room, Outgoing::text("once more")).await.unwrap().logged().await.unwrap();
    within("its own comes back", desk.synced(room, 10)).await.unwrap();
    let all = said(&desk, room).await;
    desk.close().await;
    let again = run(come_back(&world, &sheet, "tablet").await.unwrap()).await;
    bob.close().await;
    let bob = world.reopen("bob").await;
    within("in the room", in_room(&again, room, 8)).await;
    within("the history", async {
        while said(&again, room).await.len() < all.len() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await;
    assert_eq!(said(&again, room).await, all);
    for client in [bob, again] {
        client.close().await;
    }
}

/// SE-42
#[tokio::test]
async fn neither_code_nor_password_alone_nor_another_users_leads_in() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let (sheet, bobs) = (alice.create_recovery().await.unwrap(), bob.create_recovery().await.unwrap());
    let home = world.home("desk");
    let try_with = async |code: &RecoveryCode, user: &str, password: &str| {
        let address = session::link::RecoveryAddress { user: user.to_owned(), ..sheet.address.clone() };
        let password = Password::new(password.to_owned());
        let outcome = within("refused", recover(&home, &address, code, "desk", password)).await;
        assert!(!home.exists() && !world.home("desk.recovering").exists());
        outcome.map(drop).unwrap_err()
    };
    for (code, user, with) in [
        (&sheet.code, "alice", OTHER),
        (&bobs.code, "alice", common::PASSWORD),
        (&sheet.code, "bob", common::PASSWORD),
        (&sheet.code, "nobody-here", common::PASSWORD),
    ] {
        let error = try_with(code, user, with).await;
        assert!(matches!(error, ClientError::Login), "{user} {error:?}");
    }
    let mut elsewhere = sheet.address.clone();
    elsewhere.root = [7; 32];
    let code = RecoveryCode::parse(&sheet.code.format()).unwrap();
    let error = recover(&home, &elsewhere, &code, "desk", password()).await.unwrap_err();
    assert!(!matches!(error, ClientError::Login), "{error:?}");

    let paper =
        alice.devices(None).await.unwrap().into_iter().find(|one| one.device == sheet.device).unwrap();
    alice.revoke_device(paper.certificate, "key-compromise").await.unwrap();
    assert!(matches!(try_with(&sheet.code, "alice", common::PASSWORD).await, ClientError::Login));
    for client in [alice, bob] {
        client.close().await;
    }
}

/// SE-17, GR-31
#[tokio::test]
async fn a_code_goes_on_with_a_new_password() {
    let world = World::new().await;
    let alice = world.member("alice").await;
    let sheets = [alice.create_recovery().await.unwrap(), alice.create_recovery().await.unwrap()];
    alice.change_password(Password::new(OTHER.to_owned())).await.unwrap();
    alice.close().await;
    for (sheet, device) in sheets.iter().zip(["desk", "tablet"]) {
        let error = come_back(&world, sheet, device).await.unwrap_err();
        assert!(matches!(error, ClientError::Login), "{error:?}");
        let (home, new) = (world.home(device), Password::new(OTHER.to_owned()));
        let home = recover(&home, &sheet.address, &sheet.code, device, new).await.unwrap();
        assert_eq!(home.device().as_str(), device);
    }
}

/// GR-31: what the server keeps is of no use without the code, and what it changed does not open.
#[tokio::test]
async fn a_record_that_the_server_changed_or_exchanged_does_not_open() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let sheets = [alice.create_recovery().await.unwrap(), alice.create_recovery().await.unwrap()];
    alice.close().await;
    for (sql, expected) in [
        (
            "UPDATE recoveries SET sealed = (SELECT sealed FROM recoveries ORDER BY certificate DESC LIMIT 1) \
             WHERE certificate = (SELECT min(certificate) FROM recoveries)",
            1,
        ),
        ("UPDATE recoveries SET sealed = CAST(sealed || x'00' AS BLOB)", 2),
    ] {
        world.stop().await;
        world.execute(sql).await;
        world.start().await;
        let mut refused = 0;
        for (number, sheet) in sheets.iter().enumerate() {
            let home = format!("desk{expected}{number}");
            match come_back(&world, sheet, &home).await {
                Ok(_) => {}
                Err(ClientError::Untrusted(_)) => {
                    refused += 1;
                    assert!(!world.home(&home).exists());
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(refused, expected);
    }
}

/// ID-54
#[tokio::test]
async fn nobody_has_a_device_of_a_recovery_keys_name_and_a_recovery_key_is_added_to_no_room() {
    let world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    alice.create_recovery().await.unwrap();
    let room = bob.create_room("ops").await.unwrap();
    bob.add(room, &["alice"]).await.unwrap();
    let direct = alice.direct("bob").await.unwrap();
    for (client, room) in [(&bob, room), (&alice, direct)] {
        let devices: Vec<_> = client.members(room).await.unwrap().into_iter().map(|one| one.device).collect();
        assert_eq!(devices, ["laptop", "laptop"]);
    }
    let (link, _) = alice.create_device_link().await.unwrap();
    let name = "recovery-00000000";
    let joined = join_device(&world.home("phone"), &link.format(), name, password(), |_| {}).await;
    assert!(joined.is_err());
    assert!(!world.home("phone").exists());
    for client in [alice, bob] {
        client.close().await;
    }
}

/// GR-34: a device that a revoked recovery key vouched for, with the server's help, is added by nobody.
#[tokio::test]
async fn a_recovery_key_that_was_revoked_brings_nobody_back() {
    let mut world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = bob.create_room("ops").await.unwrap();
    bob.add(room, &["alice"]).await.unwrap();
    let sheet = alice.create_recovery().await.unwrap();
    bob.close().await;
    alice.close().await;
    let desk = run(come_back(&world, &sheet, "desk").await.unwrap()).await;
    let paper = desk.devices(None).await.unwrap().into_iter().find(|one| one.device == sheet.device).unwrap();
    desk.revoke_device(paper.certificate, "key-compromise").await.unwrap();
    desk.close().await;
    world.stop().await;
    // As if the device had been entered after its voucher was revoked.
    world
        .rewrite_directory(|leaves| {
            let last = leaves.len() - 1;
            leaves.swap(last - 1, last);
        })
        .await;
    world.start().await;
    let bob = world.reopen("bob").await;
    // Whoever adds does it at once when it starts.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let devices: Vec<_> = bob.members(room).await.unwrap().into_iter().map(|one| one.device).collect();
    assert_eq!(devices, ["laptop", "laptop"]);
    bob.close().await;
}

/// A record that does not open is no reason to keep a password that somebody else may have.
#[tokio::test]
async fn a_bad_record_does_not_stand_in_the_way_of_a_new_password() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let sheets = [alice.create_recovery().await.unwrap(), alice.create_recovery().await.unwrap()];
    world.stop().await;
    world.execute("UPDATE recoveries SET sealed = CAST(sealed || x'00' AS BLOB) WHERE certificate = (SELECT min(certificate) FROM recoveries)").await;
    world.start().await;
    alice.close().await;
    let alice = world.reopen("alice").await;
    alice.change_password(Password::new(OTHER.to_owned())).await.unwrap();
    alice.close().await;
    let mut good = 0;
    for (sheet, device) in sheets.iter().zip(["desk", "tablet"]) {
        let new = Password::new(OTHER.to_owned());
        good +=
            usize::from(recover(&world.home(device), &sheet.address, &sheet.code, device, new).await.is_ok());
    }
    assert_eq!(good, 1);
}
