//! Signed objects: encodings, strictness, and that no key can be fooled into signing one thing as another (EV-11).

use coset::{CborSerializable, TaggedCborSerializable};
use evidence::checkpoint::{Checkpoint, Cosignature, Origin, SignedCheckpoint, cosigner_name};
use evidence::content::Reference;
use evidence::cose::{Kind, Malformed, Object, Unsound};
use evidence::directory::{Issue, Leaf, Revoke, Subject};
use evidence::entry::{Entry, RevocationClaim};
use evidence::erasure::{BadErased, BadErasureReason, Erased, ErasureClaim, ErasureReason};
use evidence::limits::{MAX_ERASED, MAX_ERASURE_REASON};
use evidence::log::TreeHead;
use evidence::membership::{DeviceClaim, MembershipClaim};
use evidence::receipt::ReceiptClaim;
use evidence::refusal::{Reason, RefusalClaim};
use evidence::statement::{Statement, StatementClaim};
use pki::{Holder, Name};
use proptest::prelude::*;

use super::world::World;

fn world() -> World {
    let mut world = World::with_room(&["cdr", "cmp"]);
    world.add_device("cdr", "phone", Some(0));
    world.say(0, "x");
    world.revoke(1);
    world.erase(0, &[1], "said by mistake");
    world.receipt(0, 0, 1);
    world
}

fn refusal(world: &World) -> Vec<u8> {
    let claim = RefusalClaim {
        certificate: world.log.hash(),
        room: world.room,
        time_ms: world.now_ms,
        statement: [1; 32],
        device: world.devices[0].hash(),
        seq: 3,
        reason: Reason::Epoch,
    };
    Object::sign(&claim, &world.log.key)
}

fn strict<K: Kind + std::fmt::Debug + PartialEq>(bytes: &[u8]) {
    let unverified = Object::<K>::parse(bytes).unwrap();
    for at in 0..bytes.len() {
        let mut spoiled = bytes.to_vec();
        spoiled[at] ^= 1 << (at % 8);
        if let Ok(other) = Object::<K>::parse(&spoiled) {
            assert_ne!(other, unverified, "byte {at} means nothing");
        }
    }
    let longer = [bytes, &[0]].concat();
    assert_eq!(Object::<K>::parse(&longer).unwrap_err(), Malformed::NotCose);
    for cut in 0..bytes.len() {
        assert!(Object::<K>::parse(&bytes[..cut]).is_err());
    }
}

#[test]
fn every_kind_is_read_strictly() {
    let world = world();
    strict::<MembershipClaim>(&world.entries[0]);
    strict::<StatementClaim>(&world.entries[1]);
    strict::<RevocationClaim>(&world.entries[2]);
    strict::<ErasureClaim>(&world.entries[3]);
    strict::<DeviceClaim>(&world.vouching[0]);
    strict::<ReceiptClaim>(&world.receipts[0].0);
    strict::<RefusalClaim>(&refusal(&world));
}

#[test]
fn one_kind_is_not_read_as_another() {
    let world = world();
    let refusal = refusal(&world);
    assert_eq!(Statement::parse(&world.entries[0]).unwrap_err(), Malformed::Type);
    assert_eq!(Object::<MembershipClaim>::parse(&world.entries[1]).unwrap_err(), Malformed::Type);
    assert_eq!(Object::<ReceiptClaim>::parse(&world.entries[1]).unwrap_err(), Malformed::Type);
    assert_eq!(Entry::parse(&refusal).unwrap_err(), Malformed::Type);
    assert_eq!(Entry::parse(&world.vouching[0]).unwrap_err(), Malformed::Type);
    assert_eq!(Entry::parse(b"x").unwrap_err(), Malformed::NotCose);
}

#[test]
fn signatures_are_checked_under_the_right_certificate_only() {
    let world = world();
    let statement = || Statement::parse(&world.entries[1]).unwrap();
    assert!(statement().verify(&world.devices[0].certificate).is_ok());
    assert_eq!(statement().verify(&world.devices[1].certificate), Err(Unsound::OtherCertificate));
    let claim = StatementClaim { certificate: world.log.hash(), ..statement().claim().clone() };
    let by_log = Object::sign(&claim, &world.log.key);
    let outcome = Statement::parse(&by_log).unwrap().verify(&world.log.certificate);
    assert!(matches!(outcome, Err(Unsound::Usage(_))));
    let by_other = Object::sign(statement().claim(), &world.devices[1].key);
    let outcome = Statement::parse(&by_other).unwrap().verify(&world.devices[0].certificate);
    assert_eq!(outcome, Err(Unsound::Signature));
}

