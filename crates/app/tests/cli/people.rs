use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::support::{Outcome, Place, mode};

/// A server, and ann (an administrator) and bob (a member) with homes of their names.
pub fn two(place: &Place) -> crate::support::Server {
    let server = place.serve_with("--data d --plain-keys");
    let admin = place.run("invite create --data d --role admin").ok().to_owned();
    place.join("ann", &admin);
    let member = place.run("invite create --data d").ok().to_owned();
    place.join("bob", &member);
    server
}

#[test]
fn administrators_list_disable_and_enable_users() {
    let place = Place::new();
    let _server = two(&place);
    let list = place.run("user list --home ann --password-file pw --json");
    let users: Vec<serde_json::Value> =
        list.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(users.len(), 2);
    assert_eq!((&users[0]["user"], &users[0]["role"]), (&"ann".into(), &"admin".into()));
    place.run("user disable bob --home ann --password-file pw").ok();
    place.run("device list --home bob --password-file pw").refused("disabled");
    assert!(place.run("user list --home ann --password-file pw").ok().contains("DISABLED"));
    place.run("user enable bob --home ann --password-file pw").ok();
    assert!(place.run("device list --home bob --password-file pw").ok().contains("bob/laptop"));
    place.run("user list --home bob --password-file pw").refused("");
    place.run("user disable ann --home ann --password-file pw").refused("yourself");
    place.run("user disable nobody-here --home ann --password-file pw").refused("");
}

#[test]
fn a_new_device_is_added_and_revoked() {
    let place = Place::new();
    let _server = two(&place);
    let mut adding = place
        .command("device add --yes --home bob --password-file pw")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut link = String::new();
    BufReader::new(adding.stdout.take().unwrap()).read_line(&mut link).unwrap();
    let link = link.trim_end();
    assert!(link.starts_with("countersign://") && link.ends_with("&user=bob"), "{link}");
    let joined = place.run(&format!("join {link} --device phone --home phone --password-file pw"));
    joined.ok();
    let added = adding.wait_with_output().unwrap();
    let told = String::from_utf8(added.stderr).unwrap();
    assert!(added.status.success(), "{told}");
    let code = told.split("Its code: ").nth(1).unwrap().trim();
    assert!(joined.err.contains(code), "both sides show {code}: {}", joined.err);

    assert!(place.run("device list --home phone --password-file pw").ok().contains("bob/phone"));
    place.run("device revoke phone --home bob --password-file pw --reason superseded").ok();
    place.run("device revoke phone --home bob --password-file pw").refused("revoked already");
    place.run("device list --home phone --password-file pw").refused("");
    place.run("device revoke ann/laptop --home bob --password-file pw").refused("");
    place.run("device revoke bob/laptop --home ann --password-file pw").ok();
    place.run("device list --home bob --password-file pw").refused("");
}

#[test]
fn revoking_the_device_one_is_on_needs_a_yes_and_is_done() {
    let place = Place::new();
    let _server = two(&place);
    place.run("device revoke laptop --home bob --password-file pw").ended(2, "--yes");
    assert!(!place.run("device list --home bob --password-file pw").ok().contains("REVOKED"));
    place.run("device revoke laptop --yes --home bob --password-file pw").ok();
    place.run("device list --home bob --password-file pw").refused("revoked");
    assert!(place.run("device list --user bob --home ann --password-file pw").ok().contains("REVOKED"));
}

#[test]
fn a_changed_password_opens_the_home_and_the_old_one_does_not() {
    let place = Place::new();
    let _server = two(&place);
    std::fs::write(place.path("new"), "a quite new password\n").unwrap();
    std::fs::write(place.path("weak"), "short\n").unwrap();
    place.run("passwd --home bob --password-file pw --new-password-file weak").refused("too short");
    place.run("passwd --home bob --password-file pw --new-password-file new").ok();
    place.run("device list --home bob --password-file pw").refused("wrong password");
    place.run("device list --home bob --password-file new").ok();
}

#[test]
fn a_server_that_is_away_is_said_and_not_waited_for() {
    let place = Place::new();
    let server = two(&place);
    place.run("room create ops --home ann --password-file pw").ok();
    drop(server);
    let list = place.run("room list --home ann --password-file pw");
    assert!(list.ok().ends_with("  ops") && list.err.contains("not connected"), "{}{}", list.out, list.err);
    let members = place.run("room members ops --home ann --password-file pw");
    assert!(members.ok() == "ann/laptop" && members.err.contains("not connected"), "{}", members.err);
    place.run("user list --home ann --password-file pw").refused("cannot reach");
    place.run("user list --home ann --password-file pw --json").refused("\"connection\"");
    let mut command = place.command("user list --home ann");
    command.env("COUNTERSIGN_PASSWORD_FILE", "kp");
    Outcome::of(command).refused("wrong password");
}

