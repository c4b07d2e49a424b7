//! The rules of a room, as the server applies them before it appends.

use std::collections::HashMap;

use evidence::Hash;
use evidence::cose::Object;
use evidence::entry::Entry;
use evidence::membership::{Change, DeviceRef, GroupHashes, Membership, MlsHashes};
use evidence::refusal::Reason;
use evidence::room::{
    BadRoomName, ContentSuite, Context, KeyEpoch, MembershipFault, RoomId, RoomName, RoomState, Seen,
    Unacceptable,
};
use pki::VerifiedCertificate;

use super::world::{Party, START_MS, World};

fn certificates(world: &World) -> HashMap<Hash, VerifiedCertificate> {
    let all = world.devices.iter().chain([&world.log, &world.cosigner]);
    all.map(|party| (party.hash(), party.certificate.clone())).collect()
}

fn entry(world: &World, index: usize) -> Entry {
    let unverified = Entry::parse(&world.entries[index]).unwrap();
    let signer = certificates(world)[&unverified.certificate()].clone();
    unverified.verify(&signer).unwrap()
}

/// Folds all entries but the last, and says what becomes of that one.
pub fn last(world: &World, now_ms: Option<u64>) -> (RoomState, Result<(u64, Seen), Unacceptable>) {
    let certificates = certificates(world);
    let context = Context { certificates: &certificates, roots: &world.tree, now_ms: None };
    let Entry::Membership(first) = entry(world, 0) else { panic!("a create") };
    let mut state = RoomState::create(&first, &context).unwrap();
    let end = world.entries.len() - 1;
    for index in 1..end {
        assert_eq!(state.accept(&entry(world, index), &context), Ok((index as u64, Seen::Prefix)));
    }
    let before = state.clone();
    let outcome = state.accept(&entry(world, end), &Context { now_ms, ..context });
    if outcome.is_err() {
        assert_eq!(state, before, "a refusal changes nothing");
    }
    (state, outcome)
}

#[test]
fn a_talk_is_followed() {
    let mut world = World::with_room(&["cdr", "cmp"]);
    world.say(0, "one");
    let phone = world.add_device("cmp", "phone", Some(1));
    let added = world.devices[phone].reference();
    world.change(1, Change::Add(vec![added]));
    world.say(phone, "two");
    let both = vec![world.devices[1].reference(), world.devices[phone].reference()];
    world.change(phone, Change::Leave(both));
    world.say(0, "alone");
    let (state, outcome) = last(&world, None);
    assert_eq!(outcome, Ok((5, Seen::Prefix)));
    assert_eq!((state.size(), state.epoch()), (6, 2));
    assert_eq!(state.members().count(), 1);
    assert_eq!(state.last_seq(&world.devices[0].hash()), 3);
    assert_eq!(state.name().unwrap().as_str(), "mission");
    assert_eq!(state.member(&world.devices[0].hash()).unwrap().since, 1);
}

#[test]
fn time_is_judged_by_the_server_within_five_minutes() {
    for (offset, good) in [(0, true), (300_000, true), (300_001, false)] {
        let mut world = World::with_room(&["cdr"]);
        world.say(0, "now");
        let time = START_MS + 1_000;
        for now in [time + offset, time - offset] {
            let (_, outcome) = last(&world, Some(now));
            assert_eq!(outcome.is_ok(), good, "{offset}");
            if let Err(fault) = outcome {
                assert_eq!(Reason::from(fault), Reason::Time);
            }
        }
    }
}

#[test]
fn each_refusal_has_its_reason() {
    type Spoil = fn(&mut evidence::statement::StatementClaim);
    let cases: [(Reason, Spoil); 6] = [
        (Reason::NotAMember, |claim| claim.place.room = RoomId([1; 32])),
        (Reason::Sequence, |claim| claim.place.seq = 9),
        (Reason::Sequence, |claim| claim.place.seq = 1),
        (Reason::Epoch, |claim| claim.place.epoch = 3),
        (Reason::CheckpointSeen, |claim| claim.place.seen.size = 50),
        (Reason::CheckpointSeen, |claim| claim.place.seen.root = [0; 32]),
    ];
    for (reason, spoil) in cases {
        let mut world = World::with_room(&["cdr", "cmp"]);
        world.say_with(0, "x", spoil);
        assert_eq!(Reason::from(last(&world, None).1.unwrap_err()), reason);
    }
    let mut world = World::with_room(&["cdr", "cmp"]);
    world.revoke(1);
    world.say(1, "x");
    assert_eq!(last(&world, None).1, Err(Unacceptable::Revoked));
    let mut world = World::with_room(&["cdr", "cmp"]);
    let own = world.devices[1].reference();
    world.change(1, Change::Leave(vec![own]));
    world.say(1, "x");
    assert_eq!(last(&world, None).1, Err(Unacceptable::NotAMember));
}

