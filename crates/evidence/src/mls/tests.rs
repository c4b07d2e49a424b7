use super::*;
use crate::membership::{DeviceRef, GroupHashes};

const ROOM: Hash = [7; 32];
const PLACE: GroupEpoch = GroupEpoch { room: ROOM, at: key_epoch(5) };

const fn key_epoch(epoch: u64) -> KeyEpoch {
    KeyEpoch { generation: 0, epoch }
}

fn vector(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u32;
    let prefix = match length {
        0..0x40 => vec![length as u8],
        0x40..0x4000 => (0x4000 | length as u16).to_be_bytes().to_vec(),
        _ => (0x8000_0000 | length).to_be_bytes().to_vec(),
    };
    [prefix, bytes.to_vec()].concat()
}

fn start(wire_format: u16) -> Vec<u8> {
    [1_u16.to_be_bytes(), wire_format.to_be_bytes()].concat()
}

fn place(room: &[u8], generation: u32, epoch: u64) -> Vec<u8> {
    [vector(&[room, &generation.to_be_bytes()].concat()), epoch.to_be_bytes().to_vec()].concat()
}

fn private(content: u8, place: Vec<u8>) -> Vec<u8> {
    private_with(content, place, if content == 1 { b"aad" } else { b"" })
}

fn private_with(content: u8, place: Vec<u8>, authenticated: &[u8]) -> Vec<u8> {
    [start(2), place, vec![content], vector(authenticated), vector(&[1; 28]), vector(&[2; 300])].concat()
}

fn public(sender: &[u8], content: u8, place: Vec<u8>) -> Vec<u8> {
    public_with(sender, content, place, 1, 3)
}

fn public_with(sender: &[u8], content: u8, place: Vec<u8>, path: u8, source: u8) -> Vec<u8> {
    let head = [start(1), place, sender.to_vec(), vector(b""), vec![content], vector(&[1; 20])].concat();
    let leaf = [vec![path], vector(&[2; 32]), vector(&[3; 32]), vec![0, 2], vector(&[4; 500])].concat();
    let capabilities = vector(b"").repeat(5);
    let end = [vec![source], vector(b"").repeat(2), vector(&[5; 64]), vector(&[6; 90])].concat();
    [head, leaf, capabilities, end, vector(&[7; 64]), vector(&[8; 32])].concat()
}

fn welcome_of(suite: u16) -> Vec<u8> {
    [start(3), suite.to_be_bytes().to_vec(), vector(&[1; 70]), vector(&[2; 0x4000])].concat()
}

fn info(version: u16, suite: u16, place: Vec<u8>) -> Vec<u8> {
    let context = [version.to_be_bytes(), suite.to_be_bytes()].concat();
    let hashes = [vector(&[1; 32]), vector(&[2; 32]), vector(b"")].concat();
    let end = [vector(&[4; 90]), vector(&[5; 32]), vec![0, 0, 0, 9], vector(&[6; 64])].concat();
    [start(4), context, place, hashes, end].concat()
}

fn here() -> Vec<u8> {
    place(&ROOM, 0, 5)
}

/// One of each kind, with what is read of it.
fn good() -> Vec<(Vec<u8>, Message)> {
    vec![
        (private(1, here()), Message::Content(PLACE)),
        (private(3, here()), Message::Commit(PLACE)),
        (public(&[4], 3, here()), Message::Return(PLACE)),
        (welcome_of(0x4d), Message::Welcome),
        (info(1, 0x4d, here()), Message::GroupInfo(PLACE)),
    ]
}

#[test]
fn each_kind_is_read_and_no_part_of_it() {
    for (bytes, message) in good() {
        assert_eq!(Message::read(&bytes), Some(message));
        for length in 0..bytes.len() {
            assert_eq!(Message::read(&bytes[..length]), None, "{message:?} cut to {length}");
        }
        assert_eq!(Message::read(&[&bytes[..], &[0]].concat()), None, "{message:?} and a byte");
    }
}

#[test]
fn what_is_of_another_kind_is_not_read() {
    let other_start = |at: usize, value: u8| {
        let mut bytes = private(1, here());
        bytes[at] = value;
        bytes
    };
    for bytes in [
        private(2, here()),
        private(0, here()),
        private(4, here()),
        private_with(3, here(), b"x"),
        public(&[1, 0, 0, 0, 0], 3, here()),
        public(&[2, 0, 0, 0, 0], 3, here()),
        public(&[3], 3, here()),
        public(&[4], 1, here()),
        public(&[4], 2, here()),
        public_with(&[4], 3, here(), 0, 3),
        public_with(&[4], 3, here(), 1, 1),
        welcome_of(1),
        info(2, 0x4d, here()),
        info(1, 1, here()),
        private(1, place(&ROOM[1..], 0, 5)),
        private(1, place(&[&ROOM[..], &[0]].concat(), 0, 5)),
        private(1, [vector(b""), vec![0; 8]].concat()),
        other_start(1, 2),
        other_start(0, 1),
        other_start(3, 5),
        other_start(3, 0),
        b"no message".to_vec(),
    ] {
        assert_eq!(Message::read(&bytes), None, "{bytes:02x?}");
    }
    let long = [start(3), vec![0, 0x4d], vector(b""), vector(&vec![0; MAX_GROUP_MESSAGE])].concat();
    assert_eq!(Message::read(&long), None);
}

