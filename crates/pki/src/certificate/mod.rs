//! Certificates as bytes: usages, chains, what is read from them, and why one is refused.

mod chain;
pub(crate) mod der;
mod error;
mod pem;
pub(crate) mod usage;
pub(crate) mod view;

pub use chain::{Chain, MAX_CHAIN, MAX_CHAIN_CERTIFICATES, MAX_CLIENT_CHAIN};
pub use error::CertificateError;
pub use pem::{BadPem, MAX_PEM_FILE, certificate_to_pem, certificates_from_pem};
pub use usage::{ARC, Usage};
