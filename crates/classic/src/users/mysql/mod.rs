//! Users in a table of MySQL or MariaDB (CL-69 to CL-74).
//!
//! - [`MySqlUsers`]: a table as it stands, used live; [`read_all`]: all its users.
//! - [`init`]: makes database and table.
//!
//! `target` reads the URL and connects, `table` reads the columns.

mod initialise;
mod table;
mod target;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use sqlx::mysql::{MySqlConnection, MySqlPool, MySqlRow};
use sqlx::{Connection as _, Row as _};
use zeroize::Zeroizing;

pub use initialise::{Initialised, init};
pub use table::Schema;

use super::limits::MAX_EXPORTED_USERS;
use super::{BadRow, NewUser, StoredUser, UserStore, UserStoreError};
use table::{HashForm, Table};
use target::{Target, is_deadlock};

/// How often a registration is given again that the database undid to end a deadlock with others for the same name or
/// address (CL-63). Each time one of these others is done.
const ATTEMPTS: usize = 10;

/// A table of users.
pub struct MySqlUsers {
    target: Target,
    pool: MySqlPool,
    hash: HashForm,
}

impl MySqlUsers {
    /// Connects to the table `users` of the database that the URL names, and reads its columns.
    ///
    /// # Errors
    /// The URL cannot be read; there is no such database or table; its shape is another; the database does not answer.
    pub async fn connect(url: &str) -> Result<Self, UserStoreError> {
        let target = Target::parse(url)?;
        let mut connection = target.connect().await?;
        let table = Table::read(&target, &mut connection).await?;
        let table = table.ok_or_else(|| UserStoreError::NoTable(target.shown()))?;
        let hash = table.for_use().map_err(|why| target.other_shape(why))?;
        target.within(connection.close()).await?;
        Ok(Self { pool: target.pool(), target, hash })
    }

    async fn one(&self, query: &'static str, value: &str) -> Result<Option<StoredUser>, UserStoreError> {
        let found = sqlx::query(query).bind(value).fetch_optional(&self.pool);
        let Some(row) = self.target.within(found).await? else { return Ok(None) };
        Ok(Some(parse(&row, format!("{value:?}"))?))
    }
}

#[async_trait]
impl UserStore for MySqlUsers {
    async fn register(&self, user: NewUser) -> Result<(), UserStoreError> {
        user.check()?;
        let email = user.email.ok_or(UserStoreError::NeedsEmail)?;
        let hex = user.hash.to_hex();
        let mut attempts = 1..=ATTEMPTS;
        loop {
            let insert =
                sqlx::query("INSERT INTO users (email, username, salt, pwd_hash) VALUES (?, ?, ?, ?)")
                    .bind(&email)
                    .bind(&user.username)
                    .bind(user.salt.as_slice());
            let insert = match self.hash {
                HashForm::Bytes => insert.bind(user.hash.as_bytes().as_slice()),
                HashForm::Hex => insert.bind(hex.as_str()),
            };
            match self.target.within(insert.execute(&self.pool)).await {
                Err(error) if is_deadlock(&error) && attempts.next().is_some() => {}
                done => return done.map(drop),
            }
        }
    }

    async fn by_email(&self, email: &str) -> Result<Option<StoredUser>, UserStoreError> {
        self.one("SELECT email, username, salt, pwd_hash FROM users WHERE email = ? LIMIT 1", email).await
    }

    async fn by_username(&self, username: &str) -> Result<Option<StoredUser>, UserStoreError> {
        self.one("SELECT email, username, salt, pwd_hash FROM users WHERE username = ? LIMIT 1", username)
            .await
    }

    async fn all(&self) -> Result<Vec<Result<StoredUser, BadRow>>, UserStoreError> {
        let mut connection = self.target.within(self.pool.acquire()).await?;
        rows(&self.target, &mut connection).await
    }
}

/// All users of the database that the URL names. Their table may be one that a server would not use: without unique
/// indexes, or with more columns.
///
/// # Errors
/// As of [`MySqlUsers::connect`]; there are more than [`MAX_EXPORTED_USERS`].
pub async fn read_all(url: &str) -> Result<Vec<Result<StoredUser, BadRow>>, UserStoreError> {
    let target = Target::parse(url)?;
    let mut connection = target.connect().await?;
    let table = Table::read(&target, &mut connection).await?;
    let table = table.ok_or_else(|| UserStoreError::NoTable(target.shown()))?;
    table.hash_form().map_err(|why| target.other_shape(why))?;
    let rows = rows(&target, &mut connection).await?;
    target.within(connection.close()).await?;
    Ok(rows)
}

async fn rows(
    target: &Target,
    connection: &mut MySqlConnection,
) -> Result<Vec<Result<StoredUser, BadRow>>, UserStoreError> {
    let mut users = Vec::new();
    let mut rows = sqlx::query("SELECT email, username, salt, pwd_hash FROM users").fetch(connection);
    while let Some(row) = target.within(rows.try_next()).await? {
        if users.len() == MAX_EXPORTED_USERS {
            return Err(UserStoreError::TooMany(MAX_EXPORTED_USERS));
        }
        users.push(parse(&row, format!("row {}", users.len() + 1)));
    }
    Ok(users)
}

/// A row of email, username, salt and hash; `known_as` names it if its e-mail cannot be read.
fn parse(row: &MySqlRow, known_as: String) -> Result<StoredUser, BadRow> {
    // Bytes, of whatever type the column is.
    let bytes = |index: usize, what: &str| {
        let value = row.try_get::<Option<Vec<u8>>, _>(index).map_err(|e| e.to_string())?;
        value.ok_or_else(|| format!("it has no {what}"))
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| "its text is not UTF-8".to_owned());
    let email = row.try_get::<Option<Vec<u8>>, _>(0).map_err(|e| e.to_string());
    let email = email.and_then(|bytes| bytes.map(text).transpose());
    let known_as = email.iter().flatten().next().map_or(known_as, |email| format!("{email:?}"));
    let user = email.and_then(|email| {
        let username = text(bytes(1, "user name")?)?;
        let hash = Zeroizing::new(bytes(3, "hash")?);
        StoredUser::parse(email, username, bytes(2, "salt")?, &hash)
    });
    user.map_err(|why| BadRow { row: known_as, why })
}
