//! Moving the root's key out of the data folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::authority::AuthorityError;
use super::folder::{DataFolder, io_error, read_text};

/// Moves `root.key` as it is, encrypted or not, to `out` (mode 0600), which must not exist. The original is removed only
/// when the copy is on disk.
///
/// # Errors
/// [`AuthorityError::NoRootKey`]; [`AuthorityError::Folder`].
pub fn export_root_key(folder: &DataFolder, out: &Path) -> Result<(), AuthorityError> {
    let place = folder.organisation();
    let original = place.join("root.key");
    if !original.exists() {
        return Err(AuthorityError::NoRootKey);
    }
    let key = Zeroizing::new(read_text(&original)?);
    let mut copy = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(out)
        .map_err(|e| io_error("make", out, e))?;
    if let Err(e) = write_synced(&mut copy, out, key.as_bytes()) {
        // A part of a copy is of no use; the original is still there.
        let _ = fs::remove_file(out);
        return Err(io_error("write", out, e).into());
    }
    fs::remove_file(&original).map_err(|e| io_error("remove", &original, e))?;
    sync_folder(&place).map_err(|e| io_error("write", &place, e))?;
    Ok(())
}

fn write_synced(copy: &mut File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    copy.write_all(bytes)?;
    copy.sync_all()?;
    sync_folder(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
