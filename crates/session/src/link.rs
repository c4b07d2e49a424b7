//! Links: invites (SE-11), and where to come back to (SE-42).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::limits::TOKEN_LEN;

const SCHEME: &str = "countersign://";
const RECOVER: &str = "recover";

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

/// Where a user's organisation is, for one whose devices are all lost: printed beside the recovery code, and no secret (SE-42).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryAddress {
    /// Host name or address; IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// SHA-256 of the root certificate's DER.
    pub root: [u8; 32],
    /// Canonical user name.
    pub user: String,
}

/// Why a text is not an invite link.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[error("this is not a whole invite link ({0}); copy it again, from countersign:// to its end")]
pub struct BadLink(&'static str);

impl Link {
    /// The link as one line of text.
    pub fn format(&self) -> String {
        let (path, user) = match &self.purpose {
            Purpose::Join => ("join", String::new()),
            Purpose::Device { user } => ("device", format!("&user={user}")),
        };
        let beginning = beginning(&self.host, self.port, path, &self.root);
        format!("{beginning}&token={}{user}", URL_SAFE_NO_PAD.encode(self.token))
    }

    /// Parses a link; white space around it is dropped.
    ///
    /// # Errors
    /// [`BadLink`] names the part that is missing or wrong.
    pub fn parse(text: &str) -> Result<Self, BadLink> {
        let Parts { host, port, path, root, token, user } = Parts::parse(text)?;
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
        Ok(Self { host: host.to_owned(), port, root, token, purpose })
    }
}

impl RecoveryAddress {
    /// The address as one line of text.
    pub fn format(&self) -> String {
        format!("{}&user={}", beginning(&self.host, self.port, RECOVER, &self.root), self.user)
    }

    /// Parses an address; white space around it is dropped.
    ///
    /// # Errors
    /// [`BadLink`] names the part that is missing or wrong.
    pub fn parse(text: &str) -> Result<Self, BadLink> {
        match Parts::parse(text)? {
            Parts { host, port, path: RECOVER, root, token: None, user: Some(user) } => {
                Ok(Self { host: host.to_owned(), port, root, user: user.to_owned() })
            }
            _ => Err(BadLink("it is not the one beside a recovery code")),
        }
    }
}

fn beginning(host: &str, port: u16, path: &str, root: &[u8; 32]) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    format!("{SCHEME}{host}:{port}/{path}?root={}", hex::encode(root))
}

/// What links are made of.
struct Parts<'a> {
    host: &'a str,
    port: u16,
    path: &'a str,
    root: [u8; 32],
    token: Option<&'a str>,
    user: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn parse(text: &'a str) -> Result<Self, BadLink> {
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
        Ok(Self { host, port, path, root: root_bytes, token, user })
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

    #[test]
    fn an_address_for_recovery_is_no_invite_and_no_invite_is_one() {
        let address = RecoveryAddress { host: "::1".into(), port: 7117, root: [7; 32], user: "alice".into() };
        let text = address.format();
        assert_eq!(text, format!("countersign://[::1]:7117/recover?root={}&user=alice", "07".repeat(32)));
        assert_eq!(RecoveryAddress::parse(&format!(" {text}\n")).unwrap(), address);
        assert!(Link::parse(&text).is_err());
        let link = Link { host: "h".into(), port: 1, root: [7; 32], token: [9; 32], purpose: Purpose::Join };
        assert!(RecoveryAddress::parse(&link.format()).is_err());
        assert!(RecoveryAddress::parse(&text.replace("&user=alice", "")).is_err());
    }
}
