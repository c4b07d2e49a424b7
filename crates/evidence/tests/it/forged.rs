//! Bundles spoiled on purpose, by an exporter, by a member or by the server that holds the log's key: every code of
//! EV-41 has its test.

use evidence::checkpoint::{Checkpoint, Origin};
use evidence::content::{Content, Field};
use evidence::cose::Object;
use evidence::directory::{Leaf, Subject};
use evidence::log::TreeHead;
use evidence::membership::Change;
use evidence::receipt::{self, BadReceipt, Receipt, ReceiptClaim, Unopened};
use evidence::room::{ContentSuite, Creation, RoomId, RoomName};
use evidence::statement::Statement;
use evidence::verdict::{Code, State, Verdict, Word, render};
use pki::ca::Validity;
use pki::{Name, Organisation};

use super::archive::{header, pack, part, repack, unpack, with_part};
use super::world::{Party, START_MS, Show, World};

fn talk() -> World {
    let mut world = World::with_room(&["cdr", "cmp", "lmp"]);
    world.say(0, "one");
    world.say(1, "two");
    world.receipt(2, 1, 2);
    world.say(2, "three");
    world
}

#[track_caller]
fn refused(world: &World, bundle: &[u8], code: Code) -> Verdict {
    let (verdict, _) = world.verify(bundle);
    assert_eq!(verdict.word, Word::Invalid);
    assert!(verdict.has(code), "{:?}", verdict.problems);
    verdict
}

#[track_caller]
fn refused_at(world: &World, index: u64, code: Code) {
    let verdict = refused(world, &world.bundle(), code);
    let found = verdict.problems.iter().find(|problem| problem.code == code).unwrap();
    assert_eq!(found.index, Some(index), "{:?}", verdict.problems);
}

#[test]
fn other_files_are_no_bundles() {
    let world = World::new(&["cdr"]);
    for bytes in [&b""[..], b"text", &[0; 4096], &pack(&vec![("a.txt".into(), vec![1])])] {
        refused(&world, bytes, Code::NotABundle);
    }
}

#[test]
fn odd_parts_are_refused() {
    let world = talk();
    let bundle = world.bundle();
    for at in [0, 1, 3] {
        let mut parts = unpack(&bundle);
        parts.insert(at, ("extra.txt".to_owned(), b"hello".to_vec()));
        refused(&world, &repack(parts), if at == 0 { Code::NotABundle } else { Code::UnknownPart });
    }
    for (at, byte) in [(107, b'1'), (156, b'2'), (265, b'r'), (500, b'x')] {
        let mut odd = bundle.clone();
        // The second header: a mode, a symbolic link, an owner, a tail, each under a right checksum.
        let start = header("README.txt", 0).len() + unpack(&bundle)[0].1.len().next_multiple_of(512);
        odd[start + at] = byte;
        let block = &mut odd[start..start + 512];
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().copied().map(u32::from).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        refused(&world, &odd, Code::UnknownPart);
    }
    let mut parts = unpack(&bundle);
    parts.push(("after.txt".to_owned(), vec![]));
    refused(&world, &pack(&parts), Code::UnknownPart);
    let mut parts = unpack(&bundle);
    let checkpoint = parts.iter().position(|(name, _)| name.starts_with("checkpoints/")).unwrap();
    parts.swap(checkpoint, checkpoint + 1);
    refused(&world, &repack(parts), Code::UnknownPart);
}

#[test]
fn missing_parts_are_refused() {
    let world = talk();
    for name in ["bundle.cbor", "root.pem", "proof.bin", "receipts.cbor", "entries.cbor"] {
        let mut parts = unpack(&world.bundle());
        parts.retain(|(found, _)| found != name);
        refused(&world, &repack(parts), Code::MissingPart);
    }
    let mut parts = unpack(&world.bundle());
    let last = parts.iter().rposition(|(name, _)| name.starts_with("checkpoints/")).unwrap();
    parts.remove(last);
    refused(&world, &repack(parts), Code::MissingPart);
}

