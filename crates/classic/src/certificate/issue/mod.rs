//! Making folders: a CA and a leaf for each side, single leaves, and folders that are bad on purpose (CL-90 to CL-93).

mod authority;
mod bad;
mod files;

use std::path::{Path, PathBuf};

use super::folder::{Folder, FolderError};
use super::layout::{CA, Naming};
use super::{Certificate, Dialect, KeyError, Passphrase, Role};
use authority::{Authority, Leaf};
use files::NewFiles;

pub use authority::MAX_NAME;
pub use bad::{Bad, UnknownBad, make_bad};

/// The common name of a CA for which no other is said.
pub const CA_NAME: &str = "Classic Root CA";

/// Whether a folder has a CA's certificate.
pub fn has_ca(path: &Path) -> bool {
    Naming::of(path, &[CA]).is_some()
}

/// The layout of a folder that has a CA, as its files and the name in its server's certificate show it.
pub fn layout_of(path: &Path) -> Option<Dialect> {
    let naming = Naming::of(path, &[CA])?;
    let server = super::folder::read_certificate(&Folder::new(path, naming).certificate(Role::Server.name()));
    let name = server.as_ref().ok().and_then(Certificate::common_name);
    let shown = Dialect::ALL.into_iter().filter(|layout| layout.naming() == naming);
    shown
        .clone()
        .find(|layout| name == Some(layout.common_name(Role::Server)))
        .or_else(|| shown.clone().next())
}

/// Makes what is missing of a folder: the CA, both leaves (CL-90 to CL-92). The paths of the new files, in order. `ca_name` is for a
/// new CA ([`CA_NAME`] if there is none). The passphrase opens the CA's key, or is to open the new one; without one that is not
/// encrypted.
///
/// # Errors
/// [`IssueError`]; [`IssueError::Complete`] if nothing is missing, [`IssueError::needs_passphrase`] before anything is made.
pub fn make_folder(
    path: &Path,
    layout: Dialect,
    ca_name: Option<&str>,
    passphrase: Option<&Passphrase>,
    now_ms: u64,
) -> Result<Vec<PathBuf>, IssueError> {
    let folder = Folder::new(path, Naming::of(path, &[CA]).unwrap_or(layout.naming()));
    let mut wanted = Vec::new();
    for role in Role::ALL {
        if is_missing(&folder, role.name())? {
            wanted.push(role);
        }
    }
    let mut files = NewFiles::default();
    let authority = if has_ca(path) {
        if ca_name.is_some() {
            return Err(IssueError::Exists(folder.certificate(CA)));
        }
        if wanted.is_empty() {
            return Err(IssueError::Complete(path.to_owned()));
        }
        Authority::open(&folder, passphrase)?
    } else {
        let authority = Authority::generate(ca_name.unwrap_or(CA_NAME), now_ms)?;
        files.certificate(folder.certificate(CA), authority.certificate());
        files.key(folder.key(CA), authority.key_pem(passphrase)?);
        authority
    };
    for role in wanted {
        files.leaf(&folder, role.name(), &authority.issue(&Leaf::good(layout.common_name(role), now_ms)?)?);
    }
    files.write(path)
}

/// Issues one more leaf from the folder's CA: `STEM.crt` and `STEM.key`, or as the folder's files are named (CL-92).
///
/// # Errors
/// [`IssueError`].
pub fn make_leaf(
    path: &Path,
    common_name: &str,
    stem: &str,
    passphrase: Option<&Passphrase>,
    now_ms: u64,
) -> Result<Vec<PathBuf>, IssueError> {
    let is_name = Path::new(stem).file_name().is_some_and(|name| name == stem);
    if !is_name || stem == CA {
        return Err(IssueError::BadStem);
    }
    let leaf = Leaf::good(common_name, now_ms)?;
    let naming = Naming::of(path, &[CA]).ok_or_else(|| IssueError::NoAuthority(path.to_owned()))?;
    let folder = Folder::new(path, naming);
    if !is_missing(&folder, stem)? {
        return Err(IssueError::Exists(folder.certificate(stem)));
    }
    let mut files = NewFiles::default();
    files.leaf(&folder, stem, &Authority::open(&folder, passphrase)?.issue(&leaf)?);
    files.write(path)
}

/// Whether a stem has no files. One of its two alone is a fault that nobody but the operator can mend.
fn is_missing(folder: &Folder, stem: &str) -> Result<bool, IssueError> {
    // CL-92
    match (folder.certificate(stem), folder.key(stem)) {
        (certificate, key) if certificate.exists() && !key.exists() => {
            Err(IssueError::Half { there: certificate, missing: key })
        }
        (certificate, key) if key.exists() && !certificate.exists() => {
            Err(IssueError::Half { there: key, missing: certificate })
        }
        (certificate, _) => Ok(!certificate.exists()),
    }
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Everything is there.
    #[error("everything is in {} already; move away what is to be made anew, or name another folder", .0.display())]
    Complete(PathBuf),
    /// It would have to be overwritten.
    #[error("{} is there already and is not overwritten; move it away, or choose another name", .0.display())]
    Exists(PathBuf),
    /// One file of a pair is there without the other.
    #[error("{} is there without {}; bring the other back, or move it away", there.display(), missing.display())]
    Half {
        /// The file that is there.
        there: PathBuf,
        /// The file that is not.
        missing: PathBuf,
    },
    /// There is no CA.
    #[error("there is no CA in {}; `countersign classic certs {}` makes one", .0.display(), .0.display())]
    NoAuthority(PathBuf),
    /// The CA's key is not there.
    #[error("{} is not there: nothing can be issued without the CA's key; bring it back, or name another folder", .0.display())]
    NoAuthorityKey(PathBuf),
    /// The CA's certificate cannot issue.
    #[error("the CA's certificate cannot be used to issue: {0}")]
    BadAuthority(String),
    /// The CA's certificate has expired.
    #[error("the CA's certificate has expired and issues nothing any more; make a new folder")]
    AuthorityExpired,
    /// A name that a certificate does not take.
    #[error(
        "a common name has 1 to {MAX_NAME} characters: of a leaf visible ASCII without spaces, of a CA no control characters"
    )]
    BadName,
    /// A stem that is no file name.
    #[error(
        "a stem is a file name without folder and ending, such as `bob` for bob.crt and bob.key; `ca` is taken"
    )]
    BadStem,
    /// A file of the folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A key cannot be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file cannot be written; none was left.
    #[error("cannot write {}: {error}; nothing was made", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The encoder of certificates failed.
    #[error("a certificate could not be made: {0}")]
    Encoder(#[from] rcgen::Error),
}

impl IssueError {
    /// Whether it is only that the CA's key is encrypted and no passphrase was given.
    pub fn needs_passphrase(&self) -> bool {
        matches!(self, Self::Folder(FolderError::Key { error: KeyError::NeedsPassphrase, .. }))
    }
}
