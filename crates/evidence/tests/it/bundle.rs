//! Honest bundles, and every accident that can happen to one.

use evidence::bundle::{ExportError, Item, Root, Writer, verify};
use evidence::cose::Object;
use evidence::membership::{Change, DeviceRef};
use evidence::room::ContentSuite;
use evidence::statement::StatementClaim;
use evidence::verdict::{Code, NoteCode, State, Word, render, utc};
use rayon::prelude::*;

use super::archive;
use super::world::{START_MS, Show, World};

fn talk() -> World {
    let mut world = World::with_room(&["cdr", "cmp", "lmp"]);
    world.say(0, "We've got a problem here.");
    world.say(1, "This is Houston. Say again, please.");
    world.say(0, "We've had a MAIN B BUS UNDERVOLT.");
    world.receipt(1, 1, 3);
    world.say(2, "Okay. Right now the voltage is looking good.");
    world.receipt(2, 1, 4);
    world
}

/// EV-8: what was said is bound by the commitment; the ciphertext is gone.
#[test]
fn a_bundle_of_a_sealed_room_is_bound_by_the_commitment() {
    let mut world = World::with_room_of(ContentSuite::EndToEnd, &["cdr", "cmp"]);
    world.say(0, "sealed");
    let (verdict, said) = world.verify(&world.bundle());
    assert_eq!(verdict.problems, []);
    assert_eq!((verdict.word, verdict.suite), (Word::Valid, Some(1)));
    assert_eq!(said[0].text.as_deref(), Some("sealed"));
    assert!(verdict.notes.iter().any(|note| note.code == NoteCode::EndToEnd));
    assert!(!verdict.notes.iter().any(|note| note.code == NoteCode::ServerCanRead));
    let own = world.devices[1].reference();
    let mut gone = World::with_room_of(ContentSuite::EndToEnd, &["cdr", "cmp"]);
    let own = DeviceRef { certificate: gone.devices[1].hash(), ..own };
    gone.change(1, Change::Leave(vec![own]));
    let hidden = gone.say(0, "too early");
    let bundle = gone.write(&gone.export(0, hidden), |_| Show::PlaceOnly);
    assert!(gone.verify(&bundle).0.has(Code::Membership), "hidden, and forbidden there");
    let mut clear = World::with_room_of(ContentSuite::EndToEnd, &["cdr", "cmp"]);
    let fields = vec![evidence::content::Field::Text("in clear".to_owned())];
    let content = evidence::content::Content::new(fields).unwrap();
    let (user, hash) = (clear.devices[0].user(), clear.devices[0].hash());
    let place = clear.place(hash);
    let claim = StatementClaim::new(&user, hash, place, &content, &content.to_bytes());
    let bytes = Object::sign(&claim, &clear.devices[0].key);
    clear.append(bytes, Some(content), false);
    let (verdict, said) = clear.verify(&clear.bundle());
    assert!(verdict.has(Code::Ciphertext));
    assert_eq!(said[0].text, None);
    world.say_with(0, "committed to something else", |claim| claim.commitment = [0; 32]);
    let (verdict, said) = world.verify(&world.bundle());
    assert!(verdict.has(Code::Opening));
    assert_eq!((said[1].state, said[1].text.as_deref()), (State::Mismatch, None));
}

#[test]
fn an_honest_bundle_is_valid_only_under_its_pinned_root() {
    let world = talk();
    let bundle = world.bundle();
    let (verdict, said) = world.verify(&bundle);
    assert_eq!(verdict.problems, []);
    assert_eq!(verdict.word, Word::Valid);
    assert_eq!((verdict.messages, verdict.disclosed, verdict.withheld), (4, 4, 0));
    assert_eq!(verdict.exit_code(), 0);
    assert_eq!(said[0].text.as_deref(), Some("We've got a problem here."));
    assert_eq!(said[0].from.as_deref(), Some("cdr"));
    assert_eq!(said[0].device.as_deref(), Some("laptop"));
    assert_eq!(said[0].fields.script, Some(-10_000));
    assert_eq!(said[0].received_by, ["cmp", "lmp"]);
    assert_eq!(said[3].received_by, [""; 0]);
    let (unpinned, _) = verify(bundle.as_slice(), Root::Unpinned).unwrap();
    assert_eq!(unpinned.word, Word::ConsistentUnpinned);
    assert_eq!(unpinned.exit_code(), 0);
    assert!(unpinned.notes.iter().any(|note| note.code == NoteCode::Unpinned));
    let (foreign, _) = verify(bundle.as_slice(), World::new(&["eve"]).pinned()).unwrap();
    assert_eq!(foreign.word, Word::Invalid);
    assert!(foreign.has(Code::RootMismatch));
    assert_eq!(foreign.exit_code(), 3);
}

