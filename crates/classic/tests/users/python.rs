//! Users of the programs that were there before, in Python with PyMySQL, and ours: each logs in the other's.

use std::path::Path;
use std::process::Command;

use classic::users;
use classic::users::mysql::{Schema, init};
use testkit::database::MariaDb;

use crate::conformance::user;
use crate::mariadb::sql;

fn script(arguments: &[&str]) -> String {
    let python = std::env::var_os("COUNTERSIGN_TEST_PYTHON").unwrap_or_else(|| {
        panic!("COUNTERSIGN_TEST_PYTHON is not set: run the tests with `cargo xtask test`")
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/classic_users.py");
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out.trim().to_owned()
}

#[tokio::test]
async fn python_and_ours_share_a_table_of_mariadb() {
    let db = MariaDb::start();
    for schema in Schema::ALL {
        let database = schema.name().replace('-', "_");
        let port = db.port().to_string();
        let python = |words: &[&str]| {
            let target = ["mysql", &port, MariaDb::USER, MariaDb::PASSWORD, &database, schema.name()];
            script(&[&target, words].concat())
        };
        // The table is the program's own, as it makes it.
        sql(&db, &database, "").await;
        python(&["create"]);
        let store = users::open(&db.url(&database)).await.unwrap();
        assert_eq!(python(&["register", "zoe@example.org", "Zoë", "päss wörd"]), "registered");
        assert_eq!(python(&["register", "zoe@example.org", "other", "pw"]), "taken");
        assert!(store.by_email("zoe@example.org").await.unwrap().unwrap().accepts("päss wörd".as_bytes()));
        store.register(user("ann@example.org", "ann", "ours 🦊")).await.unwrap();
        assert_eq!(python(&["login", "ann@example.org", "ours 🦊"]), "in");
        assert_eq!(python(&["login", "ann@example.org", "ours"]), "wrong password");
        assert_eq!(python(&["login", "zoe@example.org", "päss wörd"]), "in");
        assert_eq!(python(&["register", "new@example.org", "ann", "pw"]), "taken");
        // Our command finds that there is nothing to do.
        assert!(!init(&db.url(&database), schema).await.unwrap().table_created);
    }
}

#[tokio::test]
async fn python_and_ours_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server_credentials.json");
    let place = path.to_str().unwrap();
    let python = |words: &[&str]| script(&[&["file", place], words].concat());
    assert_eq!(python(&["register", "Zoë", "päss wörd"]), "registered");
    let store = users::open(place).await.unwrap();
    assert!(store.by_username("Zoë").await.unwrap().unwrap().accepts("päss wörd".as_bytes()));
    store.register(user("ann@example.org", "ann", "ours 🦊")).await.unwrap();
    assert_eq!(python(&["login", "ann", "ours 🦊"]), "in");
    assert_eq!(python(&["login", "ann", "ours"]), "wrong password");
    assert_eq!(python(&["register", "ann", "pw"]), "taken");
    assert_eq!(python(&["register", "bob", "pw"]), "registered");
    // What it wrote is ours still, address and all.
    assert!(store.by_email("ann@example.org").await.unwrap().unwrap().accepts("ours 🦊".as_bytes()));
    assert_eq!(users::export(place).await.unwrap().len(), 3);
}
