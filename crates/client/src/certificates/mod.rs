//! Certificates of others: verified, and vouched for where that is needed (EV-20).
//!
//! A user's first certificate is taken on first use. A second one needs a device statement by an earlier device of the
//! same user: the server runs the CA, so a certificate alone admits nobody.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use evidence::Hash;
use evidence::membership::{DeviceClaim, DeviceStatement};
use evidence::room::Certificates;
use minicbor::bytes::ByteArray;
use pki::{CertificateError, Chain, Name, NoRevocations, TrustStore, Usage, VerifiedCertificate};
use session::limits::MAX_HASHES;
use session::message::{Command, KnownCertificate, Reply};
use tokio::sync::Notify;

use crate::ClientError;
use crate::connection::Connection;
use crate::home::Owner;
use crate::reply::expect_reply;
use crate::vault::{StoredCertificate, Vault};

/// How far the server's clock may be from a signer's, in milliseconds: 5 minutes and 10 seconds of slack.
pub(crate) const SKEW_MS: u64 = 310_000;
/// Device statements that may stand behind one another before a chain of them is given up.
pub(crate) const MAX_VOUCHERS: usize = 64;

/// The certificates that this device accepts.
pub(crate) struct KnownCertificates {
    known: RwLock<Known>,
    /// Whether there is a reason to read the directory on, and the bell that rings then.
    has_news: AtomicBool,
    bell: Notify,
    /// Those that the rooms' logs have as revoked.
    revoked: Mutex<HashSet<Hash>>,
}

#[derive(Default)]
struct Known {
    by_hash: HashMap<Hash, Accepted>,
    /// Of each user the certificate that nobody vouched for.
    first: HashMap<Name, Hash>,
}

/// An accepted certificate.
#[derive(Clone)]
pub(crate) struct Accepted {
    pub(crate) certificate: VerifiedCertificate,
    pub(crate) chain: Chain,
    pub(crate) vouching: Option<Vec<u8>>,
}

impl Certificates for KnownCertificates {
    fn certificate(&self, hash: &Hash) -> Option<VerifiedCertificate> {
        self.accepted(hash).map(|accepted| accepted.certificate)
    }
}

impl KnownCertificates {
    /// The owner's certificate and those of the vault.
    pub(crate) async fn load(owner: &Owner, vault: &Vault) -> Result<Self, ClientError> {
        let mut known = Known::default();
        let hash = owner.certificate.hash();
        if owner.first {
            known.first.insert(owner.user.clone(), hash);
        }
        let own =
            Accepted { certificate: owner.certificate.clone(), chain: owner.chain.clone(), vouching: None };
        known.by_hash.insert(hash, own);
        for stored in vault.certificates().await? {
            let chain = stored.chain();
            let certificate = verify_near(&owner.trust, &chain, stored.stood_at_ms)?;
            known.insert(Accepted { certificate, chain, vouching: stored.vouching });
        }
        Ok(Self {
            known: RwLock::new(known),
            has_news: AtomicBool::new(false),
            bell: Notify::new(),
            revoked: Mutex::default(),
        })
    }

    /// An accepted certificate by hash.
    pub(crate) fn accepted(&self, hash: &Hash) -> Option<Accepted> {
        self.read().by_hash.get(hash).cloned()
    }

    /// Hashes of all accepted certificates.
    pub(crate) fn hashes(&self) -> Vec<Hash> {
        self.read().by_hash.keys().copied().collect()
    }

    /// Accepted certificates of a usage.
    pub(crate) fn of_usage(&self, usage: Usage) -> Vec<VerifiedCertificate> {
        let known = self.read();
        let all = known.by_hash.values().map(|accepted| &accepted.certificate);
        all.filter(|certificate| certificate.usage() == usage).cloned().collect()
    }

