//! Names, keys, certificates, the CA, revocation, trust decisions (`docs/identity.md`).
//!
//! - [`ed25519`]: keys and strict signatures, for everything that signs.
//! - [`name`]: canonical names and what a certificate says of its holder.
//! - [`certificate`]: usages, chains and what is read from a certificate.
//! - [`trust`]: from an unverified chain to a verified certificate.
//! - [`request`]: PKCS#10 and the proof of possession.
//! - [`ca`]: the organisation's root and issuing CA.
//! - [`fingerprint`], [`password`]: what people type and compare.
//!
//! Nothing here reads a clock, a file or a socket: time and bytes are passed in.

pub mod ca;
pub mod certificate;
pub mod ed25519;
pub mod fingerprint;
pub mod name;
pub mod password;
pub mod request;
pub mod trust;

pub use certificate::{CertificateError, Chain, MAX_CLIENT_CHAIN, Usage};
pub use fingerprint::{Fingerprint, Sha256Hash, safety_code, sha256, short_code};
pub use name::{Email, Holder, Identity, Name, Organisation};
pub use password::Password;
pub use request::CertificateRequest;
pub use trust::{NoRevocations, Revocations, TrustAnchor, TrustStore, VerifiedCertificate};