#[test]
fn large_and_malformed_parts_are_refused() {
    let world = talk();
    let bundle = world.bundle();
    let large = with_part(&bundle, "README.txt", |page| page.resize(70_000, b' '));
    refused(&world, &large, Code::TooLarge);
    for name in ["bundle.cbor", "root.pem", "directory/proofs.cbor", "directory/vouching.cbor", "proof.bin"] {
        refused(&world, &with_part(&bundle, name, |body| body.insert(0, 0xff)), Code::Malformed);
    }
    for name in ["receipts.cbor", "entries.cbor"] {
        refused(&world, &with_part(&bundle, name, |body| body.push(0x9f)), Code::Malformed);
    }
    // The same value in a longer encoding.
    let longer = with_part(&bundle, "entries.cbor", |body| drop(body.splice(1..2, [0x18, 0])));
    refused(&world, &longer, Code::Malformed);
}

#[test]
fn a_page_changed_under_the_old_manifest_is_noticed() {
    let world = talk();
    let mut parts = unpack(&world.bundle());
    part(&mut parts, "README.txt")[0] ^= 1;
    refused(&world, &pack(&parts), Code::Manifest);
}

#[test]
fn the_same_talk_under_another_ca_is_refused() {
    let (world, foreign) = (talk(), talk());
    refused(&world, &foreign.bundle(), Code::RootMismatch);
    // The other's root in the place of its own: now the chains fail.
    let root = part(&mut unpack(&world.bundle()), "root.pem").clone();
    let dressed = with_part(&foreign.bundle(), "root.pem", |body| *body = root);
    refused(&world, &dressed, Code::Certificate);
}

#[test]
fn certificates_must_stand_in_the_directory() {
    let world = talk();
    let device = world.devices[1].hash();
    let mut export = world.export(0, 3);
    export.directory_proofs.retain(|proof| Leaf::from_bytes(&proof.leaf).unwrap().certificate() != device);
    refused(&world, &world.write(&export, |_| Show::All), Code::NotInDirectory);
    let mut export = world.export(0, 3);
    export.directory_proofs[2].path[0][0] ^= 1;
    refused(&world, &world.write(&export, |_| Show::All), Code::Directory);
    let mut export = world.export(0, 3);
    export.directory = talk().directory_proofs().0;
    refused(&world, &world.write(&export, |_| Show::All), Code::Directory);
    // A server that enters a leaf that speaks of somebody else.
    let mut world = talk();
    let other = Subject::Holder(world.devices[0].certificate.identity().holder.clone());
    match &mut world.directory[3] {
        Leaf::Issue(issue) => issue.subject = other,
        Leaf::Revoke(_) => panic!("a device's leaf"),
    }
    refused(&world, &world.bundle(), Code::Directory);
}

#[test]
fn a_leaf_stands_once_and_a_server_has_no_voucher() {
    let mut world = talk();
    world.directory.push(world.directory[3].clone());
    refused(&world, &world.bundle(), Code::Directory);
    let mut world = talk();
    match &mut world.directory[0] {
        Leaf::Issue(issue) => issue.vouched = Some([1; 32]),
        Leaf::Revoke(_) => panic!("the log's leaf"),
    }
    refused(&world, &world.bundle(), Code::Unvouched);
}

#[test]
fn more_keys_of_servers_than_a_reader_tries_are_refused() {
    let mut world = talk();
    let earlier: Vec<Party> = (0..16).flat_map(|_| world.renew_server_keys()).collect();
    let bundle = |left_out: usize| {
        let mut export = world.export(0, 3);
        export.certificates.extend(earlier.iter().skip(left_out).map(|party| party.chain.clone()));
        world.write(&export, |_| Show::All)
    };
    refused(&world, &bundle(0), Code::TooLarge);
    // Without those that signed the room's checkpoints, but not too many.
    assert!(!world.verify(&bundle(2)).0.has(Code::TooLarge));
}

#[test]
fn a_device_vouches_only_while_its_certificate_is_good() {
    let mut world = talk();
    let now_ms = std::mem::replace(&mut world.now_ms, START_MS - 60_000);
    let phone = world.add_device("cdr", "phone", Some(0));
    world.now_ms = now_ms;
    let added = world.devices[phone].reference();
    world.change(0, Change::Add(vec![added]));
    refused(&world, &world.bundle(), Code::Unvouched);
}

