//! Canonical names: users, devices, server nodes, organisations, e-mail addresses.

mod email;
mod identity;
mod organisation;

use std::fmt;
use std::str::FromStr;

pub use email::{BadEmail, Email, MAX_EMAIL};
pub use identity::{Holder, Identity};
pub use organisation::{BadOrganisation, MAX_ORGANISATION, Organisation};

use crate::ed25519::PublicKey;
use crate::fingerprint::{Hex, sha256};

/// Most characters of a [`Name`].
pub const MAX_NAME: usize = 32;

/// Names that nobody gets, since a reader would take their holder for the service or for several people (ID-3).
const RESERVED: [&str; 14] = [
    "admin",
    "administrator",
    "all",
    "anonymous",
    "countersign",
    "everyone",
    "here",
    "me",
    "nobody",
    "root",
    "security",
    "server",
    "support",
    "system",
];

/// What the name of a recovery key begins with (ID-54).
const RECOVERY: &str = "recovery-";
/// Bytes of the key's hash in it.
const RECOVERY_HASH_LEN: usize = 4;
/// Bytes of the hash that names a text of which no character can stay.
const SUGGESTED_HASH_LEN: usize = 4;

/// The canonical name of a user, a device or a server's node: 1 to 32 of `a`-`z`, `0`-`9` and single inner
/// hyphens, not reserved (ID-1 to ID-3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

/// Why a text is not a [`Name`].
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum BadName {
    /// No characters.
    #[error("a name needs at least one character")]
    Empty,
    /// More than [`MAX_NAME`] characters.
    #[error("a name has at most {MAX_NAME} characters")]
    TooLong,
    /// A character other than ASCII letters, digits and hyphens.
    #[error("a name has only the letters a to z, digits and hyphens; {0:?} is none of them")]
    Character(char),
    /// A hyphen at an end, or two in a row.
    #[error("a hyphen in a name stands alone between two letters or digits")]
    Hyphen,
    /// One of the reserved names.
    #[error("this name is reserved; choose another")]
    Reserved,
}

impl Name {
    /// Reads what a person typed: ASCII capitals become small letters, everything else that is not
    /// canonical is refused (ID-2).
    ///
    /// # Errors
    /// [`BadName`].
    pub fn parse(text: &str) -> Result<Self, BadName> {
        // ID-2
        Self::canonical(&text.to_ascii_lowercase())
    }

    /// Accepts the canonical form only, as certificates, records and messages carry it (ID-1, ID-3).
    ///
    /// # Errors
    /// [`BadName`], for capitals too.
    pub fn canonical(text: &str) -> Result<Self, BadName> {
        // ID-1
        if text.is_empty() {
            return Err(BadName::Empty);
        }
        if let Some(other) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
            return Err(BadName::Character(other));
        }
        if text.len() > MAX_NAME {
            return Err(BadName::TooLong);
        }
        if text.starts_with('-') || text.ends_with('-') || text.contains("--") {
            return Err(BadName::Hyphen);
        }
        // ID-3
        if RESERVED.contains(&text) {
            return Err(BadName::Reserved);
        }
        Ok(Self(text.to_owned()))
    }

    /// Makes a valid name of any text: `CDR (EVA)` becomes `cdr-eva` (ID-5). Two texts may give the same
    /// name; the caller tells them apart.
    pub fn suggest(text: &str) -> Self {
        // ID-5
        let mut name = String::with_capacity(MAX_NAME);
        for character in text.chars() {
            let character = character.to_ascii_lowercase();
            if name.len() >= MAX_NAME {
                break;
            }
            if matches!(character, 'a'..='z' | '0'..='9') {
                name.push(character);
            } else if !name.is_empty() && !name.ends_with('-') {
                name.push('-');
            }
        }
        let name = name.trim_end_matches('-');
        match name {
            "" => {
                let hash = sha256(text.as_bytes());
                let (head, _) = hash.split_at(SUGGESTED_HASH_LEN);
                Self(format!("user-{}", Hex(head)))
            }
            reserved if RESERVED.contains(&reserved) => Self(format!("{reserved}-user")),
            name => Self(name.to_owned()),
        }
    }

    /// The device name of a user's recovery key (ID-54).
    pub fn of_recovery_key(key: &PublicKey) -> Self {
        let hash = sha256(key.as_bytes());
        let (head, _) = hash.split_at(RECOVERY_HASH_LEN);
        Self(format!("{RECOVERY}{}", Hex(head)))
    }

    /// Whether a device of this name is a recovery key (ID-54).
    pub fn is_recovery_key(&self) -> bool {
        self.0.starts_with(RECOVERY)
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a hurried reader sees: names with the same skeleton look alike, and one organisation does not
    /// give out both (ID-4).
    pub fn skeleton(&self) -> String {
        // ID-4
        self.0.replace("rn", "m").replace("vv", "w").replace('0', "o").replace('1', "l")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn capitals_become_small_and_everything_else_is_refused() {
        for (text, name) in [("Ann", "ann"), ("cdr-eva", "cdr-eva"), ("7", "7"), ("a1-b2", "a1-b2")] {
            assert_eq!(Name::parse(text).unwrap().as_str(), name);
        }
        for (text, error) in [
            ("", BadName::Empty),
            ("an n", BadName::Character(' ')),
            ("аnn", BadName::Character('а')), // a Cyrillic letter
            ("ann.b", BadName::Character('.')),
            ("-ann", BadName::Hyphen),
            ("ann-", BadName::Hyphen),
            ("xn--ann", BadName::Hyphen),
            ("Admin", BadName::Reserved),
            (&"a".repeat(33), BadName::TooLong),
        ] {
            assert_eq!(Name::parse(text), Err(error), "{text}");
        }
        assert_eq!(Name::canonical("Ann"), Err(BadName::Character('A')));
    }

    #[test]
    fn any_text_gets_a_name() {
        for (text, name) in [
            ("CDR (EVA)", "cdr-eva"),
            ("  --CC--  ", "cc"),
            ("Admin", "admin-user"),
            ("", "user-e3b0c442"),
            ("宇航员", "user-0418c97e"),
            ("abcdefghijklmnopqrstuvwxyz12345 789", "abcdefghijklmnopqrstuvwxyz12345"),
        ] {
            assert_eq!(Name::suggest(text).as_str(), name, "{text}");
        }
    }

    #[test]
    fn look_alikes_share_a_skeleton() {
        let skeleton = |text| Name::parse(text).unwrap().skeleton();
        assert_eq!(skeleton("pau1"), skeleton("paul"));
        assert_eq!(skeleton("b0b"), skeleton("bob"));
        assert_eq!(skeleton("rnary"), skeleton("mary"));
        assert_eq!(skeleton("vvill"), skeleton("will"));
        assert_ne!(skeleton("ann"), skeleton("anne"));
    }

    proptest! {
        #[test]
        fn what_is_suggested_is_canonical(text in ".*") {
            let name = Name::suggest(&text);
            prop_assert_eq!(Name::canonical(name.as_str()), Ok(name));
        }

        #[test]
        fn parsing_is_idempotent(text in "[a-zA-Z0-9-]{0,40}") {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(Name::canonical(name.as_str()), Ok(name));
            }
        }
    }
}
