//! Why the authority does not do something.

use crate::certificate::CertificateError;

/// Why nothing was made or installed.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum CaError {
    /// A validity that ends before it starts, or outside the years 1970 to 9999.
    #[error("the validity must end after it starts, between the years 1970 and 9999")]
    BadValidity,
    /// A validity that is not within the authority's own.
    #[error(
        "the certificate would outlive its authority (valid from {not_before_ms} to {not_after_ms}, Unix milliseconds); ask for less, or renew the authority"
    )]
    OutlivesAuthority {
        /// Start of the authority's validity, Unix milliseconds.
        not_before_ms: u64,
        /// End of the authority's validity, Unix milliseconds.
        not_after_ms: u64,
    },
    /// The key is not the one in the certificate.
    #[error("the private key does not belong to this certificate; use the key for which it was requested")]
    WrongKey,
    /// The authority's certificate lacks something that its leaves need.
    #[error(
        "the authority's certificate cannot be used: {0}; have it signed again with the extensions of the request"
    )]
    Unusable(#[source] CertificateError),
    /// The authority's certificate is not constrained to the organisation.
    #[error(
        "the authority's certificate is not constrained to this organisation; have it signed again with the name constraint of the request"
    )]
    Unconstrained,
    /// A leaf and what is above it do not fit into a handshake.
    #[error(
        "the certificate chain would have {length} bytes and a handshake takes {limit}; use shorter names, or a root with a smaller key"
    )]
    ChainTooLong {
        /// Bytes of leaf and intermediates together.
        length: usize,
        /// [`crate::MAX_CLIENT_CHAIN`].
        limit: usize,
    },
    /// The system's random number generator failed.
    #[error("the system's random number generator failed; nothing was issued")]
    NoRandomness,
    /// The encoder refused.
    #[error("the certificate could not be written")]
    NotWritten,
}

impl From<rcgen::Error> for CaError {
    fn from(_: rcgen::Error) -> Self {
        Self::NotWritten
    }
}

impl From<CertificateError> for CaError {
    fn from(error: CertificateError) -> Self {
        Self::Unusable(error)
    }
}
