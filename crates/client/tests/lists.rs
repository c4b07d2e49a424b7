//! Lists that do not fit into one page, or one message, are read whole (SE-18).

#![expect(clippy::unwrap_used, reason = "a test's helper fails the test")]

mod common;

use common::{World, run};
use session::limits::{LIST_PAGE, MAX_MESSAGE};
use session::message::Role;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

/// Users whose listing takes more than a message: each takes more than the 32 bytes of its name.
const USERS: usize = MAX_MESSAGE / 32;
/// Devices whose listing takes more than a message: each takes more than the 600 bytes of its chain.
const DEVICES: usize = MAX_MESSAGE / 600;

#[tokio::test]
async fn lists_of_many_pages_are_read_whole() {
    let world = World::new().await;
    let link = world.invite(Role::Admin).await;
    let joiner = client::Joiner {
        user: "ann",
        email: None,
        device: "laptop",
        password: common::password(),
        earlier: None,
    };
    let home = client::join(&world.home("ann"), &link, joiner).await.unwrap();
    fill(&world).await;
    let ann = run(home).await;

    let users = ann.users().await.unwrap();
    assert_eq!(users.len(), USERS + 1);
    assert!(users.is_sorted_by(|a, b| a.user < b.user));
    let devices = ann.devices(None).await.unwrap();
    assert_eq!(devices.len(), DEVICES + 1);
    let wanted = LIST_PAGE as usize + 1;
    for _ in 0..wanted {
        ann.create_invite(None, Role::Member, 1, client::system_clock() + 60_000).await.unwrap();
    }
    assert_eq!(ann.invites().await.unwrap().len(), wanted);
    ann.close().await;
}

/// Puts more users, and more devices of the one who is there, into the database than a message holds.
async fn fill(world: &World) {
    let file = world.folder.path().join("server/store.db");
    let mut database =
        SqliteConnectOptions::new().filename(file).foreign_keys(false).connect().await.unwrap();
    for statement in [
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {USERS}) \
             INSERT INTO accounts (user_name, skeleton, role, enabled, opaque_record, created_ms) \
             SELECT printf('user-%027d', i), i, 0, 1, x'00', 0 FROM n"
        ),
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {DEVICES}) \
             INSERT INTO certificates (hash, chain, issued_idx) \
             SELECT CAST(printf('%032d', i) AS BLOB), (SELECT chain FROM certificates ORDER BY issued_idx DESC), 1000 + i FROM n"
        ),
        "INSERT INTO devices (certificate, user_name, name, key, issued_ms, active) \
         SELECT hash, 'ann', 'old', zeroblob(32), 0, 0 FROM certificates WHERE issued_idx > 1000"
            .to_owned(),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut database).await.unwrap();
    }
    sqlx::Connection::close(database).await.unwrap();
}
