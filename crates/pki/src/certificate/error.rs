//! Why a certificate or a chain is refused.

use super::Usage;

/// Why a chain was not accepted. The codes of [`CertificateError::code`] are stable.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum CertificateError {
    /// No certificate at all.
    #[error("no certificate was presented")]
    Missing,
    /// More bytes than allowed here.
    #[error(
        "the certificate chain has {length} bytes and the limit is {limit}; use shorter names or fewer certificates"
    )]
    TooLong {
        /// Bytes of all certificates together.
        length: usize,
        /// The named limit.
        limit: usize,
    },
    /// More certificates than allowed.
    #[error(
        "the chain has {count} certificates and the limit is {limit}; leave out what does not lead to the root"
    )]
    TooMany {
        /// Certificates in the chain.
        count: usize,
        /// The named limit.
        limit: usize,
    },
    /// Certificates that are not, in their order, the path from the leaf to the root.
    #[error(
        "the certificates are not in order from the holder's up to the root, or one does not belong there"
    )]
    NotAPath,
    /// Not DER of an X.509 version 3 certificate, or with extensions that are not understood.
    #[error("the certificate cannot be read as X.509; it is damaged or of an unsupported form")]
    Malformed,
    /// Past the end of its validity, or above it a certificate that is.
    #[error(
        "the certificate, or one above it, has expired; have a new one issued, and check this computer's clock"
    )]
    Expired {
        /// End of validity, Unix milliseconds.
        not_after_ms: u64,
    },
    /// Before the start of its validity, or above it a certificate that is.
    #[error("the certificate, or one above it, is not yet valid; check this computer's clock")]
    NotYetValid {
        /// Start of validity, Unix milliseconds.
        not_before_ms: u64,
    },
    /// No path to a trusted root.
    #[error(
        "the certificate was issued by an authority that is not trusted here; compare the root's fingerprint with your administrator's"
    )]
    UnknownIssuer,
    /// Signed with its own key.
    #[error("the certificate is self-signed; it must be issued by the organisation's authority")]
    SelfSigned,
    /// A signature in the chain does not verify, or is not strict.
    #[error(
        "a signature in the certificate chain does not verify; the chain was changed or put together wrongly"
    )]
    BadSignature,
    /// Not certified for the wanted job.
    #[error("the certificate is not for {}; another kind of certificate stands in its place", .wanted.description())]
    WrongUsage {
        /// What it was to be used for.
        wanted: Usage,
    },
    /// Not exactly one name of the form that its usage asks for.
    #[error(
        "the certificate does not name its holder in the one form that is accepted; have it issued again"
    )]
    WrongName,
    /// A name outside the suffix of the organisation or of an authority above it.
    #[error("the certificate names a holder outside the organisation for which its authority may speak")]
    OutsideOrganisation,
    /// An authority's certificate in the place of a holder's.
    #[error("an authority's certificate stands where a device's or server's is needed")]
    AuthorityAsLeaf,
    /// An issuing certificate that may not issue, or not to this depth.
    #[error("a certificate in the chain was issued by one that may not issue certificates")]
    NotAnAuthority,
    /// An algorithm or key that is not accepted in its place.
    #[error(
        "a key or signature algorithm in the chain is not accepted; leaves are Ed25519, authorities Ed25519, ECDSA P-256 or RSA of 2,048 bits and more"
    )]
    UnsupportedAlgorithm,
    /// An Ed25519 key that is not canonical or of small order.
    #[error("the certificate's key is not a sound Ed25519 key; make a new key")]
    UnsoundKey,
    /// On a revocation list.
    #[error("the certificate, or one above it, was revoked; ask your administrator")]
    Revoked {
        /// When it was revoked, Unix milliseconds.
        since_ms: u64,
    },
    /// The root at hand is not the one whose fingerprint is pinned.
    #[error(
        "the root certificate does not have the expected fingerprint; this is another organisation, or somebody in between"
    )]
    WrongRoot,
    /// The root does not say for which organisation it speaks, and nothing else did.
    #[error(
        "the root certificate does not name an organisation; name the organisation for which it is trusted"
    )]
    UnboundRoot,
}

impl CertificateError {
    /// A stable code for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "certificate-missing",
            Self::TooLong { .. } => "certificate-too-long",
            Self::TooMany { .. } => "certificate-too-many",
            Self::NotAPath => "certificate-not-a-path",
            Self::Malformed => "certificate-malformed",
            Self::Expired { .. } => "certificate-expired",
            Self::NotYetValid { .. } => "certificate-not-yet-valid",
            Self::UnknownIssuer => "certificate-unknown-issuer",
            Self::SelfSigned => "certificate-self-signed",
            Self::BadSignature => "certificate-bad-signature",
            Self::WrongUsage { .. } => "certificate-wrong-usage",
            Self::WrongName => "certificate-wrong-name",
            Self::OutsideOrganisation => "certificate-outside-organisation",
            Self::AuthorityAsLeaf => "certificate-authority-as-leaf",
            Self::NotAnAuthority => "certificate-not-an-authority",
            Self::UnsupportedAlgorithm => "certificate-unsupported-algorithm",
            Self::UnsoundKey => "certificate-unsound-key",
            Self::Revoked { .. } => "certificate-revoked",
            Self::WrongRoot => "certificate-wrong-root",
            Self::UnboundRoot => "certificate-unbound-root",
        }
    }
}
