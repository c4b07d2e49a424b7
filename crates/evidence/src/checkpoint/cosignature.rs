//! Timestamped cosignatures (C2SP tlog-cosignature, `cosignature/v1`).

use pki::ed25519::{PublicKey, SigningKey};
use pki::{Name, Organisation};

use super::note::key_id;
use super::{BadCheckpoint, Checkpoint};

/// Bytes of a cosignature: key id, time in seconds, signature.
pub const COSIGNATURE_LEN: usize = 4 + 8 + 64;
/// Type of a cosigner's key in the key id (C2SP tlog-cosignature).
const TYPE_COSIGNATURE: u8 = 0x04;

/// A cosignature that nobody has checked: `key id | time u64 big-endian, seconds | signature`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature([u8; COSIGNATURE_LEN]);

impl Cosignature {
    /// Cosigns a checkpoint under the key name `name` at `time_s` (Unix seconds).
    pub fn sign(checkpoint: &Checkpoint, name: &str, key: &SigningKey, time_s: u64) -> Self {
        let id = key_id(name, TYPE_COSIGNATURE, key.public());
        let signature = key.sign(signed(checkpoint, time_s).as_bytes());
        let mut bytes = [0; COSIGNATURE_LEN];
        let parts = id.iter().chain(&time_s.to_be_bytes()).chain(&signature).copied().collect::<Vec<u8>>();
        bytes.copy_from_slice(&parts);
        Self(bytes)
    }

    /// A cosignature from its 76 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 76 bytes.
    pub fn as_bytes(&self) -> &[u8; COSIGNATURE_LEN] {
        &self.0
    }

    /// Checks it over `checkpoint` under the key name `name`, and returns its time in Unix seconds.
    ///
    /// # Errors
    /// [`BadCheckpoint::Signature`].
    pub fn verify(&self, checkpoint: &Checkpoint, name: &str, key: &PublicKey) -> Result<u64, BadCheckpoint> {
        let read = || {
            let (id, rest) = self.0.split_first_chunk::<4>()?;
            let (time, rest) = rest.split_first_chunk::<8>()?;
            let signature: &[u8; 64] = rest.try_into().ok()?;
            Some((id, u64::from_be_bytes(*time), signature))
        };
        let (id, time_s, signature) = read().ok_or(BadCheckpoint::Signature)?;
        if *id != key_id(name, TYPE_COSIGNATURE, key) {
            return Err(BadCheckpoint::Signature);
        }
        let signed = signed(checkpoint, time_s);
        key.verify(signed.as_bytes(), signature).map_err(|_| BadCheckpoint::Signature)?;
        Ok(time_s)
    }
}

/// Key name of the server's cosigner: `ORG/cosigner` (EV-26).
pub fn cosigner_name(organisation: &Organisation) -> String {
    format!("{organisation}/cosigner")
}

/// Key name of a device's cosignatures: `ORG/devices/USER/DEVICE` (EV-27).
pub fn device_name(organisation: &Organisation, user: &Name, device: &Name) -> String {
    format!("{organisation}/devices/{user}/{device}")
}

fn signed(checkpoint: &Checkpoint, time_s: u64) -> String {
    format!("cosignature/v1\ntime {time_s}\n{}", checkpoint.body())
}
