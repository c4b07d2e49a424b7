//! Which files a folder holds and whom its certificates name, by dialect (CL-85, CL-86).

use std::path::Path;

use super::Expectation;
use crate::protocol::{Dialect, Role};

/// Stem of the CA's files.
pub(super) const CA: &str = "ca";

impl Dialect {
    /// The common name of that side's certificate (CL-85).
    pub fn common_name(self, role: Role) -> &'static str {
        match (self, role) {
            (Self::Pkcs1, Role::Server) => "server.local",
            (Self::Pkcs1, Role::Client) => "client.local",
            (Self::Pss | Self::Line, _) => role.name(),
        }
    }

    /// What it expects of a certificate that should name `name` (CL-83).
    pub fn expectation(self, name: &str) -> Expectation<'_> {
        match self {
            Self::Pss => Expectation::CommonName(name),
            Self::Pkcs1 => Expectation::CommonNameOrDns(name),
            Self::Line => Expectation::Issuer,
        }
    }

    pub(super) fn naming(self) -> Naming {
        match self {
            Self::Pss | Self::Pkcs1 => Naming::Crt,
            Self::Line => Naming::DotPem,
        }
    }
}

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
