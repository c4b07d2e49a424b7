//! From shared secrets and transcript to keys (CH-15 to CH-18).
//!
//! - [`kdf`]: Ext and Exp.
//! - [`transcript`]: the hashes TH1 to TH7, each a type of its own.
//! - [`handshake`]: the secrets of the handshake.
//! - [`epoch`]: the secret of an epoch, the exporter, and the step to the next epoch.
//! - [`seal`]: an AEAD key with its IV.

pub(crate) mod epoch;
pub(crate) mod handshake;
pub(crate) mod kdf;
pub(crate) mod seal;
pub(crate) mod transcript;

pub use epoch::Exporter;