#[test]
fn lengths_are_in_their_shortest_encoding() {
    let read = |bytes: &[u8]| {
        let mut reader = Reader::new(bytes);
        reader.vector().filter(|_| reader.is_at_end()).map(<[u8]>::len)
    };
    for length in [0, 1, 0x3f, 0x40, 0x3fff, 0x4000, 70_000] {
        assert_eq!(read(&vector(&vec![9; length])), Some(length));
    }
    let long = |prefix: &[u8], length: usize| [prefix, &vec![9; length]].concat();
    for (prefix, length) in [
        (&[0x40, 0][..], 0),
        (&[0x40, 0x3f], 0x3f),
        (&[0x80, 0, 0, 0], 0),
        (&[0x80, 0, 0, 1], 1),
        (&[0x80, 0, 0x3f, 0xff], 0x3fff),
        (&[0xc0], 0),
        (&[0xc0, 0, 0, 0, 0, 0, 0, 1], 1),
        (&[0xff; 8], 10),
    ] {
        assert_eq!(read(&long(prefix, length)), None, "{prefix:02x?}");
    }
    assert_eq!(read(&[0xbf, 0xff, 0xff, 0xff]), None);
}

#[test]
fn content_is_of_the_room_and_its_key_epoch() {
    let bytes = private(1, here());
    assert!(is_content(&bytes, &ROOM, key_epoch(5)));
    for other in [key_epoch(4), key_epoch(6), KeyEpoch { generation: 1, epoch: 5 }] {
        assert!(!is_content(&bytes, &ROOM, other));
    }
    assert!(!is_content(&bytes, &[8; 32], key_epoch(5)));
    for (other, _) in good().into_iter().skip(1) {
        assert!(!is_content(&other, &ROOM, key_epoch(5)));
    }
}

#[test]
fn a_tree_is_one_vector() {
    for length in [1, 0x40, 0x4000] {
        let tree = vector(&vec![1; length]);
        assert!(is_tree(&tree));
        assert!(!is_tree(&tree[..tree.len() - 1]) && !is_tree(&[&tree[..], &[0]].concat()));
    }
    assert!(!is_tree(&[]) && !is_tree(&vector(b"")) && !is_tree(&vector(&vec![0; MAX_GROUP_MESSAGE - 3])));
    for (message, _) in good() {
        assert!(!is_tree(&message));
    }
}

#[test]
fn what_a_change_names_fits_it() {
    let at = |epoch| GroupEpoch { at: key_epoch(epoch), ..PLACE };
    let device = DeviceRef { user: pki::Name::parse("alice").unwrap(), certificate: [1; 32] };
    let group = Some(GroupHashes { info: [3; 32], tree: [4; 32] });
    let hashes = |commit, welcome| MlsHashes { commit, welcome, group };
    let (commit, welcome) = (Some([1; 32]), Some([2; 32]));
    let named = Named {
        commit: Some(Message::Commit(at(5))),
        welcome: Some(Message::Welcome),
        info: Some(Message::GroupInfo(at(6))),
        tree: true,
    };
    let add = Change::Add(vec![device.clone()]);
    let fit =
        |named: &Named, change: &Change| named.fit(change, &hashes(commit, welcome), &ROOM, key_epoch(5));
    assert!(fit(&named, &add));
    let back = Named { commit: Some(Message::Return(at(5))), ..named };
    assert!(back.fit(&Change::Return, &hashes(commit, None), &ROOM, key_epoch(5)) && !fit(&back, &add));
    assert!(!fit(&named, &Change::Return));
    assert!(named.fit(&Change::Update, &hashes(commit, None), &ROOM, key_epoch(5)));
    for wrong in [
        Named { commit: None, ..named },
        Named { commit: Some(Message::Commit(at(4))), ..named },
        Named { commit: Some(Message::Commit(GroupEpoch { room: [8; 32], ..PLACE })), ..named },
        Named { commit: Some(Message::Content(at(5))), ..named },
        Named { welcome: None, ..named },
        Named { welcome: Some(Message::Commit(at(5))), ..named },
        Named { info: Some(Message::GroupInfo(at(5))), ..named },
        Named { info: Some(Message::Welcome), ..named },
        Named { tree: false, ..named },
    ] {
        assert!(!fit(&wrong, &add), "{wrong:?}");
    }

    // A renew makes epoch 1 of the next generation, of whatever the group was before; a leave names nothing.
    let renew = Change::Renew(vec![device.clone()]);
    let renewed = |generation, epoch| GroupEpoch { at: KeyEpoch { generation, epoch }, ..PLACE };
    for (at, good) in
        [(renewed(1, 1), true), (renewed(0, 1), false), (renewed(1, 2), false), (renewed(2, 1), false)]
    {
        let named = Named { info: Some(Message::GroupInfo(at)), ..named };
        assert_eq!(named.fit(&renew, &hashes(None, welcome), &ROOM, key_epoch(5)), good, "{at:?}");
    }
    assert!(Named::default().fit(&Change::Leave(vec![device]), &MlsHashes::default(), &ROOM, key_epoch(5)));
}
