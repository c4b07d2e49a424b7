//! Looking after the database.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::value::{hash, uint};
use super::{SqliteStore, blobs, history};
use crate::{Depth, Problem, Report, StoreError, Upkeep};

#[async_trait]
impl Upkeep for SqliteStore {
    async fn check(&self, depth: Depth) -> Result<Report, StoreError> {
        // One read transaction: appends go on, the check sees none of them.
        let mut transaction = self.readers.begin().await?;
        check(&mut transaction, depth).await
    }

    async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let unusable = |e: std::io::Error| StoreError::Unavailable(Box::new(e));
        // SQLite takes an empty file and keeps its mode.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(unusable)?;
        let path = to.to_str().ok_or_else(|| unusable(std::io::ErrorKind::InvalidFilename.into()))?;
        let mut connection = self.options.connect().await?;
        sqlx::query("VACUUM INTO ?").bind(path).execute(&mut connection).await?;
        connection.close().await?;
        // SE-34: what is given to somebody from now on must not be given again by the copy; devices hand in others.
        let mut copy =
            SqliteConnectOptions::new().filename(to).pragma("secure_delete", "ON").connect().await?;
        sqlx::query("DELETE FROM key_packages WHERE last_resort = 0").execute(&mut copy).await?;
        // SE-50: what was erased, and is deleted in steps.
        sqlx::query("DELETE FROM blobs WHERE room_no IS NULL AND created_ms = 0").execute(&mut copy).await?;
        while history::rewrite_marked(&mut copy).await? {}
        copy.close().await?;
        file.sync_all().map_err(unusable)
    }

    async fn sweep(&self) -> Result<bool, StoreError> {
        self.sweep_step().await
    }

    fn syncs_commits(&self) -> bool {
        self.syncs_commits
    }

    async fn close(&self) {
        self.close_writer().await;
        self.readers.close().await;
    }
}

async fn check(connection: &mut SqliteConnection, depth: Depth) -> Result<Report, StoreError> {
    let (schema, rooms): (u32, i64) =
        sqlx::query_as("SELECT (SELECT max(version) FROM schema_version), (SELECT count(*) FROM rooms)")
            .fetch_one(&mut *connection)
            .await?;
    let mut report = Report { schema, directory: 0, rooms: uint(rooms)?, entries: 0, problems: Vec::new() };
    check_directory(connection, depth, &mut report).await?;
    check_rooms(connection, depth, &mut report).await?;
    if depth == Depth::Deep {
        check_sequences(connection, &mut report).await?;
        check_bodies(connection, &mut report).await?;
        blobs::check(connection, &mut report).await?;
        history::check_sizes(connection, &mut report).await?;
        check_structure(connection, &mut report).await?;
    }
    Ok(report)
}

async fn check_directory(
    connection: &mut SqliteConnection,
    depth: Depth,
    report: &mut Report,
) -> Result<(), StoreError> {
    let (head, signed): (i64, bool) =
        sqlx::query_as("SELECT size, length(frontier) > 0 AND length(checkpoint) > 0 FROM directory_head")
            .fetch_one(&mut *connection)
            .await?;
    let leaves: i64 = match depth {
        Depth::Quick => sqlx::query_scalar("SELECT coalesce(max(idx) + 1, 0) FROM directory_entries"),
        Depth::Deep => sqlx::query_scalar("SELECT count(*) FROM directory_entries"),
    }
    .fetch_one(connection)
    .await?;
    report.directory = uint(head)?;
    if head != leaves {
        report.problems.push(Problem::DirectorySize { head: uint(head)?, leaves: uint(leaves)? });
    }
    if head > 0 && !signed {
        report.problems.push(Problem::DirectoryCheckpoint);
    }
    Ok(())
}

async fn check_rooms(
    connection: &mut SqliteConnection,
    depth: Depth,
    report: &mut Report,
) -> Result<(), StoreError> {
    let sql = match depth {
        Depth::Quick => {
            "SELECT r.id, coalesce(h.size, 0), coalesce(length(h.frontier) > 0 AND length(h.checkpoint) > 0, 0), \
             (SELECT coalesce(max(e.idx) + 1, 0) FROM entries e WHERE e.room_no = r.no) \
             FROM rooms r LEFT JOIN room_heads h ON h.room_no = r.no ORDER BY r.no"
        }
        Depth::Deep => {
            "SELECT r.id, coalesce(h.size, 0), coalesce(length(h.frontier) > 0 AND length(h.checkpoint) > 0, 0), \
             (SELECT count(*) FROM entries e WHERE e.room_no = r.no) \
             FROM rooms r LEFT JOIN room_heads h ON h.room_no = r.no ORDER BY r.no"
        }
    };
    let rows: Vec<(Vec<u8>, i64, bool, i64)> = sqlx::query_as(sql).fetch_all(connection).await?;
    for (room, head, signed, entries) in rows {
        let room = hash(room)?;
        report.entries = report.entries.saturating_add(uint(entries)?);
        if head != entries {
            report.problems.push(Problem::RoomSize { room, head: uint(head)?, entries: uint(entries)? });
        }
        if !signed {
            report.problems.push(Problem::RoomCheckpoint { room });
        }
    }
    Ok(())
}

async fn check_sequences(connection: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
    let rows: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as(
        "WITH found AS (SELECT room_no, sender, count(*) AS n, min(seq) AS lowest, max(seq) AS highest \
                        FROM entries GROUP BY room_no, sender) \
         SELECT r.id, f.sender FROM found f JOIN rooms r ON r.no = f.room_no \
         LEFT JOIN room_senders s ON s.room_no = f.room_no AND s.sender = f.sender \
         WHERE f.lowest <> 1 OR f.highest <> f.n OR s.last_seq IS NOT f.highest \
         UNION ALL \
         SELECT r.id, s.sender FROM room_senders s JOIN rooms r ON r.no = s.room_no \
         LEFT JOIN found f ON f.room_no = s.room_no AND f.sender = s.sender WHERE f.n IS NULL",
    )
    .fetch_all(connection)
    .await?;
    for (room, sender) in rows {
        report.problems.push(Problem::Sequence { room: hash(room)?, sender: hash(sender)? });
    }
    Ok(())
}

async fn check_bodies(connection: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
    let rows: Vec<(Vec<u8>, i64)> = sqlx::query_as(
        "SELECT r.id, count(*) FROM entries e JOIN rooms r ON r.no = e.room_no \
         WHERE NOT EXISTS (SELECT 1 FROM bodies b WHERE b.id = e.body) GROUP BY r.no",
    )
    .fetch_all(connection)
    .await?;
    for (room, entries) in rows {
        report.problems.push(Problem::Body { room: hash(room)?, entries: uint(entries)? });
    }
    Ok(())
}

async fn check_structure(connection: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
    let findings: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut *connection).await?;
    report.problems.extend(findings.into_iter().filter(|finding| finding != "ok").map(Problem::Structure));
    let dangling: Vec<(String, Option<i64>, String)> =
        sqlx::query_as("SELECT \"table\", rowid, parent FROM pragma_foreign_key_check")
            .fetch_all(connection)
            .await?;
    report.problems.extend(dangling.into_iter().map(|(table, row, parent)| {
        let row = row.map_or_else(|| "?".to_owned(), |row| row.to_string());
        Problem::Structure(format!("row {row} of {table} refers to no {parent}"))
    }));
    Ok(())
}
