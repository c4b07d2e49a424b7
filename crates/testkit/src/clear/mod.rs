//! Rooms of content suite 0, which the server reads: servers of earlier versions made them, and today's keep them (EV-4).

use evidence::checkpoint::{Checkpoint, Origin};
use evidence::log::{Tree, TreeHead, leaf_hash};
use evidence::membership::DeviceRef;
use evidence::room::RoomId;
use pki::ed25519::SigningKey;
use store::{MemberChange, NewEntry, NewRoom, RoomAppend, Store};

use crate::member::Member;
use crate::peer::now_ms;

/// Puts a room with these members, one of which is its creator, into a server's store as an earlier server has made it, under this log key and cosigner's key. The room's id, and
/// the statement that created it.
pub async fn create(
    store: &dyn Store,
    (log, cosigner): (&SigningKey, &SigningKey),
    creator: &Member,
    devices: Vec<DeviceRef>,
) -> (RoomId, Vec<u8>) {
    const NAME: &str = "flight";
    let now = now_ms();
    let added =
        devices.iter().map(|device| MemberChange::Added { certificate: device.certificate, index: 0 });
    let members = added.collect();
    let (id, statement) = creator.create_clear_room(NAME, devices);
    let mut tree = Tree::default();
    tree.push(leaf_hash(&statement));
    let head = TreeHead { size: 1, root: tree.root() };
    let checkpoint = Checkpoint { origin: Origin::room(&creator.organisation, id), head };
    let checkpoint = checkpoint.sign(log, cosigner, now / 1_000);
    let room =
        NewRoom { id: id.0, name: Some(NAME.to_owned()), mode: 0, suite: 0, direct: None, created_ms: now };
    let entry = NewEntry {
        kind: 1,
        statement: statement.clone(),
        ciphertext: None,
        sender: creator.certificate(),
        seq: 1,
        leaf_hash: leaf_hash(&statement),
        received_ms: now,
        blobs: Vec::new(),
        erases: Vec::new(),
    };
    let first = RoomAppend {
        room: id.0,
        expected_size: 0,
        entries: vec![entry],
        frontier: tree.compact().to_bytes(),
        checkpoint: checkpoint.as_text().as_bytes().to_vec(),
        members,
        epoch: 0,
    };
    store.create_room(room, first).await.expect("a room");
    (id, statement)
}
