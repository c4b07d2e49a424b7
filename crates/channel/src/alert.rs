//! What the peer is told of an error (CH-63).

/// An alert's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alert {
    /// 0, or a code this version does not know.
    Unspecified,
    /// 1: a message that the state does not take.
    UnexpectedMessage,
    /// 2: bytes that are not the message they should be.
    Malformed,
    /// 3: no version or suite in common.
    NothingInCommon,
    /// 4: a share, seal, signature or finished value that does not hold.
    HandshakeFailed,
    /// 5: a certificate that is not trusted for this role.
    CertificateRefused,
    /// 6: a certificate outside its validity.
    CertificateExpired,
    /// 7: a revoked certificate.
    CertificateRevoked,
    /// 8: a handshake that took too long.
    TooSlow,
    /// 9: a record that does not open.
    RecordRefused,
    /// 10: an epoch past its limits.
    EpochUsedUp,
    /// 11: a failure of the sender of the alert.
    LocalFailure,
}

impl Alert {
    const ALL: [Self; 12] = [
        Self::Unspecified,
        Self::UnexpectedMessage,
        Self::Malformed,
        Self::NothingInCommon,
        Self::HandshakeFailed,
        Self::CertificateRefused,
        Self::CertificateExpired,
        Self::CertificateRevoked,
        Self::TooSlow,
        Self::RecordRefused,
        Self::EpochUsedUp,
        Self::LocalFailure,
    ];

    /// The code on the wire.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The alert of a code.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or(Self::Unspecified)
    }

    /// What it means, for a person.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Unspecified => "it gave no reason",
            Self::UnexpectedMessage => "it did not expect our message",
            Self::Malformed => "it could not read our message",
            Self::NothingInCommon => "it speaks no protocol that we speak; update the older side",
            Self::HandshakeFailed => "the key exchange did not hold",
            Self::CertificateRefused => "it does not trust our certificate",
            Self::CertificateExpired => "our certificate is outside its validity; renew it or set the clock",
            Self::CertificateRevoked => "our certificate is revoked",
            Self::TooSlow => "the handshake took too long",
            Self::RecordRefused => "a record did not open",
            Self::EpochUsedUp => "the keys were used up",
            Self::LocalFailure => "it failed by itself; try again",
        }
    }
}