#[test]
fn what_is_logged_after_the_end_of_its_certificate_is_refused() {
    let mut world = World::new(&["cdr", "cmp"]);
    let device = &mut world.devices[1];
    let holder = device.certificate.identity().holder.clone();
    let day = Validity::days(START_MS - 1_000, 1).unwrap();
    device.chain = world.issuing.issue_to_key(device.key.public(), &holder, &day).unwrap();
    device.certificate = world.store.verify_as_of(&device.chain, holder.usage(), START_MS).unwrap();
    match &mut world.directory[3] {
        Leaf::Issue(issue) => issue.certificate = device.hash(),
        Leaf::Revoke(_) => panic!("a device's leaf"),
    }
    let devices = world.devices.iter().map(Party::reference).collect();
    world.create(None, Some(RoomName::parse("mission").unwrap()), devices, |_| {});
    world.say(1, "on the first day");
    let (verdict, _) = world.verify(&world.bundle());
    assert_eq!(verdict.problems, []);
    world.now_ms += 2 * 86_400_000;
    let at = world.say(1, "on the third day");
    refused_at(&world, at, Code::Time);
}

#[test]
fn a_ghost_device_is_refused() {
    for voucher in [None, Some(1)] {
        let mut world = talk();
        let ghost = world.add_device("cdr", "phone", voucher);
        let added = world.devices[ghost].reference();
        let index = world.change(1, Change::Add(vec![added]));
        world.say(ghost, "I am cdr");
        refused(&world, &world.bundle(), Code::Unvouched);
        refused_at(&world, index, Code::Membership);
    }
    let mut world = talk();
    world.add_device("cdr", "phone", Some(0));
    world.vouching.clear();
    refused(&world, &world.bundle(), Code::Unvouched);
}

#[test]
fn checkpoints_of_others_and_forks_are_refused() {
    let mut world = talk();
    let honest = world.checkpoints.clone();
    let origin = Origin::room(&world.organisation, world.room);
    let head = world.seen();
    let by = |key: &Party, cosigner: &Party, head| {
        Checkpoint { origin: origin.clone(), head }.sign(&key.key, &cosigner.key, world.now_ms / 1_000)
    };
    let by_device = by(&world.devices[0], &world.cosigner, head);
    let cosigned_by_log = by(&world.log, &world.log, head);
    let other_log = by(&world.log, &world.cosigner, TreeHead { root: [9; 32], ..head });
    for (checkpoint, code) in
        [(by_device, Code::Checkpoint), (cosigned_by_log, Code::Checkpoint), (other_log, Code::Log)]
    {
        *world.checkpoints.last_mut().unwrap() = checkpoint;
        refused(&world, &world.bundle(), code);
        world.checkpoints.clone_from(&honest);
    }
    let mut world = talk();
    let at = world.say_with(0, "forked", |claim| claim.place.seen.root = [9; 32]);
    refused_at(&world, at, Code::Fork);
}

#[test]
fn the_time_of_checkpoints_does_not_go_back() {
    let mut world = talk();
    let checkpoint = world.checkpoints[1].checkpoint().clone();
    let later = world.checkpoints[2].time_s() + 1;
    world.checkpoints[1] = checkpoint.sign(&world.log.key, &world.cosigner.key, later);
    refused(&world, &world.bundle(), Code::Checkpoint);
}

#[test]
fn a_true_fork_under_good_signatures_is_found() {
    let mut world = talk();
    let origin = Origin::room(&world.organisation, world.room);
    let head = TreeHead { size: 2, root: [9; 32] };
    let time_s = world.checkpoints[1].time_s();
    world.checkpoints[1] = Checkpoint { origin, head }.sign(&world.log.key, &world.cosigner.key, time_s);
    refused(&world, &world.bundle(), Code::Fork);
}

