//! Single values: who this home belongs to, and its device key.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use pki::ed25519::SigningKey;
use pki::{Name, Password};
use sqlx::Row as _;
use zeroize::Zeroizing;

use super::{Place, Vault, VaultError, WriteTransaction, decode};

const PROFILE: &str = "profile";
const DEVICE_KEY: &str = "device key";
const REQUEST: &str = "request";
const OPENED_USER: &str = "opened user";
const NEXT_PASSWORD: &str = "next password";
const PACKAGES_MADE: &str = "packages made";
const NEWS_TOLD: &str = "news told";

/// Who this home belongs to.
#[derive(Debug, Clone, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Profile {
    /// Canonical organisation.
    #[n(1)]
    pub(crate) organisation: String,
    /// Canonical user name.
    #[n(2)]
    pub(crate) user: String,
    /// Device name.
    #[n(3)]
    pub(crate) device: String,
    /// Host name or address of the server.
    #[n(4)]
    pub(crate) host: String,
    /// Its TCP port.
    #[n(5)]
    pub(crate) port: u16,
    /// The organisation's root certificate, DER.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub(crate) root: Vec<u8>,
    /// The device's certificate and its intermediates, DER.
    #[n(7)]
    pub(crate) chain: Vec<ByteVec>,
    /// When this device joined, Unix milliseconds.
    #[n(8)]
    pub(crate) joined_ms: u64,
    /// Whether it was its user's first device, which nobody vouched for.
    #[n(9)]
    pub(crate) first: bool,
}

impl Vault {
    /// Who this home belongs to; `None` while joining has not ended.
    pub(crate) async fn profile(&self) -> Result<Option<Profile>, VaultError> {
        self.value(PROFILE).await?.map(|bytes| decode(PROFILE, &bytes)).transpose()
    }

    /// Stores who this home belongs to.
    pub(crate) async fn put_profile(&self, profile: &Profile) -> Result<(), VaultError> {
        self.put_value(PROFILE, &wire::cbor::to_vec(profile)).await
    }

    /// The device's key.
    pub(crate) async fn device_key(&self) -> Result<Option<SigningKey>, VaultError> {
        let Some(pkcs8) = self.value(DEVICE_KEY).await? else { return Ok(None) };
        SigningKey::from_pkcs8(&pkcs8).map(Some).map_err(|_| VaultError::Damaged(DEVICE_KEY))
    }

    /// Stores the device's key and the certificate request made with it.
    pub(crate) async fn put_device_key(&self, key: &SigningKey, request: &[u8]) -> Result<(), VaultError> {
        let pkcs8 = key.to_pkcs8().map_err(|_| VaultError::Cryptography)?;
        self.put_value(DEVICE_KEY, &pkcs8).await?;
        self.put_value(REQUEST, request).await
    }

    /// The certificate request of the device's key.
    pub(crate) async fn request(&self) -> Result<Option<Vec<u8>>, VaultError> {
        Ok(self.value(REQUEST).await?.map(|request| request.to_vec()))
    }

    /// The user whose account of an earlier system was opened, when joining was cut off after that.
    pub(crate) async fn opened_user(&self) -> Result<Option<Name>, VaultError> {
        let Some(bytes) = self.value(OPENED_USER).await? else { return Ok(None) };
        let name = std::str::from_utf8(&bytes).ok().and_then(|text| Name::canonical(text).ok());
        name.map(Some).ok_or(VaultError::Damaged(OPENED_USER))
    }

    /// Stores it.
    pub(crate) async fn put_opened_user(&self, user: &Name) -> Result<(), VaultError> {
        self.put_value(OPENED_USER, user.as_str().as_bytes()).await
    }

    /// The password that a change was under way to; its outcome is known when a login succeeds.
    pub(crate) async fn next_password(&self) -> Result<Option<Password>, VaultError> {
        let Some(bytes) = self.value(NEXT_PASSWORD).await? else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).map_err(|_| VaultError::Damaged(NEXT_PASSWORD))?;
        Ok(Some(Password::new(text.to_owned())).filter(|_| !bytes.is_empty()))
    }

    /// Stores it, or forgets it.
    pub(crate) async fn put_next_password(&self, password: Option<&Password>) -> Result<(), VaultError> {
        self.put_value(NEXT_PASSWORD, password.map_or(&[], |password| password.expose().as_bytes())).await
    }

    /// When this device made key packages last, Unix milliseconds.
    pub(crate) async fn packages_made_ms(&self) -> Result<Option<u64>, VaultError> {
        let Some(bytes) = self.value(PACKAGES_MADE).await? else { return Ok(None) };
        let bytes = bytes.as_slice().try_into().map_err(|_| VaultError::Damaged(PACKAGES_MADE))?;
        Ok(Some(u64::from_be_bytes(bytes)))
    }

    /// Stores it.
    pub(crate) async fn put_packages_made_ms(&self, at_ms: u64) -> Result<(), VaultError> {
        self.put_value(PACKAGES_MADE, &at_ms.to_be_bytes()).await
    }

    /// Size of the directory of which all news were told.
    pub(crate) async fn news_told(&self) -> Result<u64, VaultError> {
        let Some(bytes) = self.value(NEWS_TOLD).await? else { return Ok(0) };
        let bytes = bytes.as_slice().try_into().map_err(|_| VaultError::Damaged(NEWS_TOLD))?;
        Ok(u64::from_be_bytes(bytes))
    }

    /// Stores it.
    pub(crate) async fn put_news_told(&self, size: u64) -> Result<(), VaultError> {
        self.put_value(NEWS_TOLD, &size.to_be_bytes()).await
    }

    async fn value(&self, name: &'static str) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let row = sqlx::query("SELECT sealed FROM value WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = row else { return Ok(None) };
        self.keys.open(place(name), row.try_get(0)?).map(Some)
    }

    async fn put_value(&self, name: &'static str, value: &[u8]) -> Result<(), VaultError> {
        let mut transaction: WriteTransaction = self.begin().await?;
        sqlx::query("INSERT OR REPLACE INTO value (name, sealed) VALUES (?, ?)")
            .bind(name)
            .bind(self.keys.seal(place(name), value)?)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

fn place(name: &'static str) -> Place<'static> {
    Place::with_bytes("value", [], name.as_bytes())
}
