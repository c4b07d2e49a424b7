//! Where clients find the server: what invites carry.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Host and port, as the data folder keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicAddress {
    /// Host name or address; IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl PublicAddress {
    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.trim().rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }

    /// What invites carry when a server starts that listens on `listening`: the name that it is given; else the host of
    /// the last start, unless others cannot use that one and can use the listening address.
    pub(crate) fn choose(name: Option<String>, last: Option<Self>, listening: SocketAddr) -> Self {
        let own = Self { host: listening.ip().to_string(), port: listening.port() };
        let kept = last.filter(|last| !last.is_local() || own.is_local()).map(|last| last.host);
        Self { host: name.or(kept).unwrap_or(own.host), port: own.port }
    }

    /// Whether nobody can connect to the host: it is the unspecified address.
    pub fn is_unspecified(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_unspecified())
    }

    /// Whether nobody, or this machine alone, can connect to the host.
    pub fn is_local(&self) -> bool {
        self.host == "localhost" || self.ip().is_some_and(|ip| ip.is_unspecified() || ip.is_loopback())
    }

    fn ip(&self) -> Option<IpAddr> {
        self.host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
    }
}

impl fmt::Display for PublicAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in ["chat.example.org:7117", "192.0.2.1:1", "[2001:db8::1]:65535"] {
            assert_eq!(PublicAddress::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "chat.example.org", "chat.example.org:", "a:65536"] {
            assert_eq!(PublicAddress::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_last_host_stays_unless_a_name_is_given_or_others_cannot_use_it() {
        let listening = |text: &str| text.parse::<SocketAddr>().unwrap();
        for (name, last, at, chosen) in [
            (None, None, "192.0.2.1:7", "192.0.2.1:7"),
            (None, Some("chat.example.org:1"), "192.0.2.1:7", "chat.example.org:7"),
            (None, Some("chat.example.org:1"), "0.0.0.0:7", "chat.example.org:7"),
            (Some("new.example.org"), Some("chat.example.org:1"), "0.0.0.0:7", "new.example.org:7"),
            (Some("2001:db8::1"), None, "[::]:7", "[2001:db8::1]:7"),
            (None, Some("127.0.0.1:1"), "192.0.2.1:7", "192.0.2.1:7"),
            (None, Some("[::ffff:127.0.0.1]:1"), "192.0.2.1:7", "192.0.2.1:7"),
            (None, Some("localhost:1"), "0.0.0.0:7", "localhost:7"),
        ] {
            let last = last.map(|last| PublicAddress::parse(last).unwrap());
            let address = PublicAddress::choose(name.map(str::to_owned), last, listening(at));
            assert_eq!(address.to_string(), chosen);
        }
    }
}
