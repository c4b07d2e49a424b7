//! Invite links (SE-11).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::limits::TOKEN_LEN;

const SCHEME: &str = "countersign://";

/// What an invite is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A new user joins.
    Join,
    /// A new device of this user.
    Device {
        /// Canonical user name.
        user: String,
    },
}

/// A parsed invite link. Whoever holds it can use it: it is not shown in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// Host name or address; IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// SHA-256 of the root certificate's DER.
    pub root: [u8; 32],
    /// The one-time token.
    pub token: [u8; TOKEN_LEN],
    /// What it is for.
    pub purpose: Purpose,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Why a text is not an invite link.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[error("this is not a whole invite link ({0}); copy it again, from countersign:// to its end")]
pub struct BadLink(&'static str);

impl Link {
    /// The link as one line of text.
    pub fn format(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let (path, user) = match &self.purpose {
            Purpose::Join => ("join", String::new()),
            Purpose::Device { user } => ("device", format!("&user={user}")),
        };
        format!(
            "{SCHEME}{host}:{}/{path}?root={}&token={}{user}",
            self.port,
            hex::encode(self.root),
            URL_SAFE_NO_PAD.encode(self.token),
        )
    }

    /// Parses a link; white space around it is dropped.
    ///
    /// # Errors
    /// [`BadLink`] names the part that is missing or wrong.
    pub fn parse(text: &str) -> Result<Self, BadLink> {
        let rest =
            text.trim().strip_prefix(SCHEME).ok_or(BadLink("it does not start with countersign://"))?;
        let (authority, rest) = rest.split_once('/').ok_or(BadLink("the part after the host is missing"))?;
        let (path, query) = rest.split_once('?').ok_or(BadLink("its parameters are missing"))?;
        let (host, port) = authority.rsplit_once(':').ok_or(BadLink("the port is missing"))?;
        let port = port.parse().map_err(|_| BadLink("the port is not a number"))?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '%' | '_');
        if host.is_empty() || host.len() > 253 || !host.chars().all(plain) {
            return Err(BadLink("the host is not a name or an address"));
        }
        let (mut root, mut token, mut user) = (None, None, None);
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').ok_or(BadLink("a parameter has no value"))?;
            let slot = match key {
                "root" => &mut root,
                "token" => &mut token,
                "user" => &mut user,
                _ => return Err(BadLink("it has a parameter that this version does not know")),
            };
            if slot.replace(value).is_some() {
                return Err(BadLink("a parameter stands twice"));
            }
        }
        let mut root_bytes = [0; 32];
        hex::decode_to_slice(root.ok_or(BadLink("the root fingerprint is missing"))?, &mut root_bytes)
            .map_err(|_| BadLink("the root fingerprint is not 64 hexadecimal digits"))?;
        let token = URL_SAFE_NO_PAD
            .decode(token.ok_or(BadLink("the token is missing"))?)
            .ok()
            .and_then(|t| t.try_into().ok())
            .ok_or(BadLink("the token is not whole"))?;
        let purpose = match (path, user) {
            ("join", None) => Purpose::Join,
            ("device", Some(user)) => Purpose::Device { user: user.to_owned() },
            _ => return Err(BadLink("it is for something that this version does not know")),
        };
        Ok(Self { host: host.to_owned(), port, root: root_bytes, token, purpose })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_come_back_as_they_went_and_cut_ones_are_refused() {
        for (host, purpose) in [
            ("chat.example.org", Purpose::Join),
            ("::1", Purpose::Device { user: "alice".into() }),
            ("127.0.0.1", Purpose::Join),
        ] {
            let link = Link { host: host.into(), port: 7117, root: [7; 32], token: [9; 32], purpose };
            let text = link.format();
            assert_eq!(Link::parse(&format!("  {text}\n")).unwrap(), link);
            assert!(!format!("{link:?}").contains("0909"));
            for end in 0..text.len() {
                if let Ok(cut) = Link::parse(&text[..end]) {
                    assert!(
                        matches!(cut.purpose, Purpose::Device { ref user } if "alice".starts_with(user.as_str()))
                    );
                }
            }
        }
        assert!(Link::parse("countersign://h:1/join?root=00&token=AA&x=1").is_err());
    }
}
