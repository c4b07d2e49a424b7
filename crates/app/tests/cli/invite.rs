use crate::support::Place;

#[test]
fn invites_are_made_listed_and_revoked_beside_a_running_server() {
    let place = Place::new();
    let server = place.serve_with("--data d --plain-keys");
    let port = server.ready.rsplit(':').next().unwrap();
    let created = place.run("invite create --data d --user Ann --role admin --expires 12h");
    let link = created.ok().to_owned();
    assert!(link.starts_with(&format!("countersign://127.0.0.1:{port}/join?root=")));
    assert_eq!(created.out.lines().count(), 1, "the link alone");

    let list = place.run("invite list --data d --json");
    let invite: serde_json::Value = serde_json::from_str(list.ok()).unwrap();
    assert_eq!((&invite["user"], &invite["role"]), (&"ann".into(), &"admin".into()));
    place.run(&format!("invite revoke --data d {}", invite["id"].as_str().unwrap())).ok();
    assert_eq!(place.run("invite list --data d").ok(), "");
    place.run(&format!("join {link} --user ann --home h --password-file pw")).refused("");
    assert!(!place.path("h").exists(), "nothing is half-made");

    let second = place.run("invite create --data d --uses 2").ok().to_owned();
    place.join("ann", &second);
    place.join("bob", &second);
    place.run("invite create --data d --user ann").refused("ann is there already");
    place.run("invite create --data d --user b0b --json").refused("\"exists\"");
    place.run(&format!("join {second} --user eve --home eve --password-file pw")).refused("");
    let third = place.run("invite create --data d").ok().to_owned();
    place.run(&format!("invite revoke --data d {third}")).ok();
    place.run(&format!("invite revoke --data d {third}")).refused("no invite of that id");
}

#[test]
fn administrators_invite_through_their_home_and_members_do_not() {
    let place = Place::new();
    let _server = place.serve_with("--data d --plain-keys");
    let admin = place.run("invite create --data d --role admin").ok().to_owned();
    place.join("ann", &admin);
    let link = place.run("invite create --home ann --password-file pw").ok().to_owned();
    place.join("bob", &link);
    for taken in ["bob", "b0b"] {
        place.run(&format!("invite create --home ann --password-file pw --user {taken}")).refused("taken");
    }
    place.run("invite create --home bob --password-file pw").refused("");
    place.run("invite list --home bob --password-file pw").refused("");
}

#[test]
fn what_cannot_be_used_is_said() {
    let place = Place::new();
    place.run("invite create").refused("neither a home");
    place.run("invite create --data d").refused("no organisation in d");
    place.run("ca init --organisation example.org --data d --key-password-file kp").ok();
    place.run("invite create --data d").refused("no server has run");
    for bad in ["--expires 7w", "--expires 0d", "--uses 0", "--uses 10001", "--user a.b", "--role king"] {
        place.run(&format!("invite create --data d {bad}")).ended(2, "");
    }
    place.run("invite revoke --data d 1234").ended(2, "64 hexadecimal digits");
}
