//! Passwords and passphrases, and the least that is asked of them.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroize;

/// Fewest characters of a password (NIST SP 800-63B, section 5.1.1.2).
pub const MIN_CHARACTERS: usize = 8;
/// Most bytes of a password, in UTF-8.
pub const MAX_BYTES: usize = 1024;
/// Fewest different characters in a password.
pub const MIN_DIFFERENT_CHARACTERS: usize = 4;

/// Passwords of eight characters and more that head the lists of leaked ones, in lower case.
const COMMON: [&str; 75] = [
    "11111111",
    "12341234",
    "12345678",
    "123456789",
    "1234567890",
    "12345678910",
    "123456789a",
    "123qweasd",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "1qaz2wsx",
    "1qaz2wsx3edc",
    "87654321",
    "a1b2c3d4",
    "abc12345",
    "abcd1234",
    "admin123",
    "adminadmin",
    "administrator",
    "asdfasdf",
    "asdfghjk",
    "asdfghjkl",
    "baseball",
    "basketball",
    "changeme",
    "changeme123",
    "charlie1",
    "computer",
    "countersign",
    "dragon123",
    "football",
    "football123",
    "iloveyou",
    "iloveyou1",
    "iloveyou123",
    "jennifer",
    "letmein1",
    "letmein123",
    "michael1",
    "monkey123",
    "p@ssw0rd",
    "p@ssword",
    "pass1234",
    "passw0rd",
    "password",
    "password!",
    "password1",
    "password12",
    "password123",
    "password1234",
    "passwordpassword",
    "princess",
    "princess1",
    "q1w2e3r4",
    "qazwsxedc",
    "qwer1234",
    "qwerty12",
    "qwerty123",
    "qwerty1234",
    "qwerty12345",
    "qwerty123456",
    "qwertyui",
    "qwertyuiop",
    "starwars",
    "sunshine",
    "sunshine1",
    "superman",
    "test1234",
    "testtest",
    "trustno1",
    "welcome1",
    "welcome123",
    "whatever",
    "zaq12wsx",
];

/// A password of an account or the passphrase of a key; cleared when dropped, never printed.
pub struct Password(SecretString);

impl Password {
    /// Takes the text as it is.
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// Takes the content of a password file or descriptor; one trailing newline (LF or CRLF) is dropped (ID-45).
    ///
    /// # Errors
    /// [`WeakPassword::NotText`] or [`WeakPassword::TooLong`].
    pub fn from_file(mut content: Vec<u8>) -> Result<Self, WeakPassword> {
        // ID-45
        let line = content.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let line = line.unwrap_or(&content);
        let password = match std::str::from_utf8(line) {
            _ if line.len() > MAX_BYTES => Err(WeakPassword::TooLong),
            Ok(text) => Ok(Self::new(text.to_owned())),
            Err(_) => Err(WeakPassword::NotText),
        };
        content.zeroize();
        password
    }

    /// The text, in UTF-8.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

/// Why a password is refused.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum WeakPassword {
    /// Fewer than [`MIN_CHARACTERS`] characters.
    #[error(
        "the password is too short: it needs at least {MIN_CHARACTERS} characters; several random words are good"
    )]
    TooShort,
    /// More than [`MAX_BYTES`] bytes.
    #[error("the password is too long: at most {MAX_BYTES} bytes")]
    TooLong,
    /// On the list of the best known passwords.
    #[error(
        "the password is one of the first that anybody would try; choose another, several random words are good"
    )]
    Common,
    /// Fewer than [`MIN_DIFFERENT_CHARACTERS`] different characters.
    #[error("the password repeats the same few characters; choose another, several random words are good")]
    Repetitive,
    /// Not UTF-8, or with control characters.
    #[error("the password is not text: it must be UTF-8 without control characters")]
    NotText,
}

/// Refuses passwords that are too short or among the first that would be tried (ID-44).
///
/// # Errors
/// [`WeakPassword`].
pub fn check(password: &str) -> Result<(), WeakPassword> {
    // ID-44
    if password.len() > MAX_BYTES {
        return Err(WeakPassword::TooLong);
    }
    if password.chars().any(char::is_control) {
        return Err(WeakPassword::NotText);
    }
    if password.chars().count() < MIN_CHARACTERS {
        return Err(WeakPassword::TooShort);
    }
    if COMMON.iter().any(|common| password.eq_ignore_ascii_case(common)) {
        return Err(WeakPassword::Common);
    }
    let mut different: Vec<char> = Vec::with_capacity(MIN_DIFFERENT_CHARACTERS);
    for character in password.chars() {
        if different.len() < MIN_DIFFERENT_CHARACTERS && !different.contains(&character) {
            different.push(character);
        }
    }
    if different.len() < MIN_DIFFERENT_CHARACTERS {
        return Err(WeakPassword::Repetitive);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_eight_characters_off_the_list() {
        for good in ["tape crater lunar", "Ünïcödé wörd", "0123456789"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check("a short"), Err(WeakPassword::TooShort));
        assert_eq!(check("éééééééééé"), Err(WeakPassword::Repetitive));
        assert_eq!(check("PassWord123"), Err(WeakPassword::Common));
        assert_eq!(check("line\nof text"), Err(WeakPassword::NotText));
        assert_eq!(check(&"long".repeat(257)), Err(WeakPassword::TooLong));
    }

    #[test]
    fn drops_one_trailing_newline() {
        let read = |content: &[u8]| Password::from_file(content.to_vec()).map(|p| p.expose().to_owned());
        assert_eq!(read(b"a b\n"), Ok("a b".into()));
        assert_eq!(read(b"a b\r\n"), Ok("a b".into()));
        assert_eq!(read(b"a b\n\n"), Ok("a b\n".into()));
        assert_eq!(read(b"a b"), Ok("a b".into()));
        assert_eq!(read(b"\xff\n"), Err(WeakPassword::NotText));
        assert_eq!(read(&[b'a'; 1025]), Err(WeakPassword::TooLong));
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", Password::new("tape crater lunar".into())), "Password(hidden)");
    }
}
