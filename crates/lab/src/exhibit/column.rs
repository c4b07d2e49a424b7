//! What is attacked: the classic protocols and Countersign.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A protocol, a column of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    /// `cianr-pss`.
    CianrPss,
    /// `cianr-pkcs1`.
    CianrPkcs1,
    /// `cianr-line`.
    CianrLine,
    /// `key-transport`.
    KeyTransport,
    /// `broadcast`.
    Broadcast,
    /// Countersign itself.
    Countersign,
}

impl Column {
    /// All of them, in the matrix's order.
    pub const ALL: [Self; 6] = [
        Self::CianrPss,
        Self::CianrPkcs1,
        Self::CianrLine,
        Self::KeyTransport,
        Self::Broadcast,
        Self::Countersign,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::CianrPss => "cianr-pss",
            Self::CianrPkcs1 => "cianr-pkcs1",
            Self::CianrLine => "cianr-line",
            Self::KeyTransport => "key-transport",
            Self::Broadcast => "broadcast",
            Self::Countersign => "countersign",
        }
    }

    /// The one of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
