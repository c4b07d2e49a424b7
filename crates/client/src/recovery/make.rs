//! A device makes a recovery key: it adds it as a device, by its own word (GR-32).

use group::{Provider, Store};
use minicbor::bytes::ByteArray;
use pki::Name;
use pki::ed25519::SigningKey;
use session::link::RecoveryAddress;
use session::login::LoginSecret;
use session::message::{Command, Reply};
use tokio::time::Instant;

use super::record::RecoveryKey;
use super::{RecoveryCode, context};
use crate::account::{LoggedIn, ask, log_in};
use crate::client::FIRST_LOGIN_WAIT;
use crate::connection::Connection;
use crate::engine::Core;
use crate::home::Owner;
use crate::mls::changes;
use crate::reply::expect_reply;
use crate::vault::Profile;
use crate::{Client, ClientError};

/// What a user keeps on paper.
#[derive(Debug)]
pub struct RecoverySheet {
    /// Where to come back to; no secret.
    pub address: RecoveryAddress,
    /// The code, which is nowhere else.
    pub code: RecoveryCode,
    /// Name of the recovery key among the user's devices.
    pub device: String,
}

impl Client {
    /// Makes a recovery key and gives it what this device knows of the history. Earlier ones stay good until they are revoked.
    ///
    /// # Errors
    /// [`ClientError::Offline`]; [`ClientError::Failed`], also if there are as many as may be.
    pub async fn create_recovery(&self) -> Result<RecoverySheet, ClientError> {
        let core = self.core();
        let key = SigningKey::generate()?;
        let device = Name::of_recovery_key(key.public());
        let certificate = self.certify(&device, &key).await?;
        let hash = certificate.certificate.hash();
        let code = match core.equip(certificate).await {
            Ok(code) => code,
            Err(error) => {
                // Without its record it is of no use.
                if let Err(error) = self.revoke_device(hash, "cessation-of-operation").await {
                    tracing::warn!("{device} was not finished, and is not revoked: {error}");
                }
                return Err(error);
            }
        };
        core.certificates.ring();
        if let Ok(session) = core.session() {
            core.share_history(&session, hash, Instant::now() + FIRST_LOGIN_WAIT).await;
        }
        let owner = &core.owner;
        let address = RecoveryAddress {
            host: core.address.host.clone(),
            port: core.address.port,
            root: pki::sha256(&owner.root),
            user: owner.user.to_string(),
        };
        Ok(RecoverySheet { address, code, device: device.to_string() })
    }

    /// Has a key certified as a device of this user.
    async fn certify(&self, device: &Name, key: &SigningKey) -> Result<Owner, ClientError> {
        let core = self.core();
        let request = pki::request::create(key).map_err(|_| ClientError::Cryptography)?;
        let (link, _) = self.create_device_link().await?;
        let asked = ask(&link, &core.owner.user, device, (key, &request), core.password()).await?;
        let (chain, _) = self.vouch_for(pki::sha256(&link.token), device, key.public()).await?;
        asked.connection.close().await;
        let owner = &core.owner;
        let profile = Profile {
            organisation: owner.organisation.to_string(),
            user: owner.user.to_string(),
            device: device.to_string(),
            host: core.address.host.clone(),
            port: core.address.port,
            root: owner.root.clone(),
            chain: chain.0.into_iter().map(Into::into).collect(),
            joined_ms: (core.clock)(),
            first: false,
        };
        let copy = SigningKey::from_pkcs8(&key.to_pkcs8()?)?;
        Owner::new(profile, copy)
    }
}

impl Core {
    /// Logs in with a recovery key once, and hands in its key package and its record.
    async fn equip(&self, owner: Owner) -> Result<RecoveryCode, ClientError> {
        let LoggedIn { connection, export_key, .. } =
            log_in(&owner, &self.address, self.password(), self.clock).await?;
        let equipped = hand_in(&connection, owner, &export_key, (self.clock)()).await;
        connection.close().await;
        equipped
    }
}

async fn hand_in(
    connection: &Connection,
    owner: Owner,
    export_key: &LoginSecret,
    now_ms: u64,
) -> Result<RecoveryCode, ClientError> {
    let provider = Provider::new(Store::default())?;
    let device = group::Device { certificate: &owner.certificate, key: &owner.key };
    let last_resort = Some(group::package::create(&provider, &device, true, now_ms)?);
    let packages = changes(&provider).into_iter().filter_map(|(record, bytes)| Some((record, bytes?)));
    let context = context(&pki::sha256(&owner.root), &owner.user);
    let recovery = RecoveryKey { key: owner.key, chain: owner.chain, packages: packages.collect() };
    let code = RecoveryCode::generate()?;
    let sealed = recovery.seal(&code, export_key, &context)?;
    let put = Command::KeyPackagePut { packages: Vec::new(), last_resort };
    expect_reply!(connection.ask(put).await?, Reply::KeyPackageCount { .. } => ())?;
    let put = Command::RecoveryPut { token: ByteArray::from(code.token(&context)?), sealed };
    expect_reply!(connection.ask(put).await?, Reply::Done => ())?;
    Ok(code)
}