/// EV-26, ID-34: the log's key has two certificates, and the earlier one has ended.
#[test]
fn a_log_certificate_that_was_renewed_does_not_stand_in_the_way() {
    let mut world = talk();
    let (chain, certificate) = world.earlier_log(1);
    let renewed = std::mem::replace(&mut world.log.certificate, certificate);
    let revoked = world.revoke(2);
    world.log.certificate = renewed;
    world.now_ms += 2 * 86_400_000;
    world.say(0, "two days later");
    let mut export = world.export(0, world.tree.size() - 1);
    export.certificates.push(chain.clone());
    let (verdict, _) = world.verify(&world.write(&export, |_| Show::All));
    assert_eq!(verdict.problems, []);
    assert_eq!(verdict.word, Word::Valid);

    let ended_alone = world.log.chain.leaf_hash();
    let mut export = world.export(0, revoked);
    export.certificates.retain(|chain| chain.leaf_hash() != ended_alone);
    export.certificates.push(chain);
    let (verdict, _) = world.verify(&world.write(&export, |_| Show::All));
    assert_eq!(verdict.word, Word::Invalid, "what is signed after the end needs the renewed one");
}

#[test]
fn the_verdict_is_told_to_people_and_programs() {
    let world = talk();
    let (verdict, said) = world.verify(&world.bundle());
    let mut text = String::new();
    render(&mut text, &verdict, &said).unwrap();
    let root = verdict.root.unwrap();
    let word = format!("VALID: everything in this bundle verifies under the pinned root {root}.");
    assert!(text.starts_with(&word), "{text}");
    assert!(text.contains("cdr/laptop: We've had a MAIN B BUS UNDERVOLT."), "{text}");
    let json = verdict.to_json(&said);
    assert_eq!(json["verdict"], "valid");
    assert_eq!(json["root"], verdict.root.unwrap().to_string());
    assert_eq!(json["messages"], 4);
    assert_eq!(json["problems"], serde_json::json!([]));
    assert_eq!(json["said"][1]["from"], "cmp");
    assert_eq!(json["said"][1]["state"], "disclosed");
    let (verdict, said) = world.verify(b"not a bundle");
    let json = verdict.to_json(&said);
    assert_eq!(json["verdict"], "invalid");
    assert_eq!(json["root"], serde_json::Value::Null);
    let code = &json["problems"][0]["code"];
    assert!(code == "not-a-bundle" || code == "cut", "{code}");
}

