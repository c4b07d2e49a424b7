//! The binary is small, and says what it must with the exit codes it must.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy.toml exempts test functions and not what they call"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors/evidence")
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign-verify"))
        .current_dir(vectors())
        .args(arguments)
        .output()
        .unwrap()
}

fn answer(arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
    let output = run(&[arguments, &["--json"]].concat());
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

fn pinned() -> String {
    let list: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(vectors().join("bundles.json")).unwrap()).unwrap();
    list["root"].as_str().unwrap().to_owned()
}

#[test]
fn it_links_no_runtime_database_or_network() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--package",
            "countersign-verify",
            "--edges",
            "normal",
            "--prefix",
            "none",
        ])
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("countersign-evidence"), "{tree}");
    for package in tree.lines().filter_map(|line| line.split(' ').next()) {
        let banned = [
            "tokio",
            "mio",
            "socket2",
            "async-std",
            "smol",
            "hyper",
            "reqwest",
            "rustls",
            "sqlx",
            "rusqlite",
            "libsqlite3-sys",
            "openmls",
            "axum",
            "countersign-store",
            "countersign-server",
            "countersign-client",
            "countersign-session",
            "countersign-channel",
        ];
        assert!(!banned.iter().any(|name| package == *name || package.starts_with("sqlx-")), "{package}");
    }
}

#[test]
fn it_answers_with_verdict_and_exit_code() {
    let root = pinned();
    let (code, verdict) = answer(&["all.bundle", "--root", &root]);
    assert_eq!((code, &verdict["verdict"]), (Some(0), &"valid".into()));
    assert_eq!(verdict["said"][0]["text"], "Okay, Houston, we've had a problem here.");
    let (code, verdict) = answer(&["all.bundle"]);
    assert_eq!((code, &verdict["verdict"]), (Some(0), &"consistent-unpinned".into()));
    for file in ["cut.bundle", "foreign.bundle", "text.bundle", "bundles.json"] {
        let (code, verdict) = answer(&[file, "--root", &root]);
        assert_eq!((code, &verdict["verdict"]), (Some(3), &"invalid".into()), "{file}");
    }
    let text = String::from_utf8(run(&["all.bundle"]).stdout).unwrap();
    assert!(text.starts_with("CONSISTENT, UNPINNED"), "{text}");
}

#[test]
fn files_that_cannot_be_read_and_wrong_usage_are_no_verdicts() {
    assert_eq!(run(&["no-such-file"]).status.code(), Some(1));
    assert_eq!(run(&["all.bundle", "--root", "no-such-file"]).status.code(), Some(1));
    assert_eq!(run(&["all.bundle", "--root", "sha256:12"]).status.code(), Some(2));
    assert_eq!(run(&["all.bundle", "--root", "bundles.json"]).status.code(), Some(2));
    assert_eq!(run(&[]).status.code(), Some(2));
    assert_eq!(run(&["all.bundle", "--what"]).status.code(), Some(2));
}

#[test]
fn a_root_is_pinned_by_its_certificate_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.pem");
    let bundle = std::fs::read(vectors().join("all.bundle")).unwrap();
    let begin = bundle.windows(27).position(|at| at == b"-----BEGIN CERTIFICATE-----").unwrap();
    let end = b"-----END CERTIFICATE-----\n";
    let length = bundle[begin..].windows(end.len()).position(|at| at == end).unwrap() + end.len();
    std::fs::write(&path, &bundle[begin..begin + length]).unwrap();
    let (code, verdict) = answer(&["all.bundle", "--root", path.to_str().unwrap()]);
    assert_eq!((code, &verdict["verdict"]), (Some(0), &"valid".into()));
}
