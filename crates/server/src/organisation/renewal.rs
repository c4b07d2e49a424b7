//! Renewal of the server's own certificates (ID-34): same key and start, a later end; at each start, and daily.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use evidence::verdict::utc;
use pki::Chain;
use pki::ca::Validity;
use pki::certificate::CertificateError;
use store::StoreError;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::authority::{OwnCertificates, SERVER_DAYS, write_chain};
use super::inventory::validity_ms;
use super::{Authority, AuthorityError, DataFolder};
use crate::clock::now_ms;
use crate::failure;
use crate::listener::stopped;
use crate::rooms::LogCertificates;
use crate::shared::Shared;

const DAY_MS: u64 = 86_400_000;
/// A certificate with less than this before its end is renewed: a third of what a new one has.
const RENEWED_MS: u64 = SERVER_DAYS as u64 / 3 * DAY_MS;
/// Before its end the issuing CA is worth a word.
const WARNED_MS: u64 = 30 * DAY_MS;
/// Seconds between looks.
const LOOK_S: u64 = 86_400;

/// Why the server goes on under its old certificates.
#[derive(Debug, thiserror::Error)]
enum RenewalError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl Authority {
    /// Renews what has less than a third of its time left, in the folder and here; says whether anything was. Their
    /// leaves stand in the directory only after [`super::Directory::open`].
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub(crate) fn renew(&self, folder: &DataFolder, now_ms: u64) -> Result<bool, AuthorityError> {
        let renewed = self.renewed(folder, now_ms)?;
        let any = renewed.is_some();
        if let Some(renewed) = renewed {
            self.take_up(renewed);
        }
        Ok(any)
    }

    /// The server's certificates with those renewed that are due, written to the folder; nothing if none is.
    fn renewed(&self, folder: &DataFolder, now_ms: u64) -> Result<Option<OwnCertificates>, AuthorityError> {
        let own = self.own();
        let [server, log, cosigner] = &own.chains;
        let keys = [("server", self.server_key.public(), server), ("log", self.log_key().public(), log)];
        let keys = keys.into_iter().chain([("cosigner", self.cosigner_key().public(), cosigner)]);
        let mut chains = own.chains.clone().map(|(_, chain)| chain);
        let mut any = false;
        for ((name, key, (holder, chain)), place) in keys.zip(&mut chains) {
            if let Some(validity) = self.longer(chain, now_ms)? {
                *place = self.issuing().issue_to_key(key, holder, &validity)?;
                write_chain(&folder.organisation(), name, place)?;
                info!("renewed the certificate {name}");
                any = true;
            }
        }
        if !any {
            return Ok(None);
        }
        OwnCertificates::new(chains, &self.server_key, self.root()).map(Some)
    }

    /// The validity of a renewed certificate, if the one there is due and a new one would last a day longer at least.
    fn longer(&self, chain: &Chain, now_ms: u64) -> Result<Option<Validity>, AuthorityError> {
        // ID-34
        let Some((start, end)) = chain.leaf().and_then(validity_ms) else { return Ok(None) };
        let ends =
            Validity::days(now_ms, SERVER_DAYS)?.not_after_ms().min(self.issuing().validity().not_after_ms());
        let due = end < now_ms.saturating_add(RENEWED_MS) && ends >= end.saturating_add(DAY_MS);
        if due { Ok(Some(Validity::new(start, ends)?)) } else { Ok(None) }
    }

    fn take_up(&self, own: OwnCertificates) {
        *self.own.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(own);
    }
}

impl Shared {
    /// Renews what is due: written to the folder, entered in the directory, then used.
    async fn renew(&self, folder: &DataFolder, now_ms: u64) -> Result<(), RenewalError> {
        if let Some(renewed) = self.authority.renewed(folder, now_ms)? {
            self.directory.enter_own(self.store.as_ref(), &self.authority, &renewed).await?;
            self.authority.take_up(renewed);
            self.sequencer.renewed(LogCertificates::current(&self.authority, &self.trust, now_ms)?).await;
        }
        Ok(())
    }
}

/// Renews daily while the server runs.
pub(crate) async fn follow(shared: Arc<Shared>, folder: DataFolder, mut stopping: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => return,
            () = tokio::time::sleep(Duration::from_secs(LOOK_S)) => {}
        }
        if let Err(e) = shared.renew(&folder, now_ms()).await {
            error!(
                "the server's certificates were not renewed; trying again tomorrow: {}",
                failure::chain(&e)
            );
        }
        warn_of_end(&shared.authority, now_ms());
    }
}