#[test]
fn files_are_shown_told_and_opened_apart_from_the_text() {
    let mut world = World::with_room(&["cdr", "cmp"]);
    let at = world.send(0, "The plan.", "plan.txt", b"Go for landing.");
    let (verdict, said) = world.verify(&world.bundle());
    assert_eq!((verdict.word, &verdict.problems), (Word::Valid, &Vec::new()));
    let hash = hex::encode(pki::sha256(b"Go for landing."));
    let told = serde_json::json!([{ "name": "plan.txt", "media_type": "text/plain", "bytes": 15, "sha256": hash, "inline": true }]);
    assert_eq!(verdict.to_json(&said)["said"][0]["attachments"], told);
    let mut text = String::new();
    render(&mut text, &verdict, &said).unwrap();
    assert!(text.contains(&format!("The plan.\n      [file plan.txt, 15 B, sha256 {hash}]\n")), "{text}");
    for (numbers, shows_text) in [(&[1_u64][..], true), (&[7], false)] {
        let bundle = world.write(&world.export(at, at), |_| Show::Fields(numbers));
        let (verdict, said) = world.verify(&bundle);
        assert_eq!((verdict.word, said[0].state), (Word::Valid, State::Partly));
        assert_eq!((said[0].text.is_some(), said[0].attachments.is_empty()), (shows_text, shows_text));
        let holds = |text: &[u8]| bundle.windows(text.len()).any(|at| at == text);
        assert_eq!(
            (holds(b"The plan."), holds(b"landing"), holds(b"plan.txt")),
            (shows_text, !shows_text, !shows_text)
        );
    }
    for (show, kind) in [(Show::All, Code::Opening), (Show::Fields(&[7]), Code::Malformed)] {
        let mut parts = archive::unpack(&world.write(&world.export(at, at), |_| show));
        let entries = archive::part(&mut parts, "entries.cbor");
        let byte = entries.windows(7).position(|at| at == b"landing").unwrap();
        entries[byte] ^= 1;
        let (verdict, _) = world.verify(&archive::repack(parts));
        assert!(verdict.word == Word::Invalid && verdict.has(kind), "{:?}", verdict.problems);
    }
}

#[test]
fn one_sentence_alone_is_shown_and_nothing_of_the_others() {
    let world = talk();
    let export = world.export(3, 3);
    let bundle = world.write(&export, |_| Show::Fields(&[1]));
    let (verdict, said) = world.verify(&bundle);
    assert_eq!(verdict.problems, []);
    assert_eq!(verdict.word, Word::Valid);
    assert_eq!((verdict.messages, verdict.disclosed), (1, 1));
    assert_eq!(said[0].text.as_deref(), Some("We've had a MAIN B BUS UNDERVOLT."));
    assert_eq!(said[0].fields.composed, None);
    assert_eq!(said[0].state, State::Partly);
    assert_eq!(said[0].received_by, ["cmp", "lmp"], "receipts for later sizes too");
    let holds = |text: &str| bundle.windows(text.len()).any(|at| at == text.as_bytes());
    assert!(holds("MAIN B BUS"));
    assert!(!holds("Houston") && !holds("got a problem") && !holds("voltage"));
    for (content, index) in world.contents.iter().zip(0_u64..) {
        let Some(content) = content else { continue };
        for salt in content.to_bytes().windows(32) {
            assert!(index == 3 || !bundle.windows(32).any(|at| at == salt), "a salt of {index}");
        }
    }
}

#[test]
fn checkpoints_under_earlier_keys_stand_if_their_certificates_are_shown() {
    let mut world = talk();
    // The room's last checkpoint is under the earlier keys, the directory's under those of now.
    let earlier = world.renew_server_keys();
    let mut export = world.export(0, world.tree.size() - 1);
    let (verdict, _) = world.verify(&world.write(&export, |_| Show::All));
    assert_eq!(verdict.word, Word::Invalid);
    export.certificates.extend(earlier.iter().map(|party| party.chain.clone()));
    let (verdict, _) = world.verify(&world.write(&export, |_| Show::All));
    assert_eq!((verdict.word, verdict.problems.as_slice()), (Word::Valid, [].as_slice()));
    // And with a room that went on under the keys of now.
    world.say(0, "after the change of keys");
    let mut export = world.export(0, world.tree.size() - 1);
    export.certificates.extend(earlier.iter().map(|party| party.chain.clone()));
    let (verdict, _) = world.verify(&world.write(&export, |_| Show::All));
    assert_eq!((verdict.word, verdict.problems.as_slice()), (Word::Valid, [].as_slice()));
}

