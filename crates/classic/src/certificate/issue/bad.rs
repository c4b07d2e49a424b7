//! Folders with one thing wrong, to see it refused (CL-93).

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::authority::{Authority, Leaf};
use super::files::NewFiles;
use super::{IssueError, is_missing};
use crate::certificate::folder::{Folder, read_certificate};
use crate::certificate::layout::{CA, Naming};
use crate::certificate::{Dialect, Passphrase, Role};

/// The common name in a certificate that should have another.
const WRONG_NAME: &str = "mallory";

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// Signed by its own key.
    SelfSigned,
    /// Ended a day ago.
    Expired,
    /// Names somebody else.
    WrongCn,
    /// Signed by another CA of the same name.
    OtherCa,
}

impl Bad {
    /// All four.
    pub const ALL: [Self; 4] = [Self::SelfSigned, Self::Expired, Self::WrongCn, Self::OtherCa];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::SelfSigned => "self-signed",
            Self::Expired => "expired",
            Self::WrongCn => "wrong-cn",
            Self::OtherCa => "other-ca",
        }
    }

    /// The bad folder's place in a good one.
    pub fn folder(self, good: &Path) -> PathBuf {
        good.join(format!("bad-{self}"))
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Bad {
    type Err = UnknownBad;

    fn from_str(text: &str) -> Result<Self, UnknownBad> {
        Self::ALL.into_iter().find(|bad| bad.name() == text).ok_or(UnknownBad)
    }
}

/// No fault has that name.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error("the kinds of bad certificates are self-signed, expired, wrong-cn and other-ca")]
pub struct UnknownBad;

/// Makes the bad folder in a good one that has a CA (CL-93). The paths of the new files. The passphrase is that of the CA's key;
/// only [`Bad::Expired`] and [`Bad::WrongCn`] use it.
///
/// # Errors
/// [`IssueError`].
pub fn make_bad(
    good: &Path,
    layout: Dialect,
    bad: Bad,
    passphrase: Option<&Passphrase>,
    now_ms: u64,
) -> Result<Vec<PathBuf>, IssueError> {
    // CL-93
    let naming = Naming::of(good, &[CA]).ok_or_else(|| IssueError::NoAuthority(good.to_owned()))?;
    let good = Folder::new(good, naming);
    let folder = Folder::new(&bad.folder(good.path()), good.naming());
    for stem in Role::ALL.map(Role::name) {
        if !is_missing(&folder, stem)? {
            return Err(IssueError::Exists(folder.certificate(stem)));
        }
    }
    let ca = read_certificate(&good.certificate(CA))?;
    let authority = match bad {
        Bad::SelfSigned => None,
        Bad::Expired | Bad::WrongCn => Some(Authority::open(&good, passphrase)?),
        Bad::OtherCa => Some(Authority::double(&ca)?),
    };
    let mut files = NewFiles::default();
    files.certificate(folder.certificate(CA), ca.der());
    for role in Role::ALL {
        let name = if bad == Bad::WrongCn { WRONG_NAME } else { layout.common_name(role) };
        let leaf = match bad {
            Bad::Expired => Leaf::expired(name, now_ms)?,
            _ => Leaf::good(name, now_ms)?,
        };
        let issued = match &authority {
            Some(authority) => authority.issue(&leaf)?,
            None => Authority::self_signed(&leaf)?,
        };
        files.leaf(&folder, role.name(), &issued);
    }
    files.write(folder.path())
}
