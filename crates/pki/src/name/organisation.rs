//! Organisations: DNS name suffixes.

use std::fmt;
use std::str::FromStr;

/// Most characters of an [`Organisation`]; with the longest names below it every name fits into DNS's 253.
pub const MAX_ORGANISATION: usize = 64;
/// Most characters of one label (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;

/// An organisation: a DNS name suffix in lower case, such as `apollo.example` (ID-6).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Organisation(String);

/// Text that is no DNS name suffix.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error(
    "not an organisation: it is a DNS name such as `team.example`, of letters, digits, inner hyphens and dots, \
     at most {MAX_ORGANISATION} characters"
)]
pub struct BadOrganisation;

impl Organisation {
    /// Reads what a person typed: ASCII capitals become small letters (ID-6).
    ///
    /// # Errors
    /// [`BadOrganisation`].
    pub fn parse(text: &str) -> Result<Self, BadOrganisation> {
        Self::canonical(&text.to_ascii_lowercase())
    }

    /// Accepts the canonical form only.
    ///
    /// # Errors
    /// [`BadOrganisation`], for capitals too.
    pub fn canonical(text: &str) -> Result<Self, BadOrganisation> {
        // ID-6
        let last_is_numeric =
            text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        if text.len() > MAX_ORGANISATION || last_is_numeric || !text.split('.').all(is_label) {
            return Err(BadOrganisation);
        }
        Ok(Self(text.to_owned()))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Organisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Organisation {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Organisation {
    type Err = BadOrganisation;

    fn from_str(text: &str) -> Result<Self, BadOrganisation> {
        Self::parse(text)
    }
}

/// Whether `text` is one label of a host name in lower case (RFC 1123, section 2.1).
pub(super) fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_LABEL
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_dns_name_in_lower_case() {
        for (text, name) in [("Apollo.Example", "apollo.example"), ("lab", "lab"), ("a-1.b2", "a-1.b2")] {
            assert_eq!(Organisation::parse(text).unwrap().as_str(), name);
        }
        for bad in ["", ".", "a.", ".a", "a..b", "-a.b", "a-.b", "a_b.c", "10.0.0.1", "é.example", "a b"] {
            assert_eq!(Organisation::parse(bad), Err(BadOrganisation), "{bad}");
        }
        assert!(Organisation::parse(&"a".repeat(63)).is_ok());
        assert_eq!(Organisation::parse(&"a".repeat(64)), Err(BadOrganisation));
        assert_eq!(Organisation::parse(&"a.".repeat(33)), Err(BadOrganisation));
    }
}