#[test]
fn a_cose_library_agrees() {
    let world = world();
    for (bytes, signer) in [(&world.entries[1], &world.devices[0]), (&world.entries[2], &world.log)] {
        let sign1 = coset::CoseSign1::from_tagged_slice(bytes).unwrap();
        assert_eq!(sign1.clone().to_tagged_vec().unwrap(), *bytes, "deterministic");
        assert!(sign1.unprotected.is_empty());
        let alg = coset::RegisteredLabelWithPrivate::Assigned(coset::iana::Algorithm::EdDSA);
        assert_eq!(sign1.protected.header.alg, Some(alg));
        let key = signer.certificate.key();
        let verify = |signature: &[u8], data: &[u8]| key.verify(data, signature.try_into().unwrap());
        sign1.verify_signature(b"", verify).unwrap();
        assert!(sign1.protected.header.clone().to_vec().is_ok());
    }
}

/// EV-11, from real signatures' inputs. Of structures whose lengths vary, the first bytes are those up to the `typ`.
#[test]
fn nothing_signed_begins_like_something_else() {
    let world = world();
    let refusal = refusal(&world);
    let structure = |bytes: &[u8]| {
        let sign1 = coset::CoseSign1::from_tagged_slice(bytes).unwrap();
        let signed = sign1.tbs_data(b"");
        let end = signed.windows(8).position(|at| at == b"-v1+cose").unwrap() + 8;
        signed[..end].to_vec()
    };
    let origin = |text: &str| text.as_bytes().to_vec();
    let mut prefixes: Vec<Vec<u8>> = vec![
        b"countersign v1 client handshake\0".to_vec(),
        b"countersign v1 server handshake\0".to_vec(),
        b"countersign v1 request\0".to_vec(),
        b"cosignature/v1\ntime ".to_vec(),
        vec![0x30],
        origin(&format!("{}/rooms/", world.organisation)),
        origin(&format!("{}/directory\n", world.organisation)),
    ];
    let objects = world.entries.iter().chain(&world.vouching);
    prefixes.extend(objects.chain([&world.receipts[0].0, &refusal]).map(|bytes| structure(bytes)));
    assert_eq!(prefixes.len(), 14);
    for (n, a) in prefixes.iter().enumerate() {
        for (m, b) in prefixes.iter().enumerate() {
            assert!(n == m || !b.starts_with(a), "{a:x?} begins {b:x?}");
        }
    }
    for object in prefixes.iter().skip(7) {
        assert!(object.starts_with(b"\x84\x6aSignature1"), "{object:x?}");
    }
}

#[test]
fn checkpoints_are_read_strictly() {
    let world = world();
    let signed = world.checkpoints.last().unwrap();
    let text = signed.as_text();
    let origin = Origin::room(&world.organisation, world.room);
    let verify = |text: &[u8]| {
        SignedCheckpoint::verify(text, &origin, &world.log.certificate, &world.cosigner.certificate)
    };
    assert_eq!(verify(text.as_bytes()).as_ref(), Ok(signed));
    for at in 0..text.len() {
        let mut spoiled = text.as_bytes().to_vec();
        spoiled[at] ^= 1 << (at % 8);
        assert!(verify(&spoiled).is_err(), "byte {at}");
    }
    for spoiled in [
        text.replacen("\n4\n", "\n04\n", 1),
        text.replacen("\n4\n", "\n+4\n", 1),
        format!("{text}\n"),
        text.trim_end().to_owned(),
        text.replacen("\n\n", "\nextension\n\n", 1),
        text.lines().take(5).fold(String::new(), |text, line| text + line + "\n"),
        text.replace('\n', "\r\n"),
    ] {
        assert!(verify(spoiled.as_bytes()).is_err(), "{spoiled}");
    }
    assert!(verify(&vec![b'a'; 2_000]).is_err());
    let directory = Origin::directory(&world.organisation);
    let other = SignedCheckpoint::verify(
        text.as_bytes(),
        &directory,
        &world.log.certificate,
        &world.cosigner.certificate,
    );
    assert!(other.is_err());
    let swapped = SignedCheckpoint::verify(
        text.as_bytes(),
        &origin,
        &world.cosigner.certificate,
        &world.log.certificate,
    );
    assert!(swapped.is_err());
}

