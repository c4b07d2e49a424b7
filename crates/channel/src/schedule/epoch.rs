//! The secret of an epoch and the step to the next (CH-17, CH-50, CH-51).

use std::fmt;

use wire::bytes::Writer;
use zeroize::Zeroizing;

use super::kdf::{self, Secret};
use super::seal::SealKey;
use crate::exchange::SharedSecrets;
use crate::{LocalFailure, OpaqueSessionKey, Suite};

/// E: 32 secret bytes that depend on the whole handshake. Upper layers bind themselves to it.
pub struct Exporter(Secret);

impl Exporter {
    pub(crate) fn new(secret: Secret) -> Self {
        Self(secret)
    }

    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exporter(..)")
    }
}

/// Which side sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// epoch_n, and what its confirms are over: TH7 or th.
#[derive(Debug)]
pub(crate) struct EpochSecret {
    number: u32,
    secret: Secret,
}

/// What the hash `th` of an epoch covers beside the exporter (CH-50).
pub(crate) struct EpochInputs<'a> {
    pub(crate) method: u8,
    pub(crate) user: &'a [u8],
    pub(crate) device: &'a [u8],
    /// R1, its number included.
    pub(crate) request: &'a [u8],
    /// R2, its number included.
    pub(crate) response: &'a [u8],
}

impl EpochInputs<'_> {
    fn hash(&self, number: u32, exporter: &Exporter) -> Result<[u8; 32], LocalFailure> {
        let mut out = Writer::with_capacity(3072);
        out.bytes(b"countersign v1 epoch").u32(number).bytes(exporter.as_bytes()).u8(self.method);
        out.prefixed_u16(self.user)
            .and_then(|out| out.prefixed_u16(self.device))
            .and_then(|out| out.prefixed_u32(self.request))
            .and_then(|out| out.prefixed_u32(self.response))
            .map_err(|_| LocalFailure::Cryptography)?;
        Ok(pki::sha256(&Zeroizing::new(out.into_vec())))
    }
}

/// A confirm's content (CH-24, CH-55).
pub(crate) type Confirm = [u8; 32];

impl EpochSecret {
    pub(crate) fn first(secret: Secret) -> Self {
        Self { number: 0, secret }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The key of what `side` sends (CH-17).
    pub(crate) fn traffic(&self, suite: Suite, side: Side) -> Result<SealKey, LocalFailure> {
        let label = match side {
            Side::Client => "c traffic",
            Side::Server => "s traffic",
        };
        SealKey::derive(suite, &kdf::expand(&self.secret, label, b"")?)
    }

    /// What `side` proves this epoch's key with; `over` is TH7 in epoch 0 and th later.
    pub(crate) fn confirm(&self, side: Side, over: &[u8; 32]) -> Result<Confirm, LocalFailure> {
        let label = match side {
            Side::Client => "c confirm",
            Side::Server => "s confirm",
        };
        Ok(*kdf::expand(&self.secret, label, over)?.as_bytes())
    }

    /// The next epoch, and what its confirms are over.
    pub(crate) fn next(
        &self,
        number: u32,
        shared: SharedSecrets,
        session_key: Option<&OpaqueSessionKey>,
        exporter: &Exporter,
        inputs: &EpochInputs<'_>,
    ) -> Result<(Self, [u8; 32]), LocalFailure> {
        let session_key = session_key.map_or(&[][..], |key| key.as_bytes());
        let th = inputs.hash(number, exporter)?;
        let mut input = Writer::with_capacity(64 + 2 + 64);
        input.bytes(shared.as_bytes()).prefixed_u16(session_key).map_err(|_| LocalFailure::Cryptography)?;
        let mixed = kdf::extract(&self.secret, &Zeroizing::new(input.into_vec()))?;
        Ok((Self { number, secret: kdf::expand(&mixed, "epoch", &th)? }, th))
    }
}
