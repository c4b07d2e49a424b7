//! What all connections of a server share.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aws_lc_rs::hmac;
use base64::Engine;
use channel::{ServerConfig, Suite};
use pki::name::Name;
use pki::request::CertificateRequest;
use pki::trust::{CertificateRef, Revocation, RevocationSet};
use pki::{Chain, Revocations, TrustStore};
use session::limits::{BLOB_KIB_PER_HOUR, HISTORY_KIB_PER_HOUR, STAND_IN_SALT, TAKEN_PER_HOUR};
use session::login::ServerSetup;
use session::message::{FailureCode, Reply};
use store::{DeviceLinkState, Hash, Store, StoreError, Unique};
use tokio::sync::{Notify, Semaphore};

use crate::admission::{Connections, Tries, counted};
use crate::clock::now_ms;
use crate::connection::issue;
use crate::failure;
use crate::organisation::{Authority, Directory, Issue};
use crate::rooms::{HourlyQuota, Hub, Sequencer};

/// Certificates asked for at a time when the whole of something is read.
pub(crate) const PAGE: u32 = 1024;

/// The revocations that handshakes check; one set for all connections, renewed as the directory grows.
#[derive(Default)]
pub(crate) struct LiveRevocations(RwLock<RevocationSet>);

impl LiveRevocations {
    pub(crate) fn insert(&self, revocation: Revocation) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(revocation);
    }
}

impl Revocations for LiveRevocations {
    fn revoked_since(&self, certificate: &CertificateRef) -> Option<u64> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).revoked_since(certificate)
    }
}

/// A server's parts.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) trust: Arc<TrustStore>,
    pub(crate) revocations: Arc<LiveRevocations>,
    pub(crate) directory: Directory,
    pub(crate) opaque: ServerSetup,
    /// Makes the salts of users that there are not (SE-30).
    stand_ins: hmac::Key,
    pub(crate) hub: Arc<Hub>,
    pub(crate) sequencer: Sequencer,
    /// Rung when something was erased.
    pub(crate) erased: Arc<Notify>,
    pub(crate) connections: Connections,
    /// Tries that need a device's key, or a link that a device has made.
    logins: Tries,
    /// Tries of peers without a certificate, which have nothing but an address.
    addresses: Tries,
    /// Key packages that each device has taken (SE-34).
    taken: Mutex<HourlyQuota>,
    /// KiB of blobs that each device has handed in (SE-35).
    handed_in: Mutex<HourlyQuota>,
    /// KiB of history that each device has handed in (SE-39).
    history: Mutex<HourlyQuota>,
    /// Of those who read the blobs that a statement names, before it is checked, one at a time does.
    pub(crate) blob_reads: Semaphore,
    /// Of those who hand in the last piece of a blob one at a time does.
    pub(crate) blob_hashes: Semaphore,
}

