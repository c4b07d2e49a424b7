//! What a message costs at rest, and what is left of a key that was used.

use group::{Change, Group, GroupError, Place};

use crate::party::{Party, ROOM, device, room_of};

#[test]
fn a_message_writes_the_secrets_of_the_epoch_alone() {
    let (_, mut parties) = room_of(80);
    let alice = parties[0].hash();
    for number in 0..4_u8 {
        let sealed = parties[0].seal_unsaved(&[number], b"text").unwrap();
        let written = parties[0].save_and_count();
        parties[1].open_unsaved(&sealed, &[number], &alice).unwrap();
        let read = parties[1].save_and_count();
        assert!((1..2_048).contains(&written) && (1..2_048).contains(&read), "{written} {read}");
    }
}

/// GR-9: whoever comes in over an older state of the group keeps nothing of it.
#[test]
fn old_key_pairs_are_left_behind_neither_by_a_welcome_nor_by_a_way_back() {
    let (_, mut parties) = room_of(3);
    let members: Vec<_> = parties.iter().map(Party::certificate).collect();
    let carol = members[2].hash();
    let of_the_group = |party: &Party| party.disk.keys().filter(|record| record.scope != [0; 32]).count();
    let fresh = of_the_group(&parties[2]);

    // Carol reads neither her removal nor what was before.
    let package = parties[2].package();
    parties[0].commit(&[], &[carol]).unwrap();
    parties[0].confirm();
    let again = parties[0].commit(&[(&members[2], &package)], &[]).unwrap();
    parties[0].confirm();
    parties[2].join(&again, 3, &members).unwrap();
    assert_eq!(of_the_group(&parties[2]), fresh);

    let last = parties[0].commit(&[], &[]).unwrap();
    parties[0].confirm();
    let lost = &mut parties[2];
    let place = Place { room: &ROOM, generation: 0, epoch: 4, members: &members };
    Group::rejoin(&lost.provider, &device(&lost.device), &last.group_info, &last.tree, place).unwrap();
    lost.save();
    assert_eq!(of_the_group(lost), fresh);
}

#[test]
fn what_may_be_undone_holds_nothing_else() {
    let (_, mut parties) = room_of(2);
    let alice = parties[0].certificate();
    let commit = parties[0].commit(&[], &[]).unwrap();
    parties[1].seal_unsaved(b"", b"text").unwrap();
    let bob = &mut parties[1];
    let change = Change { by: &alice, added: &[], removed: &[] };
    let refused = bob.group.as_mut().unwrap().apply(&bob.provider, &commit.message, &change);
    assert!(matches!(refused, Err(GroupError::Storage(_))));
    bob.save();
    bob.apply(&commit.message, &change).unwrap();
}

#[test]
fn a_used_key_is_on_no_disk() {
    let (_, mut parties) = room_of(2);
    let alice = parties[0].hash();
    let before = parties[1].disk.clone();
    let sealed = parties[0].seal(b"", b"text").unwrap();
    parties[1].open(&sealed, b"", &alice).unwrap();
    let after = parties[1].disk.clone();
    // With the disk of before the message opens; with that of after it does not.
    parties[1].disk = before;
    parties[1].restart();
    assert_eq!(parties[1].open(&sealed, b"", &alice).unwrap(), b"text");
    parties[1].disk = after;
    parties[1].restart();
    parties[1].open(&sealed, b"", &alice).unwrap_err();
}

#[test]
fn debug_shows_no_secret() {
    let (_, mut parties) = room_of(2);
    let alice = &mut parties[0];
    alice.seal_unsaved(b"", b"text").unwrap();
    let shown = format!("{:?} {:?}", alice.group, alice.provider.store().take_changes());
    assert!(shown.contains("bytes: Some(") && !shown.contains("bytes: Some([") && shown.contains("epoch: 1"));
}
