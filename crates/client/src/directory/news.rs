//! What is in the directory that a person is told: a name with two beginnings, and everything about one's own name (SE-40).

use evidence::Hash;
use evidence::membership::DeviceStatement;
use pki::Name;

use super::{Entered, Held};
use crate::ClientError;
use crate::engine::{Core, Session, Status};
use crate::event::Event;

/// Something in the directory that concerns this user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryNews {
    /// A name has a second certificate that nobody vouched for: one of the two is somebody else's, and whoever runs the server knows
    /// how it came there (EV-20).
    SecondFirst {
        /// The user; it may be this one.
        user: String,
    },
    /// A certificate was issued under this user's name, and no earlier device of this user is shown to have vouched for it.
    Unvouched {
        /// Name of the device.
        device: String,
        /// SHA-256 of the certificate.
        certificate: Hash,
    },
    /// This user has a new device.
    Added {
        /// Name of the device.
        device: String,
        /// SHA-256 of the certificate.
        certificate: Hash,
        /// The device that vouched for it.
        vouched_by: String,
    },
    /// A device of this user was revoked.
    Revoked {
        /// Name of the device.
        device: String,
        /// SHA-256 of the certificate.
        certificate: Hash,
        /// When, Unix milliseconds.
        at_ms: u64,
    },
}

impl DirectoryNews {
    /// Whether it shows that the directory is not as it has to be. Such news are told again and again.
    pub fn is_alarm(&self) -> bool {
        matches!(self, Self::SecondFirst { .. } | Self::Unvouched { .. })
    }
}

impl Core {
    /// Asks for those certificates of this user's devices that are not known, with what vouches for them.
    pub(super) async fn learn_own_devices(&self, held: &Held, session: &Session) -> Result<(), ClientError> {
        let own: Vec<(Hash, u64)> = held.devices_of(&self.owner.user).iter().map(Entered::in_use).collect();
        self.certificates.fetch(&own, &self.owner, &self.vault, &session.connection).await
    }

    /// Tells listeners what is new in the leaves from `first` on. What was there before this client had started is asked for.
    pub(super) fn tell_news(&self, held: &Held, first: u64) {
        if matches!(*self.status.borrow(), Status::Ready) {
            for (index, news) in self.news(held) {
                if index >= first {
                    self.emit(Event::Directory(news));
                }
            }
        }
    }

    /// All news, each with the index of its leaf.
    pub(crate) fn news(&self, held: &Held) -> Vec<(u64, DirectoryNews)> {
        let own = &self.owner.user;
        let mut all = Vec::new();
        for (user, index) in held.with_second_first() {
            all.push((index, DirectoryNews::SecondFirst { user: user.to_string() }));
        }
        let own_certificate = self.owner.certificate.hash();
        let Some((since, _)) = held.issue(&own_certificate) else { return all };
        for entered in held.devices_of(own) {
            let (device, certificate) = (entered.device.to_string(), entered.issue.certificate);
            if entered.issue.vouched.is_some() {
                match self.voucher(held, &entered) {
                    None => {
                        let device = device.clone();
                        all.push((entered.index, DirectoryNews::Unvouched { device, certificate }));
                    }
                    // Its user said yes here.
                    Some((voucher, _)) if voucher == own_certificate => {}
                    Some((_, vouched_by)) if entered.index > since => {
                        let (device, vouched_by) = (device.clone(), vouched_by.to_string());
                        all.push((entered.index, DirectoryNews::Added { device, certificate, vouched_by }));
                    }
                    Some(_) => {}
                }
            }
            if let Some((index, revoke)) = held.revocation(&certificate).filter(|(index, _)| *index > since) {
                let at_ms = revoke.time_ms;
                all.push((index, DirectoryNews::Revoked { device, certificate, at_ms }));
            }
        }
        all.sort_by_key(|(index, _)| *index);
        all
    }

    /// The certificate and name of the device that vouched for one, if the certificate is known and stands as it was entered.
    pub(crate) fn voucher(&self, held: &Held, entered: &Entered) -> Option<(Hash, Name)> {
        let accepted = self.certificates.accepted(&entered.issue.certificate)?;
        held.check(&accepted).ok()?;
        let voucher = DeviceStatement::parse(&accepted.vouching?).ok()?.certificate();
        let name = self.certificates.accepted(&voucher)?.certificate.identity().device()?.clone();
        Some((voucher, name))
    }
}
