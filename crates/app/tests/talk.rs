//! Two people on the command line: join, talk, a server killed in mid-talk, evidence that agrees.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's helper fails the test")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const PASSWORD: &str = "correct horse battery staple\n";

struct World {
    folder: TempDir,
    listen: String,
    server: Option<Child>,
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("password"), PASSWORD).unwrap();
        let mut world = Self { folder, listen: "127.0.0.1:0".into(), server: None };
        world.serve();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.env_remove("COUNTERSIGN_HOME").env("COUNTERSIGN_PASSWORD_FILE", self.path("password"));
        command
    }

    fn serve(&mut self) {
        let mut child = self
            .command()
            .args(["serve", "--plain-keys", "--listen", &self.listen, "--data", text(&self.path("server"))])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.listen = line.strip_prefix("READY ").unwrap().trim().to_owned();
        self.server = Some(child);
    }

    fn kill_server(&mut self) {
        let mut child = self.server.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn invite(&self, arguments: &[&str]) -> String {
        let data = self.path("server");
        let output = self
            .command()
            .args(["invite", "create", "--data", text(&data)])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let link = String::from_utf8(output.stdout).unwrap();
        assert_eq!(link.lines().count(), 1, "the link alone: {link}");
        link.trim().to_owned()
    }

    fn join(&self, user: &str) {
        let link = self.invite(&[]);
        let output = self.run(user, &["join", &link, "--user", user, "--device", "laptop"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn run(&self, user: &str, arguments: &[&str]) -> Output {
        self.command().args(["--home", text(&self.path(user))]).args(arguments).output().unwrap()
    }

    fn ok(&self, user: &str, arguments: &[&str]) -> String {
        let output = self.run(user, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn chat(&self, user: &str, room: &str) -> Chat {
        let mut child = self
            .command()
            .args(["--home", text(&self.path(user)), "--json", "chat", room, "--plain"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Chat { child, input, output }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut child) = self.server.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

struct Chat {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Chat {
    fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Reads until this text was shown.
    fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the chat ended before {text:?}");
            let item: Value = serde_json::from_str(&line).unwrap();
            if item["text"] == text {
                return;
            }
        }
    }

    fn leave(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(output: &str) -> Vec<Value> {
    output.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn a_server_killed_in_mid_talk_loses_nothing_and_both_exports_agree() {
    let mut world = World::new();
    world.join("alice");
    world.join("bob");
    let room = world.ok("alice", &["room", "create", "flight"]).trim().to_owned();
    world.ok("alice", &["room", "add", "flight", "bob"]);
    let (mut alice, mut bob) = (world.chat("alice", "flight"), world.chat("bob", "flight"));
    let mut said = Vec::new();
    for round in 0..4 {
        for (speaker, other, name) in [(true, false, "alice"), (false, true, "bob")] {
            let _ = other;
            let line = format!("{name} {round}");
            if speaker {
                alice.say(&line)
            } else {
                bob.say(&line)
            }
            said.push(line);
        }
        if round == 1 {
            world.kill_server();
            for name in ["alice", "bob"] {
                let line = format!("{name} while it was down");
                if name == "alice" {
                    alice.say(&line)
                } else {
                    bob.say(&line)
                }
                said.push(line);
            }
            world.serve();
        }
    }
    alice.wait_for("bob 3");
    bob.wait_for("alice 3");
    alice.leave();
    bob.leave();

    let heard = |user: &str| -> Vec<String> {
        let items = lines(&world.ok(user, &["tail", &room, "--json"]));
        items.iter().filter_map(|i| i["text"].as_str().map(str::to_owned)).collect()
    };
    let (by_alice, by_bob) = (heard("alice"), heard("bob"));
    assert_eq!(by_alice, by_bob);
    let sorted = |mut all: Vec<String>| {
        all.sort();
        all
    };
    assert_eq!(sorted(by_alice), sorted(said));
    let mut verdicts = Vec::new();
    for user in ["alice", "bob"] {
        let bundle = world.path(&format!("{user}.bundle"));
        world.ok(user, &["export", "flight", "--out", text(&bundle)]);
        let verdict = lines(&world.ok(user, &["verify", text(&bundle), "--json"])).remove(0);
        assert_eq!(verdict["verdict"], "valid", "{verdict}");
        let said = verdict["said"].as_array().unwrap();
        let say = |s: &Value| (s["index"].clone(), s["from"].clone(), s["text"].clone());
        verdicts.push(said.iter().map(say).collect::<Vec<_>>());
    }
    // Bob's evidence starts where he came in; there nobody had said anything.
    assert_eq!(verdicts[0], verdicts[1]);
}

#[test]
fn send_and_tail_compose_with_scripts() {
    let world = World::new();
    world.join("alice");
    world.join("bob");
    let room = world.ok("alice", &["room", "create", "ops"]).trim().to_owned();
    assert_eq!(room.len(), 64);
    let sent = lines(&world.ok("alice", &["send", "ops", "hello", "--json"])).remove(0);
    assert_eq!(sent["room"], room);
    assert_eq!(sent["seq"], 2);
    assert_eq!(sent["index"], 1);
    assert_eq!(sent["statement"].as_str().unwrap().len(), 64);
    let direct = lines(&world.ok("alice", &["send", "@bob", "just us", "--json"])).remove(0);
    let item = lines(&world.ok("bob", &["tail", "@alice", "--json"]));
    let message = item.iter().find(|i| i["text"] == "just us").unwrap();
    assert_eq!(message["index"], direct["index"]);
    assert_eq!(message["statement"], direct["statement"]);
    assert_eq!((&message["from"], &message["device"]), (&"alice".into(), &"laptop".into()));
    let tail = lines(&world.ok("alice", &["tail", "ops", "--from", "1", "--json"]));
    assert_eq!(tail.len(), 1);
    assert_eq!(lines(&world.ok("alice", &["room", "members", "ops", "--json"])).len(), 1);
    for said in ["added bob", "bob in the room already"] {
        assert_eq!(world.ok("alice", &["room", "add", "ops", "bob"]).trim(), said);
    }
    world.ok("bob", &["room", "leave", "ops"]);
    let refused = world.run("bob", &["send", "ops", "I left", "--json"]);
    assert_eq!(refused.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!(error["error"]["code"], "not-a-member");
}

#[test]
fn a_file_arrives_as_it_was_sent_and_its_evidence_stands() {
    let world = World::new();
    world.join("alice");
    world.join("bob");
    world.ok("alice", &["room", "create", "ops"]);
    world.ok("alice", &["room", "add", "ops", "bob"]);
    let plan: Vec<u8> = (0..98_304_u32).map(|n| (n % 251) as u8).collect();
    let (path, files) = (world.path("flight plan.pdf"), world.path("files"));
    fs::write(&path, &plan).unwrap();
    fs::create_dir(&files).unwrap();
    let sent =
        lines(&world.ok("alice", &["send", "ops", "the plan", "--file", text(&path), "--json"])).remove(0);
    assert_eq!(sent["index"], 2);
    assert_eq!(sent.as_object().unwrap().len(), 4);
    fs::write(world.path(".profile"), "").unwrap();
    world.ok("bob", &["send", "ops", "--file", text(&world.path(".profile")), "--file", text(&path)]);

    let item =
        lines(&world.ok("bob", &["tail", "ops", "--from", "2", "--save", text(&files), "--json"])).remove(0);
    assert_eq!(item["text"], "the plan");
    let told = item["attachments"][0].clone();
    assert_eq!((&told["name"], &told["media_type"]), (&"flight plan.pdf".into(), &"application/pdf".into()));
    let hash = hex::encode(pki::sha256(&plan));
    assert_eq!((&told["bytes"], &told["sha256"]), (&98_304.into(), &hash.as_str().into()));
    assert_eq!(fs::read(told["saved"].as_str().unwrap()).unwrap(), plan);
    world.ok("bob", &["tail", "ops", "--from", "3", "--save", text(&files)]);
    let mut names: Vec<_> =
        fs::read_dir(&files).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let again = ["flight plan (2).pdf", "flight plan (3).pdf", "flight plan.pdf"];
    assert_eq!(names, [&["_.profile", "_.profile (2)"], &again[..]].concat());
    let shown = world.ok("alice", &["tail", "ops", "--from", "2"]);
    let line = format!("      [file flight plan.pdf, 96.0 KiB, sha256 {hash}]");
    assert_eq!(shown.lines().nth(1), Some(line.as_str()), "{shown}");
    assert!(shown.contains("bob (no text)\n      [file .profile, 0 B, sha256 e3b0c442"), "{shown}");

    let bundle = world.path("ops.bundle");
    world.ok("alice", &["export", "ops", "--out", text(&bundle)]);
    let report = world.path("report.html");
    let verdict = world.ok("alice", &["verify", text(&bundle), "--report", text(&report)]);
    assert!(verdict.starts_with("VALID") && verdict.contains(&line), "{verdict}");
    assert!(fs::read_to_string(&report).unwrap().contains(line.trim()));
    let verdict = lines(&world.ok("alice", &["verify", text(&bundle), "--json"])).remove(0);
    let files_told = verdict["said"][0]["attachments"].as_array().unwrap();
    assert_eq!((files_told.len(), &files_told[0]["sha256"]), (1, &told["sha256"]));
    let mut bytes = fs::read(&bundle).unwrap();
    let at = bytes.windows(500).position(|at| at == &plan[..500]).unwrap();
    bytes[at + 70_000] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    assert_eq!(world.run("alice", &["verify", text(&bundle)]).status.code(), Some(3));
}

#[test]
fn files_that_cannot_be_sent_are_refused_before_anything_is_said() {
    let world = World::new();
    world.join("alice");
    world.ok("alice", &["room", "create", "ops"]);
    let refused = |name: &str, code: &str| {
        let output =
            world.run("alice", &["send", "ops", "text", "--file", text(&world.path(name)), "--json"]);
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!((output.status.code(), &error["error"]["code"]), (Some(1), &code.into()), "{error}");
        error["error"]["message"].as_str().unwrap().to_owned()
    };
    fs::File::create(world.path("large")).unwrap().set_len((2 << 30) + 1).unwrap();
    fs::write(world.path("a\\b"), "x").unwrap();
    assert!(refused("large", "input").contains("MAX_FILES"));
    assert!(refused("a\\b", "bad-name").contains("another name"));
    refused("absent", "unreadable");
    refused(".", "not-a-file");
    fs::write(world.path("full"), vec![0; 98_304]).unwrap();
    let full = world.path("full");
    let long = "x".repeat(33_000);
    assert_eq!(world.run("alice", &["send", "ops", &long, "--file", text(&full)]).status.code(), Some(1));
    // What was refused took no number.
    let sent = lines(&world.ok("alice", &["send", "ops", "--file", text(&full), "--json"])).remove(0);
    assert_eq!((&sent["index"], &sent["seq"]), (&1.into(), &2.into()));
}

/// More than fits into messages, from `send` and from `chat`, saved by `save` and by `tail`; what was cut off is gone on with.
#[test]
fn large_files_are_sent_and_saved() {
    let world = World::new();
    world.join("alice");
    world.join("bob");
    let room = world.ok("alice", &["room", "create", "ops"]).trim().to_owned();
    world.ok("alice", &["room", "add", "ops", "bob"]);
    let tape: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(world.path("tape.mp4"), &tape).unwrap();
    fs::write(world.path("note"), "short").unwrap();
    let (path, note) = (world.path("tape.mp4"), world.path("note"));
    let sent = ["send", "ops", "--file", text(&path), "--file", text(&note), "--json"];
    let sent = lines(&world.ok("alice", &sent)).remove(0);
    assert_eq!((&sent["index"], &sent["seq"]), (&2.into(), &3.into()));
    let mut chat = world.chat("alice", "ops");
    chat.say(&format!("/file {}", text(&path)));
    drop(chat.input.take());
    assert!(chat.child.wait().unwrap().success());

    let files = world.path("files");
    fs::create_dir(&files).unwrap();
    let cut = files.join(format!(".countersign-{room}-2-0"));
    fs::write(&cut, &tape[..300_000]).unwrap();
    fs::set_permissions(&cut, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let saved = lines(&world.ok("bob", &["save", "ops", "2", "--to", text(&files), "--json"]));
    let at = |number: usize| saved[number]["saved"].as_str().unwrap();
    assert_eq!((saved.len(), &saved[0]["name"]), (2, &"tape.mp4".into()));
    assert!(fs::read(at(0)).unwrap() == tape && fs::read(at(1)).unwrap() == b"short");
    assert!(!cut.exists());
    let told = lines(&world.ok("bob", &["tail", "ops", "--from", "3", "--save", text(&files), "--json"]));
    let path = told[0]["attachments"][0]["saved"].as_str().unwrap();
    assert!(path.ends_with("tape (2).mp4") && fs::read(path).unwrap() == tape, "{path}");
    assert_eq!(told[0]["attachments"][0]["inline"], false);
    assert_eq!(fs::read_dir(&files).unwrap().count(), 3, "nothing half-made is left");
    for wrong in ["1", "9"] {
        let refused = world.run("bob", &["save", "ops", wrong, "--json"]);
        let error: Value = serde_json::from_slice(&refused.stderr).unwrap();
        assert_eq!((refused.status.code(), &error["error"]["code"]), (Some(1), &"not-found".into()));
    }

    let bundle = world.path("ops.bundle");
    world.ok("bob", &["export", "ops", "--out", text(&bundle)]);
    let verdict = world.ok("bob", &["verify", text(&bundle)]);
    let line = format!(
        "[file tape.mp4, 683.5 KiB, sha256 {}]  (not in this bundle",
        hex::encode(pki::sha256(&tape))
    );
    assert!(verdict.starts_with("VALID") && verdict.contains(&line), "{verdict}");
}

#[test]
fn chat_sends_a_file_by_its_path_and_says_what_it_could_not_send() {
    let world = World::new();
    world.join("alice");
    world.ok("alice", &["room", "create", "ops"]);
    fs::write(world.path("the plan.txt"), "Go.").unwrap();
    let mut chat = world.chat("alice", "ops");
    chat.say(&format!("/file {}", text(&world.path("the plan.txt"))));
    chat.say("/file /nowhere");
    chat.say("after");
    chat.wait_for("after");
    drop(chat.input.take());
    assert_eq!(chat.child.wait().unwrap().code(), Some(1), "one was not sent");
    let items = lines(&world.ok("alice", &["tail", "ops", "--from", "1", "--json"]));
    assert_eq!(items.len(), 2);
    assert_eq!(items[0]["attachments"][0]["name"], "the plan.txt");
    assert_eq!((&items[0]["text"], &items[1]["text"]), (&Value::Null, &"after".into()));
}

#[test]
fn chat_sends_no_blank_line_or_unknown_command_and_says_what_it_waits_for() {
    let mut world = World::new();
    world.join("alice");
    world.ok("alice", &["room", "create", "ops"]);
    world.kill_server();
    let mut child = world
        .command()
        .args(["--home", text(&world.path("alice")), "chat", "ops", "--plain"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"/exit\n \t\n//etc is full\n/quit\n").unwrap();
    let mut told = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    while !told.contains("waiting for 1 unsent message; Ctrl-C keeps it") {
        assert!(stderr.read_line(&mut told).unwrap() > 0, "{told}");
    }
    assert!(told.contains("not sent: there is no command /exit"), "{told}");
    child.kill().unwrap();
    child.wait().unwrap();
    let queued = lines(&world.ok("alice", &["tail", "ops", "--json"])).pop().unwrap();
    assert_eq!((&queued["state"], &queued["text"]), (&"queued".into(), &"/etc is full".into()));
    world.serve();
    world.ok("alice", &["send", "ops", "last"]);
    let items = lines(&world.ok("alice", &["tail", "ops", "--json"]));
    let said: Vec<&str> = items.iter().filter_map(|item| item["text"].as_str()).collect();
    assert_eq!(said, ["/etc is full", "last"]);
}

#[test]
fn refusals_say_what_to_do_and_leave_nothing_behind() {
    let world = World::new();
    world.join("alice");
    let error = |output: &Output, code: i32| -> String {
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        error["error"]["code"].as_str().unwrap().to_owned()
    };
    let link = world.invite(&[]);
    let join =
        |home: &str, link: &str, user: &str| world.run(home, &["join", link, "--user", user, "--json"]);
    assert_eq!(error(&join("x", "countersign://nonsense", "x"), 1), "bad-link");
    let other_root = link.replacen("root=", "root=00", 1);
    assert_eq!(error(&join("x", &other_root, "x"), 1), "bad-link");
    let mut hex: Vec<char> = link.chars().collect();
    let at = link.find("root=").unwrap() + 5;
    hex[at] = if hex[at] == '0' { '1' } else { '0' };
    assert_eq!(error(&join("x", &hex.iter().collect::<String>(), "x"), 1), "not-trusted");
    assert_eq!(error(&join("x", &link, "alice"), 1), "exists");
    assert_eq!(error(&join("x", &link, "admin"), 1), "input");
    fs::write(world.path("weak"), "short").unwrap();
    let weak = world.path("weak");
    let weak = ["--password-file", text(&weak), "join", &link, "--user", "bob", "--json"];
    assert_eq!(error(&world.run("x", &weak), 1), "input");
    assert!(!world.path("x").exists(), "a refused join leaves no home");
    assert!(join("bob", &link, "bob").status.success());
    assert_eq!(error(&join("y", &link, "carol"), 1), "input");
    assert_eq!(error(&join("bob", &link, "bob"), 1), "home-exists");
    fs::write(world.path("wrong"), "another password altogether").unwrap();
    let wrong = world.path("wrong");
    let wrong = ["--password-file", text(&wrong), "send", "ops", "x", "--json"];
    assert_eq!(error(&world.run("bob", &wrong), 1), "wrong-password");
    assert_eq!(error(&world.run("bob", &["send", "nowhere", "x", "--json"]), 1), "not-found");
    assert_eq!(error(&world.run("nobody", &["send", "ops", "x", "--json"]), 1), "no-home");
    assert_eq!(error(&world.run("bob", &["frobnicate", "--json"]), 2), "usage");
    fs::write(world.path("garbage"), "not a bundle").unwrap();
    let verdict = world.run("bob", &["verify", text(&world.path("garbage")), "--json"]);
    assert_eq!(verdict.status.code(), Some(3));
    assert_eq!(lines(&String::from_utf8(verdict.stdout).unwrap())[0]["verdict"], "invalid");
    assert_eq!(error(&world.run("bob", &["verify", "/nonexistent", "--json"]), 1), "failed");
}
