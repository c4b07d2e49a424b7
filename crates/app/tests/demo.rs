//! The demo as a newcomer runs it, and what it leaves behind used with the other commands.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's helper fails the test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn countersign(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(arguments)
        .env_remove("COUNTERSIGN_HOME")
        .env_remove("COUNTERSIGN_PASSWORD_FILE")
        .env("XDG_DATA_HOME", "/nonexistent")
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

const SCRIPT: &str = concat!(
    "{\"t\": -10, \"from\": \"LCC\", \"text\": \"canary one\"}\n",
    "{\"t\": 1.5, \"from\": \"CDR (EVA)\", \"text\": \"canary two\"}\n",
    "{\"t\": 2, \"from\": \"cdr eva\", \"text\": \"canary three ✓\"}\n",
    "{\"t\": 3, \"from\": \"LCC\", \"text\": \"canary four\"}\n",
    "{\"t\": 4, \"from\": \"CDR (EVA)\", \"text\": \"canary five\"}\n",
);

#[test]
fn the_demo_without_arguments_ends_well_and_says_that_the_server_cannot_read() {
    let output = countersign(&["demo"]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}\n{}", String::from_utf8_lossy(&output.stderr));
    for word in [
        "VALID",
        "REFUSED",
        "server cannot read",
        "Encrypted end to end by MLS",
        "one letter of the last message",
        "opening:",
    ] {
        assert!(shown.contains(word), "{word} is missing in\n{shown}");
    }
}

#[test]
fn a_script_is_delivered_verified_and_usable_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.jsonl");
    fs::write(&script, SCRIPT).unwrap();
    for mode in [&[][..], &["--pipelined"]] {
        let out = folder.path().join(if mode.is_empty() { "in-order" } else { "pipelined" });
        let mut arguments = vec!["demo", "--json", "--script", text(&script), "--out", text(&out)];
        arguments.extend(mode);
        let result = json(&countersign(&arguments));
        assert_eq!(result["messages"], 5);
        assert_eq!((&result["content_suite"], &result["epochs"]), (&1.into(), &2.into()));
        assert_eq!(result["ciphersuite"], client::CIPHERSUITE);
        assert_eq!(result["devices"], 3);
        assert_eq!(result["deliveries"], 10);
        assert_eq!(result["synced"], true);
        assert_eq!(result["verdict"], "valid");
        assert_eq!(result["tampered_verdict"], "invalid");
        assert_eq!(result["foreign_ca_verdict"], "invalid");
        for field in ["seconds", "cpu_seconds", "messages_per_second", "bundle_bytes", "verify_seconds"] {
            assert!(result[field].is_number(), "{field}");
        }
        assert!(
            ["processors", "waiting for syncs and round trips"]
                .map(Value::from)
                .contains(&result["bound_by"])
        );
        let (bundle, root) = (out.join("bundle"), out.join("root.pem"));
        assert_eq!(result["bundle"], text(&bundle));
        let verdict = json(&countersign(&["verify", text(&bundle), "--root", text(&root), "--json"]));
        assert_eq!(verdict["verdict"], "valid");
        assert_eq!(verdict["disclosed"], 5);
        let unpinned = json(&countersign(&["verify", text(&bundle), "--json"]));
        assert_eq!(unpinned["verdict"], "consistent-unpinned");
        let said: Vec<&str> =
            verdict["said"].as_array().unwrap().iter().map(|s| s["text"].as_str().unwrap()).collect();
        assert_eq!(said.len(), 5);
        // Everybody but its sender has given a receipt for each, the exporter too.
        for message in verdict["said"].as_array().unwrap() {
            assert_eq!(message["received_by"].as_array().unwrap().len(), 2, "{message}");
        }
        if mode.is_empty() {
            assert_eq!(said, ["canary one", "canary two", "canary three ✓", "canary four", "canary five"]);
        }
        one_sentence_alone(&out, said[2]);
        let again = countersign(&["demo", "--json", "--script", text(&script), "--out", text(&out)]);
        assert_eq!(again.status.code(), Some(1));
    }
}

/// The kept server and a kept home serve to disclose one sentence alone.
fn one_sentence_alone(out: &Path, third: &str) {
    let server = Server::start(&out.join("server"));
    let index = fs::read_to_string(out.join("index.jsonl")).unwrap();
    let lines: Vec<Value> = index.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 5);
    let verdict_of = |extra: &[&str], name: &str| {
        let bundle = out.join(name);
        let home = out.join("homes/lcc");
        let password = out.join("password");
        let mut arguments = vec!["--home", text(&home), "--password-file", text(&password)];
        arguments.extend(["export", "demo", "--out", text(&bundle)]);
        arguments.extend(extra);
        let exported = countersign(&arguments);
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
        let root = out.join("root.pem");
        (
            json(&countersign(&["verify", text(&bundle), "--root", text(&root), "--json"])),
            fs::read(&bundle).unwrap(),
        )
    };
    // Whatever the order in which the lines were logged, the third entry said is this one.
    let all = verdict_of(&[], "all").0;
    let at =
        all["said"].as_array().unwrap().iter().find(|s| s["text"] == third).unwrap()["index"].to_string();
    for (extra, name, messages) in [
        (vec!["--disclose", at.as_str()], "one-of-all", 5),
        (vec!["--from", &at, "--to", &at], "one-alone", 1),
    ] {
        let (verdict, bytes) = verdict_of(&extra, name);
        assert_eq!(verdict["verdict"], "valid", "{verdict}");
        assert_eq!(verdict["messages"], messages);
        assert_eq!(verdict["disclosed"], 1);
        let shown: Vec<&Value> =
            verdict["said"].as_array().unwrap().iter().filter(|s| !s["text"].is_null()).collect();
        assert_eq!(shown.len(), 1);
        assert_eq!(shown[0]["text"], third);
        assert_eq!(shown[0]["index"].to_string(), at);
        for word in ["one", "two", "three", "four", "five"].map(|w| format!("canary {w}")) {
            let inside = bytes.windows(word.len()).any(|w| w == word.as_bytes());
            assert_eq!(inside, third.starts_with(&word), "{word} in {name}");
        }
    }
    drop(server);
}

#[test]
fn bad_scripts_are_named_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    for (content, word) in
        [("", "empty"), ("not json\n", "line 1"), ("{\"t\":1,\"from\":\"\",\"text\":\"x\"}\n", "line 1")]
    {
        let script = folder.path().join("script.jsonl");
        fs::write(&script, content).unwrap();
        let output = countersign(&["demo", "--json", "--script", text(&script), "--out", text(&out)]);
        assert_eq!(output.status.code(), Some(1));
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert!(error["error"]["message"].as_str().unwrap().contains(word), "{error}");
        assert!(!out.exists());
    }
    let missing = countersign(&["demo", "--script", "/nonexistent"]);
    assert_eq!(missing.status.code(), Some(1));
}

struct Server(std::process::Child);

impl Server {
    fn start(data: &Path) -> Self {
        use std::io::{BufRead, BufReader};
        let address = fs::read_to_string(data.join("address")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["serve", "--plain-keys", "--listen", address.trim(), "--data", text(data)])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("READY "), "{line}");
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
