//! What the directory says of the devices of one's own user.

use evidence::Hash;
use evidence::membership::DeviceStatement;
use pki::{Usage, VerifiedCertificate};

use super::Held;
use crate::ClientError;
use crate::engine::{Core, Session};

impl Core {
    /// SHA-256 over the certificates' hashes of this user's devices that are revoked, as far as the directory and the rooms' logs are read, and
    /// whether others than recovery keys are in force.
    pub(crate) async fn own_devices(&self) -> Result<(Hash, bool), ClientError> {
        let own = self.owner.certificate.hash();
        let mut guard = self.directory.lock().await;
        let held = self.held_directory(&mut guard).await?;
        let (mut revoked, mut others) = (Vec::new(), false);
        for device in held.devices_of(&self.owner.user) {
            let hash = device.issue.certificate;
            match held.revocation(&hash).is_some() || self.certificates.is_revoked_in_a_room(&hash) {
                true => revoked.push(hash),
                false => others |= hash != own && !device.device.is_recovery_key(),
            }
        }
        revoked.sort_unstable();
        Ok((pki::sha256(&revoked.concat()), others))
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
            let good = in_force && self.is_vouched_in_time(held, hash) && self.is_own(&certificate);
            good.then_some(certificate)
        });
        Ok(trusted.collect())
    }

    /// Whether each device in the line of those that vouched for one was in force when the next was entered (GR-27).
    pub(crate) fn is_vouched_in_time(&self, held: &Held, device: Hash) -> bool {
        held.is_vouched_in_time(device, |device| {
            let vouching = self.certificates.accepted(device)?.vouching;
            let by = |statement: Vec<u8>| Some(DeviceStatement::parse(&statement).ok()?.claim().certificate);
            Some(vouching.and_then(by))
        })
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
}

#[cfg(test)]
mod tests {
    use evidence::directory::{Issue, Leaf, Revoke, Subject};
    use evidence::log::leaf_hash;
    use pki::trust::Reason;

    use super::super::Held;
    use super::*;
    use crate::vault::StoredDirectory;

    fn issue(byte: u8) -> Leaf {
        let (certificate, vouched) = ([byte; 32], (byte > 1).then_some([0; 32]));
        let (subject, serial) = (Subject::Authority, vec![byte]);
        Leaf::Issue(Issue { certificate, vouched, subject, serial, time_ms: 8 })
    }

    fn revoke(byte: u8) -> Leaf {
        Leaf::Revoke(Revoke { certificate: [byte; 32], reason: Reason::KeyCompromise, time_ms: 8 })
    }

    /// GR-27: each device was vouched for by the one of the number before it, and 1 is the first.
    #[test]
    fn a_line_of_vouchers_that_was_cut_leads_to_nobody() {
        let good = |leaves: &[Leaf], device: u8| {
            let leaves: Vec<_> = leaves.iter().map(Leaf::to_bytes).collect();
            let hashes = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
            let held = Held::new(StoredDirectory { hashes, note: None, leaves: (0..).zip(leaves).collect() });
            let voucher = |device: &Hash| Some((device[0] > 1).then(|| [device[0] - 1; 32]));
            held.is_vouched_in_time([device; 32], voucher)
        };
        let all = [issue(1), issue(2), issue(3)];
        assert!((1..4).all(|device| good(&all, device)));
        assert!(!good(&all, 4), "it was never entered");
        // What was vouched for before stays; what comes after does not, at any distance.
        assert!(good(&[issue(1), issue(2), issue(3), revoke(2), revoke(1)], 3));
        assert!(!good(&[issue(1), issue(2), revoke(2), issue(3)], 3));
        let twice = [issue(1), revoke(1), issue(2), issue(3), issue(4)];
        assert!(good(&twice, 1) && !(2..5).any(|device| good(&twice, device)));
        // A line without an end ends.
        let held = Held::new(StoredDirectory {
            hashes: vec![leaf_hash(&issue(1).to_bytes())],
            note: None,
            leaves: vec![(0, issue(1).to_bytes())],
        });
        assert!(!held.is_vouched_in_time([1; 32], |device| Some(Some(*device))));
        assert!(!held.is_vouched_in_time([1; 32], |_| None));
    }
}
