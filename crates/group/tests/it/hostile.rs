//! What a server or a member may try.

use group::{Change, Group, GroupError, Place, Provider, Refusal, Store, package};
use proptest::prelude::*;
use testkit::peer::now_ms;

use crate::party::{Party, ROOM, device, refusal, room_of};

#[test]
fn a_message_stands_for_its_own_statement_and_sender_only() {
    let (_, mut parties) = room_of(3);
    let (alice, carol) = (parties[0].hash(), parties[2].hash());
    let first = parties[0].seal(b"statement 1", b"yes").unwrap();
    assert_eq!(refusal(parties[1].open(&first, b"statement 2", &alice)), Refusal::Context);
    assert_eq!(parties[1].open(&first, b"statement 1", &alice).unwrap(), b"yes");
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
    let welcome = commit.welcome.as_ref().unwrap();
    let joined = Group::join(
        &dave.provider,
        welcome,
        &commit.tree,
        Place { room: &[8; 32], generation: 0, epoch: 2, members: &right },
    );
    assert_eq!(refusal(joined), Refusal::OtherGroup);
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
            Place { room: &room, generation: 0, epoch, members: &members },
        );
        assert_eq!(refusal(back), expected);
        assert!(Group::load(&lost.provider, &ROOM, 0).unwrap().is_none());
    }
}

#[test]
fn a_key_package_is_of_its_certificate() {
    let (authority, mut parties) = room_of(1);
    let (mut bob, eve) = (Party::new(&authority, "bob"), Party::new(&authority, "eve"));
    let package = bob.package();
    assert_eq!(refusal(package::check(&eve.provider, &package, &eve.certificate(), now_ms())), Refusal::Leaf);
    assert_eq!(refusal(parties[0].commit(&[(&eve.certificate(), &package)], &[])), Refusal::Leaf);
    // Another's certificate under a key of one's own, as a server could make it.
    let forged = group::Device { certificate: &bob.device.certificate, key: &eve.device.key };
    let forged = package::create(&eve.provider, &forged, false, now_ms()).unwrap();
    assert_eq!(refusal(package::check(&eve.provider, &forged, &bob.certificate(), now_ms())), Refusal::Leaf);
    for byte in (0..package.len()).step_by(7) {
        let mut changed = package.clone();
        changed[byte] ^= 1;
        package::check(&eve.provider, &changed, &bob.certificate(), now_ms()).unwrap_err();
    }
    assert!(matches!(
        package::check(&eve.provider, &[0; 8_193], &bob.certificate(), now_ms()),
        Err(GroupError::Malformed(_))
    ));
    parties[0].commit(&[(&bob.certificate(), &package)], &[]).unwrap();
}

#[test]
fn a_key_package_has_an_age_and_the_life_of_its_certificate() {
    let authority = testkit::authority::Authority::new();
    let bob = Party::new(&authority, "bob");
    let now = now_ms();
    let day = 86_400_000;
    let check = |made_ms, at_ms| {
        let package = package::create(&bob.provider, &device(&bob.device), true, made_ms).unwrap();
        package::check(&bob.provider, &package, &bob.certificate(), at_ms).map(drop)
    };
    check(now, now).unwrap();
    // An hour of its age is for clocks that are behind.
    check(now, now + 89 * day).unwrap();
    assert_eq!(refusal(check(now, now + 90 * day)), Refusal::Package);
    assert_eq!(refusal(check(now + 2 * 3_600_000, now)), Refusal::Package);
}

#[test]
fn a_package_of_last_resort_may_be_used_again() {
    let (authority, mut parties) = room_of(1);
    let mut bob = Party::new(&authority, "bob");
    let package = package::create(&bob.provider, &device(&bob.device), true, now_ms()).unwrap();
    bob.save();
    let members = [parties[0].certificate(), bob.certificate()];
    for epoch in [2, 4] {
        let commit = parties[0].commit(&[(&members[1], &package)], &[]).unwrap();
        parties[0].confirm();
        bob.join(&commit, epoch, &members).unwrap();
        let gone = parties[0].commit(&[], &[bob.hash()]).unwrap();
        parties[0].confirm();
        bob.apply(&gone.message, &Change { by: &members[0], added: &[], removed: &[members[1].hash()] })
            .unwrap();
        // Nothing of a group that this device was removed from stays behind.
        assert!(bob.disk.keys().all(|record| record.scope == [0; 32]));
    }
}

