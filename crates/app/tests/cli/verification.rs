use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::people::two;
use crate::support::Place;

fn object(place: &Place, command: &str) -> Value {
    serde_json::from_str(place.run(&format!("{command} --json")).ok()).unwrap()
}

#[test]
fn two_people_compare_one_code_and_it_shows_in_their_rooms() {
    let place = Place::new();
    let server = two(&place);
    let shown = place.run("user code @bob --home ann --password-file pw");
    let digits = |text: &str| -> String { text.lines().skip(1).take(2).collect() };
    let code = digits(shown.ok());
    assert_eq!(code.split_whitespace().count(), 12, "{code}");
    assert!(
        shown.err.contains("another channel") && shown.out.contains("bob: not compared"),
        "{}",
        shown.err
    );
    assert!(shown.err.contains("`countersign --home ann user code bob --compared`"), "{}", shown.err);
    assert_eq!(digits(place.run("user code ann --home bob --password-file pw").ok()), code);

    place.run("room create ops --home ann --password-file pw").ok();
    place.run("room add ops bob --home ann --password-file pw").ok();
    let members = || place.run("room members ops --home ann --password-file pw").ok().to_owned();
    assert_eq!(members(), "ann/laptop\nbob/laptop  not compared");
    let recorded = object(&place, "user code BOB --compared --home ann --password-file pw");
    assert_eq!((&recorded["state"], &recorded["user"]), (&"compared".into(), &"bob".into()));
    assert!(
        recorded["compared"].is_u64() && recorded["code"].as_str().unwrap().starts_with(&code.trim()[..5])
    );
    assert_eq!(recorded["devices"][0]["device"], "laptop");
    assert_eq!(
        (&recorded["devices"][0]["first"], &recorded["devices"][0]["revoked"]),
        (&true.into(), &Value::Null)
    );
    drop(server);
    assert!(members().contains("bob/laptop  compared 20"), "{}", members());
    let listed = place.run("room members ops --json --home ann --password-file pw");
    let flags: Vec<Value> = listed
        .ok()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["compared"].clone())
        .collect();
    assert_eq!(flags, [Value::Null, true.into()]);
    let away = object(&place, "user code bob --forget --home ann --password-file pw");
    assert_eq!(
        (&away["state"], &away["compared"], &away["code"]),
        (&"not-compared".into(), &Value::Null, &recorded["code"])
    );
    place.run("user code ann --home ann --password-file pw").refused("that is you");
    place.run("user code nobody-here --home ann --password-file pw").refused("no user nobody-here");
    place.run("user code a_b --home ann --password-file pw").ended(2, "no user");
    place.run("user code bob --compared --forget --home ann --password-file pw").ended(2, "cannot be used");
}

#[test]
fn a_device_that_another_of_mine_said_yes_to_is_told_once() {
    let place = Place::new();
    let _server = two(&place);
    let add = |home: &str, device: &str| {
        let mut adding = place
            .command(&format!("device add --yes --home {home} --password-file pw"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut link = String::new();
        BufReader::new(adding.stdout.take().unwrap()).read_line(&mut link).unwrap();
        place
            .run(&format!("join {} --device {device} --home {device} --password-file pw", link.trim_end()))
            .ok();
        assert!(adding.wait().unwrap().success());
    };
    place.run("room create ops --home bob --password-file pw").ok();
    add("bob", "phone");
    let mut follow = place
        .command("tail ops --follow --home bob --password-file pw")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    add("phone", "tablet");
    let mut lines = BufReader::new(follow.stderr.take().unwrap()).lines();
    let told = lines.next().unwrap().unwrap();
    let pid = follow.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert!(follow.wait().unwrap().success());
    assert!(told.contains("warning: you have a new device, tablet"), "{told}");
    assert!(told.contains("phone said yes"), "{told}");
    place.run("device revoke tablet --home phone --password-file pw").ok();
    let told = place.run("room list --home bob --password-file pw");
    told.ok();
    assert!(told.err.contains("your device tablet") && told.err.contains("was revoked"), "{}", told.err);
    assert!(!told.err.contains("a new device"), "{}", told.err);
    assert_eq!(place.run("room list --home bob --password-file pw").err, "");
    let found = place.run("doctor --home bob --password-file pw");
    assert!(found.ok().contains("nothing under yours that is not yours"), "{}", found.out);
    let seen = object(&place, "user code bob --home ann --password-file pw");
    let tablet =
        seen["devices"].as_array().unwrap().iter().find(|known| known["device"] == "tablet").unwrap();
    assert_eq!(tablet["vouched_by"], "phone");
    assert!(tablet["revoked"].is_u64());
}
