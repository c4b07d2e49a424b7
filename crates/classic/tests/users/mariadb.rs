//! Tables of a real MariaDB.

use std::sync::Arc;
use std::time::Duration;

use classic::users::mysql::{Initialised, Schema, init};
use classic::users::{self, NewUser, UserStoreError};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use testkit::database::MariaDb;
use tokio::task::JoinSet;

use crate::conformance::{suite, user};
use crate::told;

/// Runs statements as the account that may do anything; the database is made first.
pub async fn sql(db: &MariaDb, database: &str, statements: &str) {
    let mut connection = MySqlConnection::connect(&db.url("information_schema")).await.unwrap();
    connection.execute(AssertSqlSafe(format!("CREATE DATABASE IF NOT EXISTS {database}"))).await.unwrap();
    connection.execute(AssertSqlSafe(format!("USE {database}"))).await.unwrap();
    for statement in statements.split(";\n").filter(|s| !s.trim().is_empty()) {
        connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    }
}

async fn refusal(url: &str) -> String {
    match users::open(url).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => told(&error),
    }
}

/// CL-63, CL-69, CL-71.
#[tokio::test(flavor = "multi_thread")]
async fn every_schema_passes_the_suite() {
    let db = MariaDb::start();
    for schema in Schema::ALL {
        let url = db.url(&schema.name().replace('-', "_"));
        init(&url, schema).await.unwrap();
        let store = users::open(&url).await.unwrap();
        suite(Arc::clone(&store)).await;
        let nameless = NewUser { email: None, ..user("unused", "nobody", "pw") };
        assert!(matches!(store.register(nameless).await, Err(UserStoreError::NeedsEmail)));
        // CL-64: the default collation knows no case.
        assert!(store.by_email("ANN@example.org").await.unwrap().unwrap().accepts(b"first"));
        assert!(matches!(
            store.register(user("Ann@Example.org", "Z", "pw")).await,
            Err(UserStoreError::Taken)
        ));
    }
}

/// CL-63. Two registrations wait for a third that is undone; then each stands in the other's way, and the database undoes
/// one of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_the_database_undoes_for_another_is_given_again() {
    let db = MariaDb::start();
    let url = db.url("chat");
    init(&url, Schema::CianrPss).await.unwrap();
    let store = users::open(&url).await.unwrap();
    let mut third = MySqlConnection::connect(&url).await.unwrap();
    third.execute("START TRANSACTION").await.unwrap();
    let insert = "INSERT INTO users (email, username, salt, pwd_hash) VALUES ('ann@example.org', 'third', 'salt', 'hash')";
    third.execute(insert).await.unwrap();
    let mut tasks = JoinSet::new();
    for name in ["first", "second"] {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.register(user("ann@example.org", name, "pw")).await });
    }
    let mut watcher = MySqlConnection::connect(&url).await.unwrap();
    let both_wait = async { while innodb_status(&mut watcher).await.matches("LOCK WAIT").count() < 2 {} };
    tokio::time::timeout(Duration::from_secs(60), both_wait).await.unwrap();
    third.execute("ROLLBACK").await.unwrap();
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().any(|outcome| matches!(outcome, Err(UserStoreError::Taken))), "{outcomes:?}");
    assert!(innodb_status(&mut watcher).await.contains("LATEST DETECTED DEADLOCK"), "there was none");
}

async fn innodb_status(connection: &mut MySqlConnection) -> String {
    let (_, _, status): (String, String, String) =
        sqlx::query_as("SHOW ENGINE INNODB STATUS").fetch_one(connection).await.unwrap();
    status
}

