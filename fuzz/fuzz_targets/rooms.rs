//! A room under any sequence of entries: what is refused changes nothing, and members, numbers, epochs, keys and erasures follow
//! the rules (EV-13 to EV-17, EV-45, EV-46, EV-48).

#![no_main]

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use arbitrary::Arbitrary;
use evidence::Hash;
use evidence::content::{Content, Field, Reference, Salt};
use evidence::entry::{Entry, Place};
use evidence::erasure::{Erased, Erasure, ErasureClaim, ErasureReason};
use evidence::log::{Tree, TreeHead};
use evidence::membership::{Change, DeviceRef, GroupHashes, Membership, MembershipClaim, MlsHashes};
use evidence::room::{ContentSuite, Context, Creation, RoomName, RoomState};
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
    /// Indices to erase, each with whether its leaf is another.
    erase: Option<Vec<(u8, bool)>>,
    seq: i8,
    epoch: i8,
    seen: u8,
    other_root: bool,
    other_hashes: bool,
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

/// What a change names of the group (EV-46).
fn hashes(sealed: bool, by: &Hash, change: &Change) -> MlsHashes {
    if !sealed || matches!(change, Change::Leave(_)) {
        return MlsHashes::default();
    }
    let renews = matches!(change, Change::Renew(_));
    let others = renews || change.added().iter().any(|device| device.certificate != *by);
    MlsHashes {
        commit: (!renews && !matches!(change, Change::Create { .. })).then_some([1; 32]),
        welcome: others.then_some([2; 32]),
        group: Some(GroupHashes { info: [3; 32], tree: [4; 32] }),
    }
}

/// EV-45
fn check_keys(before: &RoomState, after: &RoomState, entry: &Entry) {
    let Some(at) = before.key_epoch() else { return assert_eq!(after.key_epoch(), None) };
    let lingered = before.lingering().count();
    let (then, linger) = match entry {
        Entry::Statement(_) => (at, 0),
        Entry::Erasure(_) => (at, lingered),
        Entry::Membership(entry) => match &entry.change {
            Change::Leave(devices) => (at, lingered + devices.len()),
            Change::Return => (at.next(), lingered),
            Change::Renew(_) => (at.renewed(), 0),
            _ => (at.next(), 0),
        },
        Entry::Revocation(_) => (at, lingered + 1),
    };
    assert!(lingered == 0 || !matches!(entry, Entry::Statement(_)));
    assert_eq!(after.key_epoch(), Some(then));
    assert_eq!(after.lingering().count(), linger);
    assert!(after.lingering().all(|device| after.member(device).is_none()));
}

fuzz_target!(|input: (bool, Vec<Step>)| {
    let (sealed, steps) = input;
    let devices = devices();
    let certificates: HashMap<Hash, VerifiedCertificate> =
        devices.iter().map(|(certificate, _)| (certificate.hash(), certificate.clone())).collect();
    let creation = Creation {
        organisation: Organised::get().root.organisation().clone(),
        creator: devices[0].0.hash(),
        parties: None,
        suite: if sealed { ContentSuite::EndToEnd } else { ContentSuite::ServerReads },
        nonce: [7; 32],
    };
    let room = creation.room_id();
    let sign_change = |at: usize, place: Place, change: Change, other_hashes: bool| {
        let (certificate, key) = &devices[at];
        let mls = hashes(sealed != other_hashes, &certificate.hash(), &change);
        let claim = MembershipClaim { certificate: certificate.hash(), place, change, mls };
        Entry::parse(&Membership::sign(&claim, key)).ok()?.verify(certificate).ok()
    };
    let first = Place { room, seq: 1, time_ms: NOW, epoch: 0, seen: TreeHead::empty() };
    let room_name = RoomName::parse("mission").expect("a room's name");
    let create = Change::Create { creation, name: Some(room_name), devices: vec![reference(0)] };
    let mut tree = Tree::default();
    let Some(Entry::Membership(create)) = sign_change(0, first, create, false) else { unreachable!() };
    let context = Context { certificates: &certificates, roots: &tree, now_ms: Some(NOW) };
    let mut state = RoomState::create(&create, &context).expect("a good create");
    tree.push(create.leaf_hash());
    // Of each entry whose statement it is, and what was erased.
    let (mut said, mut erased): (Vec<Option<&str>>, HashSet<u64>) = (vec![None], HashSet::new());

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
        let entry = match (step.change, step.erase) {
            (_, Some(named)) => {
                let named = named.into_iter().take(5).map(|(index, other)| {
                    let index = u64::from(index) % (tree.size() + 2);
                    let mut leaf = tree.leaf(index).unwrap_or([9; 32]);
                    leaf[0] ^= u8::from(other);
                    Reference { index, leaf }
                });
                let Ok(erased) = Erased::new(named.collect()) else { continue };
                let reason = ErasureReason::parse("a slip").expect("a reason");
                let claim = ErasureClaim { certificate: hash, place, erased, reason };
                Entry::parse(&Erasure::sign(&claim, key)).ok().and_then(|e| e.verify(certificate).ok())
            }
            (None, None) => {
                let field = (Salt::from_bytes([3; 32]), Field::Text("so".to_owned()));
                let Ok(content) = Content::with_salts(vec![field]) else { return };
                let claim = StatementClaim::new(&name(USERS[at]), hash, place, &content, b"sealed");
                Entry::parse(&Statement::sign(&claim, key)).ok().and_then(|e| e.verify(certificate).ok())
            }
            (Some((kind, of)), None) => {
                let of = of.into_iter().take(5).map(reference).collect();
                let change = match kind % 6 {
                    0 => Change::Add(of),
                    1 => Change::Remove(of),
                    2 => Change::Leave(of),
                    3 => Change::Update,
                    4 => Change::Renew(of),
                    _ => Change::Return,
                };
                sign_change(at, place, change, step.other_hashes)
            }
        };
        let Some(entry) = entry else { continue };
        let before = state.clone();
        let was_member = state.member(&hash).is_some();
        let context = Context { certificates: &certificates, roots: &tree, now_ms: Some(NOW) };
        match state.accept(&entry, &context) {
            Err(_) => assert_eq!(state, before),
            Ok((index, _)) => {
                assert!(was_member);
                assert_eq!(index, tree.size());
                assert_eq!(entry.place().epoch, before.epoch());
                assert_eq!(Some(entry.place().seen.root), tree.root_at(size));
                assert_eq!(state.last_seq(&hash), seq);
                let raised = u64::from(matches!(entry, Entry::Membership(_)));
                assert_eq!(state.epoch(), before.epoch() + raised);
                check_keys(&before, &state, &entry);
                if let Entry::Erasure(erasure) = &entry {
                    for named in erasure.erased.iter() {
                        assert_eq!(tree.leaf(named.index), Some(named.leaf));
                        let by =
                            usize::try_from(named.index).ok().and_then(|at| said.get(at).copied().flatten());
                        assert_eq!(by, Some(USERS[at]));
                        assert!(erased.insert(named.index));
                        assert_eq!(state.erased_at(named.index), Some(index));
                    }
                }
                said.push(matches!(entry, Entry::Statement(_)).then_some(USERS[at]));
                tree.push(entry.leaf_hash());
            }
        }
    }
});