#[test]
fn what_is_withheld_is_counted_and_shows_what_it_must() {
    let world = talk();
    let show = |index| match index {
        1 => Show::PlaceOnly,
        2 => Show::Nothing,
        3 => Show::Fields(&[2]),
        _ => Show::All,
    };
    let (verdict, said) = world.verify(&world.write(&world.export(0, 4), show));
    assert_eq!(verdict.problems, []);
    assert_eq!((verdict.messages, verdict.disclosed, verdict.withheld), (4, 2, 2));
    assert_eq!((said[0].state, &said[0].from, said[0].time), (State::Hidden, &None, None));
    assert_eq!((said[1].state, said[1].from.as_deref()), (State::Withheld, Some("cmp")));
    assert_eq!((said[2].state, &said[2].text), (State::Partly, &None));
    assert!(said[2].fields.composed.is_some());
}

#[test]
fn what_is_withheld_is_listed_and_times_say_whose_they_are() {
    let mut world = World::with_room(&["cdr", "cmp"]);
    world.say(0, "at once");
    world.say_with(1, "by a slow clock", |claim| claim.place.time_ms -= 61_000);
    world.say(1, "unseen");
    let show = |index| match index {
        2 => Show::Nothing,
        3 => Show::PlaceOnly,
        _ => Show::All,
    };
    let (verdict, said) = world.verify(&world.write(&world.export(0, 3), show));
    assert_eq!(verdict.word, Word::Valid);
    let mut text = String::new();
    render(&mut text, &verdict, &said).unwrap();
    let at = |index: u64| START_MS + index * 1_000;
    for line in [
        format!("  [1] signed {}  cdr/laptop: at once", utc(at(1))),
        format!(
            "  [2] signed {}, logged by {}  cmp/laptop: (content withheld)\n",
            utc(at(2) - 61_000),
            utc(at(2))
        ),
        format!("  [3] logged by {}: (only its place is shown)\n", utc(at(3))),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(text.contains("signed times are the senders'"), "{text}");
}

#[test]
fn one_message_disclosed_is_listed_among_many_withheld() {
    let mut world = World::with_room(&["cdr"]);
    for _ in 0..100 {
        world.say(0, "x");
    }
    let show = |index| if index == 50 { Show::All } else { Show::Nothing };
    let (verdict, said) = world.verify(&world.write(&world.export(0, 100), show));
    let mut text = String::new();
    render(&mut text, &verdict, &said).unwrap();
    assert_eq!(text.matches("(content withheld)").count(), 40, "{text}");
    assert_eq!(text.matches("cdr/laptop: x").count(), 1, "{text}");
    assert!(text.contains("29 messages more") && text.contains("30 messages more"), "{text}");
}

#[test]
fn every_range_of_a_long_talk_verifies() {
    let mut world = World::with_room(&["cdr", "cmp", "lmp"]);
    for round in 0..4 {
        world.say(0, "one");
        world.say(1, "two");
        let third = world.devices[2].reference();
        let change = if round % 2 == 0 { Change::Remove(vec![third]) } else { Change::Add(vec![third]) };
        world.change(1, change);
    }
    world.revoke(1);
    world.say(0, "three");
    let last = world.tree.size() - 1;
    for from in 0..=last {
        for to in from..=last {
            let (verdict, _) = world.verify(&world.write(&world.export(from, to), |_| Show::All));
            assert_eq!((verdict.word, &verdict.problems), (Word::Valid, &Vec::new()), "{from} to {to}");
        }
    }
    let (verdict, _) = world.verify(&world.bundle());
    assert!(verdict.notes.iter().any(|note| note.code == NoteCode::Disputed));
}

#[test]
fn a_second_device_speaks_once_vouched_for() {
    let mut world = World::with_room(&["cdr", "cmp"]);
    let phone = world.add_device("cdr", "phone", Some(0));
    let added = world.devices[phone].reference();
    world.change(0, Change::Add(vec![added]));
    world.say(phone, "from my phone");
    let (verdict, said) = world.verify(&world.bundle());
    assert_eq!((verdict.word, &verdict.problems), (Word::Valid, &Vec::new()));
    assert_eq!(said[0].device.as_deref(), Some("phone"));
}

#[test]
fn every_flipped_byte_is_noticed() {
    let mut world = World::with_room(&["cdr"]);
    world.say(0, "x");
    world.receipt(0, 0, 1);
    world.checkpoints.remove(0);
    let bundle = world.bundle();
    assert_eq!(world.verify(&bundle).0.word, Word::Valid);
    (0..bundle.len()).into_par_iter().for_each(|at| {
        let mut spoiled = bundle.clone();
        spoiled[at] ^= 1 << (at % 8);
        // Unpinned finds less than pinned, never more.
        let (verdict, _) = verify(spoiled.as_slice(), Root::Unpinned).unwrap();
        assert_eq!(verdict.word, Word::Invalid, "byte {at}");
        assert!(!verdict.problems.is_empty());
    });
}

#[test]
fn every_cut_and_every_addition_is_noticed() {
    let mut world = World::with_room(&["cdr"]);
    world.say(0, "x");
    let bundle = world.bundle();
    for length in (0..bundle.len()).step_by(97).chain([bundle.len() - 1, bundle.len() - 512]) {
        assert_eq!(world.verify(&bundle[..length]).0.word, Word::Invalid, "{length}");
    }
    assert!(world.verify(&bundle[..bundle.len() - 512]).0.has(Code::Cut));
    assert!(world.verify(&[&bundle[..], b"\0"].concat()).0.has(Code::Trailing));
    let parts = archive::unpack(&bundle);
    for left_out in 0..parts.len() {
        let mut fewer = parts.clone();
        let (name, _) = fewer.remove(left_out);
        assert_eq!(world.verify(&archive::pack(&fewer)).0.word, Word::Invalid, "without {name}");
        // EV-38: without an earlier checkpoint it is another true bundle that shows less.
        if name != "manifest.txt" && name != "checkpoints/00000000000000000001.txt" {
            assert_eq!(world.verify(&archive::repack(fewer)).0.word, Word::Invalid, "without {name}");
        }
        let mut doubled = parts.clone();
        doubled.insert(left_out, parts[left_out].clone());
        let doubled = if name == "manifest.txt" { archive::pack(&doubled) } else { archive::repack(doubled) };
        assert_eq!(world.verify(&doubled).0.word, Word::Invalid, "two of {name}");
    }
    assert_eq!(archive::repack(parts), bundle, "the writer writes what the page says");
}

#[test]
fn a_reader_that_fails_is_no_verdict() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("no disk"))
        }
    }
    assert!(verify(Broken, Root::Unpinned).is_err());
}

