//! A text that names a store.

use std::path::Path;

use super::UserStoreError;

/// Where users are (CL-62).
#[derive(PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// A database, by its URL.
    MySql(&'a str),
    /// `server_credentials.json`, under any name.
    File(&'a Path),
    /// This process.
    Memory,
}

impl<'a> Place<'a> {
    /// Reads a text; an error does not repeat it.
    pub(super) fn parse(text: &'a str) -> Result<Self, UserStoreError> {
        if text == "memory" {
            Ok(Self::Memory)
        } else if text.starts_with("mysql://") {
            Ok(Self::MySql(text))
        } else if text.ends_with(".json") && !text.contains("://") {
            Ok(Self::File(Path::new(text)))
        } else {
            Err(UserStoreError::BadPlace(
                "users are kept at mysql://USER:PASSWORD@HOST/DATABASE, in a file whose name ends in .json, or in `memory`",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cl62_a_place_is_read_and_what_is_none_is_not_repeated() {
        assert!(Place::parse("memory").is_ok_and(|p| p == Place::Memory));
        assert!(Place::parse("mysql://a:b@c/d").is_ok_and(|p| p == Place::MySql("mysql://a:b@c/d")));
        assert!(Place::parse("./users.json").is_ok_and(|p| p == Place::File(Path::new("./users.json"))));
        for wrong in ["", "users.txt", "secret@host/db", "postgres://a:secret@c/d", "http://secret/x.json"] {
            let error = Place::parse(wrong).err().unwrap().to_string();
            assert!(error.contains("mysql://") && !error.contains("secret"), "{error}");
        }
    }
}
