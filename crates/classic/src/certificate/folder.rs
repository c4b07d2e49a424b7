//! One side's certificate, key and CA, as they lie in a folder (CL-86).

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::layout::{CA, Naming};
use super::{
    Certificate, CertificateError, KeyError, MAX_CERTIFICATE, MAX_KEY_FILE, Passphrase, PrivateKey, Role,
};
use crate::rsa::SigningKey;

/// A folder of certificates and keys in one of the known ways to name files.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    naming: Naming,
}

impl Folder {
    /// Reads one side's files from a folder, whichever way they are named. The passphrase is for an encrypted key and is not
    /// used otherwise.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn open(path: &Path, role: Role, passphrase: Option<&Passphrase>) -> Result<Identity, FolderError> {
        // CL-86
        let stem = role.name();
        let naming = Naming::of(path, &[CA, stem])
            .or_else(|| Naming::of(path, &[CA]))
            .or_else(|| Naming::of(path, &[stem]))
            .unwrap_or(Naming::Crt);
        let folder = Self::new(path, naming);
        let files = [folder.certificate(stem), folder.key(stem), folder.certificate(CA)];
        let missing: Vec<String> =
            files.iter().filter(|file| !file.exists()).map(|file| shown(file)).collect();
        if !missing.is_empty() {
            return Err(FolderError::Missing { files: missing.join(", "), folder: path.to_owned() });
        }
        let [certificate_file, key_file, ca_file] = files;
        let certificate = read_certificate(&certificate_file)?;
        let key = read_key(&key_file, passphrase)?;
        // CL-87
        if key.public_pkcs1() != certificate.public_key_pkcs1() {
            return Err(FolderError::Mismatch { key: key_file, certificate: certificate_file });
        }
        let ca = read_certificate(&ca_file)?;
        Ok(Identity { certificate, key: key.into_signing_key(), ca, certificate_file, ca_file })
    }

    pub(super) fn new(path: &Path, naming: Naming) -> Self {
        Self { path: path.to_owned(), naming }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn naming(&self) -> Naming {
        self.naming
    }

    pub(super) fn certificate(&self, stem: &str) -> PathBuf {
        self.path.join(self.naming.certificate(stem))
    }

    pub(super) fn key(&self, stem: &str) -> PathBuf {
        self.path.join(self.naming.key(stem))
    }
}

/// One side of a dialect: its certificate and key, and the CA by which it judges the other.
pub struct Identity {
    certificate: Certificate,
    key: SigningKey,
    ca: Certificate,
    certificate_file: PathBuf,
    ca_file: PathBuf,
}

impl Identity {
    /// One's own certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The key of one's own certificate.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The CA's certificate.
    pub fn ca(&self) -> &Certificate {
        &self.ca
    }

    /// Where one's own certificate lies.
    pub fn certificate_file(&self) -> &Path {
        &self.certificate_file
    }

    /// Where the CA's certificate lies.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?} under {:?})", self.certificate, self.ca)
    }
}

pub(super) fn read_certificate(path: &Path) -> Result<Certificate, FolderError> {
    let bytes = read(path, MAX_CERTIFICATE)?;
    Certificate::parse(&bytes).map_err(|error| FolderError::Certificate { path: path.to_owned(), error })
}

pub(super) fn read_key(path: &Path, passphrase: Option<&Passphrase>) -> Result<PrivateKey, FolderError> {
    let failed = |error| FolderError::Key { path: path.to_owned(), error };
    let bytes = read(path, MAX_KEY_FILE)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| failed(KeyError::NotPem))?;
    PrivateKey::from_pem(text, passphrase).map_err(failed)
}

/// A file's bytes; of one that is too long one more than `most`.
fn read(path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, FolderError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
    let file = File::open(path).and_then(|file| file.take(most as u64 + 1).read_to_end(&mut bytes));
    file.map_err(|error| FolderError::Io { path: path.to_owned(), error })?;
    Ok(bytes)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Why a folder's files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Files that are needed are not there.
    #[error("not there: {files}; `countersign classic certs {}` makes what is missing", folder.display())]
    Missing {
        /// Their paths.
        files: String,
        /// The folder.
        folder: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A certificate cannot be used.
    #[error("{}: {error}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        error: CertificateError,
    },
    /// A key cannot be used.
    #[error("{}: {error}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        error: KeyError,
    },
    /// The key is another certificate's.
    #[error(
        "{} is not the key of {}: the two files are of different makings; put the right pair there, or move both away \
         and let `countersign classic certs` make new ones",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
}
