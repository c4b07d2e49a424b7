//! E-mail addresses as a second way to name an account.

use std::fmt;
use std::str::FromStr;

use super::organisation::is_label;

/// Most characters of an [`Email`] (RFC 5321, section 4.5.3.1.3, less the angle brackets).
pub const MAX_EMAIL: usize = 254;
/// Most characters before the `@` (RFC 5321, section 4.5.3.1.1).
const MAX_LOCAL: usize = 64;

/// An e-mail address in lower case: dot-atom, `@`, host name of two labels at least (ID-7). Never in a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);

/// Text that is no e-mail address of the accepted form.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error(
    "not an e-mail address: it is written `name@host.example`, without quotes, comments or non-ASCII letters"
)]
pub struct BadEmail;

impl Email {
    /// Reads what a person typed; ASCII capitals become small letters on both sides of the `@`, so that two
    /// accounts never differ by case alone (ID-7).
    ///
    /// # Errors
    /// [`BadEmail`].
    pub fn parse(text: &str) -> Result<Self, BadEmail> {
        // ID-7
        let text = text.to_ascii_lowercase();
        let (local, domain) = text.split_once('@').ok_or(BadEmail)?;
        let local_is_dot_atom = local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext));
        let domain_is_host = domain.contains('.') && domain.split('.').all(is_label);
        if text.len() > MAX_EMAIL || local.len() > MAX_LOCAL || !local_is_dot_atom || !domain_is_host {
            return Err(BadEmail);
        }
        Ok(Self(text))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Email {
    type Err = BadEmail;

    fn from_str(text: &str) -> Result<Self, BadEmail> {
        Self::parse(text)
    }
}

/// `atext` of RFC 5322, section 3.2.3.
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_dot_atom_at_a_host() {
        let good = Email::parse("Ann.B+Team@Mail.Example").unwrap();
        assert_eq!(good.as_str(), "ann.b+team@mail.example");
        for bad in [
            "",
            "ann",
            "@b.example",
            "ann@",
            "ann@host",
            "a..b@c.example",
            ".a@c.example",
            "a@b@c.example",
            "\"a\"@c.example",
            "a b@c.example",
            "ä@c.example",
            "a@[10.0.0.1]",
            "a@c.example.",
            "a@c_d.example",
        ] {
            assert_eq!(Email::parse(bad), Err(BadEmail), "{bad}");
        }
        assert_eq!(Email::parse(&format!("{}@c.example", "a".repeat(65))), Err(BadEmail));
    }
}
