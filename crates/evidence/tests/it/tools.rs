//! Other people's tools: OpenSSL by the commands of `docs/evidence.md`, and Python on COSE, CBOR and X.509 libraries.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use evidence::membership::Change;
use evidence::receipt::{ReceiptClaim, Unopened};
use evidence::room::RoomId;
use evidence::verdict::{Code, Word};

use super::archive;
use super::world::{Show, World};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn python() -> OsString {
    std::env::var_os("COUNTERSIGN_TEST_PYTHON")
        .expect("COUNTERSIGN_TEST_PYTHON is not set: run the tests with `cargo xtask test`")
}

#[track_caller]
fn succeed(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}

/// The commands of the page, in their order.
fn commands() -> String {
    let page = fs::read_to_string(workspace().join("docs/evidence.md")).unwrap();
    let blocks: Vec<&str> = page
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split_once("```").expect("a block has an end").0)
        .collect();
    assert_eq!(blocks.len(), 3, "unpack, signature, chain");
    format!("set -e\n{}", blocks.concat())
}

fn run_commands(bundle: &[u8], index: u64) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("talk.bundle");
    fs::write(&path, bundle).unwrap();
    Command::new("bash")
        .current_dir(folder.path())
        .args(["-c", &commands()])
        .envs([("B", path.as_os_str()), ("I", index.to_string().as_ref()), ("PYTHON", python().as_os_str())])
        .output()
        .unwrap()
}

fn talk() -> World {
    let mut world = World::with_room(&["cdr", "cmp"]);
    world.say(0, "one");
    world.send(1, "two", "plan.txt", b"Go for landing.");
    world.receipt(0, 1, 2);
    world
}

#[test]
fn python_openssl_verifies_by_the_commands_of_the_page() {
    let world = talk();
    let bundle = world.bundle();
    let out = succeed(&run_commands(&bundle, 1));
    assert!(out.contains("Signature Verified Successfully"), "{out}");
    assert!(out.contains(": OK"), "{out}");
    // The same with a bit of the signature changed in the bundle.
    let statement = &world.entries[1];
    let mut parts = archive::unpack(&bundle);
    let entries = archive::part(&mut parts, "entries.cbor");
    let at = entries.windows(statement.len()).position(|at| at == statement).unwrap();
    entries[at + statement.len() - 20] ^= 1;
    assert!(!run_commands(&archive::repack(parts), 1).status.success());
}

/// What the checker written from the page alone says of a world's bundle, its root pinned.
fn checked_by_python(world: &World) -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("talk.bundle");
    fs::write(&path, world.bundle()).unwrap();
    let mut command = Command::new(python());
    command.arg(workspace().join("tests/python/bundle_check.py")).arg(path);
    command.args(["--root", &world.root.fingerprint().to_string()]);
    serde_json::from_str(&succeed(&command.output().unwrap())).unwrap()
}

#[test]
fn python_agrees_on_which_receipts_stand() {
    type Spoil = fn(&mut ReceiptClaim);
    let cases: [(bool, Spoil); 7] = [
        (true, |_| {}),
        (true, |claim| claim.time_ms += 300_000),
        (false, |claim| claim.time_ms += 312_000),
        (false, |claim| claim.time_ms -= 400_000),
        (false, |claim| claim.room = RoomId([1; 32])),
        (false, |claim| claim.head.root = [1; 32]),
        (false, |claim| (claim.head.size, claim.to) = (2, 1)),
    ];
    for (number, (stands, spoil)) in cases.into_iter().enumerate() {
        let mut world = talk();
        world.receipt_with(1, 1, 2, spoil);
        let answer = checked_by_python(&world);
        let verdict = world.verify(&world.bundle()).0;
        assert_eq!(verdict.word == Word::Valid, stands, "{number}");
        let expected = if stands { ("valid", None) } else { ("invalid", Some("receipt")) };
        assert_eq!((answer["verdict"].as_str().unwrap(), answer["problem"].as_str()), expected, "{number}");
    }
    let mut world = talk();
    world.receipt(1, 1, 2);
    world.receipts[0].1 = world.receipts[1].1.clone();
    assert_eq!(checked_by_python(&world)["problem"], "receipt", "another device's cosignature");
    // After the device's certificate has ended, with a cosignature of the same time.
    let mut world = talk();
    world.now_ms += 400 * 86_400_000;
    world.receipt(1, 1, 2);
    world.now_ms -= 400 * 86_400_000;
    assert_eq!(checked_by_python(&world)["problem"], "receipt", "a certificate that has ended");
    assert!(world.verify(&world.bundle()).0.has(Code::Receipt));
}

#[test]
fn python_agrees_on_who_received_what() {
    let mut world = World::with_room(&["cdr", "cmp", "lmp"]);
    let third = world.devices[2].reference();
    let before = world.say(0, "to three");
    world.change(0, Change::Remove(vec![third.clone()]));
    world.say(0, "to two");
    world.change(0, Change::Add(vec![third]));
    let after = world.say(0, "to three again");
    world.receipt_with(1, before, after, |claim| claim.unopened = vec![(after, Unopened::Withheld)]);
    world.receipt(2, before, after);
    let said = checked_by_python(&world)["said"].clone();
    let received = said.as_array().unwrap().iter().map(|message| message["received_by"].clone());
    let received: Vec<serde_json::Value> = received.collect();
    assert_eq!(
        received,
        [serde_json::json!(["cmp", "lmp"]), serde_json::json!(["cmp"]), serde_json::json!(["lmp"])]
    );
    let claims = [serde_json::json!([]), serde_json::json!([]), claims(&[("cmp", "withheld")])];
    let theirs = said.as_array().unwrap().iter().map(|message| message["unopened_by"].clone());
    assert_eq!(theirs.collect::<Vec<_>>(), claims);
    let (verdict, own) = world.verify(&world.bundle());
    assert_eq!(verdict.word, Word::Valid);
    assert!(own.iter().zip(&claims).all(|(own, claims)| serde_json::json!(own.unopened_by) == *claims));
    assert!(own.iter().zip(received).all(|(own, theirs)| serde_json::json!(own.received_by) == theirs));
}

