use crate::support::Place;

#[test]
fn a_wrong_command_line_is_exit_2_and_help_is_exit_0() {
    let place = Place::new();
    for wrong in [
        "",
        "fly",
        "serve --listen nowhere",
        "serve --plain-keys --key-password-file kp",
        "device revoke a_b",
    ] {
        let outcome = place.run(wrong);
        assert_eq!((outcome.code, outcome.out.as_str()), (2, ""), "{wrong}: {}", outcome.err);
        assert!(!outcome.err.is_empty());
    }
    assert!(place.run("--help").ok().contains("Exit codes"));
    assert!(place.run("--version").ok().starts_with("countersign "));
    place.run("device add --home h").ended(2, "--yes");
    place.run("serve --name chat.example.org:7117").ended(2, "without a port");
    place.run("ca init --organisation a..b --data d").ended(2, "--organisation");
    place.run("ca revoke 1234 --data d").ended(2, "sha256:");
}

#[test]
fn errors_are_objects_with_json() {
    let place = Place::new();
    for (arguments, code, word) in [
        ("--json fly", 2, "usage"),
        ("ca show --data d --json", 1, "no-organisation"),
        ("user list --home h --json", 1, "no-home"),
        ("serve --data d --json", 1, "no-passphrase"),
    ] {
        let outcome = place.run(arguments);
        assert_eq!((outcome.code, outcome.out.as_str()), (code, ""), "{arguments}");
        let error: serde_json::Value = serde_json::from_str(&outcome.err).unwrap();
        assert_eq!(error["error"]["code"], word, "{arguments}");
        assert!(!error["error"]["message"].as_str().unwrap().is_empty());
    }
}
