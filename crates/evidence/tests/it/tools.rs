//! Other people's tools: OpenSSL by the commands of `docs/evidence.md`, and Python on COSE, CBOR and X.509 libraries.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use evidence::verdict::Word;

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

#[test]
fn python_agrees_on_vectors_and_bundles() {
    let script = workspace().join("tests/python/bundle_check.py");
    let vectors = workspace().join("docs/vectors/evidence");
    let python = |arguments: &[&std::ffi::OsStr]| {
        succeed(&Command::new(python()).arg(&script).args(arguments).output().unwrap())
    };
    assert_eq!(python(&["--vectors".as_ref(), vectors.as_os_str()]), "vectors hold\n");
    let world = talk();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("talk.bundle");
    let root = world.root.fingerprint().to_string();
    for show in [
        Show::All,
        Show::Nothing,
        Show::PlaceOnly,
        Show::Fields(&[1]),
        Show::Fields(&[2, 3]),
        Show::Fields(&[2, 7]),
    ] {
        for from in 0..3 {
            let bundle = world.write(&world.export(from, 2), |_| show);
            fs::write(&path, &bundle).unwrap();
            let answer = python(&[path.as_os_str(), "--root".as_ref(), root.as_ref()]);
            let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
            let (verdict, said) = world.verify(&bundle);
            assert_eq!((verdict.word, &answer["verdict"]), (Word::Valid, &"valid".into()), "{answer}");
            let own = verdict.to_json(&said);
            for (ours, theirs) in
                own["said"].as_array().unwrap().iter().zip(answer["said"].as_array().unwrap())
            {
                for name in ["index", "from", "text", "attachments", "state", "received_by"] {
                    assert_eq!(ours[name], theirs[name], "{name}");
                }
            }
            assert_eq!(answer["said"].as_array().unwrap().len(), said.len());
        }
    }
}

#[test]
fn python_agrees_on_the_verdict_of_every_bundle_among_the_vectors() {
    let script = workspace().join("tests/python/bundle_check.py");
    let vectors = workspace().join("docs/vectors/evidence");
    let list = fs::read_to_string(vectors.join("bundles.json")).unwrap();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    for bundle in list["bundles"].as_array().unwrap() {
        let file = vectors.join(bundle["file"].as_str().unwrap());
        let root = list["root"].as_str().unwrap();
        let output = Command::new(python()).arg(&script).arg(file).args(["--root", root]).output().unwrap();
        let answer: serde_json::Value = serde_json::from_str(&succeed(&output)).unwrap();
        assert_eq!(answer["verdict"], bundle["verdict"], "{}", bundle["file"]);
        if let Some(code) = bundle["codes"].get(0) {
            assert_eq!(answer["problem"], *code, "{}", bundle["file"]);
        }
    }
}
