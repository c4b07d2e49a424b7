//! What the directory says of the devices of one's own user.

use evidence::Hash;
use evidence::membership::DeviceStatement;
use pki::{Usage, VerifiedCertificate};

use super::Held;
use crate::ClientError;
use crate::certificates::MAX_VOUCHERS;
use crate::engine::{Core, Session};

impl Core {
    /// How many devices of this user are revoked, as far as the directory and the rooms' logs are read, and whether others are in force.
    pub(crate) async fn own_devices(&self) -> Result<(u64, bool), ClientError> {
        let own = self.owner.certificate.hash();
        let mut guard = self.directory.lock().await;
        let held = self.held_directory(&mut guard).await?;
        let (mut revoked, mut others) = (0, false);
        for device in held.devices_of(&self.owner.user) {
            let hash = device.issue.certificate;
            match held.revocation(&hash).is_some() || self.certificates.is_revoked_in_a_room(&hash) {
                true => revoked += 1,
                false => others |= hash != own,
            }
        }
        Ok((revoked, others))
    }

    /// The other devices of this user that may have what this one has (GR-27): accepted, in the directory, not revoked, and vouched for by
    /// one that was not revoked before.
    pub(crate) async fn own_trusted(
        &self,
        session: &Session,
    ) -> Result<Vec<VerifiedCertificate>, ClientError> {
        self.refresh_directory(session).await?;
        let entered = self.own_entered().await?;
        let now_ms = (self.clock)();
        let wanted: Vec<(Hash, u64)> = entered.iter().map(|hash| (*hash, now_ms)).collect();
        self.certificates.fetch(&wanted, &self.owner, &self.vault, &session.connection).await?;
        // Whom it has accepted now is in the directory with that voucher, or this fails.
        self.complete_directory(session).await?;
        let mut guard = self.directory.lock().await;
        let held = self.held_directory(&mut guard).await?;
        let trusted = entered.into_iter().filter_map(|hash| {
            let certificate = self.certificates.accepted(&hash)?.certificate;
            let in_force = held.revocation(&hash).is_none() && !self.certificates.is_revoked_in_a_room(&hash);
            (in_force && self.is_own(&certificate) && self.is_vouched_in_time(held, hash))
                .then_some(certificate)
        });
        Ok(trusted.collect())
    }

    /// Whether each device in the line of vouchers, up to the first, was entered before its voucher was revoked.
    fn is_vouched_in_time(&self, held: &Held, device: Hash) -> bool {
        let mut at = device;
        for _ in 0..MAX_VOUCHERS {
            let (Some(known), Some((issued, _))) = (self.certificates.accepted(&at), held.issue(&at)) else {
                return false;
            };
            let Some(statement) = known.vouching else { return true };
            let Ok(statement) = DeviceStatement::parse(&statement) else { return false };
            at = statement.claim().certificate;
            if held.revocation(&at).is_some_and(|(revoked, _)| revoked < issued) {
                return false;
            }
        }
        false
    }

    /// Whether it is the certificate of a device of this user.
    pub(crate) fn is_own(&self, certificate: &VerifiedCertificate) -> bool {
        certificate.usage() == Usage::Device && certificate.identity().user() == Some(&self.owner.user)
    }

    /// The certificates entered under this user's name, without this device's.
    async fn own_entered(&self) -> Result<Vec<Hash>, ClientError> {
        let own = self.owner.certificate.hash();
        let mut guard = self.directory.lock().await;
        let held = self.held_directory(&mut guard).await?;
        let entered = held.devices_of(&self.owner.user).into_iter().map(|device| device.issue.certificate);
        Ok(entered.filter(|hash| *hash != own).collect())
    }

    /// Leaves of the directory, as far as it is read.
    pub(crate) async fn directory_size(&self) -> Result<u64, ClientError> {
        let mut guard = self.directory.lock().await;
        Ok(self.held_directory(&mut guard).await?.size())
    }
}
