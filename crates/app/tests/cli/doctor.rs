use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Outcome, Place, Server};

/// What a run of doctor with `--json` says of one check.
fn states(outcome: &Outcome, check: &str) -> Vec<String> {
    let findings = outcome.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let text = |finding: &serde_json::Value, key| Some(finding.get(key)?.as_str()?.to_owned());
    findings
        .filter(|f| text(f, "check").as_deref() == Some(check))
        .filter_map(|f| text(&f, "state"))
        .collect()
}

#[test]
fn a_sound_home_and_folder_are_good() {
    let place = Place::new();
    let server = place.serve();
    let link = place.run("invite create --data d --role admin").ok().to_owned();
    place.join("ann", &link);
    place.run("ca export-root --data d --out root.key").ok();
    let outcome = place.run("doctor --home ann --data d --password-file pw --json");
    outcome.ok();
    for check in [
        "home",
        "server",
        "login",
        "clock",
        "disk",
        "folder",
        "address",
        "organisation",
        "certificate",
        "keys",
        "root-key",
        "database",
    ] {
        let states = states(&outcome, check);
        assert!(!states.is_empty() && states.iter().all(|s| s == "good"), "{check}: {states:?}");
    }
    let closed = place.run("doctor --home ann --data d --json");
    closed.ok();
    assert!(states(&closed, "home").contains(&"warning".to_owned()), "not opened without a password");
    let wrong = place.run("doctor --home ann --data d --password-file kp --json");
    wrong.refused("unhealthy");
    assert!(states(&wrong, "home").contains(&"bad".to_owned()));
    drop(server);
    let away = place.run("doctor --home ann --data d --password-file pw --json");
    away.refused("unhealthy");
    assert_eq!(states(&away, "server"), ["bad"]);
}

#[test]
fn open_permissions_plain_keys_and_missing_files_are_named() {
    let place = Place::new();
    drop(place.serve_with("--data d --plain-keys"));
    let outcome = place.run("doctor --data d --json");
    outcome.ok();
    assert_eq!(states(&outcome, "keys"), ["warning"]);
    let key = place.path("d/organisation/log.key");
    std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let outcome = place.run("doctor --data d");
    outcome.refused("one thing is wrong");
    assert!(outcome.out.contains("chmod 600 d/organisation/log.key"), "{}", outcome.out);
    std::fs::remove_file(&key).unwrap();
    let outcome = place.run("doctor --data d");
    outcome.refused("wrong");
    assert!(outcome.out.contains("log.key") && outcome.out.contains("backup"), "{}", outcome.out);
    std::fs::write(place.path("d/store.db"), "no database").unwrap();
    place.run("doctor --data d").refused("2 things are wrong");
}

#[test]
fn nothing_to_look_at_is_said() {
    let place = Place::new();
    place.run("doctor").refused("wrong");
    place.run("doctor --data d").refused("wrong");
    place.run("doctor --home h").refused("wrong");
}

#[test]
fn an_address_that_others_cannot_use_is_named() {
    let place = Place::new();
    for (listen, name, state) in [
        ("127.0.0.1:0", "", "good"),
        ("0.0.0.0:0", "--name 0.0.0.0", "bad"),
        ("0.0.0.0:0", "--name ::", "bad"),
        ("0.0.0.0:0", "--name 127.0.0.2", "bad"),
        ("0.0.0.0:0", "--name localhost", "bad"),
        ("127.0.0.1:0", "--name localhost", "good"),
        ("0.0.0.0:0", "--name chat.example.org", "good"),
    ] {
        let arguments = format!("serve --data d --plain-keys --listen {listen} {name}");
        drop(Server::start(place.command(&arguments)));
        let outcome = place.run("doctor --data d --json");
        assert_eq!(states(&outcome, "address"), [state], "{listen} {name}: {}", outcome.out);
    }
}