#[test]
fn entries_left_out_moved_or_doubled_are_noticed() {
    let world = talk();
    let bundle = world.write(&world.export(0, 3), |_| Show::Nothing);
    let items = |body: &[u8]| {
        let mut items = Vec::new();
        let mut d = minicbor::Decoder::new(body);
        while d.position() < body.len() {
            let start = d.position();
            d.skip().unwrap();
            items.push(body[start..d.position()].to_vec());
        }
        items
    };
    let edit = |change: fn(&mut Vec<Vec<u8>>)| {
        with_part(&bundle, "entries.cbor", |body| {
            let mut found = items(body);
            change(&mut found);
            *body = found.concat();
        })
    };
    refused(&world, &edit(|items| drop(items.remove(2))), Code::Missing);
    refused(&world, &edit(|items| drop(items.pop())), Code::Missing);
    refused(&world, &edit(|items| items.swap(1, 2)), Code::Missing);
    refused(&world, &edit(|items| items.push(items[3].clone())), Code::Missing);
    refused(&world, &edit(Vec::clear), Code::Missing);
    // Another entry under a good signature, in the place of the one logged.
    let mut other = talk();
    other.entries[2] = other.entries[1].clone();
    refused(&other, &other.bundle(), Code::Log);
    let mut export = world.export(3, 3);
    export.changes_before.clear();
    refused(&world, &world.write(&export, |_| Show::All), Code::Membership);
}

#[test]
fn a_membership_change_cannot_be_hidden() {
    let mut world = talk();
    let third = world.devices[2].reference();
    world.change(0, Change::Remove(vec![third]));
    let at = world.say(0, "between us");
    let mut export = world.export(at, at);
    assert_eq!(world.verify(&world.write(&export, |_| Show::All)).0.word, Word::Valid);
    export.changes_before.retain(|index| *index == 0);
    refused(&world, &world.write(&export, |_| Show::All), Code::Epoch);
}

#[test]
fn below_the_range_only_changes_are_shown() {
    let world = talk();
    let mut export = world.export(3, 3);
    export.changes_before = vec![0, 1];
    for show in [Show::All, Show::Nothing, Show::PlaceOnly] {
        let verdict = refused(&world, &world.write(&export, |_| show), Code::Membership);
        assert_eq!(verdict.problems[0].index, Some(1));
    }
}

#[test]
fn bad_statements_are_refused_even_if_the_server_logged_them() {
    type Spoil = fn(&mut evidence::statement::StatementClaim);
    let cases: [(Code, Spoil); 8] = [
        (Code::WrongRoom, |claim| claim.place.room = RoomId([1; 32])),
        (Code::Sequence, |claim| claim.place.seq += 1),
        (Code::Sequence, |claim| claim.place.seq = 1),
        (Code::Epoch, |claim| claim.place.epoch = 1),
        (Code::Fork, |claim| claim.place.seen.size = 99),
        (Code::Time, |claim| claim.place.time_ms += 400_000),
        (Code::Time, |claim| claim.place.time_ms -= 400_000),
        (Code::Ciphertext, |claim| claim.ciphertext = [0; 32]),
    ];
    for (code, spoil) in cases {
        let mut world = talk();
        let at = world.say_with(0, "spoiled", spoil);
        refused_at(&world, at, code);
    }
}

#[test]
fn what_is_no_entry_or_badly_signed_is_refused() {
    let mut world = talk();
    let at = world.append(vec![1, 2, 3], None, true);
    refused_at(&world, at, Code::Statement);
    let mut world = talk();
    let mut claim = Statement::parse(&world.entries[3]).unwrap().claim().clone();
    claim.place.seq += 1;
    let forged = Object::sign(&claim, &world.devices[0].key);
    let at = world.append(forged, None, true);
    refused_at(&world, at, Code::Signature);
}

#[test]
fn an_unknown_sender_is_refused() {
    let world = talk();
    let mut export = world.export(0, 3);
    let outsider = world.devices[2].chain.clone();
    export.certificates.retain(|chain| *chain != outsider);
    refused(&world, &world.write(&export, |_| Show::All), Code::Membership);
    let mut world = World::with_room(&["cdr"]);
    let outsider = World::new(&["eve"]).devices.remove(0);
    world.devices.push(outsider);
    let at = world.say(1, "hello");
    world.devices.truncate(2);
    let mut export = world.export(0, at);
    export.certificates.remove(1);
    refused(&world, &world.write(&export, |_| Show::All), Code::UnknownSender);
}

