//! Between our types and SQL's.

use crate::error::TooLarge;
use crate::limits::MAX_INTEGER;
use crate::{Hash, Role, StoreError};

/// `SQLITE_CORRUPT` and `SQLITE_NOTADB`, primary result codes.
const DAMAGED: [u32; 2] = [11, 26];

/// An index, size, time or number as SQL's signed integer.
pub(super) fn int(what: &'static str, value: u64) -> Result<i64, TooLarge> {
    i64::try_from(value).map_err(|_| TooLarge { what, value, limit: MAX_INTEGER })
}

/// A cursor or bound: what is above every stored integer is as good as the greatest.
pub(super) fn bound(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// SQL's signed integer, of which none is stored below 0.
pub(super) fn uint(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Corrupt("a negative integer".into()))
}

pub(super) fn hash(bytes: Vec<u8>) -> Result<Hash, StoreError> {
    bytes.try_into().map_err(|_| StoreError::Corrupt("a hash that is not 32 bytes".into()))
}

pub(super) fn role_code(role: Role) -> u8 {
    match role {
        Role::Member => 0,
        Role::Admin => 1,
    }
}

pub(super) fn role(code: u8) -> Result<Role, StoreError> {
    match code {
        0 => Ok(Role::Member),
        1 => Ok(Role::Admin),
        _ => Err(StoreError::Corrupt("an unknown role".into())),
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => {
                // SQLite's extended codes carry the primary one in their low byte.
                let code = database.code().and_then(|code| code.parse::<u32>().ok());
                if code.is_some_and(|code| DAMAGED.contains(&(code & 0xff))) {
                    return Self::Corrupt(database.message().to_owned());
                }
                Self::Unavailable(Box::new(error))
            }
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => Self::Corrupt(error.to_string()),
            _ => Self::Unavailable(Box::new(error)),
        }
    }
}
