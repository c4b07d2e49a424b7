//! Making a home: in a folder beside it, renamed when it is whole.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use group::Record;
use pki::ed25519::SigningKey;
use pki::password::Password;
use zeroize::Zeroizing;

use super::{Home, LOCK, ROOT, VAULT, certificate_to_pem};
use crate::ClientError;
use crate::mls::put_records;
use crate::platform;
use crate::vault::{GroupRecords, Profile, Vault, VaultError};

const SUFFIX: &str = ".joining";

/// A home that is being made. Its key and request are stored before they are used, so that one that was killed goes
/// on with the same key under the same password.
pub(crate) struct Unfinished {
    target: PathBuf,
    folder: PathBuf,
    _lock: fs::File,
    pub(crate) vault: Vault,
    pub(crate) key: SigningKey,
    /// PKCS#10, DER.
    pub(crate) request: Vec<u8>,
    password: Arc<Password>,
    /// Whether an earlier try has left it: its request may have been granted.
    pub(crate) resumed: bool,
}

impl Unfinished {
    /// Starts, or goes on with what an earlier try has left.
    pub(crate) async fn start(target: &Path, password: Arc<Password>) -> Result<Self, ClientError> {
        if target.exists() && fs::read_dir(target)?.next().is_some() {
            return Err(ClientError::HomeExists(target.to_owned()));
        }
        let folder = beside(target)?;
        if !folder.exists() {
            if let Some(parent) = folder.parent() {
                fs::create_dir_all(parent)?;
            }
            platform::make_private_folder(&folder)?;
        }
        let lock = platform::open_private_file(&folder.join(LOCK))?;
        if !platform::try_lock(&lock)? {
            return Err(ClientError::Input(format!("another process is making {}", target.display())));
        }
        let found = Self::resume(&folder, &password).await?;
        let resumed = found.is_some();
        let (vault, key, request) = match found {
            Some(found) => found,
            None => Self::fresh(&folder, &password).await?,
        };
        Ok(Self { target: target.to_owned(), folder, _lock: lock, vault, key, request, password, resumed })
    }

    async fn resume(
        folder: &Path,
        password: &Arc<Password>,
    ) -> Result<Option<(Vault, SigningKey, Vec<u8>)>, ClientError> {
        let vault = match Vault::open(&folder.join(VAULT), Arc::clone(password)).await {
            Ok(vault) => vault,
            Err(VaultError::WrongPassword) => {
                return Err(ClientError::Input(format!(
                    "an earlier try to join was cut off and used another password: give that one, or remove {}",
                    folder.display()
                )));
            }
            Err(_) => return Ok(None),
        };
        // A try that was cut off before its key was stored has asked for nothing.
        let (Ok(Some(key)), Ok(Some(request))) = (vault.device_key().await, vault.request().await) else {
            return Ok(None);
        };
        Ok(Some((vault, key, request)))
    }

    async fn fresh(
        folder: &Path,
        password: &Arc<Password>,
    ) -> Result<(Vault, SigningKey, Vec<u8>), ClientError> {
        for name in [VAULT, "vault.db-wal", "vault.db-shm", ROOT] {
            match fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        let vault = Vault::create(&folder.join(VAULT), Arc::clone(password)).await?;
        let key = SigningKey::generate()?;
        let request = pki::request::create(&key).map_err(|_| ClientError::Cryptography)?;
        vault.put_device_key(&key, &request).await?;
        Ok((vault, key, request))
    }

    /// Stores whose home it is and puts it in its place.
    pub(crate) async fn finish(self, profile: &Profile) -> Result<Home, ClientError> {
        self.vault.put_profile(profile).await?;
        self.vault.close().await;
        let root = self.folder.join(ROOT);
        fs::write(&root, certificate_to_pem(&profile.root))?;
        fs::File::open(&root)?.sync_all()?;
        platform::sync_folder(&self.folder)?;
        if self.target.exists() {
            fs::remove_dir(&self.target)?;
        }
        fs::rename(&self.folder, &self.target)?;
        if let Some(parent) = self.target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            platform::sync_folder(parent)?;
        }
        let vault = self.vault.reopen(&self.target.join(VAULT)).await?;
        Home::with_vault(self.target, vault, self.password).await
    }

    /// Drops what was begun: the server knows nothing of it.
    pub(crate) async fn abandon(self) -> Result<(), VaultError> {
        self.vault.close().await;
        fs::remove_dir_all(&self.folder)?;
        Ok(())
    }
}

/// Makes a home of what is known already, whose vault opens again with nothing: its password is made up here and kept nowhere.
pub(crate) async fn make_home(
    folder: &Path,
    profile: &Profile,
    key: &SigningKey,
    packages: Vec<(Record, Zeroizing<Vec<u8>>)>,
    password: Arc<Password>,
) -> Result<Home, ClientError> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    platform::make_private_folder(folder)?;
    let mut secret = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(secret.as_mut_slice()).map_err(|_| ClientError::Cryptography)?;
    let made_up = Arc::new(Password::new(hex::encode(secret.as_slice())));
    let vault = Vault::create(&folder.join(VAULT), made_up).await?;
    vault.put_device_key(key, &[]).await?;
    vault.put_profile(profile).await?;
    let mut transaction = vault.begin().await?;
    let packages = packages.into_iter().map(|(record, bytes)| (record, Some(bytes))).collect();
    put_records(&vault, &mut transaction, GroupRecords::Packages, packages).await?;
    transaction.commit().await?;
    fs::write(folder.join(ROOT), certificate_to_pem(&profile.root))?;
    Home::with_vault(folder.to_owned(), vault, password).await
}

fn beside(target: &Path) -> Result<PathBuf, ClientError> {
    let name = target
        .file_name()
        .ok_or_else(|| ClientError::Input(format!("{} cannot be a home", target.display())))?;
    let mut with_suffix = OsString::from(name);
    with_suffix.push(SUFFIX);
    Ok(target.with_file_name(with_suffix))
}