#[test]
fn who_is_disabled_or_without_a_server_reads_and_proves_what_its_home_holds() {
    let place = Place::new();
    let server = two(&place);
    place.run("room create ops --home ann --password-file pw").ok();
    place.run("room add ops bob --home ann --password-file pw").ok();
    place.run("send ops hello --home ann --password-file pw").ok();
    let exported = |name: &str, current: bool, why: &str| {
        let done = place.run(&format!("export ops --out {name} --home bob --password-file pw --json"));
        let object: serde_json::Value = serde_json::from_str(done.ok()).unwrap();
        assert_eq!((&object["up_to_date"], &object["to"]), (&current.into(), &2.into()), "{object}");
        assert!(
            object["why"].as_str().unwrap_or_default().contains(why) && object["until"].as_u64() > Some(0)
        );
        assert_eq!(place.run(&format!("verify {name} --home bob")).code, 0);
    };
    exported("open", true, "");
    place.run("user disable bob --home ann --password-file pw").ok();
    exported("disabled", false, "disabled");
    let out = place.run("export ops --out told --home bob --password-file pw");
    out.ok();
    assert!(out.err.contains("disabled") && out.err.contains("entries 0 to 2, logged until"), "{}", out.err);
    let tail = place.run("tail ops --home bob --password-file pw");
    assert!(tail.ok().ends_with("ann: hello") && tail.err.contains("disabled"), "{}{}", tail.out, tail.err);
    assert_eq!(place.run("room members ops --home bob --password-file pw").ok().lines().count(), 2);
    let follow = place.run("tail ops --follow --home bob --password-file pw");
    assert!(follow.out.contains("hello"));
    follow.refused("does not accept this login");
    drop(server);
    exported("gone", false, "cannot reach");
}

#[test]
fn a_chat_with_messages_refused_for_good_ends_with_1_and_says_which() {
    let place = Place::new();
    let _server = two(&place);
    place.run("room create ops --home ann --password-file pw").ok();
    place.run("room add ops bob --home ann --password-file pw").ok();
    let mut chat = place
        .command("chat ops --plain --home bob --password-file pw")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = chat.stdin.take().unwrap();
    input.write_all(b"in time\n").unwrap();
    let mut lines = BufReader::new(chat.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("bob: in time")));
    place.run("room remove ops bob --home ann --password-file pw").ok();
    input.write_all(b"too late, whatever I say\n").unwrap();
    drop(input);
    let ended = chat.wait_with_output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{told}");
    assert!(told.contains("not sent: \"too late, whatever I say\": "), "{told}");
    assert!(told.contains("1 of your messages was not sent") && !told.contains("\"in time\""), "{told}");
}

#[test]
fn what_is_to_be_typed_next_names_the_same_home() {
    let place = Place::new();
    let _server = place.serve_with("--data d --plain-keys");
    let link = place.run("invite create --data d --role admin").ok().to_owned();
    let joined = place.run(&format!("join {link} --user ann --home ann --password-file pw"));
    assert!(joined.ok().ends_with("Talk with: countersign --home ann chat ROOM"), "{}", joined.out);
    place.run("chat --home ann --password-file pw").ended(2, "`countersign --home ann room create NAME`");
    let home = |command: &str| place.run(&format!("{command} --home ann --password-file pw"));
    assert!(home("invite list").err.contains("`countersign --home ann invite create`"));
    assert!(place.run("invite list --data d").err.contains("`countersign invite create --data d`"));
    place.run("user list --home elsewhere").refused("`countersign --home elsewhere join INVITE`");
    home("room create ops").ok();
    home("send ops hello").ok();
    let exported = home("export ops --out o.bundle");
    assert!(exported.ok().contains("1 message disclosed"), "{}", exported.out);
    assert!(exported.out.contains("`countersign --home ann verify o.bundle`"), "{}", exported.out);
    assert_eq!(mode(&place.path("o.bundle")), 0o600);
    place.run("verify o.bundle --home ann --report o.html").ok();
    assert_eq!(mode(&place.path("o.html")), 0o600);
}
