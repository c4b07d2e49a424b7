//! What shows of real messages without keys, as the log's server reads it (evidence.md, EV-47).

use evidence::membership::{Change, DeviceRef, GroupHashes, MlsHashes};
use evidence::mls::{GroupEpoch, Message, Named, is_content, is_tree};
use evidence::room::KeyEpoch;
use group::{Commit, Group, Place};

use crate::party::{Party, ROOM, device, room_of};

fn named(commit: &Commit) -> Named {
    Named {
        commit: Message::read(&commit.message),
        welcome: commit.welcome.as_deref().and_then(Message::read),
        info: Message::read(&commit.group_info),
        tree: is_tree(&commit.tree),
    }
}

fn hashes(commit: &Commit) -> MlsHashes {
    let welcome = commit.welcome.as_ref().map(|_| [2; 32]);
    let group = Some(GroupHashes { info: [3; 32], tree: [4; 32] });
    MlsHashes { commit: Some([1; 32]), welcome, group }
}

#[test]
fn every_message_of_a_room_shows_what_it_is() {
    let (authority, mut parties) = room_of(3);
    let members: Vec<_> = parties.iter().map(Party::certificate).collect();
    let mut dave = Party::new(&authority, "dave");
    let refs = |party: &Party, user: &str| {
        vec![DeviceRef { user: pki::Name::parse(user).unwrap(), certificate: party.hash() }]
    };
    let package = dave.package();
    let add = parties[0].commit(&[(&dave.certificate(), &package)], &[]).unwrap();
    parties[0].discard();
    let remove = parties[1].commit(&[], &[members[2].hash()]).unwrap();
    parties[1].discard();
    let update = parties[0].commit(&[], &[]).unwrap();
    let changes = [
        (&add, Change::Add(refs(&dave, "dave"))),
        (&remove, Change::Remove(refs(&parties[2], "user2"))),
        (&update, Change::Update),
    ];
    for (commit, change) in &changes {
        let (shown, hashes) = (named(commit), hashes(commit));
        assert!(shown.fit(change, &hashes, &ROOM, at(1)), "{change:?}: {shown:?}");
        for (room, epoch) in [(ROOM, 0), (ROOM, 2), ([8; 32], 1)] {
            assert!(!shown.fit(change, &hashes, &room, at(epoch)), "{change:?}");
        }
        assert!(!shown.fit(&Change::Return, &hashes, &ROOM, at(1)));
    }

    parties[0].confirm();
    let lost = &mut parties[2];
    lost.disk.clear();
    lost.restart();
    let place = Place { room: &ROOM, generation: 0, epoch: 2, members: &members };
    let (_, back) =
        Group::rejoin(&lost.provider, &device(&lost.device), &update.group_info, &update.tree, place)
            .unwrap();
    assert!(named(&back).fit(&Change::Return, &hashes(&back), &ROOM, at(2)), "{:?}", named(&back));
    assert!(!named(&back).fit(&Change::Update, &hashes(&back), &ROOM, at(2)));

    for content in [&b""[..], b"Houston", &[7; 70_000]] {
        let sealed = parties[0].seal(&[1; 100], content).unwrap();
        assert!(
            is_content(&sealed, &ROOM, at(2)) && !is_content(&sealed, &ROOM, at(1)),
            "{} bytes",
            content.len()
        );
        assert!(!is_content(&sealed, &[8; 32], at(2)));
        assert!(!is_tree(&sealed) && !is_content(&sealed[..sealed.len() - 1], &ROOM, at(2)));
    }
}

#[test]
fn a_group_of_another_generation_shows_as_such() {
    let mut party = Party::new(&testkit::authority::Authority::new(), "alice");
    let mut group = Group::create(&party.provider, &device(&party.device), &ROOM, 7).unwrap();
    let sealed = group.seal(&party.provider, &device(&party.device), b"", b"elsewhere").unwrap();
    let content = |at| Some(Message::Content(GroupEpoch { room: ROOM, at }));
    assert_eq!(Message::read(&sealed), content(KeyEpoch { generation: 7, epoch: 0 }));
    assert!(!is_content(&sealed, &ROOM, at(0)));
    party.create();
    let sealed = party.seal(b"", b"here").unwrap();
    assert_eq!(Message::read(&sealed), content(at(0)));
}

fn at(epoch: u64) -> KeyEpoch {
    KeyEpoch { generation: 0, epoch }
}

/// Every part of a real message, and every one with a byte changed, is read without a panic; no part is taken for the whole.
#[test]
fn parts_of_real_messages_are_none() {
    let (authority, mut parties) = room_of(2);
    let mut dave = Party::new(&authority, "dave");
    let package = dave.package();
    let commit = parties[0].commit(&[(&dave.certificate(), &package)], &[]).unwrap();
    let messages = [commit.message, commit.welcome.unwrap(), commit.group_info];
    for message in messages {
        assert!(Message::read(&message).is_some());
        for length in 0..message.len() {
            assert_eq!(Message::read(&message[..length]), None, "{length}");
        }
        for at in 0..message.len().min(600) {
            let mut changed = message.clone();
            changed[at] ^= 0xff;
            Message::read(&changed);
        }
    }
    for length in 0..commit.tree.len() {
        assert!(!is_tree(&commit.tree[..length]));
    }
}
