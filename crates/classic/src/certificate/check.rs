//! Whether a certificate is good: what the existing programs check, in their order, no more (CL-83).

use super::{Certificate, CertificateError, signature};

const MILLISECONDS: i128 = 1000;

/// What a certificate has to say beside being signed and valid, by dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation<'a> {
    /// `cianr-pss`: its common name is exactly this.
    CommonName(&'a str),
    /// `cianr-pkcs1`: its common name or a DNS name in its SAN is exactly this.
    CommonNameOrDns(&'a str),
    /// `cianr-line`: its issuer is the CA's subject; its own name is not looked at.
    Issuer,
}

/// What is wrong with a certificate.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum CertificateFault {
    /// The CA did not sign it, or it names another issuer.
    #[error("the certificate is not signed by the CA")]
    InvalidSignature,
    /// Its time is over.
    #[error("the certificate has expired")]
    Expired,
    /// Its time has not come.
    #[error("the certificate is not valid yet: compare the clocks")]
    NotYetValid,
    /// It names somebody else.
    #[error("the certificate names somebody else")]
    WrongName,
    /// It cannot be read or is of a kind that is not taken.
    #[error(transparent)]
    Malformed(#[from] CertificateError),
}

impl CertificateFault {
    /// The words of the classic programs, which stand after `BAD_CERT: ` (CL-84).
    pub fn classic_text(&self) -> &'static str {
        // CL-84
        match self {
            Self::InvalidSignature => "Invalid signature",
            Self::Expired | Self::NotYetValid => "Certificate expired",
            Self::WrongName => "Certificate CN mismatch",
            Self::Malformed(_) => "Invalid certificate",
        }
    }
}

/// Checks a certificate against the CA's at a moment in Unix milliseconds (CL-83).
///
/// # Errors
/// [`CertificateFault`], the first in the dialect's order.
pub fn check(
    certificate: &Certificate,
    ca: &Certificate,
    expected: Expectation<'_>,
    now_ms: u64,
) -> Result<(), CertificateFault> {
    // CL-83
    let named = match expected {
        Expectation::Issuer => {
            if certificate.issuer() != ca.subject() {
                return Err(CertificateFault::InvalidSignature);
            }
            check_validity(certificate, now_ms)?;
            return signature::verify(certificate, ca);
        }
        Expectation::CommonName(name) => certificate.common_name() == Some(name),
        Expectation::CommonNameOrDns(name) => {
            certificate.common_name() == Some(name) || certificate.dns_names().iter().any(|dns| dns == name)
        }
    };
    signature::verify(certificate, ca)?;
    check_validity(certificate, now_ms)?;
    if named { Ok(()) } else { Err(CertificateFault::WrongName) }
}

fn check_validity(certificate: &Certificate, now_ms: u64) -> Result<(), CertificateFault> {
    let now = i128::from(now_ms);
    if now < i128::from(certificate.not_before_s()) * MILLISECONDS {
        return Err(CertificateFault::NotYetValid);
    }
    if now > i128::from(certificate.not_after_s()) * MILLISECONDS {
        return Err(CertificateFault::Expired);
    }
    Ok(())
}
