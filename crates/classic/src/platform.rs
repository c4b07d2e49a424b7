//! What differs between systems: file modes, locks on folders and their syncing. Unix only in this version.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Makes a folder, with those above it, that its owner alone can enter; one that is there stays as it is.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a file for writing that must not be there; `private` if its owner alone may read it.
pub(crate) fn create_new(path: &Path, private: bool) -> io::Result<File> {
    let mode = if private { 0o600 } else { 0o644 };
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// Waits until nobody else of our processes has the folder, and takes it. It is given back when the file is closed.
pub(crate) fn lock_folder(path: &Path) -> io::Result<File> {
    let folder = File::open(path)?;
    folder.lock()?;
    Ok(folder)
}

/// Syncs a folder's entries to disk.
pub(crate) fn sync_folder(folder: &File) -> io::Result<()> {
    folder.sync_all()
}
