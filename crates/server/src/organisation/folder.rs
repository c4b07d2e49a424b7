//! The server's data folder: `organisation/` (certificates and keys), `store.db`, `address`, `listening`, `store`, `lock`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::PublicAddress;

/// Largest file of the folder that is read at once, in bytes.
const MAX_FILE: u64 = 256 * 1024;

/// File that says that an issuing CA's request was made, and for which organisation.
pub(super) const REQUESTED: &str = "organisation";

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another server has it.
    #[error("another countersign server is running on {0}; stop it first, or give another --data folder")]
    InUse(PathBuf),
    /// Something is there already.
    #[error("{0} is there already; name a new folder")]
    Exists(PathBuf),
    /// A file or folder cannot be read or written.
    #[error("cannot {what} {path}: {cause}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
}

/// The lock of a running server; released when dropped, also by the end of the process.
#[derive(Debug)]
pub struct FolderLock(#[expect(dead_code, reason = "held for its lock")] File);

/// A server's data folder.
#[derive(Debug, Clone)]
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// Opens the folder, and makes it (mode 0700) if it is not there.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        if !path.is_dir() {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.and_then(|()| sync_parent(path)).map_err(|e| io_error("make the folder", path, e))?;
        }
        Ok(Self(path.to_owned()))
    }

    /// The folder, if somebody has served from it before.
    pub fn existing(path: &Path) -> Option<Self> {
        let folder = Self(path.to_owned());
        folder.organisation().is_dir().then_some(folder)
    }

    /// Takes the folder for one server.
    ///
    /// # Errors
    /// [`FolderError::InUse`] or [`FolderError::Io`].
    pub fn lock(&self) -> Result<FolderLock, FolderError> {
        let path = self.0.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(|e| io_error("open", &path, e))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(FolderLock(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(FolderError::InUse(self.0.clone())),
            Err(e) => Err(io_error("lock", &path, e.into())),
        }
    }

    /// Whether a server runs on the folder. Changes nothing, and needs no right to write.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn is_in_use(&self) -> Result<bool, FolderError> {
        let path = self.0.join("lock");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(io_error("open", &path, e)),
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(e) => Err(io_error("look at the lock", &path, e.into())),
        }
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where certificates and keys lie.
    pub fn organisation(&self) -> PathBuf {
        self.0.join("organisation")
    }

    /// Where a new organisation is put together before it is renamed into place.
    pub(super) fn unfinished(&self) -> PathBuf {
        self.0.join("organisation.new")
    }

    /// Where the organisation is written anew under another passphrase.
    pub(super) fn rewritten(&self) -> PathBuf {
        self.0.join("organisation.rewritten")
    }

    /// Whether the issuing CA's certificate is still to come from an operator's own root.
    pub fn awaits_certificate(&self) -> bool {
        !self.organisation().exists() && self.unfinished().join(REQUESTED).exists()
    }

    /// The folder at `path`, whether it is there or not; nothing is made.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Whether the key that waits for its certificate needs a passphrase.
    ///
    /// # Errors
    /// [`FolderError::Io`], also if none waits.
    pub fn waiting_key_is_encrypted(&self) -> Result<bool, FolderError> {
        let text = zeroize::Zeroizing::new(read_text(&self.unfinished().join("issuing.key"))?);
        Ok(pki::ed25519::at_rest::is_encrypted(&text))
    }

    /// The default database.
    pub fn database(&self) -> PathBuf {
        self.0.join("store.db")
    }

    /// Whether a server or a command has made the database.
    pub fn has_database(&self) -> bool {
        self.database().exists() || self.0.join("store").exists()
    }

    /// Whether the folder's own database is missing or empty though a server has run here: the address is written
    /// once the database stands.
    pub fn lost_database(&self) -> bool {
        let empty = self.database().metadata().map_or(true, |file| file.len() == 0);
        empty && !self.0.join("store").exists() && self.0.join("address").exists()
    }

    /// Remembers that the database is somewhere else than [`Self::database`].
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn remember_store(&self, url: &str) -> Result<(), FolderError> {
        write_file(&self.0.join("store"), url.as_bytes())
    }

    /// The database that the last start was given, if it was given one.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn store(&self) -> Result<Option<String>, FolderError> {
        read_if_there(&self.0.join("store"))
    }

    /// Remembers the address that invites carry, and the one on which the server listens.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn remember_addresses(
        &self,
        public: &PublicAddress,
        listening: SocketAddr,
    ) -> Result<(), FolderError> {
        write_file(&self.0.join("listening"), listening.to_string().as_bytes())?;
        write_file(&self.0.join("address"), public.to_string().as_bytes())
    }

    /// The address that invites carry since the last start, if there was one.
    ///
    /// # Errors
    /// [`FolderError::Io`], also if it cannot be understood.
    pub fn address(&self) -> Result<Option<PublicAddress>, FolderError> {
        self.read_address("address", PublicAddress::parse)
    }

    /// The address on which the server listened at the last start, if there was one.
    ///
    /// # Errors
    /// [`FolderError::Io`], also if it cannot be understood.
    pub fn listening(&self) -> Result<Option<SocketAddr>, FolderError> {
        self.read_address("listening", |text| text.trim().parse().ok())
    }

    fn read_address<T>(&self, name: &str, parse: fn(&str) -> Option<T>) -> Result<Option<T>, FolderError> {
        let path = self.0.join(name);
        let Some(text) = read_if_there(&path)? else { return Ok(None) };
        let odd =
            || io::Error::new(io::ErrorKind::InvalidData, "it holds no address; start the server again");
        parse(&text).map(Some).ok_or_else(|| io_error("read", &path, odd()))
    }
}

fn read_if_there(path: &Path) -> Result<Option<String>, FolderError> {
    if path.exists() { read_text(path).map(Some) } else { Ok(None) }
}

/// Reads a small text file.
pub(super) fn read_text(path: &Path) -> Result<String, FolderError> {
    let read = || -> io::Result<String> {
        if fs::metadata(path)?.len() > MAX_FILE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too large"));
        }
        fs::read_to_string(path)
    };
    read().map_err(|e| io_error("read", path, e))
}

/// Writes a file (mode 0600) whole: to a name beside it, synced, then renamed.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let beside = path.with_extension("tmp");
    let write = || -> io::Result<()> {
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        sync_parent(path)
    };
    write().map_err(|e| io_error("write", path, e))
}

/// Syncs the folder that holds `path`: without it a new name may be gone after a loss of power.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

pub(super) fn io_error(what: &'static str, path: &Path, cause: io::Error) -> FolderError {
    FolderError::Io { what, path: path.to_owned(), cause }
}
