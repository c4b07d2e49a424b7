use serde_json::Value;

use crate::support::{Place, Server};

fn invite(place: &Place) -> String {
    place.run("invite create --data d").ok().to_owned()
}

/// What is typed by somebody who lost the only device, and what others do meanwhile.
#[test]
fn a_code_from_joining_brings_back_rooms_and_history() {
    let place = Place::new();
    let _server = place.serve();
    let joined = place.run(&format!(
        "join {} --user ann --device laptop --home ann --password-file pw --json",
        invite(&place)
    ));
    let joined: Value = serde_json::from_str(joined.ok()).unwrap();
    let (address, code) = (&joined["recovery"]["address"], &joined["recovery"]["code"]);
    let (address, code) = (address.as_str().unwrap(), code.as_str().unwrap());
    let shown = place
        .run(&format!("join {} --user bob --device laptop --home bob --password-file pw", invite(&place)));
    assert!(shown.ok().contains("recovery code is shown this once"), "{}", shown.out);
    assert!(shown.out.contains("/recover?root="), "{}", shown.out);
    place.run("room create ops --home ann --password-file pw").ok();
    place.run("room add ops bob --home ann --password-file pw").ok();
    for text in ["one", "two"] {
        place.run(&format!("send ops {text} --home ann --password-file pw")).ok();
    }
    let listed = place.run("device list --home ann --password-file pw");
    assert!(listed.ok().contains("/recovery-") && listed.out.contains("a recovery code"), "{}", listed.out);
    assert!(!place.run("room members ops --home bob --password-file pw").ok().contains("recovery-"));
    std::fs::remove_dir_all(place.path("ann")).unwrap();

    std::fs::write(place.path("code"), code).unwrap();
    std::fs::write(
        place.path("slip"),
        code.replace(&code[..1], if code.starts_with('A') { "B" } else { "A" }),
    )
    .unwrap();
    let recover = |code: &str, more: &str| {
        place.run(&format!("recover {address} --home new --password-file pw --code-file {code} {more}"))
    };
    recover("slip", "--device desk").refused("compare it with the paper");
    recover("kp", "--device desk").refused("32 characters");
    recover("code", "--device laptop").refused("--device NAME");
    std::fs::write(place.path("pw2"), "another password\n").unwrap();
    place
        .run(&format!("recover {address} --home new --password-file pw2 --code-file code --device desk"))
        .refused("check both");
    assert!(!place.path("new").exists() && !place.path("new.recovering").exists());
    let back = recover("code", "--device desk --json");
    let back: Value = serde_json::from_str(back.ok()).unwrap();
    assert_eq!((&back["user"], &back["device"]), (&"ann".into(), &"desk".into()));
    assert_eq!(back["others"], serde_json::json!(["laptop"]));
    recover("code", "--device desk").refused("there is a home in new already");

    // Somebody of the room is there.
    let mut bob = Server::start(place.command("tail ops --follow --home bob --password-file pw"));
    let mut tries = 0;
    while !place.run("tail ops --home new --password-file pw").out.contains("two") {
        tries += 1;
        assert!(tries < 60, "neither room nor history came back");
    }
    let shown = place.run("tail ops --home new --password-file pw --json");
    let said: Vec<Value> = shown.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said.iter().filter_map(|one| one["text"].as_str()).collect::<Vec<_>>(), ["one", "two"]);
    place.run("device revoke laptop --home new --password-file pw").ok();
    place.run("send ops three --home new --password-file pw").ok();
    bob.line_with("three");
    place.run("export ops --out ops.bundle --home new --password-file pw").ok();
    let verified = place.run("verify ops.bundle --home new");
    assert!(verified.ok().contains("two") && verified.out.contains("three"), "{}", verified.out);

    let more = place.run("device recovery --home new --password-file pw --json");
    let more: Value = serde_json::from_str(more.ok()).unwrap();
    assert_ne!(more["code"].as_str().unwrap(), code);
    place
        .run(&format!(
            "device revoke {} --home new --password-file pw",
            joined["recovery"]["device"].as_str().unwrap()
        ))
        .ok();
    place
        .run(&format!("recover {address} --home third --password-file pw --code-file code --device third"))
        .refused("revoked");
}
