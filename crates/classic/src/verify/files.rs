//! The files of a receipt, wherever they lie now (CL-100).

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::certificate::{Certificate, CertificateError, MAX_CERTIFICATE};

/// Longest receipt that is read, in bytes.
const MAX_RECEIPT: u64 = 64 * 1024;

/// Where a receipt and what belongs to it are.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// The receipt.
    pub receipt: PathBuf,
    /// The transcript, if not the one that the receipt names.
    pub transcript: Option<PathBuf>,
    /// The signer's certificate, if not the one that the receipt names.
    pub own: Option<PathBuf>,
    /// The other side's certificate, if not the one that the receipt names.
    pub peer: Option<PathBuf>,
}

/// Why a receipt cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}; name where it is now with {option}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The option that names another.
        option: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The receipt is no receipt.
    #[error("{path} is no receipt: {why}")]
    NoReceipt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The receipt does not say where something is, and no option does.
    #[error("the receipt names no {what}; name it with {option}")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// The option.
        option: &'static str,
    },
    /// A certificate cannot be used.
    #[error("{path}: {source}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CertificateError,
    },
}

/// A receipt with everything found.
pub(super) struct Found {
    pub hash: String,
    pub signature: String,
    pub own: PathBuf,
    pub peer: PathBuf,
    pub transcript: PathBuf,
}

/// A receipt's file, as it is kept (CL-27) or as it came over the wire (CL-26).
#[derive(Deserialize)]
struct Kept {
    #[serde(alias = "transcript_sha256")]
    receipt_hash: String,
    #[serde(alias = "sig")]
    signature_b64: String,
    our_cert_file: Option<PathBuf>,
    peer_cert_file: Option<PathBuf>,
    transcript_file: Option<PathBuf>,
}

impl Files {
    /// The files of a receipt that names all that belongs to it.
    pub fn of(receipt: PathBuf) -> Self {
        Self { receipt, ..Self::default() }
    }

    pub(super) fn receipt(&self) -> Result<Found, VerifyError> {
        let bytes = read(&self.receipt, MAX_RECEIPT, "RECEIPT")?;
        let kept: Kept = serde_json::from_slice(&bytes)
            .map_err(|e| VerifyError::NoReceipt { path: self.receipt.clone(), why: e.to_string() })?;
        let find = |given: &Option<PathBuf>, named: Option<PathBuf>, neighbours: &[&str], what, option| match (
            given, named,
        ) {
            (Some(path), _) => Ok(path.clone()),
            (None, Some(path)) => Ok(self.resolve(path)),
            (None, None) => self.neighbour(neighbours).ok_or(VerifyError::Missing { what, option }),
        };
        // The other side's receipt: who signed it is the peer.
        let (own, peer) = (&["_peer_cert.pem"], &["_own_cert.pem"]);
        let transcript = &["_transcript.log", ".log"];
        Ok(Found {
            hash: kept.receipt_hash.to_ascii_lowercase(),
            signature: kept.signature_b64,
            own: find(&self.own, kept.our_cert_file, own, "certificate of its signer", "--cert")?,
            peer: find(
                &self.peer,
                kept.peer_cert_file,
                peer,
                "certificate of the other side",
                "--peer-cert",
            )?,
            transcript: find(
                &self.transcript,
                kept.transcript_file,
                transcript,
                "transcript",
                "--transcript",
            )?,
        })
    }

    /// The file of that name beside the receipt if there is one, else the path as it is written: what was moved or copied together
    /// belongs together.
    fn resolve(&self, named: PathBuf) -> PathBuf {
        let folder = self.receipt.parent().unwrap_or(Path::new("."));
        let beside = named.file_name().map(|name| folder.join(name));
        [beside, Some(folder.join(&named)), Some(named.clone())]
            .into_iter()
            .flatten()
            .find(|path| path.exists())
            .unwrap_or(named)
    }

    /// The first file beside a received receipt that has one of these endings and its beginning (CL-27).
    fn neighbour(&self, endings: &[&str]) -> Option<PathBuf> {
        let stem = self.receipt.file_name()?.to_str()?.strip_suffix("_received_receipt.json")?;
        let beside = endings.iter().map(|ending| self.receipt.with_file_name(format!("{stem}{ending}")));
        beside.into_iter().find(|path| path.exists())
    }

    pub(super) fn certificate(&self, path: &Path) -> Result<Certificate, VerifyError> {
        certificate(path)
    }
}

pub(super) fn certificate(path: &Path) -> Result<Certificate, VerifyError> {
    let bytes = read(path, MAX_CERTIFICATE as u64 + 1, "--cert, --peer-cert or --root")?;
    Certificate::parse(&bytes).map_err(|source| VerifyError::Certificate { path: path.to_owned(), source })
}

fn read(path: &Path, most: u64, option: &'static str) -> Result<Vec<u8>, VerifyError> {
    let mut bytes = Vec::new();
    open(path, option)?.take(most).read_to_end(&mut bytes).map_err(|source| VerifyError::Io {
        path: path.to_owned(),
        option,
        source,
    })?;
    Ok(bytes)
}

/// Opens a regular file: a receipt may name a device or a pipe, which would never end.
pub(super) fn open(path: &Path, option: &'static str) -> Result<File, VerifyError> {
    let regular = |found: std::fs::Metadata| match found.is_file() {
        true => File::open(path),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    };
    let opened = std::fs::metadata(path).and_then(regular);
    opened.map_err(|source| VerifyError::Io { path: path.to_owned(), option, source })
}
