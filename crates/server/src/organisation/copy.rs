//! Copies of what lies in a data folder.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::Path;

use super::folder::{DataFolder, FolderError, io_error, write_file};

impl DataFolder {
    /// Starts a copy of the folder beside `out`, which must not exist: the organisation's certificates and keys as they are, and
    /// the address. The database is for the caller to add.
    ///
    /// # Errors
    /// [`FolderError`].
    pub(crate) fn start_copy(&self, out: &Path) -> Result<Self, FolderError> {
        if out.exists() {
            return Err(FolderError::Exists(out.to_owned()));
        }
        let mut beside = out.as_os_str().to_owned();
        beside.push(".unfinished");
        let copy = Self::at(Path::new(&beside));
        copy.discard();
        Self::open(copy.path())?;
        Self::open(&copy.organisation())?;
        copy_files(&self.organisation(), &copy.organisation(), |_| true)?;
        copy_files(self.path(), copy.path(), |name| name == "address")?;
        Ok(copy)
    }

    /// Moves a copy into place.
    ///
    /// # Errors
    /// [`FolderError`].
    pub(crate) fn finish_copy(&self, out: &Path) -> Result<(), FolderError> {
        sync(self.path())?;
        fs::rename(self.path(), out).map_err(|e| io_error("move into place", out, e))?;
        sync(out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
    }

    /// Removes a copy that is not finished.
    pub(crate) fn discard(&self) {
        // It is not there, or the next try says why it cannot be removed.
        let _ = fs::remove_dir_all(self.path());
    }
}

/// Copies the files of a folder that are wanted (mode 0600, synced). A folder among them is refused.
pub(super) fn copy_files(from: &Path, to: &Path, wanted: impl Fn(&OsStr) -> bool) -> Result<(), FolderError> {
    let reading = |e| io_error("read", from, e);
    for entry in fs::read_dir(from).map_err(reading)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).map_err(reading)?;
        if wanted(&name) {
            let bytes = zeroize::Zeroizing::new(fs::read(&path).map_err(|e| io_error("read", &path, e))?);
            write_file(&to.join(name), &bytes)?;
        }
    }
    Ok(())
}

/// Syncs the names in a folder.
pub(super) fn sync(folder: &Path) -> Result<(), FolderError> {
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(|e| io_error("sync", folder, e))
}