fn claims(by: &[(&str, &str)]) -> serde_json::Value {
    let claim = |(user, reason): &(&str, &str)| serde_json::json!({ "user": user, "device": "laptop", "reason": reason });
    by.iter().map(claim).collect()
}

#[test]
fn python_agrees_on_vectors_and_bundles() {
    let script = workspace().join("tests/python/bundle_check.py");
    let vectors = workspace().join("docs/vectors/evidence");
    let python = |arguments: &[&std::ffi::OsStr]| {
        succeed(&Command::new(python()).arg(&script).args(arguments).output().unwrap())
    };
    assert_eq!(python(&["--vectors".as_ref(), vectors.as_os_str()]), "vectors hold\n");
    let world = talk();
    for show in [
        Show::All,
        Show::Nothing,
        Show::PlaceOnly,
        Show::Fields(&[1]),
        Show::Fields(&[2, 3]),
        Show::Fields(&[2, 7]),
    ] {
        for from in 0..3 {
            agree(&world, &world.write(&world.export(from, 2), |_| show));
        }
    }
}

/// The same is told of every message by the checker and by this crate, and nothing is wrong with it.
fn agree(world: &World, bundle: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("talk.bundle");
    fs::write(&path, bundle).unwrap();
    let script = workspace().join("tests/python/bundle_check.py");
    let root = world.root.fingerprint().to_string();
    let output = Command::new(python()).arg(script).arg(path).args(["--root", &root]).output().unwrap();
    let answer: serde_json::Value = serde_json::from_str(&succeed(&output)).unwrap();
    let (verdict, said) = world.verify(bundle);
    assert_eq!((verdict.word, &answer["verdict"]), (Word::Valid, &"valid".into()), "{answer}");
    let own = verdict.to_json(&said);
    for (ours, theirs) in own["said"].as_array().unwrap().iter().zip(answer["said"].as_array().unwrap()) {
        for name in [
            "index",
            "from",
            "text",
            "attachments",
            "reply_to",
            "edits",
            "reaction",
            "deletes",
            "mentions",
            "edited",
            "deleted",
            "erased",
            "state",
            "received_by",
            "unopened_by",
        ] {
            assert_eq!(ours[name], theirs[name], "{name} at {}", ours["index"]);
        }
    }
    assert_eq!(answer["said"].as_array().unwrap().len(), said.len());
}

#[test]
fn python_agrees_on_what_messages_say_of_each_other() {
    let mut world = talk();
    let first = world.relate();
    let last = world.tree.size() - 1;
    for from in [0, first, first + 1, first + 3] {
        let export = world.export(from, last);
        agree(&world, &world.write(&export, |_| Show::All));
        let kinds: [fn(u64) -> Show; 3] = [|_| Show::Nothing, |_| Show::PlaceOnly, |_| Show::Fields(&[1])];
        for kind in kinds {
            agree(
                &world,
                &world.write(&export, |index| if index == first { kind(index) } else { Show::All }),
            );
        }
        // A reference alone, its text withheld; a field that stands alone is shown whole.
        let alone = |index: u64| match index - first {
            1 => Show::Fields(&[4]),
            3 | 4 | 5 | 10 => Show::Fields(&[5]),
            _ => Show::All,
        };
        agree(&world, &world.write(&export, |index| if index < first { Show::All } else { alone(index) }));
    }
}

#[test]
fn python_agrees_on_what_was_erased() {
    let mut world = talk();
    let one = world.say(0, "a slip");
    let two = world.say(1, "another");
    let at = world.erase(0, &[one], "wrong room");
    world.receipt_with(1, one, at, |claim| claim.unopened = vec![(one, Unopened::Erased)]);
    for from in [0, one, two, at] {
        let export = world.export(from, at);
        for show in [Show::All, Show::Nothing, Show::PlaceOnly] {
            agree(&world, &world.write(&export, |_| show));
        }
    }
    agree(&world, &world.write(&world.export(one, two), |_| Show::Nothing));
    world.erase(1, &[one], "not mine");
    assert_eq!(checked_by_python(&world)["problem"], "erasure");
}

#[test]
fn python_agrees_on_the_verdict_of_every_bundle_among_the_vectors() {
    let script = workspace().join("tests/python/bundle_check.py");
    let vectors = workspace().join("docs/vectors/evidence");
    let list = |name: &str| {
        let list = fs::read_to_string(vectors.join(name)).unwrap();
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        let root = list["root"].clone();
        let bundles = list["bundles"].as_array().unwrap().clone();
        bundles.into_iter().map(move |bundle| (root.clone(), bundle))
    };
    for (root, bundle) in list("bundles.json").chain(list("erasures.json")) {
        let file = vectors.join(bundle["file"].as_str().unwrap());
        let root = root.as_str().unwrap();
        let output = Command::new(python()).arg(&script).arg(file).args(["--root", root]).output().unwrap();
        let answer: serde_json::Value = serde_json::from_str(&succeed(&output)).unwrap();
        assert_eq!(answer["verdict"], bundle["verdict"], "{}", bundle["file"]);
        if let Some(code) = bundle["codes"].get(0) {
            assert_eq!(answer["problem"], *code, "{}", bundle["file"]);
        }
    }
}