    /// Notes that a room's log has a certificate as revoked.
    pub(crate) fn revoked_in_a_room(&self, hash: Hash) {
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner).insert(hash);
    }

    /// Whether a room's log, as far as it is read, has a certificate as revoked.
    pub(crate) fn is_revoked_in_a_room(&self, hash: &Hash) -> bool {
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner).contains(hash)
    }

    /// Says that a certificate is new, or was revoked.
    pub(crate) fn ring(&self) {
        self.has_news.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    /// Waits for the bell.
    pub(crate) async fn news(&self) {
        self.bell.notified().await;
    }

    /// Whether the bell rang since this was asked last.
    pub(crate) fn take_news(&self) -> bool {
        self.has_news.swap(false, Ordering::AcqRel)
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, accepted: Accepted) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(accepted);
    }

    /// Takes the keys that sign checkpoints at a time in Unix milliseconds, which need nobody's word, and stores them:
    /// what they signed is proved by them when others have followed.
    pub(crate) async fn keep_server_keys(
        &self,
        keys: [&(Chain, VerifiedCertificate); 2],
        now_ms: u64,
        vault: &Vault,
    ) -> Result<(), ClientError> {
        let mut fresh = Vec::new();
        for (chain, certificate) in keys {
            if self.accepted(&certificate.hash()).is_none() {
                fresh.push(StoredCertificate::new(chain, None, now_ms));
                let certificate = certificate.clone();
                self.insert(Accepted { certificate, chain: chain.clone(), vouching: None });
            }
        }
        if fresh.is_empty() { Ok(()) } else { Ok(vault.put_certificates(&fresh).await?) }
    }

    /// Asks for the statement that vouches for this device, if it has one that is not known, and stores it.
    pub(crate) async fn learn_own_voucher(
        &self,
        owner: &Owner,
        vault: &Vault,
        connection: &Connection,
    ) -> Result<(), ClientError> {
        let own = owner.certificate.hash();
        if owner.first || self.accepted(&own).is_some_and(|known| known.vouching.is_some()) {
            return Ok(());
        }
        let hashes = vec![ByteArray::from(own)];
        let reply = connection.ask(Command::Certificates { hashes }).await?;
        let known = expect_reply!(reply, Reply::Certificates { certificates } => certificates)?;
        let statement =
            known.into_iter().find(|known| *known.certificate == own).and_then(|known| known.vouching);
        let Some(statement) = statement else { return Err(ClientError::unexpected()) };
        if let Ok(voucher) = DeviceStatement::parse(&statement) {
            let wanted = [(voucher.certificate(), voucher.claim().time_ms)];
            self.fetch(&wanted, owner, vault, connection).await?;
        }
        if self.check_voucher(&statement, &owner.certificate).is_none() {
            return Err(ClientError::Untrusted(
                "the statement by which an earlier device vouched for this one is not the one it gives"
                    .to_owned(),
            ));
        }
        let (certificate, chain) = (owner.certificate.clone(), owner.chain.clone());
        let stored = StoredCertificate::new(&chain, Some(statement.clone()), certificate.not_before_ms());
        vault.put_certificates(&[stored]).await?;
        self.insert(Accepted { certificate, chain, vouching: Some(statement) });
        Ok(())
    }

    /// Asks the server for those of `wanted` (hash, and a time in Unix milliseconds when it was in use) that are not
    /// known, checks them, and stores what is good. What is not good stays unknown.
    pub(crate) async fn fetch(
        &self,
        wanted: &[(Hash, u64)],
        owner: &Owner,
        vault: &Vault,
        connection: &Connection,
    ) -> Result<(), ClientError> {
        let mut missing: HashMap<Hash, u64> =
            wanted.iter().filter(|(hash, _)| self.accepted(hash).is_none()).copied().collect();
        let mut found: HashMap<Hash, (KnownCertificate, u64)> = HashMap::new();
        for _ in 0..MAX_VOUCHERS {
            if missing.is_empty() {
                break;
            }
            let asked: Vec<(Hash, u64)> = missing.drain().collect();
            for part in asked.chunks(MAX_HASHES) {
                let hashes = part.iter().map(|(hash, _)| ByteArray::from(*hash)).collect();
                let reply = connection.ask(Command::Certificates { hashes }).await?;
                for known in expect_reply!(reply, Reply::Certificates { certificates } => certificates)? {
                    let hash = *known.certificate;
                    let Some((_, at_ms)) = part.iter().find(|(asked, _)| *asked == hash) else { continue };
                    if let Some(voucher) = known.vouching.as_deref().and_then(voucher_of)
                        && self.accepted(&voucher).is_none()
                        && !found.contains_key(&voucher)
                    {
                        missing.insert(voucher, *at_ms);
                    }
                    found.insert(hash, (known, *at_ms));
                }
            }
        }
        self.accept(found, owner, vault).await
    }

    async fn accept(
        &self,
        mut found: HashMap<Hash, (KnownCertificate, u64)>,
        owner: &Owner,
        vault: &Vault,
    ) -> Result<(), ClientError> {
        let mut fresh = Vec::new();
        // Vouchers before those that they vouch for: as long as something was accepted, more may be.
        loop {
            let before = found.len();
            found.retain(|hash, (known, at_ms)| match self.check(hash, known, *at_ms, owner) {
                Some(accepted) => {
                    let vouching = accepted.vouching.clone();
                    fresh.push(StoredCertificate::new(&accepted.chain, vouching, *at_ms));
                    self.insert(accepted);
                    false
                }
                None => true,
            });
            if found.len() == before {
                break;
            }
        }
        if !fresh.is_empty() {
            vault.put_certificates(&fresh).await?;
            self.ring();
        }
        Ok(())
    }

    fn check(&self, hash: &Hash, known: &KnownCertificate, at_ms: u64, owner: &Owner) -> Option<Accepted> {
        let chain = Chain(known.chain.iter().map(|der| der.to_vec()).collect());
        let certificate = verify_near(&owner.trust, &chain, at_ms).ok()?;
        if certificate.hash() != *hash || certificate.identity().organisation != owner.organisation {
            return None;
        }
        // EV-20
        if let Some(user) = certificate.identity().user() {
            match &known.vouching {
                Some(statement) => self.check_voucher(statement, &certificate)?,
                None => {
                    if self.read().first.get(user).is_some_and(|first| first != hash) {
                        return None;
                    }
                }
            }
        }
        Some(Accepted { certificate, chain, vouching: known.vouching.clone() })
    }

    fn check_voucher(&self, statement: &[u8], device: &VerifiedCertificate) -> Option<()> {
        let unverified = DeviceStatement::parse(statement).ok()?;
        let voucher = self.accepted(&unverified.certificate())?.certificate;
        let statement = unverified.verify(&voucher).ok()?;
        voucher.recheck(statement.time_ms, &NoRevocations).ok()?;
        statement.vouches_for(&voucher, device).then_some(())
    }
}