#[test]
fn cosignatures_are_bound_to_name_key_checkpoint_and_time() {
    let world = world();
    let origin = Origin::room(&world.organisation, world.room);
    let checkpoint = Checkpoint { origin, head: world.seen() };
    let name = cosigner_name(&world.organisation);
    let key = world.cosigner.certificate.key();
    let cosignature = Cosignature::sign(&checkpoint, &name, &world.cosigner.key, 1_780_000_000);
    assert_eq!(cosignature.verify(&checkpoint, &name, key), Ok(1_780_000_000));
    assert!(cosignature.verify(&checkpoint, "other", key).is_err());
    assert!(cosignature.verify(&checkpoint, &name, world.log.certificate.key()).is_err());
    let other = Checkpoint { head: TreeHead { size: 9, ..checkpoint.head }, ..checkpoint.clone() };
    assert!(cosignature.verify(&other, &name, key).is_err());
    let mut later = *cosignature.as_bytes();
    later[11] ^= 1;
    assert!(Cosignature::from_bytes(&later).unwrap().verify(&checkpoint, &name, key).is_err());
    assert_eq!(Cosignature::from_bytes(&[0; 75]), None);
}

#[test]
fn directory_leaves_are_read_back_and_strictly() {
    let name = |text: &str| Name::parse(text).unwrap();
    let issue = |subject| {
        Leaf::Issue(Issue {
            certificate: [1; 32],
            vouched: Some([2; 32]),
            subject,
            serial: vec![9; 20],
            time_ms: 5,
        })
    };
    let leaves = [
        issue(Subject::Holder(Holder::Device { user: name("cdr"), device: name("laptop") })),
        issue(Subject::Holder(Holder::Server(name("node1")))),
        issue(Subject::Holder(Holder::Log(name("node1")))),
        issue(Subject::Holder(Holder::Cosigner(name("node1")))),
        issue(Subject::Authority),
        Leaf::Revoke(Revoke { certificate: [1; 32], reason: pki::trust::Reason::Superseded, time_ms: 1 }),
    ];
    for leaf in leaves {
        let bytes = leaf.to_bytes();
        assert_eq!(Leaf::from_bytes(&bytes), Ok(leaf.clone()));
        assert!(Leaf::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        for at in 0..bytes.len() {
            let mut spoiled = bytes.clone();
            spoiled[at] ^= 1 << (at % 8);
            assert_ne!(Leaf::from_bytes(&spoiled).ok(), Some(leaf.clone()));
        }
    }
}

#[test]
fn two_things_under_one_number_are_equivocation() {
    let world = world();
    let one = Statement::parse(&world.entries[1]).unwrap().claim().clone();
    assert!(!one.contradicts(&StatementClaim {
        place: evidence::entry::Place { epoch: 9, ..one.place },
        ..one.clone()
    }));
    assert!(one.contradicts(&StatementClaim { commitment: [0; 32], ..one.clone() }));
}

#[test]
fn what_an_erasure_names_and_why_has_limits() {
    let named = |count: u64| (0..count).map(|index| Reference { index, leaf: [1; 32] }).collect::<Vec<_>>();
    assert_eq!(Erased::new(named(0)), Err(BadErased));
    assert!(Erased::new(named(MAX_ERASED as u64)).is_ok());
    assert_eq!(Erased::new(named(MAX_ERASED as u64 + 1)), Err(BadErased));
    assert_eq!(Erased::new([named(1), named(1)].concat()), Err(BadErased));
    let backwards = Erased::new(named(3).into_iter().rev().collect()).unwrap();
    assert_eq!(backwards.indices().collect::<Vec<_>>(), [0, 1, 2]);
    assert!(ErasureReason::parse(&"x".repeat(MAX_ERASURE_REASON)).is_ok());
    let long = "x".repeat(MAX_ERASURE_REASON + 1);
    for bad in ["", &long, " x", "x\n", "a\u{1b}[2J", "a\u{202e}b"] {
        assert_eq!(ErasureReason::parse(bad), Err(BadErasureReason), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn reading_never_panics(bytes: Vec<u8>) {
        let _ = Entry::parse(&bytes);
        let _ = Object::<ReceiptClaim>::parse(&bytes);
        let _ = Object::<RefusalClaim>::parse(&bytes);
        let _ = Object::<DeviceClaim>::parse(&bytes);
        let _ = Leaf::from_bytes(&bytes);
        let _ = evidence::log::CompactTree::from_bytes(&bytes);
    }
}
