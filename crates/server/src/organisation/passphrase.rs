//! Changing the passphrase of the keys: of all or of none, whenever the process ends.
//!
//! The folder `organisation` is written anew beside itself, synced, and exchanged with the one in place by one rename. What
//! lies beside after that, or after a stop before it, is used by nobody and is removed at the next start.

use std::fs;
use std::io;

use pki::ed25519::SigningKey;
use pki::password::Password;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::authority::{read_key, write_key};
use super::copy::{copy_files, sync};
use super::folder::{DataFolder, io_error};
use super::inventory::KEYS;
use super::{AuthorityError, FolderError, KeyProtection};

/// All keys of a folder, opened.
pub struct OpenKeys(Vec<(&'static str, SigningKey)>);

impl OpenKeys {
    /// Opens every key that is there; `root` may have been moved out.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn open(folder: &DataFolder, protection: &KeyProtection) -> Result<Self, AuthorityError> {
        let place = folder.organisation();
        let there = KEYS.into_iter().filter(|name| place.join(name).with_extension("key").exists());
        let keys: Result<_, AuthorityError> =
            there.map(|name| Ok((name, read_key(&place, name, protection)?))).collect();
        Ok(Self(keys?))
    }

    /// Encrypts all of them in the folder under `passphrase`. The caller holds the folder's lock.
    ///
    /// # Errors
    /// [`AuthorityError`]; nothing is changed then.
    pub fn encrypt(self, folder: &DataFolder, passphrase: Password) -> Result<(), AuthorityError> {
        let (place, beside) = (folder.organisation(), folder.rewritten());
        folder.remove_rewritten()?;
        DataFolder::open(&beside)?;
        // A folder among them would be lost with the old one: it is refused.
        copy_files(&place, &beside, |name| KEYS.iter().all(|key| *name != *format!("{key}.key")))?;
        let protection = KeyProtection::Passphrase(passphrase);
        for (name, key) in &self.0 {
            write_key(&beside, name, key, &protection)?;
        }
        sync(folder.path())?;
        renameat_with(CWD, &beside, CWD, &place, RenameFlags::EXCHANGE)
            .map_err(|e| io_error("put the new keys into", &place, e.into()))?;
        sync(folder.path())?;
        Ok(folder.remove_rewritten()?)
    }
}

impl DataFolder {
    /// Removes what a change of the passphrase left beside the keys: new ones that were not taken up, or old ones.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub(crate) fn remove_rewritten(&self) -> Result<(), FolderError> {
        let beside = self.rewritten();
        match fs::remove_dir_all(&beside) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &beside, e)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use pki::Organisation;

    use super::super::Authority;
    use super::*;
    use crate::clock::now_ms;

    fn passphrase(text: &str) -> KeyProtection {
        KeyProtection::Passphrase(Password::new(text.into()))
    }

    #[test]
    fn all_keys_change_or_none() {
        let place = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(place.path()).unwrap();
        let organisation = Organisation::parse("apollo.example").unwrap();
        let (old, new) = (passphrase("orbit tape crater"), passphrase("another long one"));
        Authority::create(&folder, &organisation, &old, now_ms()).unwrap();
        fs::write(folder.organisation().join("notes"), "ours").unwrap();
        let change = |from: &KeyProtection, to: &str| {
            OpenKeys::open(&folder, from)?.encrypt(&folder, Password::new(to.into()))
        };

        let key = || fs::read(folder.organisation().join("log.key")).unwrap();
        let before = key();
        assert!(change(&new, "whatever it is").is_err(), "a wrong passphrase");
        fs::create_dir(folder.organisation().join("more")).unwrap();
        assert!(change(&old, "whatever it is").is_err(), "a folder that would be lost");
        assert_eq!(key(), before);
        fs::remove_dir(folder.organisation().join("more")).unwrap();

        // What a stop before the rename leaves.
        fs::create_dir_all(folder.rewritten()).unwrap();
        fs::write(folder.rewritten().join("log.key"), "half").unwrap();
        change(&old, "another long one").unwrap();
        assert!(!folder.rewritten().exists());
        assert!(Authority::load(&folder, &old).is_err());
        Authority::load(&folder, &new).unwrap();
        Authority::check_root_key(&folder, &new).unwrap();
        assert_eq!(fs::read_to_string(folder.organisation().join("notes")).unwrap(), "ours");
    }
}