#[test]
fn a_direct_room_has_its_two_users() {
    let direct = |missing: bool| {
        let mut world = World::new(&["cdr", "cmp", "lmp"]);
        let parties = [world.devices[0].user(), world.devices[1].user()];
        let mut devices: Vec<_> = world.devices.iter().take(2).map(Party::reference).collect();
        if missing {
            devices.pop();
        }
        world.create(Some(parties), None, devices, |_| {});
        world
    };
    let mut world = direct(false);
    let third = world.devices[2].reference();
    world.change(0, Change::Add(vec![third]));
    let fault = Unacceptable::Membership(MembershipFault::Direct);
    assert_eq!(last(&world, None).1, Err(fault));
    let world = direct(true);
    let certificates = certificates(&world);
    let context = Context { certificates: &certificates, roots: &world.tree, now_ms: None };
    let Entry::Membership(first) = entry(&world, 0) else { panic!("a create") };
    assert_eq!(RoomState::create(&first, &context), Err(fault));
}

#[test]
fn a_create_must_fit_itself() {
    let world = World::with_room(&["cdr", "cmp"]);
    let good = Membership::parse(&world.entries[0]).unwrap().claim().clone();
    let certificates = certificates(&world);
    let context = Context { certificates: &certificates, roots: &world.tree, now_ms: None };
    let create = |change: &dyn Fn(&mut evidence::membership::MembershipClaim)| {
        let mut claim = good.clone();
        change(&mut claim);
        let signed = Object::sign(&claim, &world.devices[0].key);
        let verified = Membership::parse(&signed).unwrap().verify(&world.devices[0].certificate).unwrap();
        RoomState::create(&verified, &context)
    };
    assert!(create(&|_| {}).is_ok());
    let fault = |fault| Err(Unacceptable::Membership(fault));
    assert_eq!(create(&|claim| claim.place.room = RoomId([0; 32])), fault(MembershipFault::RoomId));
    assert_eq!(create(&|claim| claim.place.seq = 2), fault(MembershipFault::Creator));
    assert_eq!(create(&|claim| claim.place.seen.size = 1), fault(MembershipFault::Creator));
    let without_signer = |claim: &mut evidence::membership::MembershipClaim| {
        if let Change::Create { devices, .. } = &mut claim.change {
            devices.retain(|device| device.certificate != world.devices[0].hash());
        }
    };
    assert_eq!(create(&without_signer), fault(MembershipFault::Creator));
}

/// A room of three in which everything is sealed.
fn sealed() -> World {
    World::with_room_of(ContentSuite::EndToEnd, &["cdr", "cmp", "lmp"])
}

#[test]
fn nobody_speaks_while_one_who_is_gone_holds_the_keys() {
    type Go = fn(&mut World);
    let ways: [Go; 2] = [
        |world| {
            let own = world.devices[1].reference();
            world.change(1, Change::Leave(vec![own]));
        },
        |world| {
            world.revoke(1);
        },
    ];
    for go in ways {
        let mut world = sealed();
        world.say(0, "before");
        go(&mut world);
        let gone = world.devices[1].hash();
        world.say(0, "too early");
        let (state, outcome) = last(&world, None);
        assert_eq!(outcome, Err(Unacceptable::Lingering));
        assert_eq!(Reason::from(Unacceptable::Lingering), Reason::Keys);
        assert_eq!(state.lingering().collect::<Vec<_>>(), [&gone]);
        assert_eq!((state.epoch(), state.key_epoch()), (1, Some(KeyEpoch::FIRST)));
        // A return does not remove them; an update does, and so does any other commit.
        let removal: fn(&World) -> Change = |world| Change::Remove(vec![world.devices[2].reference()]);
        let second = KeyEpoch::FIRST.next();
        let renewed = KeyEpoch { generation: 1, epoch: 1 };
        let changes = [
            ((|_: &World| Change::Return) as fn(&World) -> Change, 1, second),
            (|_| Change::Update, 0, second),
            (removal, 0, second),
            (|_| Change::Renew(vec![]), 0, renewed),
            (|world| Change::Renew(vec![world.devices[2].reference()]), 0, renewed),
        ];
        for (change, remain, at) in changes {
            let mut world = sealed();
            world.say(0, "before");
            go(&mut world);
            let gone = world.devices[1].hash();
            let change = change(&world);
            world.change(0, change);
            world.say(0, "after");
            let (state, outcome) = last(&world, None);
            let expected = if remain == 0 { Ok((4, Seen::Prefix)) } else { Err(Unacceptable::Lingering) };
            assert_eq!(outcome, expected);
            assert_eq!(state.lingering().filter(|device| **device == gone).count(), remain);
            assert_eq!((state.epoch(), state.key_epoch()), (2, Some(at)));
        }
    }
}

