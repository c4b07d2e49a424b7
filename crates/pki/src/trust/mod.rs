//! From an unverified chain to a verified certificate: anchors, path, our own checks, revocation.
//!
//! Called by the handshake (now, with revocations) and by whoever checks evidence (as of a time, without).

mod algorithm;
mod anchor;
mod cache;
mod revocation;
mod store;

pub use anchor::TrustAnchor;
pub use revocation::{
    CertificateRef, NoRevocations, Reason, Revocation, RevocationSet, Revocations, UnknownReason,
};
pub use store::{TrustStore, VerifiedCertificate};