#[tokio::test]
async fn cl72_init_makes_what_is_missing_and_changes_nothing() {
    let db = MariaDb::start();
    for (schema, name, encoded) in [
        (Schema::CianrPss, "securechat", "securechat"),
        (Schema::CianrPkcs1, "it`s; a \"name\" & more", "it%60s;%20a%20%22name%22%20&%20more"),
        (Schema::CianrLine, "Zoë's/db", "Zo%C3%AB's%2Fdb"),
    ] {
        let url = db.url(encoded);
        assert!(refusal(&url).await.contains("countersign classic init-users"));
        let made = init(&url, schema).await.unwrap();
        let place = format!("mysql://{}@127.0.0.1:{}/{name}", MariaDb::USER, db.port());
        assert_eq!(made, Initialised { place, database_created: true, table_created: true });
        let store = users::open(&url).await.unwrap();
        store.register(user("ann@example.org", "ann", "pw")).await.unwrap();
        let again = init(&url, schema).await.unwrap();
        assert!(!again.database_created && !again.table_created);
        for other in Schema::ALL.into_iter().filter(|other| *other != schema) {
            let error = told(&init(&url, other).await.unwrap_err());
            let expected = format!("it is of {}, not of {}", schema.name(), other.name());
            assert!(error.contains(&expected), "{error}");
        }
        assert!(store.by_email("ann@example.org").await.unwrap().unwrap().accepts(b"pw"));
    }
    sql(&db, "others", "CREATE TABLE users (id INT PRIMARY KEY, nick TEXT)").await;
    let error = told(&init(&db.url("others"), Schema::CianrPss).await.unwrap_err());
    assert!(error.contains("its columns are not those of cianr-pss; name another database"), "{error}");
    // A database that is there, without its table.
    sql(&db, "bare", "").await;
    let made = init(&db.url("bare"), Schema::CianrPss).await.unwrap();
    assert!(!made.database_created && made.table_created);
}

/// CL-70.
#[tokio::test]
async fn a_table_is_used_as_it_stands_or_refused_with_what_is_wrong() {
    let db = MariaDb::start();
    let usable = [
        // Hashes of cianr-line in hexadecimal digits, as they are seen too.
        "id INT AUTO_INCREMENT PRIMARY KEY, email VARCHAR(255) UNIQUE, username VARCHAR(255) UNIQUE, salt BINARY(16), pwd_hash CHAR(64)",
        "Email VARCHAR(100) CHARACTER SET latin1 PRIMARY KEY, username VARCHAR(100) UNIQUE, salt TINYBLOB, pwd_hash VARCHAR(128), role INT NOT NULL DEFAULT 1",
        "email VARCHAR(255) PRIMARY KEY, username VARCHAR(255) UNIQUE, salt VARBINARY(32) NOT NULL, pwd_hash VARBINARY(32) NOT NULL, made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP",
    ];
    for (number, columns) in usable.into_iter().enumerate() {
        let database = format!("usable{number}");
        sql(&db, &database, &format!("CREATE TABLE users ({columns})")).await;
        let store = users::open(&db.url(&database)).await.unwrap();
        store.register(user("ann@example.org", "ann", "pw")).await.unwrap();
        assert!(store.by_email("ann@example.org").await.unwrap().unwrap().accepts(b"pw"), "{columns}");
        assert_eq!(users::export(&db.url(&database)).await.unwrap().len(), 1);
    }
    // CL-71: not cut off, and not changed into question marks, although this server would.
    sql(&db, "usable1", "SET GLOBAL sql_mode = ''").await;
    let store = users::open(&db.url("usable1")).await.unwrap();
    for (email, name) in [("a".repeat(101), "long"), ("🦊@example.org".into(), "fox")] {
        let error = store.register(user(&email, name, "pw")).await.unwrap_err();
        assert!(matches!(error, UserStoreError::DoesNotFit { .. }), "{error}");
    }
    assert_eq!(store.all().await.unwrap().len(), 1);

    let columns = |email: &str, salt: &str, hash: &str, more: &str| {
        format!("CREATE TABLE users ({email}, username VARCHAR(255) UNIQUE, {salt}, {hash}{more})")
    };
    let (email, salt, hash) = ("email VARCHAR(255) UNIQUE", "salt BINARY(16)", "pwd_hash CHAR(64)");
    let refused = [
        (columns("email TEXT", salt, hash, ""), "`email` is no VARCHAR"),
        (columns("mail VARCHAR(9)", salt, hash, ""), "no column `email`"),
        (columns("email VARCHAR(255)", salt, hash, ""), "ALTER TABLE users ADD UNIQUE (email)"),
        (columns("email VARCHAR(255), UNIQUE (email, username)", salt, hash, ""), "ADD UNIQUE (email)"),
        (columns(email, "salt CHAR(32)", hash, ""), "`salt` is neither"),
        (columns(email, "salt BINARY(20)", hash, ""), "`salt` is neither"),
        (columns(email, salt, "pwd_hash CHAR(60)", ""), "`pwd_hash` is neither"),
        (columns(email, salt, hash, ", phone INT NOT NULL"), "`phone` has to be given a value"),
    ];
    for (number, (statement, why)) in refused.iter().enumerate() {
        let database = format!("refused{number}");
        sql(&db, &database, statement).await;
        let error = refusal(&db.url(&database)).await;
        assert!(error.contains(why) && error.contains("has another shape"), "{statement}: {error}");
    }
}

