//! Unverified chains.

use super::CertificateError;
use crate::fingerprint::{Sha256Hash, sha256, sha256_parts};

/// Most bytes of a client's chain, all DER together: the handshake's third message has one fixed size (ID-15).
pub const MAX_CLIENT_CHAIN: usize = 1600;
/// Most bytes of any chain, root included, all DER together.
pub const MAX_CHAIN: usize = 8192;
/// Most certificates of a chain, leaf and root included.
pub const MAX_CHAIN_CERTIFICATES: usize = 4;

/// Certificates in DER, leaf first, each followed by the one above it; the root only where it is said.
/// Nothing in it is verified; [`crate::trust::TrustStore::verify`] does that.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Chain(pub Vec<Vec<u8>>);

impl Chain {
    /// The leaf's DER, if there is one.
    pub fn leaf(&self) -> Option<&[u8]> {
        self.0.first().map(Vec::as_slice)
    }

    /// SHA-256 of the leaf's DER, if there is one: what statements name as their signer's certificate.
    pub fn leaf_hash(&self) -> Option<Sha256Hash> {
        self.leaf().map(sha256)
    }

    /// Bytes of all certificates together.
    pub fn total_len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// This chain with `root` at its end, for a peer who has only a fingerprint.
    pub fn with_root(&self, root: &[u8]) -> Self {
        let mut chain = self.clone();
        chain.0.push(root.to_vec());
        chain
    }

    /// Refuses chains above the limits (ID-15, ID-16).
    ///
    /// # Errors
    /// [`CertificateError::Missing`], [`CertificateError::TooMany`] or [`CertificateError::TooLong`].
    pub fn check_limits(&self) -> Result<(), CertificateError> {
        if self.0.is_empty() {
            return Err(CertificateError::Missing);
        }
        if self.0.len() > MAX_CHAIN_CERTIFICATES {
            return Err(CertificateError::TooMany { count: self.0.len(), limit: MAX_CHAIN_CERTIFICATES });
        }
        if self.total_len() > MAX_CHAIN {
            return Err(CertificateError::TooLong { length: self.total_len(), limit: MAX_CHAIN });
        }
        Ok(())
    }

    /// A digest of the exact bytes, by which verified chains are remembered.
    pub(crate) fn digest(&self, context: u8) -> Sha256Hash {
        let lengths: Vec<u8> = self
            .0
            .iter()
            .flat_map(|der| u64::try_from(der.len()).unwrap_or(u64::MAX).to_be_bytes())
            .collect();
        let count = [context, u8::try_from(self.0.len()).unwrap_or(u8::MAX)];
        let mut parts: Vec<&[u8]> = vec![&count, &lengths];
        parts.extend(self.0.iter().map(Vec::as_slice));
        sha256_parts(&parts)
    }
}
