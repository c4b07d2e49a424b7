//! One statement for many rows.
//!
//! Each statement costs a round trip to the connection's thread, more than the row itself. Rows are taken in
//! chunks of a few fixed sizes, so that only a few shapes of a statement are ever prepared.

use std::sync::{Arc, LazyLock};

use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, Encode, Sqlite, Type};

use crate::StoreError;

/// Rows in one statement, largest first; 128 rows of 8 columns stay far below SQLite's 32,766 parameters.
const CHUNKS: [usize; 5] = [128, 32, 8, 2, 1];

/// A statement with a list of rows in its middle: `before (?, …), (?, …) after`.
pub(super) struct Bulk {
    shapes: [(usize, Arc<str>); CHUNKS.len()],
}

/// A [`Bulk`] made at its first use.
pub(super) type LazyBulk = LazyLock<Bulk>;

impl Bulk {
    pub(super) fn new(before: &str, columns: usize, after: &str) -> Self {
        let row = format!("({})", vec!["?"; columns].join(","));
        let shapes = CHUNKS.map(|rows| {
            let rows_sql = vec![row.as_str(); rows].join(",");
            (rows, format!("{before} {rows_sql} {after}").into())
        });
        Self { shapes }
    }

    /// Runs the statement over all rows and collects what it returns.
    pub(super) async fn run<T>(
        &self,
        connection: &mut SqliteConnection,
        rows: Vec<T>,
        bind: impl Fn(&mut Parameters, T) -> Result<(), BoxDynError>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let mut found = Vec::new();
        let mut rows = rows.into_iter();
        for (size, sql) in &self.shapes {
            while rows.len() >= *size {
                let mut parameters = Parameters(SqliteArguments::default());
                for row in rows.by_ref().take(*size) {
                    bind(&mut parameters, row).map_err(sqlx::Error::Encode)?;
                }
                found.extend(
                    sqlx::query_with(AssertSqlSafe(Arc::clone(sql)), parameters.0)
                        .fetch_all(&mut *connection)
                        .await?,
                );
            }
        }
        Ok(found)
    }
}

/// The parameters of one statement, in order.
pub(super) struct Parameters(SqliteArguments);

impl Parameters {
    pub(super) fn push<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(
        &mut self,
        value: T,
    ) -> Result<(), BoxDynError> {
        self.0.add(value)
    }
}
