use base64::Engine;
use classic::users::NewUser;
use classic::users::mysql::Schema;
use serde_json::{Value, json};
use session::login::ClassicHash;
use testkit::database::MariaDb;

use crate::support::Place;

/// As the earlier system of the salts `SALT_OF_NAME` wrote it.
fn credentials(place: &Place, users: &[(&str, &str)]) {
    let row = |(name, password): &(&str, &str)| {
        let salt = format!("salt of {name:_<8.8}");
        let hash = ClassicHash::of(salt.as_bytes(), password);
        let salt = base64::engine::general_purpose::STANDARD.encode(salt);
        ((*name).to_owned(), json!({ "salt": salt, "hash": hash.as_str() }))
    };
    let file: serde_json::Map<String, Value> = users.iter().map(row).collect();
    std::fs::write(place.path("users.json"), Value::Object(file).to_string()).unwrap();
}

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn users_of_an_earlier_system_are_imported_join_with_what_they_know_and_talk() {
    let place = Place::new();
    credentials(
        &place,
        &[("Alice", "lunar module descent"), ("bob", "apollo"), ("carol smith", "lunar module descent")],
    );
    place.run("user import users.json --data d --plain-keys").refused("no organisation in d");
    let _server = place.serve_with("--data d --plain-keys");
    let import =
        |more: &str| place.run(&format!("user import users.json --data d --plain-keys --json {more}"));

    let dry = import("--dry-run");
    dry.refused("1 user was not imported");
    let said = lines(&dry.out);
    assert_eq!(said[0], json!({ "source": "Alice", "user": "alice", "state": "imported" }));
    assert_eq!((&said[2]["state"], &said[2]["code"]), (&"refused".into(), &"bad-name".into()));
    assert!(said[2]["why"].as_str().unwrap().ends_with("--rename 'carol smith=carol-smith'"), "{}", said[2]);
    let counts = |dry_run, imported, unchanged, joined, refused| {
        json!({ "dry_run": dry_run, "imported": imported, "replaced": 0, "unchanged": unchanged,
                "joined": joined, "refused": refused })
    };
    assert_eq!(said[3], counts(true, 2, 0, 0, 1));
    for _ in 0..2 {
        let same = place.run("user import users.json --data d --plain-keys --dry-run");
        assert!(same.out.starts_with("alice") && same.out.contains("imported"), "{}", same.out);
    }
    let first = import("");
    first.refused("1 user was not imported");
    assert_eq!(lines(&first.out)[3], counts(false, 2, 0, 0, 1));
    assert_eq!(lines(&import("").out)[3], counts(false, 0, 2, 0, 1));

    let link = place.run("invite create --data d --user alice --role admin").ok().to_owned();
    place.join("alice", &link);
    let list = place.run("user list --home alice --password-file pw");
    assert!(list.ok().contains("imported, not yet joined"), "{}", list.out);
    let listed = lines(place.run("user list --home alice --password-file pw --json").ok());
    assert!(listed[0]["imported"].is_null() && listed[1]["imported"].is_u64(), "{listed:?}");

    let link = place.run("invite create --home alice --password-file pw --user bob").ok().to_owned();
    std::fs::write(place.path("old"), "apollo\n").unwrap();
    let join = format!("join {link} --user bob --device laptop --home bob --password-file old");
    place.run(&join).refused("--new-password-file");
    place.run(&format!("{join} --json")).refused("\"new-password\"");
    assert!(!place.path("bob").exists() && !place.path("bob.joining").exists());
    place.run(&format!("{join} --new-password-file pw")).ok();

    place.run("room create ops --home alice --password-file pw").ok();
    place.run("room add ops bob --home alice --password-file pw").ok();
    place.run("send ops hello --home bob --password-file pw").ok();
    assert!(place.run("tail ops --home alice --password-file pw").ok().ends_with("bob: hello"));

    let mut renamed = place.command("user import users.json --data d --plain-keys --json");
    renamed.args(["--rename", "carol smith=carol"]);
    let renamed = crate::support::Outcome::of(renamed);
    renamed.ok();
    assert_eq!(lines(&renamed.out)[3], counts(false, 1, 0, 2, 0));
}

#[test]
fn a_source_that_cannot_be_used_is_said() {
    let place = Place::new();
    place.run("ca init --organisation example.org --data d --key-password-file kp").ok();
    let import = |source: &str| place.run(&format!("user import {source} --data d --key-password-file kp"));
    import("nothing.json").refused("nothing.json");
    import("nothing").ended(2, "mysql://");
    std::fs::write(place.path("users.json"), "[]").unwrap();
    import("users.json").refused("users.json is no file of users");
    credentials(&place, &[("ann", "lunar module descent")]);
    import("users.json --rename bob=eve").ended(2, "nobody in the source is called \"bob\"");
    import("users.json --rename bob").ended(2, "OLD=NEW");
    let broken = r#"{"ann": {"salt": "AAAA", "hash": "00"}, "bob": {"salt": "", "hash": ""}}"#;
    std::fs::write(place.path("users.json"), broken).unwrap();
    let refused = import("users.json --json");
    refused.refused("2 users were not imported");
    let said = lines(&refused.out);
    for (line, user) in said.iter().zip(["ann", "bob"]) {
        assert!(line["source"].as_str().unwrap().contains(user) && line["code"] == "bad-row", "{line}");
    }
}

#[test]
fn users_of_a_database_keep_their_addresses_and_join_by_them() {
    let database = MariaDb::start();
    let url = database.url("securechat");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        classic::users::mysql::init(&url, Schema::ALL[0]).await.unwrap();
        let store = classic::users::open(&url).await.unwrap();
        let email = Some("alice@example.org".to_owned());
        let user = NewUser::with_password(email, "Alice".to_owned(), [7; 16], b"lunar module descent");
        store.register(user.unwrap()).await.unwrap();
        let email = Some("jörg@example.org".to_owned());
        let user = NewUser::with_password(email, "joerg".to_owned(), [8; 16], b"lunar module descent");
        store.register(user.unwrap()).await.unwrap();
    });
    let place = Place::new();
    let _server = place.serve_with("--data d --plain-keys");
    // An address that cannot be used here keeps nobody out.
    let import = place.run(&format!("user import {url} --data d --plain-keys"));
    import.refused("1 user was not imported");
    assert!(import.out.contains("--without-email joerg"), "{}", import.out);
    let import = place.run(&format!("user import {url} --data d --plain-keys --without-email joerg"));
    assert!(import.ok().contains("alice ") && import.out.contains("unchanged"), "{}", import.out);
    place.run(&format!("user import {url} --data d --plain-keys --without-email nobody")).ended(2, "nobody");
    let link = place.run("invite create --data d --user alice").ok().to_owned();
    let joined = place.run(&format!("join {link} --user Alice@example.org --home h --password-file pw"));
    assert!(joined.ok().starts_with("You are alice on "), "{}", joined.out);
    let again = place.run(&format!("user import {url} --data d --plain-keys --without-email joerg"));
    assert!(again.ok().contains("joined"), "{}", again.out);
}
