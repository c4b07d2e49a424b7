//! Numbered migrations, embedded. A released one never changes.

use sqlx::sqlite::SqliteConnection;

use crate::StoreError;

/// Migration *n* of this list brings schema *n* to schema *n* + 1.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_initial.sql"),
    include_str!("../../migrations/0002_skeletons.sql"),
    include_str!("../../migrations/0003_closing.sql"),
    include_str!("../../migrations/0004_imports.sql"),
    include_str!("../../migrations/0005_keys.sql"),
    include_str!("../../migrations/0006_history.sql"),
    include_str!("../../migrations/0007_recovery.sql"),
    include_str!("../../migrations/0008_erasures.sql"),
];

/// Schema version of a database that went through every migration.
pub(super) const NEWEST: u32 = MIGRATIONS.len() as u32;

/// Brings the database to the newest schema, all of it or nothing.
pub(super) async fn run(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT")
        .execute(&mut *connection)
        .await?;
    let found: Option<u32> =
        sqlx::query_scalar("SELECT max(version) FROM schema_version").fetch_one(&mut *connection).await?;
    let found = found.unwrap_or(0);
    if found > NEWEST {
        return Err(StoreError::NewerSchema { found, supported: NEWEST });
    }
    for (version, migration) in (1_u32..).zip(MIGRATIONS).skip(found as usize) {
        sqlx::raw_sql(*migration).execute(&mut *connection).await?;
        sqlx::query("INSERT INTO schema_version (version) VALUES (?)")
            .bind(version)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query("COMMIT").execute(connection).await?;
    Ok(())
}