#[test]
fn the_writer_refuses_to_write_nonsense() {
    let world = talk();
    let start = |export| Writer::start(std::io::Cursor::new(Vec::new()), &export, &world.tree);
    let misused = |result: Result<_, ExportError>| matches!(result, Err(ExportError::Misuse(_)));
    assert!(misused(start(world.export(3, 2)).map(drop)));
    assert!(misused(start(world.export(0, 5)).map(drop)));
    let mut export = world.export(0, 4);
    export.checkpoints.clear();
    assert!(misused(start(export).map(drop)));
    let mut writer = start(world.export(0, 4)).unwrap();
    assert!(misused(writer.item(&Item::Hidden { index: 1, leaf: [0; 32] })));
    assert!(misused(start(world.export(0, 4)).unwrap().finish().map(drop)));
}

mod never_panics {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn on_any_bytes(bytes: Vec<u8>) {
            prop_assert_eq!(verify(bytes.as_slice(), Root::Unpinned).unwrap().0.word, Word::Invalid);
        }

        #[test]
        fn on_spoiled_parts(which in 0_usize..64, at: prop::sample::Index, bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            thread_local!(static TALK: World = talk());
            TALK.with(|world| {
                let mut parts = archive::unpack(&world.bundle());
                let count = parts.len();
                let (name, body) = &mut parts[which % count];
                if name != "manifest.txt" && name != "README.txt" {
                    let start = at.index(body.len() + 1);
                    let end = (start + bytes.len()).min(body.len());
                    let changed = body[start..end] != bytes[..];
                    body.splice(start..end, bytes);
                    if changed {
                        let bundle = archive::repack(parts);
                        assert_eq!(world.verify(&bundle).0.word, Word::Invalid);
                    }
                }
            });
        }
    }
}