impl Shared {
    #[expect(clippy::too_many_arguments, reason = "called once, where the parts are made")]
    pub(crate) fn new(
        store: Arc<dyn Store>,
        authority: Arc<Authority>,
        trust: Arc<TrustStore>,
        revocations: Arc<LiveRevocations>,
        directory: Directory,
        opaque: ServerSetup,
        hub: Arc<Hub>,
        sequencer: Sequencer,
        erased: Arc<Notify>,
    ) -> Self {
        let label = b"countersign v1 stand-in salt";
        let secret = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &opaque.to_bytes()), label);
        Self {
            store,
            authority,
            trust,
            revocations,
            directory,
            opaque,
            stand_ins: hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref()),
            hub,
            sequencer,
            erased,
            connections: Connections::default(),
            logins: Tries::default(),
            addresses: Tries::default(),
            taken: Mutex::new(HourlyQuota::new(TAKEN_PER_HOUR)),
            handed_in: Mutex::new(HourlyQuota::new(BLOB_KIB_PER_HOUR)),
            history: Mutex::new(HourlyQuota::new(HISTORY_KIB_PER_HOUR)),
            blob_reads: Semaphore::new(1),
            blob_hashes: Semaphore::new(1),
        }
    }

    pub(crate) fn channel_config(&self) -> ServerConfig {
        ServerConfig {
            identity: self.authority.server_identity(),
            trust: Arc::clone(&self.trust),
            revocations: Arc::<LiveRevocations>::clone(&self.revocations),
            suites: Suite::ALL.to_vec(),
        }
    }

    pub(crate) fn root_fingerprint(&self) -> &[u8; 32] {
        self.authority.root_fingerprint()
    }

    /// Counts key packages that a device takes (SE-34).
    pub(crate) fn takes_packages(&self, device: Hash, count: u32, now: u64) -> Result<(), Reply> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = taken.take(device, count, now);
        counted.map_err(|wait_ms| failure::too_often("this device has taken too many key packages", wait_ms))
    }

    /// Counts bytes of a blob that a device hands in (SE-35).
    pub(crate) fn hands_in(&self, device: Hash, bytes: usize, now: u64) -> Result<(), Reply> {
        count_bytes(&self.handed_in, device, bytes, now)
    }

    /// Counts bytes of history that a device hands in (SE-39).
    pub(crate) fn hands_in_history(&self, device: Hash, bytes: usize, now: u64) -> Result<(), Reply> {
        count_bytes(&self.history, device, bytes, now)
    }

    /// Counts a try of a device that logs in (SE-9). It counts by certificate alone: whoever has not the device's key
    /// can neither try nor shut its user out.
    pub(crate) fn login_begins(&self, certificate: &Hash, now: u64) -> Result<(), Reply> {
        self.logins.begin(&certificate_key(certificate), now).map_err(failure::rate_limited)
    }

    /// The password was right: the device's tries are forgotten.
    pub(crate) fn login_succeeded(&self, certificate: &Hash) {
        self.logins.succeeded(&certificate_key(certificate));
    }

    /// Counts a try of a new device by its address, and by the account whose open link it has, if it has one (SE-9).
    pub(crate) fn link_begins(&self, user: Option<&Name>, address: IpAddr, now: u64) -> Result<(), Reply> {
        self.addresses.begin(&address_key(address), now).map_err(failure::rate_limited)?;
        match user {
            Some(user) => self.logins.begin(&link_key(user), now).map_err(failure::rate_limited),
            None => Ok(()),
        }
    }

    /// The password was right: the account's tries are forgotten; of those of the address only this one, or a good
    /// account would let it try the others.
    pub(crate) fn link_succeeded(&self, user: &Name, address: IpAddr) {
        self.logins.succeeded(&link_key(user));
        self.addresses.take_back(&address_key(address));
    }

    /// Counts a try to join as a user of an earlier system, by its address and by the name or address that was typed: these
    /// alone, as a common count would tell that they are one user's (SE-31).
    pub(crate) fn import_begins(&self, named: &str, address: IpAddr, now: u64) -> Result<(), Reply> {
        self.addresses.begin(&address_key(address), now).map_err(failure::rate_limited)?;
        self.logins.begin(&import_key(named), now).map_err(failure::rate_limited)
    }

    /// The password was right: as [`Self::link_succeeded`].
    pub(crate) fn import_succeeded(&self, named: &str, address: IpAddr) {
        self.logins.succeeded(&import_key(named));
        self.addresses.take_back(&address_key(address));
    }

    /// A salt for a name or address that is of no account that waits; always the same one (SE-30).
    pub(crate) fn stand_in_salt(&self, named: &str) -> Vec<u8> {
        let tag = hmac::sign(&self.stand_ins, named.as_bytes());
        tag.as_ref().iter().copied().take(STAND_IN_SALT).collect()
    }

    /// Refuses a name that an invite cannot be for: as [`Self::check_name_is_free`], but for one that waits for its user.
    pub(crate) async fn check_invitable(&self, user: &Name) -> Result<(), Reply> {
        match self.store.import(user.as_str()).await.map_err(|e| failure::store(&e))? {
            Some(_) => Ok(()),
            None => self.check_name_is_free(user).await,
        }
    }

    pub(crate) fn address_wait(&self, address: IpAddr, now: u64) -> Option<u64> {
        self.addresses.wait_ms(&address_key(address), now)
    }

    pub(crate) fn address_failed(&self, address: IpAddr, now: u64) {
        self.addresses.failed(&address_key(address), now);
    }

    /// Refuses a name that nobody can join under: it is taken, reads like one that is (ID-4), or was certified before.
    pub(crate) async fn check_name_is_free(&self, user: &Name) -> Result<(), Reply> {
        let store = self.store.as_ref();
        if let Some(taken) = taken_name(store, user).await.map_err(|e| failure::store(&e))? {
            return Err(failure::store(&StoreError::Exists(taken)));
        }
        if self.directory.knows(store, user).await.map_err(|e| failure::store(&e))? {
            let why = "that user name has a certificate from before; choose another";
            return Err(failure::failed(FailureCode::Exists, why));
        }
        Ok(())
    }

    /// The chain of a certificate that the directory knows.
    pub(crate) async fn chain_of(&self, certificate: &Hash) -> Result<Chain, Reply> {
        let found = self.store.certificate(certificate).await.map_err(|e| failure::store(&e))?;
        found
            .and_then(|c| decode_chain(&c.chain))
            .ok_or_else(|| failure::failed(FailureCode::NotFound, "there is no such certificate"))
    }

    /// Issues the certificate of a new device that an earlier one has vouched for (SE-14).
    pub(crate) async fn issue_approved(&self, link: &Hash) -> Result<(Chain, Hash), Reply> {
        let not_approved = || failure::failed(FailureCode::NotFound, "no such request of a new device");
        let found =
            self.store.device_link(link).await.map_err(|e| failure::store(&e))?.ok_or_else(not_approved)?;
        let DeviceLinkState::Approved { name, request, vouching, .. } = found.state else {
            return self.issued(link).await?.ok_or_else(not_approved);
        };
        let (Ok(user), Ok(device)) = (Name::canonical(&found.made.user), Name::canonical(&name)) else {
            return Err(not_approved());
        };
        let now = now_ms();
        let request = CertificateRequest::parse(&request).map_err(|_| not_approved())?;
        let chain = issue(self, &request, &user, &device, now)?;
        let certificate = chain.leaf_hash().unwrap_or_default();
        let leaf = [Issue::device(&chain, &user, &device, Some(pki::sha256(&vouching)), now)];
        let added = self.directory.append(self, &leaf, |directory| {
            self.store.add_device(store::DeviceEnrolment {
                link: *link,
                now_ms: now,
                certificate,
                key: *request.key().as_bytes(),
                issued_ms: now,
                directory,
            })
        });
        if let Err(error) = added.await {
            // The one who vouches and the new device may ask at once: who comes second is told what the first got.
            return self.issued(link).await?.ok_or_else(|| failure::store(&error));
        }
        tracing::info!(user = user.as_str(), device = device.as_str(), "device added");
        Ok((chain, certificate))
    }

    /// The certificate that was issued by this link, if one was.
    async fn issued(&self, link: &Hash) -> Result<Option<(Chain, Hash)>, Reply> {
        let found = self.store.device_link(link).await.map_err(|e| failure::store(&e))?;
        let Some(DeviceLinkState::Enrolled { certificate }) = found.map(|link| link.state) else {
            return Ok(None);
        };
        Ok(Some((self.chain_of(&certificate).await?, certificate)))
    }
}

