//! Numbered migrations, embedded. A released one never changes.

use sqlx::sqlite::SqliteConnection;

use super::VaultError;

/// Migration *n* of this list brings schema *n* to schema *n* + 1.
const MIGRATIONS: &[&str] = &[
    include_str!("0001_initial.sql"),
    include_str!("0002_directory.sql"),
    include_str!("0003_groups.sql"),
    include_str!("0004_uploads.sql"),
    include_str!("0005_history.sql"),
    include_str!("0006_comparisons.sql"),
    include_str!("0007_generations.sql"),
    include_str!("0008_erasures.sql"),
];

/// Refuses what a newer version wrote, and what no version has finished writing.
pub(super) async fn check(connection: &mut SqliteConnection) -> Result<(), VaultError> {
    match version(connection).await? {
        0 => Err(VaultError::Damaged("it is empty")),
        _ => Ok(()),
    }
}

/// Brings the file to the newest schema, all of it or nothing.
pub(super) async fn run(connection: &mut SqliteConnection) -> Result<(), VaultError> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    let found = version(connection).await?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        sqlx::raw_sql(*migration).execute(&mut *connection).await?;
    }
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {}", newest())))
        .execute(&mut *connection)
        .await?;
    tracing::trace!("commit");
    sqlx::query("COMMIT").execute(connection).await?;
    tracing::trace!("committed");
    Ok(())
}

fn newest() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

async fn version(connection: &mut SqliteConnection) -> Result<u32, VaultError> {
    let found: u32 = sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await?;
    if found > newest() {
        return Err(VaultError::Newer { found, known: newest() });
    }
    Ok(found)
}
