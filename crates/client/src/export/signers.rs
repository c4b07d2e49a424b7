//! Checkpoints under the keys that signed them, those of now and those before.

use evidence::Hash;
use evidence::checkpoint::{Origin, SignedCheckpoint};
use pki::trust::NoRevocations;
use pki::{Usage, VerifiedCertificate};

use crate::ClientError;
use crate::certificates::KnownCertificates;
use crate::engine::Core;
use crate::room::Room;

/// The certificates of logs and cosigners that this home has seen.
pub(super) struct Signers {
    logs: Vec<VerifiedCertificate>,
    cosigners: Vec<VerifiedCertificate>,
}

/// A verified checkpoint.
pub(super) struct Signed {
    pub(super) checkpoint: SignedCheckpoint,
    /// Certificates of log and cosigner.
    pub(super) by: [Hash; 2],
}

impl Signers {
    pub(super) fn new(known: &KnownCertificates) -> Self {
        Self { logs: known.of_usage(Usage::Log), cosigners: known.of_usage(Usage::Cosigner) }
    }

    /// Verifies a checkpoint of which the signers are not known, as a bundle's reader will (EV-25, EV-26, EV-36).
    pub(super) fn verify(&self, origin: &Origin, note: &[u8]) -> Option<Signed> {
        let pairs =
            self.logs.iter().flat_map(|log| self.cosigners.iter().map(move |cosigner| (log, cosigner)));
        pairs.into_iter().find_map(|(log, cosigner)| {
            let checkpoint = SignedCheckpoint::verify(note, origin, log, cosigner).ok()?;
            let at = checkpoint.time_s().saturating_mul(1_000);
            log.recheck(at, &NoRevocations).and(cosigner.recheck(at, &NoRevocations)).ok()?;
            Some(Signed { checkpoint, by: [log.hash(), cosigner.hash()] })
        })
    }
}

impl Core {
    /// The checkpoints held of a room that can be shown, by size.
    pub(super) async fn checkpoints(
        &self,
        room: &Room,
        signers: &Signers,
    ) -> Result<Vec<Signed>, ClientError> {
        let origin = Origin::room(&self.owner.organisation, room.id);
        let held = self.vault.checkpoints(room.key).await?;
        // The signers of some may be unknown: earlier versions did not keep them.
        Ok(held.into_iter().filter_map(|(_, note)| signers.verify(&origin, &note)).collect())
    }
}

#[cfg(test)]
mod tests {
    use evidence::checkpoint::Checkpoint;
    use evidence::log::TreeHead;
    use pki::ca::{RootCa, Validity};
    use pki::ed25519::SigningKey;
    use pki::{Holder, Name, Organisation, TrustStore};

    use super::*;

    const NOW_MS: u64 = 1_780_000_000_000;

    #[test]
    fn a_checkpoint_is_verified_under_the_keys_that_signed_it_and_at_its_time() {
        let organisation = Organisation::parse("apollo.example").unwrap();
        let validity = Validity::days(NOW_MS - 86_400_000, 365).unwrap();
        let root = RootCa::generate(&organisation, &validity).unwrap();
        let issuing = root.new_issuing_ca(&validity).unwrap();
        let trust = TrustStore::new(vec![root.anchor().clone()]);
        let party = |holder: fn(Name) -> Holder| {
            let (key, holder) = (SigningKey::generate().unwrap(), holder(Name::parse("node1").unwrap()));
            let chain = issuing.issue_to_key(key.public(), &holder, &validity).unwrap();
            (key, trust.verify_as_of(&chain, holder.usage(), NOW_MS).unwrap())
        };
        let logs = [party(Holder::Log), party(Holder::Log)];
        let cosigners = [party(Holder::Cosigner), party(Holder::Cosigner)];
        let certificates =
            |of: &[(SigningKey, VerifiedCertificate)]| of.iter().map(|(_, c)| c.clone()).collect();
        let signers = Signers { logs: certificates(&logs), cosigners: certificates(&cosigners) };
        let origin = Origin::directory(&organisation);
        let sign = |log: usize, cosigner: usize, time_s| {
            let checkpoint = Checkpoint { origin: origin.clone(), head: TreeHead::empty() };
            checkpoint.sign(&logs[log].0, &cosigners[cosigner].0, time_s).as_text().as_bytes().to_vec()
        };
        for (log, cosigner) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let signed = signers.verify(&origin, &sign(log, cosigner, NOW_MS / 1_000)).unwrap();
            assert_eq!(signed.by, [logs[log].1.hash(), cosigners[cosigner].1.hash()]);
        }
        assert!(signers.verify(&origin, &sign(0, 0, NOW_MS / 1_000 + 400 * 86_400)).is_none());
        let only = Signers { logs: certificates(&logs[..1]), cosigners: certificates(&cosigners) };
        assert!(only.verify(&origin, &sign(1, 0, NOW_MS / 1_000)).is_none());
    }
}
