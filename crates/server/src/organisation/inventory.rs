//! What a folder's organisation consists of, as far as it can be told without a passphrase.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use pki::certificate::certificates_from_pem;
use pki::{Chain, Fingerprint, Organisation, TrustAnchor};
use x509_parser::parse_x509_certificate;

use super::authority::AuthorityError;
use super::folder::{DataFolder, io_error, read_text};

/// Names of the keys, and of the files that hold them; `root` may be gone.
pub(super) const KEYS: [&str; 6] = ["root", "issuing", "server", "log", "cosigner", "storage"];
/// Names of the server's own leaves.
const LEAVES: [&str; 3] = ["server", "log", "cosigner"];

/// An organisation's certificates and the state of its key files.
#[derive(Debug)]
pub struct Inventory {
    /// The organisation.
    pub organisation: Organisation,
    /// The root.
    pub root: Listed,
    /// The issuing CA.
    pub issuing: Listed,
    /// The server's own leaves: server, log, cosigner.
    pub leaves: Vec<Listed>,
    /// The key files that are there.
    pub keys: Vec<KeyFile>,
}

/// One certificate.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What it is: the name of its file without the ending.
    pub name: &'static str,
    /// SHA-256 of its DER.
    pub fingerprint: Fingerprint,
    /// Start of its validity, Unix milliseconds.
    pub not_before_ms: u64,
    /// End of its validity, Unix milliseconds.
    pub not_after_ms: u64,
}

/// One private key file.
#[derive(Debug, Clone)]
pub struct KeyFile {
    /// What it is the key of.
    pub name: &'static str,
    /// Where it lies.
    pub path: PathBuf,
    /// Whether a passphrase is needed to read it.
    pub encrypted: bool,
    /// Permission bits.
    pub mode: u32,
}

impl Inventory {
    /// Reads a folder that holds an organisation.
    ///
    /// # Errors
    /// [`AuthorityError::Folder`] or [`AuthorityError::Certificate`].
    pub fn read(folder: &DataFolder) -> Result<Self, AuthorityError> {
        let root = certificates(folder, "root")?;
        let issuing = certificates(folder, "issuing")?;
        let anchor = TrustAnchor::for_chain(first("root", &root)?, &certificates(folder, "server")?)
            .map_err(|e| unusable("server", e.to_string()))?;
        let mut leaves = Vec::with_capacity(LEAVES.len());
        for name in LEAVES {
            leaves.push(listed(name, first(name, &certificates(folder, name)?)?)?);
        }
        Ok(Self {
            organisation: anchor.organisation().clone(),
            root: listed("root", first("root", &root)?)?,
            issuing: listed("issuing", first("issuing", &issuing)?)?,
            leaves,
            keys: keys(folder)?,
        })
    }

    /// Whether a passphrase is needed to start the server.
    pub fn encrypted(&self) -> bool {
        self.keys.iter().any(|key| key.encrypted)
    }
}

/// Start and end of a certificate's validity, Unix milliseconds; nothing for bytes that are no certificate.
pub fn validity_ms(der: &[u8]) -> Option<(u64, u64)> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    let ms = |seconds: i64| u64::try_from(seconds).ok()?.checked_mul(1000);
    let validity = certificate.validity();
    Some((ms(validity.not_before.timestamp())?, ms(validity.not_after.timestamp())?))
}

fn certificates(folder: &DataFolder, name: &str) -> Result<Chain, AuthorityError> {
    let text = read_text(&folder.organisation().join(name).with_extension("pem"))?;
    certificates_from_pem(&text).map(Chain).map_err(|e| unusable(name, e.to_string()))
}

fn first<'a>(name: &str, chain: &'a Chain) -> Result<&'a [u8], AuthorityError> {
    chain.leaf().ok_or_else(|| unusable(name, "it is empty".into()))
}

fn listed(name: &'static str, der: &[u8]) -> Result<Listed, AuthorityError> {
    let (not_before_ms, not_after_ms) =
        validity_ms(der).ok_or_else(|| unusable(name, "it is no certificate".into()))?;
    Ok(Listed { name, fingerprint: Fingerprint::of(der), not_before_ms, not_after_ms })
}

fn keys(folder: &DataFolder) -> Result<Vec<KeyFile>, AuthorityError> {
    let mut found = Vec::with_capacity(KEYS.len());
    for name in KEYS {
        let path = folder.organisation().join(name).with_extension("key");
        let mode = match fs::metadata(&path) {
            Ok(metadata) => metadata.permissions().mode() & 0o777,
            Err(e) if e.kind() == io::ErrorKind::NotFound && name == "root" => continue,
            Err(e) => return Err(io_error("read", &path, e).into()),
        };
        let text = zeroize::Zeroizing::new(read_text(&path)?);
        found.push(KeyFile { name, encrypted: pki::ed25519::at_rest::is_encrypted(&text), path, mode });
    }
    Ok(found)
}

fn unusable(name: &str, why: String) -> AuthorityError {
    AuthorityError::Certificate(format!("{name}.pem"), why)
}