#[test]
fn those_who_left_were_removed_or_revoked_say_no_more() {
    let mut world = talk();
    let third = world.devices[2].reference();
    world.change(0, Change::Remove(vec![third.clone()]));
    let at = world.say(2, "still here");
    refused_at(&world, at, Code::NotAMember);
    let mut world = talk();
    world.change(2, Change::Leave(vec![third_of(&world)]));
    let at = world.say(2, "still here");
    refused_at(&world, at, Code::NotAMember);
    let mut world = talk();
    world.revoke(2);
    let at = world.say(2, "still here");
    refused_at(&world, at, Code::Revoked);
    // Revoked by the directory, and the server let it speak on.
    let mut world = talk();
    let revoke = evidence::directory::Revoke {
        certificate: world.devices[2].hash(),
        reason: pki::trust::Reason::KeyCompromise,
        time_ms: world.now_ms - 60_000,
    };
    world.directory.push(Leaf::Revoke(revoke));
    let at = world.say(2, "still here");
    let verdict = refused(&world, &world.bundle(), Code::Revoked);
    assert!(verdict.problems.iter().any(|problem| problem.index == Some(at)));
}

fn third_of(world: &World) -> evidence::membership::DeviceRef {
    world.devices[2].reference()
}

#[test]
fn bad_changes_of_membership_are_refused() {
    let cases: [fn(&World) -> Change; 5] = [
        |world| Change::Add(vec![world.devices[1].reference()]),
        |world| {
            Change::Remove(vec![evidence::membership::DeviceRef {
                user: Name::parse("cdr").unwrap(),
                ..world.devices[1].reference()
            }])
        },
        |world| Change::Leave(vec![world.devices[1].reference()]),
        |world| {
            Change::Add(vec![evidence::membership::DeviceRef {
                certificate: [3; 32],
                user: world.devices[1].user(),
            }])
        },
        |world| Change::Create {
            creation: Creation {
                organisation: world.organisation.clone(),
                creator: world.devices[0].hash(),
                parties: None,
                suite: ContentSuite::ServerReads,
                nonce: [1; 32],
            },
            name: Some(RoomName::parse("again").unwrap()),
            devices: vec![world.devices[0].reference()],
        },
    ];
    for change in cases {
        let mut world = talk();
        let change = change(&world);
        let at = world.change(0, change);
        refused_at(&world, at, Code::Membership);
    }
    let mut world = World::new(&["cdr"]);
    let devices = vec![world.devices[0].reference()];
    world.create(None, Some(RoomName::parse("x").unwrap()), devices, |claim| {
        claim.place.room = RoomId([8; 32]);
    });
    refused_at(&world, 0, Code::Membership);
}

#[test]
fn content_that_was_not_said_is_refused() {
    let mut world = talk();
    world.contents[1] = Some(Content::new(vec![Field::Text("one and only".into())]).unwrap());
    refused_at(&world, 1, Code::Opening);
    let mut world = talk();
    world.contents.swap(1, 2);
    let bundle =
        world.write(&world.export(0, 3), |index| if index == 1 { Show::Fields(&[1]) } else { Show::All });
    refused(&world, &bundle, Code::Opening);
    let (verdict, said) = world.verify(&bundle);
    assert_eq!((said[0].state, &said[0].text), (State::Mismatch, &None));
    assert_eq!(verdict.to_json(&said)["said"][0]["state"], "mismatch");
    let mut text = String::new();
    render(&mut text, &verdict, &said).unwrap();
    assert!(text.contains("cdr/laptop: (does not match what was signed)"), "{text}");
    assert!(!text.contains("(no text"), "{text}");
    // A membership statement has no content.
    let mut world = talk();
    world.contents[0] = world.contents[1].take();
    refused_at(&world, 0, Code::Opening);
}

#[test]
fn bad_receipts_are_refused() {
    type Spoil = fn(&mut ReceiptClaim);
    let cases: [Spoil; 4] = [
        |claim| claim.head.root = [1; 32],
        |claim| claim.room = RoomId([1; 32]),
        |claim| (claim.head.size, claim.to) = (3, 2),
        |claim| claim.time_ms += 10_000_000,
    ];
    for spoil in cases {
        let mut world = talk();
        world.receipt_with(0, 1, 2, spoil);
        refused(&world, &world.bundle(), Code::Receipt);
    }
    let mut world = talk();
    world.receipt(0, 1, 2);
    world.receipts[0].1 = world.receipts[1].1.clone();
    refused(&world, &world.bundle(), Code::Receipt);
}

#[test]
fn a_receipt_for_nothing_of_the_range_has_no_place() {
    let world = talk();
    let receipts = part(&mut unpack(&world.bundle()), "receipts.cbor").clone();
    let last = world.write(&world.export(3, 3), |_| Show::All);
    refused(&world, &with_part(&last, "receipts.cbor", |body| *body = receipts), Code::Receipt);
}

