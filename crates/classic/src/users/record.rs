//! Users as they go into a store and come out.

use std::fmt;

use zeroize::Zeroizing;

use super::PasswordHash;
use super::limits::{MAX_EMAIL, MAX_NAME, MAX_PASSWORD, MAX_SALT, SALT_LEN};

/// A value of a size that is not allowed (CL-61).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {found} bytes; it may have {least} to {most}")]
pub struct OutOfBounds {
    what: &'static str,
    found: usize,
    least: usize,
    most: usize,
}

impl OutOfBounds {
    fn check(what: &'static str, found: usize, least: usize, most: usize) -> Result<(), Self> {
        if (least..=most).contains(&found) { Ok(()) } else { Err(Self { what, found, least, most }) }
    }
}

/// A user who registers.
#[derive(Debug)]
pub struct NewUser {
    /// The e-mail address, if the protocol has one.
    pub email: Option<String>,
    /// The name.
    pub username: String,
    /// Random, of this user alone.
    pub salt: [u8; SALT_LEN],
    /// Hash of the password under the salt.
    pub hash: PasswordHash,
}

impl NewUser {
    /// A user with a password that is known. The salt is to be 16 random bytes.
    ///
    /// # Errors
    /// A password above [`MAX_PASSWORD`].
    pub fn with_password(
        email: Option<String>,
        username: String,
        salt: [u8; SALT_LEN],
        password: &[u8],
    ) -> Result<Self, OutOfBounds> {
        OutOfBounds::check("the password", password.len(), 0, MAX_PASSWORD)?;
        Ok(Self { email, username, salt, hash: PasswordHash::compute(&salt, password) })
    }

    /// Checks the limits, before anything is stored.
    pub(super) fn check(&self) -> Result<(), OutOfBounds> {
        if let Some(email) = &self.email {
            OutOfBounds::check("the e-mail address", email.len(), 1, MAX_EMAIL)?;
        }
        OutOfBounds::check("the user name", self.username.len(), 1, MAX_NAME)
    }
}

/// A user of a store.
#[derive(Debug)]
pub struct StoredUser {
    /// The e-mail address, if the store has one.
    pub email: Option<String>,
    /// The name.
    pub username: String,
    /// As stored, 1 to [`MAX_SALT`] bytes.
    pub salt: Vec<u8>,
    /// Hash of the password under the salt.
    pub hash: PasswordHash,
}

impl StoredUser {
    /// Whether this is the user's password.
    pub fn accepts(&self, password: &[u8]) -> bool {
        password.len() <= MAX_PASSWORD && self.hash.matches(&PasswordHash::compute(&self.salt, password))
    }

    /// Of a row's values: the hash as 32 bytes or 64 hexadecimal digits (CL-65).
    pub(super) fn parse(
        email: Option<String>,
        username: String,
        salt: Vec<u8>,
        hash: &[u8],
    ) -> Result<Self, String> {
        let sized = |e: OutOfBounds| e.to_string();
        if let Some(email) = &email {
            OutOfBounds::check("the e-mail address", email.len(), 1, MAX_EMAIL).map_err(sized)?;
        }
        OutOfBounds::check("the user name", username.len(), 1, MAX_NAME).map_err(sized)?;
        OutOfBounds::check("the salt", salt.len(), 1, MAX_SALT).map_err(sized)?;
        let hash = match <[u8; 32]>::try_from(hash) {
            Ok(bytes) => PasswordHash::from_bytes(bytes),
            Err(_) => PasswordHash::from_hex(hash)
                .ok_or("the hash is neither 32 bytes nor 64 hexadecimal digits")?,
        };
        Ok(Self { email, username, salt, hash })
    }
}

/// A row of a store that is no user (CL-65).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{row} is no user: {why}")]
pub struct BadRow {
    /// Which: the name or e-mail, if it can be read, else the number of the row.
    pub row: String,
    /// What is wrong with it.
    pub why: String,
}

/// A user who leaves for another system.
pub struct ImportedUser {
    /// The name.
    pub name: String,
    /// The e-mail address, if the store has one.
    pub email: Option<String>,
    /// As stored, 1 to [`MAX_SALT`] bytes.
    pub salt: Vec<u8>,
    /// 64 lower-case hexadecimal digits.
    pub password_hash: Zeroizing<String>,
}

impl From<StoredUser> for ImportedUser {
    fn from(user: StoredUser) -> Self {
        let password_hash = user.hash.to_hex();
        Self { name: user.username, email: user.email, salt: user.salt, password_hash }
    }
}

impl fmt::Debug for ImportedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportedUser")
            .field("name", &self.name)
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cl61_sizes_are_checked_before_anything_is_stored() {
        let user = |email: &str, name: &str, password: &[u8]| {
            NewUser::with_password(Some(email.into()), name.into(), [7; 16], password)
                .and_then(|user| user.check().map(|()| user))
                .map_err(|e| e.to_string())
        };
        let (longest, longer) = ("n".repeat(255), "n".repeat(256));
        assert!(user(&longest, &longest, &[b'p'; 4096]).is_ok());
        assert_eq!(
            user("a@x", "a", &[b'p'; 4097]).unwrap_err(),
            "the password has 4097 bytes; it may have 0 to 4096"
        );
        assert_eq!(
            user("a@x", &longer, b"p").unwrap_err(),
            "the user name has 256 bytes; it may have 1 to 255"
        );
        assert!(user("a@x", "", b"p").unwrap_err().contains("the user name has 0 bytes"));
        assert!(user(&longer, "a", b"p").unwrap_err().contains("the e-mail address has 256 bytes"));
        assert!(user("", "a", b"p").unwrap_err().contains("the e-mail address has 0 bytes"));
    }

    #[test]
    fn cl65_a_row_is_a_user_or_says_why_it_is_none() {
        let hash = PasswordHash::compute(&[1; 3], b"secret");
        let parse =
            |name: &str, salt: &[u8], hash: &[u8]| StoredUser::parse(None, name.into(), salt.to_vec(), hash);
        for stored in [hash.as_bytes().as_slice(), hash.to_hex().as_bytes()] {
            let user = parse("ann", &[1; 3], stored).unwrap();
            assert!(user.accepts(b"secret") && !user.accepts(b"Secret") && !user.accepts(&[b's'; 4097]));
            assert!(
                !format!("{user:?} {:?}", ImportedUser::from(parse("ann", &[1], stored).unwrap()))
                    .contains(hash.to_hex().as_str())
            );
        }
        assert!(parse("", &[1], hash.as_bytes()).unwrap_err().contains("user name has 0 bytes"));
        assert!(parse("ann", &[], hash.as_bytes()).unwrap_err().contains("salt has 0 bytes"));
        assert!(parse("ann", &[1; 65], hash.as_bytes()).unwrap_err().contains("salt has 65 bytes"));
        assert!(parse("ann", &[1], &hash.as_bytes()[1..]).unwrap_err().contains("neither 32 bytes nor 64"));
    }
}
