//! What differs between systems: file modes and locks. Unix only in this version.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags};
use rustix::process::geteuid;

/// Makes a folder that its owner alone can enter. It must not exist.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Opens a file that its owner alone can read and write, making it if there is none.
pub(crate) fn open_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// As [`open_private_file`] in a folder that others may write to as well: what stands there already is taken only if it is a file of this
/// process's user alone, and no link of any kind.
pub(crate) fn open_own_file(path: &Path) -> io::Result<File> {
    // Nor is anybody waited for at the other end of a pipe.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)?;
    let found = file.metadata()?;
    let own = found.uid() == geteuid().as_raw() && found.mode() & 0o077 == 0;
    if found.is_file() && found.nlink() == 1 && own {
        return Ok(file);
    }
    let why = format!("{} is in the way, which is not a file of yours alone; remove it", path.display());
    Err(io::Error::new(io::ErrorKind::AlreadyExists, why))
}

/// Syncs a folder's entries to disk.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Takes the file's lock if nobody has it. It is given back when the file is closed, also by the end of the process.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Gives the file's lock back.
pub(crate) fn unlock(file: &File) -> io::Result<()> {
    rustix::fs::flock(file, FlockOperation::Unlock).map_err(Into::into)
}

/// Fills `bytes` with what is in the file from `offset` on.
pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(bytes, offset)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn what_stands_in_the_way_is_not_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("file"), folder.path().join("other"));
        drop(open_own_file(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(open_own_file(&path).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(open_own_file(&path).unwrap_err().to_string().contains("in the way"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::hard_link(&path, &other).unwrap();
        assert!(open_own_file(&path).is_err());
        fs::remove_file(&path).unwrap();
        for target in [&other, &folder.path().join("nothing")] {
            symlink(target, &path).unwrap();
            assert!(open_own_file(&path).is_err());
            fs::remove_file(&path).unwrap();
        }
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .unwrap();
        assert!(open_own_file(&path).is_err());
        assert!(!folder.path().join("nothing").exists());
    }
}