impl Known {
    fn insert(&mut self, accepted: Accepted) {
        let hash = accepted.certificate.hash();
        if let (Some(user), None) = (accepted.certificate.identity().user(), &accepted.vouching) {
            self.first.entry(user.clone()).or_insert(hash);
        }
        self.by_hash.insert(hash, accepted);
    }
}

fn voucher_of(statement: &[u8]) -> Option<Hash> {
    Some(DeviceStatement::parse(statement).ok()?.claim().certificate)
}

/// Verifies a chain for whatever usage its leaf has, at a time that may be a little before it began.
pub(crate) fn verify_near(
    trust: &TrustStore,
    chain: &Chain,
    at_ms: u64,
) -> Result<VerifiedCertificate, CertificateError> {
    let mut refusal = CertificateError::Missing;
    for usage in [Usage::Device, Usage::Log, Usage::Cosigner, Usage::ServerHandshake] {
        match trust.verify_as_of(chain, usage, at_ms) {
            Err(CertificateError::NotYetValid { not_before_ms })
                if not_before_ms - at_ms.min(not_before_ms) <= SKEW_MS =>
            {
                return trust.verify_as_of(chain, usage, not_before_ms);
            }
            Err(error @ CertificateError::WrongUsage { .. }) => refusal = error,
            other => return other,
        }
    }
    Err(refusal)
}

/// Signs for a new device of the same user (EV-20).
pub(crate) fn vouch(owner: &Owner, device: Name, key: &pki::ed25519::PublicKey, now_ms: u64) -> Vec<u8> {
    let claim = DeviceClaim::new(owner.certificate.hash(), now_ms, owner.user.clone(), device, key);
    DeviceStatement::sign(&claim, &owner.key)
}