#[test]
fn a_field_that_is_opened_alone_follows_the_rules_of_content() {
    let mut world = talk();
    let at = world.send(0, "look", "a", b"x");
    let bundle = world.write(&world.export(at, at), |_| Show::Fields(&[7]));
    let mut file = vec![0x81, 0x86, 0, 0x61, b'a', 0x6a];
    file.extend_from_slice(b"text/plain");
    file.extend_from_slice(&[1, 0x58, 32]);
    file.extend_from_slice(&pki::sha256(b"x"));
    file.extend_from_slice(&[0x41, b'x']);
    let without = with_part(&bundle, "entries.cbor", |body| {
        let start = body.windows(file.len()).position(|window| window == file).unwrap();
        body.splice(start..start + file.len(), [0x80]);
    });
    refused(&world, &without, Code::Malformed);
}

#[test]
fn what_a_verifier_refuses_of_a_receipt_nobody_takes() {
    type Spoil = fn(&mut ReceiptClaim);
    let cases: [(Spoil, Option<BadReceipt>); 5] = [
        (|_| {}, None),
        (|claim| claim.time_ms += 300_000, None),
        (|claim| claim.time_ms += 312_000, Some(BadReceipt::CosignatureTime)),
        (|claim| claim.time_ms += 400 * 86_400_000, Some(BadReceipt::CertificateTime)),
        (|claim| claim.room = RoomId([1; 32]), Some(BadReceipt::OtherRoom)),
    ];
    for (spoil, expected) in cases {
        let mut world = talk();
        world.receipt_with(0, 1, 2, spoil);
        let (bytes, cosignature) = world.receipts.last().unwrap();
        let checked = receipt::check(
            Receipt::parse(bytes).unwrap(),
            cosignature.as_bytes(),
            &world.devices[0].certificate,
            &world.organisation,
            world.room,
        );
        assert_eq!(checked.err(), expected);
        assert_eq!(world.verify(&world.bundle()).0.has(Code::Receipt), expected.is_some());
    }
    let world = talk();
    let (bytes, cosignature) = &world.receipts[0];
    let check = |cosignature: &[u8], organisation| {
        let signer = &world.devices[2].certificate;
        receipt::check(Receipt::parse(bytes).unwrap(), cosignature, signer, organisation, world.room).err()
    };
    let (good, other) = (cosignature.as_bytes(), Organisation::parse("gemini.example").unwrap());
    assert_eq!(check(good, &world.organisation), None);
    assert_eq!(check(good, &other), Some(BadReceipt::NoDevice));
    assert_eq!(check(&good[1..], &world.organisation), Some(BadReceipt::Cosignature));
    assert_eq!(check(&[0; 76], &world.organisation), Some(BadReceipt::Cosignature));
}

#[test]
fn a_receipt_counts_only_where_its_giver_was_a_member() {
    let mut world = World::with_room(&["cdr", "cmp", "lmp"]);
    let third = world.devices[2].reference();
    let before = world.say(0, "to three");
    world.change(0, Change::Remove(vec![third.clone()]));
    let between = world.say(0, "to two");
    world.change(0, Change::Add(vec![third]));
    let after = world.say(0, "to three again");
    world.receipt(1, before, after);
    world.receipt(2, before, after);
    let (verdict, said) = world.verify(&world.bundle());
    assert_eq!((verdict.word, &verdict.problems), (Word::Valid, &Vec::new()));
    for message in said {
        let expected: &[&str] = if message.index == between { &["cmp"] } else { &["cmp", "lmp"] };
        assert_eq!(message.received_by, expected, "{}", message.index);
    }
}

#[test]
fn what_a_receipt_did_not_open_is_not_received() {
    let mut world = talk();
    world.receipt_with(0, 1, 3, |claim| claim.unopened = vec![(2, Unopened::Withheld)]);
    let (verdict, said) = world.verify(&world.bundle());
    assert_eq!((verdict.word, &verdict.problems), (Word::Valid, &Vec::new()));
    assert_eq!(said[1].received_by, ["lmp"]);
    assert_eq!(said[2].received_by, ["cdr"]);
}
