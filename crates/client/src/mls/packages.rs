//! Key packages: this device's at the server, others' from it (GR-5, GR-6; SE-33, SE-34).

use evidence::Hash;
use group::{Device, Provider, Store};
use minicbor::bytes::{ByteArray, ByteVec};
use pki::VerifiedCertificate;
use session::limits::MAX_TAKEN;
use session::message::{Command, Reply};

use super::{changes, put_records};
use crate::ClientError;
use crate::connection::Connection;
use crate::engine::{Core, Session};
use crate::home::Owner;
use crate::reply::expect_reply;
use crate::vault::{GroupRecords, Vault};

/// Key packages that this device makes at a time.
const MADE: usize = 32;
/// How many of them may be left before it makes others.
const FEW: u64 = 16;
/// Milliseconds after which it makes others in any case, well before the first are too old (GR-6).
const RENEWED_MS: u64 = 30 * 86_400_000;

/// A key package of a device, checked against its certificate.
#[derive(Clone)]
pub(crate) struct Package {
    pub(crate) certificate: VerifiedCertificate,
    pub(crate) bytes: Vec<u8>,
}

/// Sees to it that the server has key packages of a device.
pub(crate) async fn refill(
    owner: &Owner,
    vault: &Vault,
    connection: &Connection,
    now_ms: u64,
) -> Result<(), ClientError> {
    let reply = connection.ask(Command::KeyPackageCount).await?;
    let (count, has_last) =
        expect_reply!(reply, Reply::KeyPackageCount { count, last_resort } => (count, last_resort))?;
    let old = vault.packages_made_ms().await?.is_none_or(|made| now_ms.saturating_sub(made) > RENEWED_MS);
    if count >= FEW && has_last && !old {
        return Ok(());
    }
    let provider = Provider::new(Store::default())?;
    let device = Device { certificate: &owner.certificate, key: &owner.key };
    let mut packages = Vec::with_capacity(MADE);
    for _ in 0..MADE {
        packages.push(ByteVec::from(group::package::create(&provider, &device, false, now_ms)?));
    }
    // With the others, so that it is never older than they.
    let last_resort = Some(group::package::create(&provider, &device, true, now_ms)?);
    // Before they are sent: a welcome for one whose keys are not stored would be lost.
    let mut transaction = vault.begin().await?;
    put_records(vault, &mut transaction, GroupRecords::Packages, changes(&provider)).await?;
    transaction.commit().await?;
    let put = Command::KeyPackagePut { packages, last_resort };
    expect_reply!(connection.ask(put).await?, Reply::KeyPackageCount { .. } => ())?;
    Ok(vault.put_packages_made_ms(now_ms).await?)
}

impl Core {
    /// Takes a key package of each device; those that have none, or none that is good, are left out.
    pub(crate) async fn take_packages(
        &self,
        session: &Session,
        devices: &[Hash],
    ) -> Result<Vec<Package>, ClientError> {
        let provider = Provider::new(Store::default())?;
        let mut taken = Vec::with_capacity(devices.len());
        for part in devices.chunks(MAX_TAKEN) {
            let certificates = part.iter().map(|hash| ByteArray::from(*hash)).collect();
            let reply = session.connection.ask(Command::KeyPackageTake { certificates }).await?;
            let packages = expect_reply!(reply, Reply::KeyPackages { packages } => packages)?;
            if packages.len() != part.len() {
                return Err(ClientError::unexpected());
            }
            for (hash, package) in part.iter().zip(packages) {
                let known = self.certificates.accepted(hash);
                let (Some(known), Some(bytes)) = (known, package) else { continue };
                let (certificate, bytes) = (known.certificate, Vec::from(bytes));
                match group::package::check(&provider, &bytes, &certificate, (self.clock)()) {
                    Ok(_) => taken.push(Package { certificate, bytes }),
                    Err(error) => {
                        tracing::warn!("a key package of {:?} is not taken: {error}", certificate.identity());
                    }
                }
            }
        }
        Ok(taken)
    }
}
