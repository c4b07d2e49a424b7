//! Revocation, from the directory's leaf to the sessions and rooms concerned.
//!
//! The directory decides: a device is revoked once its leaf stands there. Everything else follows from it, also after a
//! stop in between and for revocations that another process entered.

use std::sync::Arc;
use std::time::Duration;

use evidence::directory::Leaf;
use pki::trust::{CertificateRef, Reason};
use session::message::Reply;
use store::{Certificate, Hash, StoreError};
use tokio::sync::watch;
use tracing::{error, info};

use crate::clock::now_ms;
use crate::failure;
use crate::listener::stopped;
use crate::organisation::Issue;
use crate::shared::{PAGE, Shared, decode_chain};

/// What a device is told whose session ends so.
pub(crate) const REVOKED: &str = "this device was revoked; ask an administrator";
/// Seconds between looks at the directory for revocations by others.
const LOOK_S: u64 = 2;

impl Shared {
    /// Revokes a certificate: a leaf in the directory, then everything that follows.
    pub(crate) async fn revoke(&self, certificate: &Hash, reason: Reason) -> Result<(), Reply> {
        let leaf = Issue::revoke(*certificate, reason, now_ms());
        let appended =
            self.directory.append(self, &[leaf], |append| self.store.append_directory(append)).await;
        match appended {
            Ok(()) | Err(StoreError::Refused(store::Refusal::Revoked)) => {}
            Err(e) => return Err(failure::store(&e)),
        }
        let found = self.store.certificate(certificate).await.map_err(|e| failure::store(&e))?;
        if let Some(found) = found {
            self.enforce(&found, reason).await;
        }
        Ok(())
    }

    /// Refuses the certificate in handshakes, ends its sessions (SE-23) and enters the revocation in its rooms (EV-18).
    /// Says whether it stands in all of them; [`follow`] tries again.
    async fn enforce(&self, certificate: &Certificate, reason: Reason) -> bool {
        let since = certificate.revoked.map_or_else(now_ms, |r| r.at_ms);
        let chain = decode_chain(&certificate.chain).unwrap_or_default();
        if let Some(Ok(named)) = chain.leaf().map(CertificateRef::of) {
            self.revocations.insert(pki::trust::Revocation { certificate: named, reason, at_ms: since });
        }
        let hash = certificate.hash;
        self.hub.end(REVOKED, |s| s.certificate == hash);
        self.sequencer.revoke(hash, reason).await
    }
}

/// Follows the directory and enforces revocations, those before the start included. It logs those from index `logged` on,
/// each once.
pub(crate) async fn follow(shared: Arc<Shared>, mut logged: u64, mut stopping: watch::Receiver<bool>) {
    let mut next = 0;
    loop {
        match look(&shared, next, &mut logged).await {
            Ok(after) => next = after,
            Err(e) => error!("cannot read revocations: {}", failure::chain(&e)),
        }
        tokio::select! {
            () = stopped(&mut stopping) => return,
            () = tokio::time::sleep(Duration::from_secs(LOOK_S)) => {}
        }
    }
}

async fn look(shared: &Shared, from: u64, logged: &mut u64) -> Result<u64, StoreError> {
    let mut next = from;
    loop {
        let page = shared.store.revoked_certificates(next, PAGE).await?;
        if page.is_empty() {
            return Ok(next);
        }
        for certificate in page {
            let Some(revoked) = certificate.revoked else { continue };
            let leaf = shared.store.directory_entries(revoked.directory_index, 1).await?.into_iter().next();
            let reason = match leaf.and_then(|l| Leaf::from_bytes(&l.leaf).ok()) {
                Some(Leaf::Revoke(revoke)) => revoke.reason,
                _ => Reason::Unspecified,
            };
            if revoked.directory_index >= *logged {
                info!(certificate = %pki::Fingerprint(certificate.hash), "revoked");
                *logged = revoked.directory_index + 1;
            }
            if !shared.enforce(&certificate, reason).await {
                // Whatever kept it from standing everywhere: it is tried again at the next look.
                return Ok(next);
            }
            next = revoked.directory_index + 1;
        }
    }
}