#[test]
fn one_commit_is_pending_at_a_time() {
    let (_, mut parties) = room_of(2);
    let none = parties[0].group.as_mut().unwrap().confirm(&Provider::new(Store::default()).unwrap());
    assert_eq!(refusal(none), Refusal::Pending);
    parties[0].commit(&[], &[]).unwrap();
    assert_eq!(refusal(parties[0].commit(&[], &[])), Refusal::Pending);
    parties[0].restart();
    assert_eq!(refusal(parties[0].commit(&[], &[])), Refusal::Pending);
    parties[0].confirm();
    parties[0].commit(&[], &[]).unwrap();
}

#[test]
fn a_tree_of_blank_nodes_is_malformed() {
    let (_, mut parties) = room_of(2);
    let last = parties[0].commit(&[], &[]).unwrap();
    let place = Place { room: &ROOM, generation: 0, epoch: 2, members: &[] };
    // RFC 9420, section 2.1.2: the length in two bytes or in four.
    let blank = |nodes: u32| {
        let mut tree = match u16::try_from(nodes) {
            Ok(short) if short < 0x4000 => (short | 0x4000).to_be_bytes().to_vec(),
            _ => (nodes | 0x8000_0000).to_be_bytes().to_vec(),
        };
        tree.resize(tree.len() + nodes as usize, 0);
        tree
    };
    let lost = &parties[1];
    let rejoin =
        |tree: &[u8]| Group::rejoin(&lost.provider, &device(&lost.device), &last.group_info, tree, place);
    for nodes in [4_100, 0x40_0000] {
        assert!(matches!(rejoin(&blank(nodes)), Err(GroupError::Malformed("ratchet tree"))));
    }
    assert!(matches!(rejoin(&blank(4_095)), Err(GroupError::Refused(_))));
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
    let members = [alice.clone(), parties[1].certificate()];
    let mut dave = Party::new(&authority, "dave");
    let waiting = dave.package();
    let invited = parties[1].commit(&[(&dave.certificate(), &waiting)], &[]).unwrap();
    parties[1].discard();
    let welcome = invited.welcome.unwrap();
    let good = [sealed, commit.message, commit.group_info, welcome, commit.tree, package];
    let (pristine, other) = (good.clone(), std::cell::RefCell::new(&mut parties[1]));
    let dave = std::cell::RefCell::new(dave);
    let strategy = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        // Something good with a changed byte, or cut, or with something after it.
        (
            0..good.len(),
            any::<prop::sample::Index>(),
            1..=255_u8,
            any::<prop::sample::Index>(),
            any::<bool>()
        )
            .prop_map(move |(which, at, xor, end, cut)| {
                let mut bytes = good[which].clone();
                *at.get_mut(&mut bytes) ^= xor;
                if cut {
                    bytes.truncate(end.index(bytes.len()));
                }
                bytes
            }),
    ];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(1_500));
    runner
        .run(&strategy, |bytes| {
            let (mut other, dave) = (other.borrow_mut(), dave.borrow());
            let change = Change { by: &alice, added: &[], removed: &[] };
            prop_assert!(other.apply(&bytes, &change).is_err());
            prop_assert!(other.open(&bytes, b"", &alice.hash()).is_err());
            prop_assert!(package::check(&other.provider, &bytes, &alice, now_ms()).is_err());
            let place = Place { room: &ROOM, generation: 0, epoch: 2, members: &members };
            let [_, _, info, welcome, tree, _] = &pristine;
            for (welcome, tree) in [(&bytes, tree), (welcome, &bytes)] {
                prop_assert!(Group::join(&dave.provider, welcome, tree, place).is_err());
            }
            for (info, tree) in [(&bytes, tree), (info, &bytes)] {
                prop_assert!(
                    Group::rejoin(&dave.provider, &device(&dave.device), info, tree, place).is_err()
                );
            }
            Ok(())
        })
        .unwrap();
}
