//! The database that a URL names, and connections to it.

use std::future::Future;
use std::time::Duration;

use sqlx::error::ErrorKind;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlPool, MySqlPoolOptions};
use sqlx::{ConnectOptions as _, Executor as _};
use tokio::time::timeout;

use crate::users::UserStoreError;

/// Connections of one store (CL-74).
const MAX_CONNECTIONS: u32 = 8;
/// How long making a connection may take, and waiting for a free one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an operation may take.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);
/// What is too long is refused and not cut off, whatever the server's default is (CL-71).
const STRICT: &str = "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES')";

/// `ER_BAD_DB_ERROR`: there is no such database.
const NO_DATABASE: u16 = 1049;
/// `ER_LOCK_DEADLOCK`: the statement was undone whole, so that another's could be done.
const DEADLOCK: u16 = 1213;
/// `ER_DATA_TOO_LONG`, `ER_TRUNCATED_WRONG_VALUE_FOR_FIELD`: a value that a column cannot hold.
const DOES_NOT_FIT: [u16; 2] = [1406, 1366];

/// Where a database is and who asks.
#[derive(Clone)]
pub(super) struct Target {
    options: MySqlConnectOptions,
    /// As typed: the database's name.
    database: String,
}

impl Target {
    /// Reads a URL; an error repeats nothing that may be of its password (CL-73).
    pub(super) fn parse(url: &str) -> Result<Self, UserStoreError> {
        let bad = |why: &str| UserStoreError::BadUrl(why.to_owned());
        let rest = url.strip_prefix("mysql://").ok_or_else(|| bad("it does not begin with mysql://"))?;
        let after_host = rest.find(['/', '?', '#']).and_then(|at| rest.get(at..)).unwrap_or_default();
        if after_host.contains(['@', '#']) {
            return Err(bad(
                "there is an `@` or `#` after the host: write / ? # @ : and % in user, password or database as %2F %3F %23 %40 %3A and %25",
            ));
        }
        let options: MySqlConnectOptions = url.parse().map_err(|e: sqlx::Error| match e {
            sqlx::Error::Configuration(why) => bad(&why.to_string()),
            _ => bad("it is no URL"),
        })?;
        let database = options.get_database().ok_or_else(|| bad("it names no database"))?.to_owned();
        // Text is read and written as UTF-8, whatever the URL asks for.
        let options = options.charset("utf8mb4").disable_statement_logging();
        Ok(Self { options, database })
    }

    /// The database's name.
    pub(super) fn database(&self) -> &str {
        &self.database
    }

    /// The URL without its password.
    pub(super) fn shown(&self) -> String {
        let (user, host, port) =
            (self.options.get_username(), self.options.get_host(), self.options.get_port());
        format!("mysql://{user}@{host}:{port}/{}", self.database)
    }

    /// The same server, in the database that every server has.
    pub(super) fn without_database(&self) -> Self {
        Self { options: self.options.clone().database("information_schema"), database: self.database.clone() }
    }

    /// Makes one connection.
    pub(super) async fn connect(&self) -> Result<MySqlConnection, UserStoreError> {
        let connected = async {
            let mut connection = self.options.connect().await?;
            connection.execute(STRICT).await?;
            Ok(connection)
        };
        self.in_time(CONNECT_TIMEOUT, connected).await
    }

    /// Connections that are made when they are needed.
    pub(super) fn pool(&self) -> MySqlPool {
        MySqlPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(CONNECT_TIMEOUT)
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(STRICT).await.map(drop) })
            })
            .connect_lazy_with(self.options.clone())
    }

    /// What a statement gives, in time, or whose fault it is that it does not.
    pub(super) async fn within<T>(
        &self,
        act: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, UserStoreError> {
        self.in_time(OPERATION_TIMEOUT, act).await
    }

    async fn in_time<T>(
        &self,
        time: Duration,
        act: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, UserStoreError> {
        match timeout(time, act).await {
            Ok(done) => done.map_err(|e| self.failed(e)),
            Err(e) => Err(UserStoreError::Unreachable { place: self.shown(), source: e.into() }),
        }
    }

    fn failed(&self, error: sqlx::Error) -> UserStoreError {
        let place = self.shown();
        let Some(said) = error.as_database_error() else {
            return UserStoreError::Unreachable { place, source: error.into() };
        };
        match number(said) {
            _ if said.kind() == ErrorKind::UniqueViolation => UserStoreError::Taken,
            Some(NO_DATABASE) => UserStoreError::NoTable(place),
            Some(n) if DOES_NOT_FIT.contains(&n) => {
                UserStoreError::DoesNotFit { place, why: said.message().to_owned() }
            }
            _ => UserStoreError::Refused { place, source: error.into() },
        }
    }

    /// The table is of another shape.
    pub(super) fn other_shape(&self, why: String) -> UserStoreError {
        UserStoreError::OtherShape { place: self.shown(), why }
    }
}

/// Whether a statement was undone to end a deadlock, and may be given again.
pub(super) fn is_deadlock(error: &UserStoreError) -> bool {
    let UserStoreError::Refused { source, .. } = error else { return false };
    let said = source.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    said.and_then(number) == Some(DEADLOCK)
}

fn number(error: &dyn sqlx::error::DatabaseError) -> Option<u16> {
    error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cl73_a_url_is_read_and_shown_without_its_password() {
        for (url, shown) in [
            ("mysql://scuser:topsecret@db/securechat", "mysql://scuser@db:3306/securechat"),
            (
                "mysql://u:top%40sec%2Fret@127.0.0.1:3307/my%60db?ssl-mode=DISABLED",
                "mysql://u@127.0.0.1:3307/my`db",
            ),
            ("mysql://u@[::1]:1/d?charset=latin1", "mysql://u@[::1]:1/d"),
        ] {
            assert_eq!(Target::parse(url).ok().unwrap().shown(), shown);
        }
    }

    #[test]
    fn cl73_a_url_that_cannot_be_read_is_not_repeated() {
        for (url, why) in [
            ("mysql://u:topsecret@h", "names no database"),
            ("mysql://u:topsecret@h/", "names no database"),
            ("mysql://u:top/secret@h/d", "after the host"),
            ("mysql://u:12/topsecret@h/d", "after the host"),
            ("mysql://u:12?topsecret@h/d", "after the host"),
            ("mysql://u:12#topsecret@h/d", "after the host"),
            ("mysql://u:topsecret@h:port/d", "invalid port number"),
            ("mysql://u:topsecret%FF@h/d", "utf-8"),
            ("mysql://u:topsecret@h/d?ssl-mode=often", "often"),
            ("postgres://u:topsecret@h/d", "does not begin"),
        ] {
            let error = Target::parse(url).err().unwrap().to_string();
            assert!(error.contains(why) && !error.contains("secret"), "{url}: {error}");
        }
    }
}
