//! What a server or a member may try.

use group::{Change, Group, GroupError, Refusal, package};
use proptest::prelude::*;

use crate::party::{Party, ROOM, device, refusal, room_of};

#[test]
fn a_message_stands_for_its_own_statement_and_sender_only() {
    let (_, mut parties) = room_of(3);
    let (alice, carol) = (parties[0].hash(), parties[2].hash());
    let first = parties[0].seal(b"statement 1", b"yes").unwrap();
    assert_eq!(refusal(parties[1].open(&first, b"statement 2", &alice)), Refusal::Context);
    let second = parties[0].seal(b"statement 2", b"no").unwrap();
    assert_eq!(refusal(parties[1].open(&second, b"statement 2", &carol)), Refusal::Sender);
    let third = parties[0].seal(b"statement 3", b"on").unwrap();
    assert_eq!(parties[1].open(&third, b"statement 3", &alice).unwrap(), b"on");
}

#[test]
fn a_changed_byte_is_refused_and_the_group_goes_on() {
    let (_, mut parties) = room_of(2);
    let alice = parties[0].hash();
    let sealed = parties[0].seal(b"context", b"text").unwrap();
    for byte in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[byte] ^= 1;
        parties[1].open(&changed, b"context", &alice).unwrap_err();
    }
    for length in 0..sealed.len() {
        parties[1].open(&sealed[..length], b"context", &alice).unwrap_err();
    }
    assert_eq!(parties[1].open(&sealed, b"context", &alice).unwrap(), b"text");
}

#[test]
fn a_commit_does_what_its_statement_says_or_is_refused() {
    let (authority, mut parties) = room_of(3);
    let mut dave = Party::new(&authority, "dave");
    let package = dave.package();
    let (alice, bob, carol) = (parties[0].certificate(), parties[1].certificate(), parties[2].hash());
    let added = [dave.certificate()];
    let commit = parties[0].commit(&[(&added[0], &package)], &[carol]).unwrap();
    let wrong = [
        (Change { by: &bob, added: &added, removed: &[carol] }, Refusal::Sender),
        (Change { by: &alice, added: &[], removed: &[carol] }, Refusal::Change),
        (Change { by: &alice, added: &added, removed: &[] }, Refusal::Change),
        (Change { by: &alice, added: &added, removed: &[bob.hash()] }, Refusal::Change),
        (
            Change { by: &alice, added: &[dave.certificate(), bob.clone()], removed: &[carol] },
            Refusal::Change,
        ),
        (Change { by: &alice, added: &added, removed: &[carol, bob.hash()] }, Refusal::Change),
    ];
    for (change, expected) in wrong {
        assert_eq!(refusal(parties[1].apply(&commit.message, &change)), expected);
        // The log still has one chance to be right; this device is as it was.
        parties[1].restart();
    }
    assert_eq!(parties[1].epoch(), 1);
}

#[test]
fn a_welcome_into_another_group_than_the_logs_is_refused() {
    let (authority, mut parties) = room_of(2);
    let mut dave = Party::new(&authority, "dave");
    let package = dave.package();
    let commit = parties[0].commit(&[(&dave.certificate(), &package)], &[]).unwrap();
    parties[0].confirm();
    let (alice, bob) = (parties[0].certificate(), parties[1].certificate());
    let right = [alice.clone(), bob.clone(), dave.certificate()];
    assert_eq!(refusal(dave.join(&commit, 1, &right)), Refusal::OtherEpoch);
    assert_eq!(refusal(dave.join(&commit, 2, &right[..2])), Refusal::Change);
    assert_eq!(refusal(dave.join(&commit, 2, &[alice, dave.certificate()])), Refusal::Change);
    let mut ghost = right.to_vec();
    ghost.push(Party::new(&authority, "ghost").certificate());
    assert_eq!(refusal(dave.join(&commit, 2, &ghost)), Refusal::Change);
    let other = ([8; 32], 0, 2);
    let welcome = commit.welcome.as_ref().unwrap();
    let joined = Group::join(&dave.provider, welcome, &commit.tree, (&other.0, other.1, other.2), &right);
    assert_eq!(refusal(joined), Refusal::OtherGroup);
    dave.provider.store().undo();
    // A welcome for somebody else opens for nobody else.
    let mut eve = Party::new(&authority, "eve");
    eve.package();
    assert_eq!(refusal(eve.join(&commit, 2, &right)), Refusal::Package);
    dave.join(&commit, 2, &right).unwrap();
}

#[test]
fn a_way_back_into_another_group_than_the_logs_is_refused() {
    let (authority, mut parties) = room_of(3);
    let last = parties[0].commit(&[], &[]).unwrap();
    parties[0].confirm();
    let right: Vec<_> = parties.iter().map(Party::certificate).collect();
    let lost = &mut parties[2];
    lost.disk.clear();
    lost.restart();
    let ghost = Party::new(&authority, "ghost").certificate();
    for (room, epoch, members, expected) in [
        ([8; 32], 2, right.clone(), Refusal::OtherGroup),
        (ROOM, 1, right.clone(), Refusal::OtherEpoch),
        (ROOM, 2, right[1..].to_vec(), Refusal::Change),
        (ROOM, 2, [right.clone(), vec![ghost]].concat(), Refusal::Change),
    ] {
        let back = Group::rejoin(
            &lost.provider,
            &device(&lost.device),
            &last.group_info,
            &last.tree,
            (&room, 0, epoch),
            &members,
        );
        assert_eq!(refusal(back), expected);
        lost.provider.store().undo();
        assert!(Group::load(&lost.provider, &ROOM, 0).unwrap().is_none());
    }
}