#[test]
fn who_left_may_be_added_by_the_commit_that_removes_its_leaf() {
    let mut world = sealed();
    let second = world.devices[1].reference();
    world.change(1, Change::Leave(vec![second.clone()]));
    world.change(0, Change::Add(vec![second]));
    world.say(1, "back");
    let (state, outcome) = last(&world, None);
    assert_eq!(outcome, Ok((3, Seen::Prefix)));
    assert_eq!(state.lingering().count(), 0);
}

/// EV-46: there is no commit that removes its maker.
#[test]
fn a_remove_in_a_sealed_room_does_not_name_its_signer() {
    for change in [Change::Remove, Change::Renew] {
        let mut world = sealed();
        let own = world.devices[1].reference();
        world.change(1, change(vec![own]));
        assert_eq!(last(&world, None).1, Err(MembershipFault::Keys.into()));
    }
}

#[test]
fn what_a_change_names_of_the_group_fits_its_kind_and_suite() {
    let third = |world: &World| world.devices[2].reference();
    type Make = fn(&World, DeviceRef) -> Change;
    let changes: [Make; 7] = [
        |_, third| Change::Remove(vec![third]),
        |_, third| Change::Renew(vec![third]),
        |_, _| Change::Renew(vec![]),
        |_, _| Change::Update,
        |_, _| Change::Return,
        |world, _| Change::Leave(vec![world.devices[0].reference()]),
        |world, _| Change::Add(vec![world.devices[3].reference()]),
    ];
    let spoils: [fn(&mut MlsHashes); 3] = [
        |mls| mls.commit = mls.commit.xor(Some([1; 32])),
        |mls| mls.welcome = mls.welcome.xor(Some([1; 32])),
        |mls| mls.group = mls.group.map_or(Some(GroupHashes { info: [1; 32], tree: [1; 32] }), |_| None),
    ];
    for suite in [ContentSuite::EndToEnd, ContentSuite::ServerReads] {
        for make in changes {
            for spoil in [None].into_iter().chain(spoils.map(Some)) {
                let mut world = World { suite, ..World::new(&["cdr", "cmp", "lmp", "capcom"]) };
                let devices = world.devices.iter().take(3).map(Party::reference).collect();
                world.create(None, Some(RoomName::parse("mission").unwrap()), devices, |_| {});
                let change = make(&world, third(&world));
                let sealed_only = matches!(change, Change::Update | Change::Return | Change::Renew(_));
                let mut claim = world.membership(0, change);
                if let Some(spoil) = spoil {
                    spoil(&mut claim.mls);
                }
                let bytes = Object::sign(&claim, &world.devices[0].key);
                world.append(bytes, None, true);
                let good = spoil.is_none() && (suite == ContentSuite::EndToEnd || !sealed_only);
                let expected = if good { Ok((1, Seen::Prefix)) } else { Err(MembershipFault::Keys.into()) };
                assert_eq!(last(&world, None).1, expected);
            }
        }
    }
}

#[test]
fn room_names_and_ids_are_told_apart() {
    assert!(RoomName::parse("Mission control, 13").is_ok());
    assert_eq!(RoomName::parse(""), Err(BadRoomName::Length));
    assert_eq!(RoomName::parse(&"x".repeat(65)), Err(BadRoomName::Length));
    assert_eq!(RoomName::parse(" a"), Err(BadRoomName::Character));
    assert_eq!(RoomName::parse("a\u{7}b"), Err(BadRoomName::Character));
    assert_eq!(RoomName::parse("@cdr"), Err(BadRoomName::Ambiguous));
    assert_eq!(RoomName::parse(&"ab".repeat(32)), Err(BadRoomName::Ambiguous));
    let id = RoomId([0xab; 32]);
    assert_eq!(id.to_string().parse(), Ok(id));
    assert!("AB".repeat(32).parse::<RoomId>().is_err());
    assert!("ab".parse::<RoomId>().is_err());
}
