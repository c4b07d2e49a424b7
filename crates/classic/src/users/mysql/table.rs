//! The columns of a table `users`, read from the database, and what can be done with them.

use std::collections::BTreeSet;
use std::str::FromStr;

use sqlx::Row as _;
use sqlx::mysql::{MySqlConnection, MySqlRow};

use super::target::Target;
use crate::users::UserStoreError;

/// A schema of the table `users` (CL-69).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// Of `cianr-pss`: with an id and the date of registration.
    CianrPss,
    /// Of `cianr-pkcs1`: the e-mail address is the key.
    CianrPkcs1,
    /// Of `cianr-line`: with an id, binary hashes.
    CianrLine,
}

impl Schema {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::CianrPss, Self::CianrPkcs1, Self::CianrLine];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::CianrPss => "cianr-pss",
            Self::CianrPkcs1 => "cianr-pkcs1",
            Self::CianrLine => "cianr-line",
        }
    }

    /// The statement that makes the table if it is not there.
    pub(super) fn statement(self) -> &'static str {
        match self {
            Self::CianrPss => {
                "CREATE TABLE IF NOT EXISTS users (id INT AUTO_INCREMENT PRIMARY KEY, \
                 email VARCHAR(255) NOT NULL UNIQUE, username VARCHAR(255) NOT NULL UNIQUE, \
                 salt VARBINARY(16) NOT NULL, pwd_hash CHAR(64) NOT NULL, \
                 registration_date TIMESTAMP DEFAULT CURRENT_TIMESTAMP) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4"
            }
            Self::CianrPkcs1 => {
                "CREATE TABLE IF NOT EXISTS users (email VARCHAR(255) PRIMARY KEY, \
                 username VARCHAR(255) NOT NULL UNIQUE, salt VARBINARY(16) NOT NULL, \
                 pwd_hash CHAR(64) NOT NULL) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4"
            }
            Self::CianrLine => {
                "CREATE TABLE IF NOT EXISTS users (id INT AUTO_INCREMENT PRIMARY KEY, \
                 email VARCHAR(255) NOT NULL UNIQUE, username VARCHAR(255) NOT NULL UNIQUE, \
                 salt BINARY(16) NOT NULL, pwd_hash BINARY(32) NOT NULL) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4"
            }
        }
    }

    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::CianrPss => &["id", "email", "username", "salt", "pwd_hash", "registration_date"],
            Self::CianrPkcs1 => &["email", "username", "salt", "pwd_hash"],
            Self::CianrLine => &["id", "email", "username", "salt", "pwd_hash"],
        }
    }
}

impl FromStr for Schema {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|schema| schema.name() == text);
        found.ok_or("a schema is cianr-pss, cianr-pkcs1 or cianr-line")
    }
}

/// How a table keeps a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HashForm {
    /// 32 bytes.
    Bytes,
    /// 64 lower-case hexadecimal digits.
    Hex,
}

struct Column {
    name: String,
    data_type: String,
    /// Characters of text, bytes of what is binary.
    length: i64,
    /// A row cannot be made without a value for it.
    must_be_given: bool,
}

/// A table `users`.
pub(super) struct Table {
    columns: Vec<Column>,
    unique: BTreeSet<String>,
}

impl Table {
    /// Reads the table's columns and those with a unique index of their own; none if there is no such table.
    pub(super) async fn read(
        target: &Target,
        connection: &mut MySqlConnection,
    ) -> Result<Option<Self>, UserStoreError> {
        let columns = sqlx::query(
            "SELECT column_name, data_type, CAST(COALESCE(character_maximum_length, 0) AS SIGNED), \
             CAST(is_nullable = 'NO' AND column_default IS NULL AND extra NOT LIKE '%auto_increment%' \
             AND extra NOT LIKE '%GENERATED%' AS SIGNED) \
             FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'users'",
        );
        let columns = target.within(columns.fetch_all(&mut *connection)).await?;
        let unique = sqlx::query(
            "SELECT MAX(column_name) FROM information_schema.statistics WHERE table_schema = DATABASE() \
             AND table_name = 'users' AND non_unique = 0 GROUP BY index_name HAVING COUNT(*) = 1",
        );
        let unique = target.within(unique.fetch_all(&mut *connection)).await?;
        let read = async {
            let columns = columns.iter().map(column).collect::<Result<Vec<_>, _>>()?;
            let unique = unique.iter().map(|row| word(row, 0)).collect::<Result<_, _>>()?;
            Ok(Self { columns, unique })
        };
        let table = target.within(read).await?;
        Ok(if table.columns.is_empty() { None } else { Some(table) })
    }

    /// Which of the schemas it is, by the names of its columns.
    pub(super) fn schema(&self) -> Option<Schema> {
        let names: BTreeSet<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        Schema::ALL
            .into_iter()
            .find(|schema| names.iter().eq(&schema.columns().iter().copied().collect::<BTreeSet<_>>()))
    }

    /// How it keeps hashes, or why its users cannot be read (CL-70).
    pub(super) fn hash_form(&self) -> Result<HashForm, String> {
        for name in ["email", "username"] {
            if !matches!(self.column(name)?.data_type.as_str(), "char" | "varchar") {
                return Err(format!("its column `{name}` is no VARCHAR"));
            }
        }
        let salt = self.column("salt")?;
        if !matches!(
            (salt.data_type.as_str(), salt.length),
            ("binary", 16) | ("varbinary", 16..) | ("tinyblob" | "blob", _)
        ) {
            return Err("its column `salt` is neither VARBINARY(16) nor BINARY(16)".into());
        }
        let hash = self.column("pwd_hash")?;
        match (hash.data_type.as_str(), hash.length) {
            ("char" | "varchar", 64..) => Ok(HashForm::Hex),
            ("binary" | "varbinary", 32) => Ok(HashForm::Bytes),
            _ => Err("its column `pwd_hash` is neither CHAR(64) nor BINARY(32)".into()),
        }
    }

    /// How it keeps hashes, or why a server cannot register users in it (CL-70).
    pub(super) fn for_use(&self) -> Result<HashForm, String> {
        let form = self.hash_form()?;
        for name in ["email", "username"] {
            if !self.unique.contains(name) {
                return Err(format!(
                    "its column `{name}` has no unique index; ALTER TABLE users ADD UNIQUE ({name}) makes one"
                ));
            }
        }
        let ours = ["email", "username", "salt", "pwd_hash"];
        match self.columns.iter().find(|c| c.must_be_given && !ours.contains(&c.name.as_str())) {
            Some(other) => Err(format!(
                "its column `{}` has to be given a value and has no default; give it one",
                other.name
            )),
            None => Ok(form),
        }
    }

    fn column(&self, name: &str) -> Result<&Column, String> {
        let found = self.columns.iter().find(|column| column.name == name);
        found.ok_or_else(|| format!("it has no column `{name}`"))
    }
}

fn column(row: &MySqlRow) -> Result<Column, sqlx::Error> {
    Ok(Column {
        name: word(row, 0)?,
        data_type: word(row, 1)?,
        length: row.try_get(2)?,
        must_be_given: row.try_get::<i64, _>(3)? != 0,
    })
}

/// A word of `information_schema` in lower case; MySQL and MariaDB type these columns differently.
fn word(row: &MySqlRow, index: usize) -> Result<String, sqlx::Error> {
    let bytes: Vec<u8> = row.try_get(index)?;
    Ok(String::from_utf8_lossy(&bytes).to_lowercase())
}