#[test]
fn a_key_package_is_of_its_certificate() {
    let (authority, mut parties) = room_of(1);
    let (mut bob, eve) = (Party::new(&authority, "bob"), Party::new(&authority, "eve"));
    let package = bob.package();
    assert_eq!(refusal(package::check(&eve.provider, &package, &eve.certificate())), Refusal::Leaf);
    assert_eq!(refusal(parties[0].commit(&[(&eve.certificate(), &package)], &[])), Refusal::Leaf);
    // Another's certificate under a key of one's own, as a server could make it.
    let forged = group::Device { certificate: &bob.device.certificate, key: &eve.device.key };
    let forged = package::create(&eve.provider, &forged, false).unwrap();
    assert_eq!(refusal(package::check(&eve.provider, &forged, &bob.certificate())), Refusal::Leaf);
    for byte in (0..package.len()).step_by(7) {
        let mut changed = package.clone();
        changed[byte] ^= 1;
        package::check(&eve.provider, &changed, &bob.certificate()).unwrap_err();
    }
    assert!(matches!(
        package::check(&eve.provider, &[0; 8_193], &bob.certificate()),
        Err(GroupError::Malformed(_))
    ));
    let commit = parties[0].commit(&[(&bob.certificate(), &package)], &[]);
    assert!(commit.is_ok());
}

#[test]
fn what_belongs_elsewhere_is_malformed() {
    let (_, mut parties) = room_of(2);
    let alice = parties[0].certificate();
    let sealed = parties[0].seal(b"", b"text").unwrap();
    let commit = parties[0].commit(&[], &[]).unwrap();
    let change = Change { by: &alice, added: &[], removed: &[] };
    for bytes in [&commit.group_info, &commit.tree, &Vec::new(), &vec![0; 64]] {
        assert!(matches!(parties[1].apply(bytes, &change), Err(GroupError::Malformed(_))));
        assert!(matches!(parties[1].open(bytes, b"", &alice.hash()), Err(GroupError::Malformed(_))));
    }
    assert!(matches!(parties[1].open(&commit.message, b"", &alice.hash()), Err(GroupError::Malformed(_))));
    assert_eq!(parties[1].open(&sealed, b"", &alice.hash()).unwrap(), b"text");
    parties[1].apply(&commit.message, &change).unwrap();
}

#[test]
fn a_member_adds_nobody_twice_and_does_not_remove_itself() {
    let (_, mut parties) = room_of(2);
    let package = parties[1].package();
    let bob = parties[1].certificate();
    let alice = parties[0].hash();
    assert_eq!(refusal(parties[0].commit(&[(&bob, &package)], &[])), Refusal::Membership);
    assert_eq!(refusal(parties[0].commit(&[], &[alice])), Refusal::Membership);
    assert_eq!(refusal(parties[0].commit(&[], &[[9; 32]])), Refusal::Membership);
    let again = Group::create(&parties[0].provider, &device(&parties[0].device), &ROOM, 0);
    assert!(matches!(again, Err(GroupError::Library(_))));
}

/// Bytes of every kind: none of them is taken, and none of them is a panic.
#[test]
fn any_bytes_are_refused() {
    let (authority, mut parties) = room_of(2);
    let alice = parties[0].certificate();
    let sealed = parties[0].seal(b"", b"text").unwrap();
    let commit = parties[0].commit(&[], &[]).unwrap();
    let package = Party::new(&authority, "dave").package();
    let good = [sealed, commit.message, commit.group_info, commit.tree, package];
    let members = [alice.clone(), parties[1].certificate()];
    let other = &mut parties[1];
    let strategy = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        // The beginning of something good, a change in it, and something after.
        (0..good.len(), any::<prop::sample::Index>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(move |(which, at, xor, tail)| {
                let whole = &good[which];
                let mut bytes = whole[..at.index(whole.len())].to_vec();
                if let Some(last) = bytes.last_mut() {
                    *last ^= xor;
                }
                bytes.extend(tail);
                bytes
            }),
    ];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(2_000));
    let other = std::cell::RefCell::new(other);
    runner
        .run(&strategy, |bytes| {
            let mut other = other.borrow_mut();
            let change = Change { by: &alice, added: &[], removed: &[] };
            prop_assert!(other.apply(&bytes, &change).is_err());
            prop_assert!(other.open(&bytes, b"", &alice.hash()).is_err());
            prop_assert!(package::check(&other.provider, &bytes, &alice).is_err());
            prop_assert!(Group::join(&other.provider, &bytes, &bytes, (&ROOM, 0, 1), &members).is_err());
            let rejoined = Group::rejoin(
                &other.provider,
                &device(&other.device),
                &bytes,
                &bytes,
                (&ROOM, 0, 1),
                &members,
            );
            prop_assert!(rejoined.is_err());
            Ok(())
        })
        .unwrap();
}