/// What keeps a name from being given to a new user, if anything does (ID-4).
pub(crate) async fn taken_name(store: &dyn Store, user: &Name) -> Result<Option<Unique>, StoreError> {
    let other = store.account_by_skeleton(&user.skeleton()).await?;
    Ok(other.map(|other| if other.user == user.as_str() { Unique::UserName } else { Unique::Skeleton }))
}

/// A chain as the store keeps it: deterministic CBOR, a list of byte strings.
pub(crate) fn encode_chain(chain: &Chain) -> Vec<u8> {
    let list: Vec<minicbor::bytes::ByteVec> = chain.0.iter().map(|der| der.clone().into()).collect();
    wire::cbor::to_vec(&list)
}

pub(crate) fn decode_chain(bytes: &[u8]) -> Option<Chain> {
    let list: Vec<minicbor::bytes::ByteVec> = wire::cbor::from_slice(bytes, store::limits::MAX_CHAIN).ok()?;
    Some(Chain(list.into_iter().map(Into::into).collect()))
}

fn certificate_key(certificate: &Hash) -> String {
    format!("certificate {}", base64::engine::general_purpose::STANDARD.encode(certificate))
}

fn link_key(user: &Name) -> String {
    format!("links of {user}")
}

fn import_key(named: &str) -> String {
    format!("import of {named}")
}

fn address_key(address: IpAddr) -> String {
    format!("address {}", counted(address))
}

fn count_bytes(quota: &Mutex<HourlyQuota>, device: Hash, bytes: usize, now: u64) -> Result<(), Reply> {
    let mut quota = quota.lock().unwrap_or_else(PoisonError::into_inner);
    let counted = quota.take_bytes(device, bytes, now);
    counted.map_err(|wait_ms| failure::too_often("this device has handed in too much", wait_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_of_neighbours_in_one_ipv6_network_are_counted_together() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::2"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}
