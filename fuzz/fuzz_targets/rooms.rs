//! A room under any sequence of entries: what is refused changes nothing, what is stored reads back, and members,
//! numbers and epochs follow the rules (EV-13 to EV-17).

#![no_main]

use std::collections::HashMap;
use std::sync::OnceLock;

use arbitrary::Arbitrary;
use evidence::Hash;
use evidence::content::{Content, Field, Salt};
use evidence::entry::{Entry, Place};
use evidence::log::{Tree, TreeHead};
use evidence::membership::{Change, DeviceRef, Membership, MembershipClaim, MlsHashes};
use evidence::room::{Context, Creation, RoomState, Stored};
use evidence::statement::{Statement, StatementClaim};
use fuzz::{NOW, Organised, name};
use libfuzzer_sys::fuzz_target;
use pki::VerifiedCertificate;
use pki::ed25519::SigningKey;

const USERS: [&str; 4] = ["alice", "alice", "bob", "carol"];

#[derive(Debug, Arbitrary)]
struct Step {
    signer: u8,
    change: Option<(u8, Vec<u8>)>,
    seq: i8,
    epoch: i8,
    seen: u8,
    other_root: bool,
}

type Device = (VerifiedCertificate, SigningKey);

fn devices() -> &'static [Device] {
    static DEVICES: OnceLock<Vec<Device>> = OnceLock::new();
    DEVICES.get_or_init(|| USERS.map(|user| Organised::get().device(user)).into_iter().collect())
}

fn reference(at: u8) -> DeviceRef {
    let at = usize::from(at) % USERS.len();
    DeviceRef { user: name(USERS[at]), certificate: devices()[at].0.hash() }
}

fn near(value: u64, by: i8) -> u64 {
    value.saturating_add_signed(i64::from(by % 3))
}

fuzz_target!(|steps: Vec<Step>| {
    let devices = devices();
    let certificates: HashMap<Hash, VerifiedCertificate> =
        devices.iter().map(|(certificate, _)| (certificate.hash(), certificate.clone())).collect();
    let creation = Creation {
        organisation: Organised::get().root.organisation().clone(),
        creator: devices[0].0.hash(),
        parties: None,
        nonce: [7; 32],
    };
    let room = creation.room_id();
    let sign_change = |at: usize, place: Place, change: Change| {
        let (certificate, key) = &devices[at];
        let claim =
            MembershipClaim { certificate: certificate.hash(), place, change, mls: MlsHashes::default() };
        Entry::parse(&Membership::sign(&claim, key)).ok()?.verify(certificate).ok()
    };
    let first = Place { room, seq: 1, time_ms: NOW, epoch: 0, seen: TreeHead::empty() };
    let create = Change::Create { creation, name: None, devices: vec![reference(0)] };
    let mut tree = Tree::default();
    let Some(Entry::Membership(create)) = sign_change(0, first, create) else { return };
    let context = Context { certificates: &certificates, roots: &tree, now_ms: Some(NOW) };
    let Ok(mut state) = RoomState::create(&create, &context) else { return };
    tree.push(create.leaf_hash());

    for step in steps.into_iter().take(64) {
        let at = usize::from(step.signer) % USERS.len();
        let (certificate, key) = &devices[at];
        let hash = certificate.hash();
        let size = u64::from(step.seen) % (tree.size() + 2);
        let mut root = tree.root_at(size).unwrap_or([9; 32]);
        root[0] ^= u8::from(step.other_root);
        let seq = near(state.last_seq(&hash) + 1, step.seq).max(1);
        let place = Place {
            room,
            seq,
            time_ms: NOW,
            epoch: near(state.epoch(), step.epoch),
            seen: TreeHead { size, root },
        };
        let entry = match step.change {
            None => {
                let field = (Salt::from_bytes([3; 32]), Field::Text("so".to_owned()));
                let Ok(content) = Content::with_salts(vec![field]) else { return };
                let claim = StatementClaim::new(&name(USERS[at]), hash, place, &content, b"sealed");
                Entry::parse(&Statement::sign(&claim, key)).ok().and_then(|e| e.verify(certificate).ok())
            }
            Some((kind, of)) => {
                let of = of.into_iter().take(5).map(reference).collect();
                let change = match kind % 3 {
                    0 => Change::Add(of),
                    1 => Change::Remove(of),
                    _ => Change::Leave(of),
                };
                sign_change(at, place, change)
            }
        };
        let Some(entry) = entry else { continue };
        let before = state.to_stored();
        let was_member = state.member(&hash).is_some();
        let context = Context { certificates: &certificates, roots: &tree, now_ms: Some(NOW) };
        match state.accept(&entry, &context) {
            Err(_) => assert_eq!(state.to_stored(), before),
            Ok((index, _)) => {
                assert!(was_member);
                assert_eq!(index, tree.size());
                assert_eq!(entry.place().epoch, before.epoch);
                assert_eq!(Some(entry.place().seen.root), tree.root_at(size));
                assert_eq!(state.last_seq(&hash), seq);
                let raised = u64::from(!matches!(entry, Entry::Statement(_)));
                assert_eq!(state.epoch(), before.epoch + raised);
                tree.push(entry.leaf_hash());
                let stored = Stored::from_bytes(&state.to_stored().to_bytes()).expect("our own bytes");
                state = RoomState::from_stored(stored);
            }
        }
    }
});
