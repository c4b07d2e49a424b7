//! What people do: come, talk, go, come back.

use group::{Change, Group, Place, Refusal};

use crate::party::{Party, ROOM, device, refusal, room_of};

#[test]
fn two_people_talk_and_each_message_opens_once() {
    let (_, mut parties) = room_of(2);
    let (alice, bob) = (parties[0].hash(), parties[1].hash());
    for number in 0..5_u8 {
        let there = parties[0].seal(&[number], b"Houston, we've had a problem").unwrap();
        let back = parties[1].seal(&[number], b"Say again please").unwrap();
        assert_eq!(parties[1].open(&there, &[number], &alice).unwrap(), b"Houston, we've had a problem");
        assert_eq!(parties[0].open(&back, &[number], &bob).unwrap(), b"Say again please");
        assert_eq!(refusal(parties[1].open(&there, &[number], &alice)), Refusal::Undecryptable);
        assert_eq!(refusal(parties[0].open(&there, &[number], &alice)), Refusal::Undecryptable);
        for party in &mut parties {
            party.restart();
        }
    }
}

#[test]
fn who_is_removed_reads_nothing_later_and_who_is_added_nothing_earlier() {
    let (authority, mut parties) = room_of(3);
    let alice = parties[0].certificate();
    let before = parties[0].seal(b"1", b"before").unwrap();
    let (removed, mut dave) = (parties[2].hash(), Party::new(&authority, "dave"));
    let package = dave.package();
    let added = [dave.certificate()];
    let commit = parties[0].commit(&[(&added[0], &package)], &[removed]).unwrap();
    let change = Change { by: &alice, added: &added, removed: &[removed] };
    parties[0].confirm();
    for party in &mut parties[1..] {
        assert_eq!(party.open(&before, b"1", &alice.hash()).unwrap(), b"before");
        party.apply(&commit.message, &change).unwrap();
    }
    dave.join(&commit, 2, &[alice.clone(), parties[1].certificate(), dave.certificate()]).unwrap();
    assert!(!parties[2].group.as_ref().unwrap().is_active());

    let after = parties[0].seal(b"2", b"after").unwrap();
    assert_eq!(parties[1].open(&after, b"2", &alice.hash()).unwrap(), b"after");
    assert_eq!(dave.open(&after, b"2", &alice.hash()).unwrap(), b"after");
    assert_eq!(refusal(parties[2].open(&after, b"2", &alice.hash())), Refusal::Membership);
    assert_eq!(refusal(parties[2].seal(b"3", b"still here?")), Refusal::Membership);
    assert_eq!(refusal(dave.open(&before, b"1", &alice.hash())), Refusal::OtherEpoch);
}

/// EV-45: who left and is added again by the next commit, in which its old leaf goes.
#[test]
fn who_lingers_is_added_by_the_commit_that_removes_its_leaf() {
    let (_, mut parties) = room_of(3);
    let members: Vec<_> = parties.iter().map(Party::certificate).collect();
    let package = parties[2].package();
    let (gone, added) = ([members[2].hash()], [members[2].clone()]);
    let commit = parties[0].commit(&[(&added[0], &package)], &gone).unwrap();
    let change = Change { by: &members[0], added: &added, removed: &gone };
    parties[0].confirm();
    parties[1].apply(&commit.message, &change).unwrap();
    parties[2].join(&commit, 2, &members).unwrap();
    for party in &mut parties {
        party.restart();
    }
    let sealed = parties[0].seal(b"", b"back again").unwrap();
    for party in &mut parties[1..] {
        assert_eq!(party.open(&sealed, b"", &members[0].hash()).unwrap(), b"back again");
    }
}

#[test]
fn of_two_commits_for_one_epoch_the_logged_one_counts_for_all() {
    let (_, mut parties) = room_of(3);
    let (alice, bob) = (parties[0].certificate(), parties[1].certificate());
    let first = parties[0].commit(&[], &[]).unwrap();
    let second = parties[1].commit(&[], &[]).unwrap();
    parties[0].restart();
    parties[1].restart();
    let change = Change { by: &alice, added: &[], removed: &[] };
    parties[0].confirm();
    for party in &mut parties[1..] {
        party.apply(&first.message, &change).unwrap();
        assert_eq!(
            refusal(party.apply(&second.message, &Change { by: &bob, added: &[], removed: &[] })),
            Refusal::OtherEpoch
        );
    }
    let again = parties[1].commit(&[], &[]).unwrap();
    parties[1].confirm();
    for number in [0, 2] {
        parties[number].apply(&again.message, &Change { by: &bob, added: &[], removed: &[] }).unwrap();
    }
    let sealed = parties[2].seal(b"", b"all together").unwrap();
    let sender = parties[2].hash();
    assert_eq!(parties[0].epoch(), 3);
    for party in &mut parties[..2] {
        assert_eq!(party.open(&sealed, b"", &sender).unwrap(), b"all together");
    }
}

#[test]
fn a_discarded_commit_leaves_no_trace() {
    let (_, mut parties) = room_of(2);
    let alice = parties[0].hash();
    parties[0].commit(&[], &[]).unwrap();
    parties[0].discard();
    parties[0].restart();
    let sealed = parties[0].seal(b"", b"same epoch").unwrap();
    assert_eq!(parties[1].open(&sealed, b"", &alice).unwrap(), b"same epoch");
}

#[test]
fn a_device_that_lost_its_group_comes_back_into_its_place() {
    let (_, mut parties) = room_of(3);
    let members: Vec<_> = parties.iter().map(Party::certificate).collect();
    let last = parties[0].commit(&[], &[]).unwrap();
    parties[0].confirm();
    let by_alice = Change { by: &members[0], added: &[], removed: &[] };
    parties[1].apply(&last.message, &by_alice).unwrap();

    // The third never gets that commit, and its disk is empty.
    parties[2].disk.clear();
    parties[2].restart();
    let lost = &mut parties[2];
    let (group, back) = Group::rejoin(
        &lost.provider,
        &device(&lost.device),
        &last.group_info,
        &last.tree,
        Place { room: &ROOM, generation: 0, epoch: 2, members: &members },
    )
    .unwrap();
    lost.group = Some(group);
    lost.save();
    lost.restart();
    let by_lost = Change { by: &members[2], added: &[], removed: &[] };
    for party in &mut parties[..2] {
        party.apply(&back.message, &by_lost).unwrap();
        assert_eq!(party.group.as_ref().unwrap().members().unwrap().len(), 3);
    }
    let sealed = parties[0].seal(b"", b"welcome back").unwrap();
    for party in &mut parties[1..] {
        assert_eq!(party.open(&sealed, b"", &members[0].hash()).unwrap(), b"welcome back");
    }
}

#[test]
fn a_key_package_may_wait_over_a_restart() {
    let (authority, mut parties) = room_of(1);
    let mut bob = Party::new(&authority, "bob");
    let package = bob.package();
    bob.restart();
    let commit = parties[0].commit(&[(&bob.certificate(), &package)], &[]).unwrap();
    parties[0].confirm();
    let members = [parties[0].certificate(), bob.certificate()];
    bob.join(&commit, 2, &members).unwrap();
    bob.restart();
    let sealed = bob.seal(b"", b"here").unwrap();
    let sender = bob.hash();
    assert_eq!(parties[0].open(&sealed, b"", &sender).unwrap(), b"here");
    // The key package was used up with it.
    assert_eq!(refusal(bob.join(&commit, 2, &members)), Refusal::Package);
}
