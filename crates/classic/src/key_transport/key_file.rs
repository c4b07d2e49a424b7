//! The server's key on disk.

use std::io::{Error, ErrorKind, Write};
use std::path::Path;

use zeroize::Zeroizing;

use crate::ClassicError;
use crate::rsa::DecryptingKey;

/// Name of the file.
pub const KEY_FILE: &str = "server_key.pem";
const MAX_KEY_FILE: u64 = 16 * 1024;

/// The key in a server's folder, made if there is none (CL-45). It blocks for as long as making one takes.
///
/// # Errors
/// [`ClassicError::Io`] for a file that cannot be read or written, or holds no key that can be used.
pub fn key_of_folder(folder: &Path) -> Result<DecryptingKey, ClassicError> {
    let path = folder.join(KEY_FILE);
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.len() <= MAX_KEY_FILE => {}
        Ok(_) => return Err(unusable(&path)),
        Err(error) if error.kind() == ErrorKind::NotFound => make(folder, &path)?,
        Err(error) => return Err(ClassicError::io(format!("cannot read {}", path.display()), error)),
    }
    let text = std::fs::read_to_string(&path).map(Zeroizing::new);
    let text = text.map_err(|e| ClassicError::io(format!("cannot read {}", path.display()), e))?;
    DecryptingKey::from_pem(&text).map_err(|_| unusable(&path))
}

/// Another server may make one in the same moment: the first stays.
fn make(folder: &Path, path: &Path) -> Result<(), ClassicError> {
    let failed = |error| ClassicError::io(format!("cannot write {}", path.display()), error);
    let text = DecryptingKey::generate()?.to_pem()?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?; // mode 0600
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != ErrorKind::AlreadyExists => Err(failed(error.error)),
        _ => Ok(()),
    }
}

fn unusable(path: &Path) -> ClassicError {
    let why = "it is no RSA key of 2,048 to 8,192 bits in PEM, PKCS#8 or traditional, without a passphrase; \
               move it away, and a new one is made";
    ClassicError::io(format!("cannot use {}", path.display()), Error::new(ErrorKind::InvalidData, why))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn cl45_a_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let made = key_of_folder(folder.path()).unwrap();
        let path = folder.path().join(KEY_FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(key_of_folder(folder.path()).unwrap().public_der(), made.public_der());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn cl45_a_file_that_is_no_key_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEY_FILE);
        for text in ["", "-----BEGIN PRIVATE KEY-----\n", &"x".repeat(20_000)] {
            std::fs::write(&path, text).unwrap();
            let error = key_of_folder(folder.path()).err().unwrap();
            assert!(matches!(error, ClassicError::Io { .. }), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert!(key_of_folder(&folder.path().join("none")).is_err());
    }
}
