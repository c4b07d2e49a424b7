//! `classic init-users`, on a real MariaDB.

use serde_json::{Value, json};
use testkit::database::MariaDb;

use super::support::{Outcome, Place};

/// CL-72, CL-73.
#[test]
fn init_users_makes_a_database_of_mariadb_once_and_says_no_password() {
    let db = MariaDb::start();
    let place = Place::new();
    let url = db.url("securechat");
    let shown = format!("mysql://{}@127.0.0.1:{}/securechat", MariaDb::USER, db.port());
    let first = place.run(&format!("classic init-users {url}"));
    assert_eq!(first.ok(), format!("{shown}: the database and its table `users` are made (cianr-pss)"));
    // From the variable too, where a list of processes does not show it.
    let mut again = place.command("classic init-users --json");
    again.env("COUNTERSIGN_USERS_URL", &url);
    let told: Value = serde_json::from_str(Outcome::of(again).ok()).unwrap();
    assert_eq!(
        told,
        json!({ "place": shown, "schema": "cianr-pss", "database_created": false, "table_created": false })
    );
    let other = place.run(&format!("classic init-users {url} --schema cianr-line --json"));
    other.refused("other-schema");
    other.refused("it is of cianr-pss, not of cianr-line; say --schema cianr-pss, or name another database");
    drop(db);
    let gone = place.run(&format!("classic init-users {url}"));
    gone.refused("cannot be reached");
    for outcome in [&first, &other, &gone] {
        assert!(!format!("{}{}", outcome.out, outcome.err).contains("%73%33"), "no password");
        assert!(!format!("{}{}", outcome.out, outcome.err).contains(MariaDb::PASSWORD), "no password");
    }
}

/// CL-73.
#[test]
fn init_users_of_no_url_is_a_matter_of_usage() {
    let place = Place::new();
    place.run("classic init-users").ended(2, "URL");
    let wrong = place.run("classic init-users mysql://u:top/secret@h/d");
    wrong.ended(2, "after the host");
    assert!(!wrong.err.contains("secret"));
    place.run("classic init-users mysql://u@h/d --schema other").ended(2, "cianr-pkcs1");
}
