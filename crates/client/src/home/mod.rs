//! A home: the folder of one device of one user.
//!
//! `vault.db` holds everything under the account's password; `root.pem` is the organisation's pinned root in clear, so
//! that evidence can be verified without a password; `outbox.lock` lets one process at a time send.

mod folder;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use channel::ClientIdentity;
use pki::Password;
use pki::certificate::{certificate_to_pem, certificates_from_pem};
use pki::ed25519::SigningKey;
use pki::{Chain, Fingerprint, Name, Organisation, TrustAnchor, TrustStore, Usage, VerifiedCertificate};

pub(crate) use folder::{Unfinished, make_home};

use crate::ClientError;
use crate::connection::Address;
use crate::vault::{Profile, Vault, VaultError};

const VAULT: &str = "vault.db";
const ROOT: &str = "root.pem";
const LOCK: &str = "outbox.lock";

/// An open home.
pub struct Home {
    pub(crate) folder: PathBuf,
    pub(crate) vault: Vault,
    pub(crate) password: Arc<Password>,
    pub(crate) owner: Owner,
}

/// Whose home it is.
pub(crate) struct Owner {
    pub(crate) organisation: Organisation,
    pub(crate) user: Name,
    pub(crate) device: Name,
    pub(crate) address: Address,
    pub(crate) root: Vec<u8>,
    pub(crate) chain: Chain,
    /// The device's own certificate.
    pub(crate) certificate: VerifiedCertificate,
    pub(crate) key: SigningKey,
    /// Chain and key as the handshake shows them.
    pub(crate) identity: Arc<ClientIdentity>,
    pub(crate) trust: Arc<TrustStore>,
    /// Whether it is its user's first device, which nobody vouched for.
    pub(crate) first: bool,
}

impl std::fmt::Debug for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Home").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Home {
    /// Whether there is a home in `folder`.
    pub fn exists(folder: &Path) -> bool {
        folder.join(VAULT).is_file()
    }

    /// Opens the home in `folder`. Takes the time of one Argon2id.
    ///
    /// # Errors
    /// [`ClientError::NoHome`], [`VaultError::WrongPassword`], [`VaultError`]; [`VaultError::Damaged`] also if the
    /// clear copy of the root is not the one that was pinned at joining.
    pub async fn open(folder: &Path, password: Password) -> Result<Self, ClientError> {
        if !Self::exists(folder) {
            return Err(ClientError::NoHome(folder.to_owned()));
        }
        let password = Arc::new(password);
        let vault = Vault::open(&folder.join(VAULT), Arc::clone(&password)).await?;
        Self::with_vault(folder.to_owned(), vault, password).await
    }

    pub(crate) async fn with_vault(
        folder: PathBuf,
        vault: Vault,
        password: Arc<Password>,
    ) -> Result<Self, ClientError> {
        let profile = vault.profile().await?.ok_or(VaultError::Damaged("its owner is missing"))?;
        let key = vault.device_key().await?.ok_or(VaultError::Damaged("its key is missing"))?;
        // The clear copy is what evidence is checked against without the password.
        if Self::root_certificate(&folder)? != profile.root {
            let text = "root.pem is not the root of this home's organisation: somebody changed it";
            return Err(VaultError::Damaged(text).into());
        }
        let owner = Owner::new(profile, key)?;
        Ok(Self { folder, vault, password, owner })
    }

    /// Fingerprint of the pinned root of the home in `folder`; needs no password.
    ///
    /// # Errors
    /// [`ClientError::NoHome`]; [`VaultError::Damaged`] if the file is not a certificate.
    pub fn root_fingerprint(folder: &Path) -> Result<Fingerprint, ClientError> {
        Ok(Fingerprint::of(&Self::root_certificate(folder)?))
    }

    /// The pinned root of the home in `folder`, DER; needs no password.
    ///
    /// # Errors
    /// As [`Self::root_fingerprint`].
    pub fn root_certificate(folder: &Path) -> Result<Vec<u8>, ClientError> {
        let text =
            std::fs::read_to_string(folder.join(ROOT)).map_err(|_| ClientError::NoHome(folder.to_owned()))?;
        let certificates =
            certificates_from_pem(&text).map_err(|_| VaultError::Damaged("root.pem is no certificate"))?;
        match <[Vec<u8>; 1]>::try_from(certificates) {
            Ok([root]) => Ok(root),
            Err(_) => Err(VaultError::Damaged("root.pem is not one certificate").into()),
        }
    }

    /// Canonical user name.
    pub fn user(&self) -> &Name {
        &self.owner.user
    }

    /// Device name.
    pub fn device(&self) -> &Name {
        &self.owner.device
    }

    /// Start and end of the validity of this device's certificate, Unix milliseconds.
    pub fn validity_ms(&self) -> (u64, u64) {
        (self.owner.certificate.not_before_ms(), self.owner.certificate.not_after_ms())
    }

    /// The organisation.
    pub fn organisation(&self) -> &Organisation {
        &self.owner.organisation
    }

    /// Where its server is.
    pub fn server(&self) -> &Address {
        &self.owner.address
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn lock_path(&self) -> PathBuf {
        self.folder.join(LOCK)
    }
}

impl Owner {
    /// Whether it is its user's recovery key (docs/group.md, GR-31).
    pub(crate) fn is_recovery_key(&self) -> bool {
        self.device.is_recovery_key()
    }

    pub(crate) fn new(profile: Profile, key: SigningKey) -> Result<Self, ClientError> {
        let damaged = VaultError::Damaged("its owner");
        let organisation = Organisation::canonical(&profile.organisation).map_err(|_| damaged)?;
        let anchor = TrustAnchor::new(&profile.root, organisation.clone())?;
        let trust = Arc::new(TrustStore::new(vec![anchor]));
        let chain = Chain(profile.chain.into_iter().map(Vec::from).collect());
        let certificate = trust.verify_as_of(&chain, Usage::Device, profile.joined_ms)?;
        let identity = certificate.identity();
        let (Some(user), Some(device)) = (identity.user().cloned(), identity.device().cloned()) else {
            return Err(VaultError::Damaged("its owner").into());
        };
        if certificate.key() != key.public() {
            return Err(VaultError::Damaged("its key is not that of its certificate").into());
        }
        let pkcs8 = key.to_pkcs8()?;
        let shown = ClientIdentity::new(&chain, SigningKey::from_pkcs8(&pkcs8)?)
            .map_err(|_| VaultError::Damaged("its certificate"))?;
        Ok(Self {
            organisation,
            user,
            device,
            address: Address { host: profile.host, port: profile.port },
            root: profile.root,
            chain,
            certificate,
            key,
            identity: Arc::new(shown),
            trust,
            first: profile.first,
        })
    }
}
