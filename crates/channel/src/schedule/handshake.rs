//! The secrets of the handshake (CH-16).

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::epoch::{EpochSecret, Exporter};
use super::kdf::{self, Secret};
use super::seal::{DoesNotOpen, SealKey, TAG_SIZE};
use super::transcript::{Th1, Th7};
use crate::exchange::SharedSecrets;
use crate::{LocalFailure, Suite};

/// Number of M2's and M3's seal under their key (CH-10, CH-11).
const MESSAGE: u64 = 0;
/// Number of a sealed alert's seal under the same key (CH-61).
const ALERT: u64 = 1;

/// What both shares and TH1 give.
#[derive(Debug)]
pub(crate) struct HandshakeSecrets {
    /// Seals what the client sends.
    pub(crate) client: HandshakeKey,
    /// Seals what the server sends.
    pub(crate) server: HandshakeKey,
    /// Becomes epoch 0 and the exporter.
    pub(crate) master: MasterSecret,
}

impl HandshakeSecrets {
    pub(crate) fn derive(suite: Suite, shared: SharedSecrets, th1: &Th1) -> Result<Self, LocalFailure> {
        let secret = kdf::extract(&Secret::ZERO, shared.as_bytes())?;
        let empty_hash = pki::sha256(b"");
        let derived = kdf::expand(&secret, "derived", &empty_hash)?;
        Ok(Self {
            client: HandshakeKey::derive(suite, &kdf::expand(&secret, "c hs", th1.as_bytes())?)?,
            server: HandshakeKey::derive(suite, &kdf::expand(&secret, "s hs", th1.as_bytes())?)?,
            master: MasterSecret(kdf::extract(&derived, Secret::ZERO.as_bytes())?),
        })
    }
}

/// c_hs or s_hs: the key that seals one side's handshake message, and its finished key.
#[derive(Debug)]
pub(crate) struct HandshakeKey {
    seal: SealKey,
    finished: Secret,
}

impl HandshakeKey {
    fn derive(suite: Suite, secret: &Secret) -> Result<Self, LocalFailure> {
        Ok(Self { seal: SealKey::derive(suite, secret)?, finished: kdf::expand(secret, "finished", b"")? })
    }

    /// fin_S over TH3, or fin_C over TH6.
    pub(crate) fn finished(&self, transcript: &[u8; 32]) -> Result<[u8; 32], LocalFailure> {
        Ok(*kdf::mac(&self.finished, transcript)?.as_bytes())
    }

    /// Whether `claimed` is the finished value, in constant time.
    pub(crate) fn verify_finished(
        &self,
        transcript: &[u8; 32],
        claimed: &[u8; 32],
    ) -> Result<bool, LocalFailure> {
        Ok(self.finished(transcript)?.ct_eq(claimed).into())
    }

    /// Seals M2's or M3's plaintext and appends its tag.
    pub(crate) fn seal_message(
        &self,
        associated: &[u8; 32],
        plaintext: &mut Vec<u8>,
    ) -> Result<(), LocalFailure> {
        let tag = self.seal.seal(MESSAGE, associated, plaintext)?;
        plaintext.extend_from_slice(&tag);
        Ok(())
    }

    /// Opens M2's or M3's sealed part; the plaintext is erased when dropped.
    pub(crate) fn open_message(
        &self,
        associated: &[u8; 32],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
        let mut buffer = Zeroizing::new(sealed.to_vec());
        self.seal.open(MESSAGE, associated, &mut buffer)?;
        Ok(buffer)
    }

    /// Seals an alert's plaintext. A connection does this once, as its last act.
    pub(crate) fn seal_alert(
        &self,
        associated: &[u8],
        plaintext: &mut [u8],
    ) -> Result<[u8; TAG_SIZE], LocalFailure> {
        self.seal.seal(ALERT, associated, plaintext)
    }

    /// Opens a sealed alert in place.
    pub(crate) fn open_alert(&self, associated: &[u8], sealed: &mut Vec<u8>) -> Result<(), DoesNotOpen> {
        self.seal.open(ALERT, associated, sealed)
    }
}

/// ms.
#[derive(Debug)]
pub(crate) struct MasterSecret(Secret);

impl MasterSecret {
    /// Epoch 0 and the exporter, once the whole handshake is known.
    pub(crate) fn finish(self, th7: &Th7) -> Result<(EpochSecret, Exporter), LocalFailure> {
        Ok((
            EpochSecret::first(kdf::expand(&self.0, "epoch 0", th7.as_bytes())?),
            Exporter::new(kdf::expand(&self.0, "exporter", th7.as_bytes())?),
        ))
    }
}
