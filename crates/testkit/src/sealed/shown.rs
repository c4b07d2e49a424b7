//! Group messages of which only that is right which shows without keys (EV-47): a server cannot tell them from real ones. Made by hand: real groups cost more,
//! and what a test of the server says needs nobody to open it.

use evidence::membership::{Change, GroupHashes, MlsHashes};
use evidence::room::RoomId;

/// Ciphersuite of content suite 1 (group.md, GR-1).
const SUITE: u16 = 0x004d;
/// `mls10`.
const VERSION: u16 = 1;

// RFC 9420, section 6: wire_format and content_type.
const PRIVATE_MESSAGE: u16 = 2;
const WELCOME: u16 = 3;
const GROUP_INFO: u16 = 4;
const APPLICATION: u8 = 1;
const COMMIT: u8 = 3;

/// What a message is padded to, and its tag, in bytes (group.md, GR-2).
const PADDING: usize = 128;
const TAG: usize = 16;
/// Bytes of a signature.
const SIGNATURE: usize = 64;

/// What goes with a change of membership.
#[derive(Debug, Clone)]
pub struct Shown {
    /// What the statement names.
    pub hashes: MlsHashes,
    /// What is to be handed in first.
    pub blobs: Vec<Vec<u8>>,
}

/// What goes with a change of a room whose key epoch before it is `key_epoch`, 0 before a create (EV-46).
///
/// # Panics
/// Of a return and a renew, which are of other forms.
pub fn change(room: RoomId, key_epoch: u64, change: &Change) -> Shown {
    let (commits, creator) = match change {
        Change::Leave(_) => return Shown { hashes: MlsHashes::default(), blobs: Vec::new() },
        Change::Return | Change::Renew(_) => panic!("it is made by a group"),
        Change::Create { creation, .. } => (false, Some(creation.creator)),
        _ => (true, None),
    };
    let welcomes = change.added().iter().any(|device| Some(device.certificate) != creator);
    let commit = commits.then(|| private_message(room, key_epoch, COMMIT, &random(256)));
    let welcome = welcomes.then(welcome);
    let (info, tree) = (group_info(room, key_epoch + 1), tree());
    let hashes = MlsHashes {
        commit: commit.as_deref().map(pki::sha256),
        welcome: welcome.as_deref().map(pki::sha256),
        group: Some(GroupHashes { info: pki::sha256(&info), tree: pki::sha256(&tree) }),
    };
    Shown { hashes, blobs: commit.into_iter().chain(welcome).chain([info, tree]).collect() }
}

/// A ciphertext as long as that of a content of `length` bytes.
pub fn content(room: RoomId, key_epoch: u64, length: usize) -> Vec<u8> {
    let length = (length + SIGNATURE).next_multiple_of(PADDING) + TAG;
    private_message(room, key_epoch, APPLICATION, &random(length))
}

/// RFC 9420, section 6.3.
fn private_message(room: RoomId, epoch: u64, content_type: u8, ciphertext: &[u8]) -> Vec<u8> {
    let mut bytes = numbers(&[VERSION, PRIVATE_MESSAGE]);
    group_epoch(&mut bytes, room, epoch);
    bytes.push(content_type);
    // Authenticated data, encrypted sender data, ciphertext.
    let authenticated = if content_type == APPLICATION { random(104) } else { Vec::new() };
    vectors(&mut bytes, &[&authenticated, &random(28), ciphertext]);
    bytes
}

/// RFC 9420, section 12.4.3.1.
fn welcome() -> Vec<u8> {
    let mut bytes = numbers(&[VERSION, WELCOME, SUITE]);
    // Secrets, encrypted group info.
    vectors(&mut bytes, &[&random(64), &random(128)]);
    bytes
}

/// RFC 9420, sections 8.1 and 12.4.3.
fn group_info(room: RoomId, epoch: u64) -> Vec<u8> {
    let mut bytes = numbers(&[VERSION, GROUP_INFO, VERSION, SUITE]);
    group_epoch(&mut bytes, room, epoch);
    // Of the context tree hash, transcript hash, extensions; then extensions, confirmation tag.
    vectors(&mut bytes, &[&random(32), &random(32), &[], &[], &random(32)]);
    // Signer, signature.
    bytes.extend(0_u32.to_be_bytes());
    vectors(&mut bytes, &[&random(SIGNATURE)]);
    bytes
}

/// RFC 9420, section 12.4.3.3: a vector of nodes.
fn tree() -> Vec<u8> {
    let mut bytes = Vec::new();
    vectors(&mut bytes, &[&random(256)]);
    bytes
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// GR-3
fn group_epoch(bytes: &mut Vec<u8>, room: RoomId, epoch: u64) {
    vectors(bytes, &[&[room.0.as_slice(), &0_u32.to_be_bytes()].concat()]);
    bytes.extend(epoch.to_be_bytes());
}

/// Vectors, each with its length in the shortest encoding (RFC 9420, section 2.1.2).
fn vectors(bytes: &mut Vec<u8>, vectors: &[&[u8]]) {
    for vector in vectors {
        let length = u32::try_from(vector.len()).expect("a short vector");
        match length {
            0..0x40 => bytes.push(u8::try_from(length).expect("six bits")),
            0x40..0x4000 => {
                bytes.extend((0x4000 | u16::try_from(length).expect("fourteen bits")).to_be_bytes());
            }
            _ => bytes.extend((0x8000_0000 | length).to_be_bytes()),
        }
        bytes.extend(*vector);
    }
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    aws_lc_rs::rand::fill(&mut bytes).expect("randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use evidence::mls::{GroupEpoch, Message, Named, is_content, is_tree};
    use evidence::room::KeyEpoch;

    use super::*;

    #[test]
    fn what_shows_is_what_the_server_asks_for() {
        let room = RoomId([7; 32]);
        let at = |epoch| KeyEpoch { generation: 0, epoch };
        for length in [0, 100, 20_000] {
            assert!(is_content(&content(room, 3, length), &room.0, at(3)));
        }
        let Shown { hashes, blobs } = change(room, 3, &Change::Update);
        assert_eq!((hashes.welcome, blobs.len()), (None, 3));
        let [commit, info, tree] = blobs.as_slice() else { panic!("{blobs:?}") };
        let named = Named {
            commit: Message::read(commit),
            welcome: None,
            info: Message::read(info),
            tree: is_tree(tree),
        };
        assert!(named.fit(&Change::Update, &hashes, &room.0, at(3)));
        assert_eq!(named.info, Some(Message::GroupInfo(GroupEpoch { room: room.0, at: at(4) })));
        assert_eq!(Message::read(&welcome()), Some(Message::Welcome));
    }
}