/// Warns of the end of the issuing CA or the root, with which everything ends.
pub(crate) fn warn_of_end(authority: &Authority, now_ms: u64) {
    let end = authority.issuing().validity().not_after_ms();
    if end.saturating_sub(now_ms) < WARNED_MS {
        warn!(
            "the organisation's certificate authority ends {}, and nobody can connect from then on: export what has to be \
             kept, and make a new organisation",
            utc(end)
        );
    }
}

#[cfg(test)]
mod tests {
    use pki::{Fingerprint, Organisation};
    use store::{SqliteStore, Store};

    use super::super::KeyProtection;
    use super::*;
    use crate::listener::assemble;

    /// Just before less than a third of the five years is left, and just after.
    const NOT_YET_MS: u64 = (SERVER_DAYS as u64 - SERVER_DAYS as u64 / 3 - 1) * DAY_MS;
    const DUE_MS: u64 = (SERVER_DAYS as u64 - SERVER_DAYS as u64 / 3 + 1) * DAY_MS;

    fn hashes(authority: &Authority) -> [Fingerprint; 3] {
        let leaf = |(_, chain): &(_, Chain)| Fingerprint(chain.leaf_hash().unwrap());
        authority.own().chains.each_ref().map(leaf)
    }

    #[tokio::test]
    async fn certificates_of_the_server_are_renewed_while_it_runs() {
        let place = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(place.path()).unwrap();
        let organisation = Organisation::parse("apollo.example").unwrap();
        let now = now_ms();
        Authority::create(&folder, &organisation, &KeyProtection::Plain, now).unwrap();
        let load = || Authority::load(&folder, &KeyProtection::Plain).unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.database()).await.unwrap());
        let (shared, _sequencing) = assemble(Arc::clone(&store), Arc::new(load())).await.unwrap();
        let before = hashes(&shared.authority);
        let identity = shared.channel_config().identity;

        shared.renew(&folder, now + NOT_YET_MS).await.unwrap();
        assert_eq!(hashes(&shared.authority), before, "nothing is due");
        assert_eq!(store.directory_head().await.unwrap().size, 4);

        shared.renew(&folder, now + DUE_MS).await.unwrap();
        let after = hashes(&shared.authority);
        assert!(before.iter().zip(&after).all(|(before, after)| before != after));
        assert_eq!(hashes(&load()), after, "in the folder too");
        assert!(!Arc::ptr_eq(&identity, &shared.channel_config().identity), "in handshakes too");
        assert_eq!(store.directory_head().await.unwrap().size, 7);
        let (old_start, _) = validity_ms(identity_leaf(&store, &before).await.as_slice()).unwrap();
        let renewed = shared.authority.log_chain();
        let (start, end) = validity_ms(renewed.leaf().unwrap()).unwrap();
        assert_eq!(start, old_start, "earlier checkpoints are within it");
        assert!(end > now + 2 * NOT_YET_MS);

        shared.renew(&folder, now + DUE_MS).await.unwrap();
        assert_eq!(hashes(&shared.authority), after, "once is enough");
    }

    /// The earlier log certificate, as the directory keeps it.
    async fn identity_leaf(store: &Arc<dyn Store>, [_, log, _]: &[Fingerprint; 3]) -> Vec<u8> {
        let found = store.certificate(log.as_bytes()).await.unwrap().unwrap();
        crate::shared::decode_chain(&found.chain).unwrap().leaf().unwrap().to_vec()
    }

    #[test]
    fn nothing_outlives_the_issuing_ca_and_is_renewed_for_less_than_a_day() {
        let place = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(place.path()).unwrap();
        let organisation = Organisation::parse("apollo.example").unwrap();
        Authority::create(&folder, &organisation, &KeyProtection::Plain, now_ms()).unwrap();
        let authority = Authority::load(&folder, &KeyProtection::Plain).unwrap();
        let last = authority.issuing().validity().not_after_ms();
        assert!(authority.renew(&folder, last - DAY_MS).unwrap());
        let (_, end) = validity_ms(authority.log_chain().leaf().unwrap()).unwrap();
        assert_eq!(end, last / 1000 * 1000, "in whole seconds");
        assert!(!authority.renew(&folder, last - DAY_MS).unwrap());
    }
}
