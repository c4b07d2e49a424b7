//! What OpenMLS works with: primitives, randomness, and the store.

use openmls::prelude::Ciphersuite;
use openmls_libcrux_crypto::CryptoProvider;
use openmls_traits::OpenMlsProvider;

use crate::crypto::Crypto;
use crate::error::GroupError;
use crate::store::Store;

/// The ciphersuite of content suite 1 (GR-1): X-Wing (ML-KEM-768 and X25519), ChaCha20-Poly1305, SHA-256, Ed25519.
pub const SUITE: Ciphersuite = Ciphersuite::MLS_256_XWING_CHACHA20POLY1305_SHA256_Ed25519;

/// Primitives, randomness and the records of one device.
pub struct Provider {
    crypto: Crypto,
    store: Store,
}

impl Provider {
    /// With what was stored before.
    ///
    /// # Errors
    /// [`GroupError::Library`] without randomness.
    pub fn new(store: Store) -> Result<Self, GroupError> {
        let crypto = CryptoProvider::new().map_err(|error| GroupError::Library(error.to_string()))?;
        Ok(Self { crypto: Crypto(crypto), store })
    }

    /// The records.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

impl OpenMlsProvider for Provider {
    type CryptoProvider = Crypto;
    type RandProvider = CryptoProvider;
    type StorageProvider = Store;

    fn storage(&self) -> &Store {
        &self.store
    }

    fn crypto(&self) -> &Crypto {
        &self.crypto
    }

    fn rand(&self) -> &CryptoProvider {
        &self.crypto.0
    }
}
