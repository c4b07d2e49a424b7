//! Which files a folder holds and whom its certificates name, by dialect (CL-85, CL-86).

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::Expectation;

/// Stem of the CA's files.
pub(super) const CA: &str = "ca";

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

    /// Stem of its files.
    pub fn stem(self) -> &'static str {
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

/// A dialect, as its certificates and files show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Files `STEM.crt`, `STEM.key`; names `server`, `client`.
    CianrPss,
    /// Files `STEM.crt`, `STEM.key`; names `server.local`, `client.local`.
    CianrPkcs1,
    /// Files `STEM.cert.pem`, `STEM.key.pem`; names `server`, `client`.
    CianrLine,
}

impl Layout {
    /// All three.
    pub const ALL: [Self; 3] = [Self::CianrPss, Self::CianrPkcs1, Self::CianrLine];

    /// The dialect's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::CianrPss => "cianr-pss",
            Self::CianrPkcs1 => "cianr-pkcs1",
            Self::CianrLine => "cianr-line",
        }
    }

    /// The common name of that side's certificate.
    pub fn common_name(self, role: Role) -> &'static str {
        match (self, role) {
            (Self::CianrPkcs1, Role::Server) => "server.local",
            (Self::CianrPkcs1, Role::Client) => "client.local",
            (Self::CianrPss | Self::CianrLine, _) => role.stem(),
        }
    }

    /// What the dialect expects of a certificate that should name `name` (CL-83).
    pub fn expectation(self, name: &str) -> Expectation<'_> {
        match self {
            Self::CianrPss => Expectation::CommonName(name),
            Self::CianrPkcs1 => Expectation::CommonNameOrDns(name),
            Self::CianrLine => Expectation::Issuer,
        }
    }

    pub(super) fn naming(self) -> Naming {
        match self {
            Self::CianrPss | Self::CianrPkcs1 => Naming::Crt,
            Self::CianrLine => Naming::DotPem,
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Layout {
    type Err = UnknownLayout;

    fn from_str(text: &str) -> Result<Self, UnknownLayout> {
        Self::ALL.into_iter().find(|layout| layout.name() == text).ok_or(UnknownLayout)
    }
}

/// No dialect has that name.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error("the layouts are cianr-pss, cianr-pkcs1 and cianr-line")]
pub struct UnknownLayout;

/// How the files of a stem are named (CL-86).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    Crt,
    DotPem,
    UnderscorePem,
}

impl Naming {
    // CL-86
    const ALL: [Self; 3] = [Self::Crt, Self::DotPem, Self::UnderscorePem];

    pub fn certificate(self, stem: &str) -> String {
        match self {
            Self::Crt => format!("{stem}.crt"),
            Self::DotPem => format!("{stem}.cert.pem"),
            Self::UnderscorePem => format!("{stem}_cert.pem"),
        }
    }

    pub fn key(self, stem: &str) -> String {
        match self {
            Self::Crt => format!("{stem}.key"),
            Self::DotPem => format!("{stem}.key.pem"),
            Self::UnderscorePem => format!("{stem}_key.pem"),
        }
    }

    /// The first by which the certificates of all these stems are in the folder.
    pub fn of(folder: &Path, stems: &[&str]) -> Option<Self> {
        let all_there =
            |naming: &Self| stems.iter().all(|stem| folder.join(naming.certificate(stem)).exists());
        Self::ALL.into_iter().find(all_there)
    }
}
