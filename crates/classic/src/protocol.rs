//! The five protocols by name, the dialects of `cianr`, and the two roles.

use std::fmt;
use std::str::FromStr;

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Listens.
    Server,
    /// Connects.
    Client,
}

impl Role {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Server, Self::Client];

    /// Its name: on the wire, and as the stem of its files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }

    /// The other one.
    pub fn peer(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}

/// A dialect of `cianr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `cianr-pss`.
    Pss,
    /// `cianr-pkcs1`.
    Pkcs1,
    /// `cianr-line`.
    Line,
}

impl Dialect {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Pss, Self::Pkcs1, Self::Line];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pss => "cianr-pss",
            Self::Pkcs1 => "cianr-pkcs1",
            Self::Line => "cianr-line",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no dialect.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error("the dialects are cianr-pss, cianr-pkcs1 and cianr-line")]
pub struct UnknownDialect;

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, UnknownDialect> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name).ok_or(UnknownDialect)
    }
}

/// A classic protocol (CL-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `cianr-pss`, `cianr-pkcs1` or `cianr-line`.
    Cianr(Dialect),
    /// `key-transport`.
    KeyTransport,
    /// `broadcast`.
    Broadcast,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Cianr(Dialect::Pss),
        Self::Cianr(Dialect::Pkcs1),
        Self::Cianr(Dialect::Line),
        Self::KeyTransport,
        Self::Broadcast,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cianr(dialect) => dialect.name(),
            Self::KeyTransport => "key-transport",
            Self::Broadcast => "broadcast",
        }
    }

    /// The port that its programs listen on; of `cianr-line` the one for the chat.
    pub fn port(self) -> u16 {
        match self {
            Self::Cianr(Dialect::Pss | Dialect::Pkcs1) => 12_345,
            Self::Cianr(Dialect::Line) => 9_100,
            Self::KeyTransport => 5_555,
            Self::Broadcast => 9_999,
        }
    }

    /// The port for accounts, where that is another one.
    pub fn accounts_port(self) -> Option<u16> {
        (self == Self::Cianr(Dialect::Line)).then_some(9_000)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no classic protocol.
#[derive(Debug, thiserror::Error)]
#[error("the protocols are cianr-pss, cianr-pkcs1, cianr-line, key-transport and broadcast")]
pub struct UnknownProtocol;

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(name: &str) -> Result<Self, UnknownProtocol> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name).ok_or(UnknownProtocol)
    }
}