/// CL-65, and that a table without unique indexes can be left.
#[tokio::test]
async fn an_export_goes_on_after_rows_that_are_no_users() {
    let db = MariaDb::start();
    let table = "CREATE TABLE users (email VARCHAR(255), username VARCHAR(255), salt VARBINARY(16), pwd_hash CHAR(64), phone INT NOT NULL);\n";
    let rows = "INSERT INTO users VALUES ('ann@example.org', 'ann', 'salt', SHA2('saltpw', 256), 1), \
                ('bad@example.org', 'bad', 'salt', 'short', 2), (NULL, NULL, 'salt', SHA2('saltpw', 256), 3), \
                ('nosalt@example.org', 'nosalt', NULL, SHA2('pw', 256), 4), \
                (NULL, 'Bob', 'salt', UPPER(SHA2('saltpw', 256)), 5)";
    sql(&db, "old", &format!("{table}{rows}")).await;
    let url = db.url("old");
    assert!(refusal(&url).await.contains("ADD UNIQUE (email)"));
    let rows = users::export(&url).await.unwrap();
    let names: Vec<_> = rows.iter().filter_map(|row| row.as_ref().ok()).map(|u| u.name.as_str()).collect();
    assert_eq!(names, ["ann", "Bob"]);
    for user in rows.iter().filter_map(|row| row.as_ref().ok()) {
        assert_eq!(user.password_hash, users::PasswordHash::compute(b"salt", b"pw").to_hex());
        assert_eq!(user.salt, b"salt");
    }
    let bad: Vec<String> =
        rows.iter().filter_map(|row| row.as_ref().err()).map(ToString::to_string).collect();
    assert_eq!(
        bad,
        [
            "\"bad@example.org\" is no user: the hash is neither 32 bytes nor 64 hexadecimal digits",
            "row 3 is no user: it has no user name",
            "\"nosalt@example.org\" is no user: it has no salt",
        ]
    );
    // At its own login too.
    sql(&db, "old", "DELETE FROM users WHERE username = 'nosalt';\nALTER TABLE users ADD UNIQUE (email), ADD UNIQUE (username), DROP phone").await;
    let store = users::open(&url).await.unwrap();
    assert!(store.by_username("ann").await.unwrap().unwrap().accepts(b"pw"));
    let error = store.by_email("bad@example.org").await.unwrap_err();
    assert!(matches!(error, UserStoreError::Malformed(_)), "{error}");
}

/// CL-73: no error holds a password.
#[tokio::test]
async fn what_cannot_be_reached_or_entered_is_said_without_the_password() {
    let db = MariaDb::start();
    sql(
        &db,
        "chat",
        "CREATE USER 'reader'@'%' IDENTIFIED BY 'topsecret';\nGRANT SELECT ON chat.* TO 'reader'@'%'",
    )
    .await;
    init(&db.url("chat"), Schema::CianrPss).await.unwrap();
    let reader = |password: &str, database: &str| {
        format!("mysql://reader:{password}@127.0.0.1:{}/{database}", db.port())
    };
    for (url, expected) in [
        (reader("topsecretwrong", "chat"), "Access denied for user 'reader'"),
        (reader("topsecret", "elsewhere"), "Access denied for user 'reader'"),
        ("mysql://u:topsecret@127.0.0.1:1/chat".into(), "mysql://u@127.0.0.1:1/chat cannot be reached"),
    ] {
        let error = refusal(&url).await;
        assert!(error.contains(expected) && !error.contains("topsecret"), "{error}");
    }
    let store = users::open(&reader("topsecret", "chat")).await.unwrap();
    let error = store.register(user("ann@example.org", "ann", "pw")).await.unwrap_err();
    assert!(matches!(error, UserStoreError::Refused { .. }));
    assert!(told(&error).contains("INSERT command denied"), "{}", told(&error));
    // Connections that were lost are made anew, and a server that has gone is said.
    assert!(store.by_email("ann@example.org").await.unwrap().is_none());
    drop(db);
    let error = store.by_email("ann@example.org").await.unwrap_err();
    assert!(matches!(error, UserStoreError::Unreachable { .. }), "{error}");
}
