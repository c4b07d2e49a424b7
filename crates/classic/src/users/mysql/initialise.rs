//! Makes the database and its table (CL-72).

use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use super::table::{Schema, Table};
use super::target::Target;
use crate::users::UserStoreError;

/// What there was to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initialised {
    /// The URL without its password.
    pub place: String,
    /// The database was not there.
    pub database_created: bool,
    /// The table was not there.
    pub table_created: bool,
}

/// Makes the database that the URL names and its table `users`, if they are not there. Changes nothing that is.
///
/// # Errors
/// The URL cannot be read; a table `users` of another schema is there; the database does not answer or refuses.
pub async fn init(url: &str, schema: Schema) -> Result<Initialised, UserStoreError> {
    let target = Target::parse(url)?;
    let (mut connection, database_created) = match target.connect().await {
        // There is no such database.
        Err(UserStoreError::NoTable(_)) => {
            create_database(&target).await?;
            (target.connect().await?, true)
        }
        connected => (connected?, false),
    };
    let table_created = ensure_table(&target, &mut connection, schema).await?;
    target.within(connection.close()).await?;
    Ok(Initialised { place: target.shown(), database_created, table_created })
}

async fn create_database(target: &Target) -> Result<(), UserStoreError> {
    let mut connection = target.without_database().connect().await?;
    let statement =
        format!("CREATE DATABASE IF NOT EXISTS {} CHARACTER SET utf8mb4", quoted(target.database()));
    target.within(connection.execute(AssertSqlSafe(statement))).await?;
    target.within(connection.close()).await
}

/// Whether the table was made.
async fn ensure_table(
    target: &Target,
    connection: &mut MySqlConnection,
    schema: Schema,
) -> Result<bool, UserStoreError> {
    let found = Table::read(target, connection).await?;
    let created = found.is_none();
    let table = match found {
        Some(table) => table,
        None => {
            target.within(connection.execute(schema.statement())).await?;
            let made = Table::read(target, connection).await?;
            made.ok_or_else(|| UserStoreError::NoTable(target.shown()))?
        }
    };
    let wrong = match table.schema() {
        Some(found) if found != schema => Some(format!(
            "it is of {}, not of {}; say --schema {0}, or name another database",
            found.name(),
            schema.name()
        )),
        None => Some(format!("its columns are not those of {}; name another database", schema.name())),
        Some(_) => table.for_use().err(),
    };
    wrong.map_or(Ok(created), |why| Err(target.other_shape(why)))
}

/// A name as an identifier of SQL.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
