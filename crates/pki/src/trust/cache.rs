//! Chains that were verified before. Saves a path's signatures; time and revocation are checked each time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::store::VerifiedCertificate;
use crate::fingerprint::Sha256Hash;

/// Most chains remembered; the oldest goes first.
const CAPACITY: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct VerifiedChains(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    by_digest: HashMap<Sha256Hash, VerifiedCertificate>,
    oldest_first: VecDeque<Sha256Hash>,
}

impl VerifiedChains {
    pub(super) fn get(&self, digest: &Sha256Hash) -> Option<VerifiedCertificate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_digest.get(digest).cloned()
    }

    pub(super) fn insert(&self, digest: Sha256Hash, certificate: VerifiedCertificate) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.by_digest.insert(digest, certificate).is_some() {
            return;
        }
        entries.oldest_first.push_back(digest);
        if entries.oldest_first.len() > CAPACITY
            && let Some(oldest) = entries.oldest_first.pop_front()
        {
            entries.by_digest.remove(&oldest);
        }
    }
}
