//! The signature of a CA on a certificate (CL-82).

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPssSaltLength, VerificationAlgorithm as _,
};
use x509_parser::oid_registry::{
    OID_NIST_HASH_SHA256, OID_NIST_HASH_SHA384, OID_NIST_HASH_SHA512, OID_PKCS1_RSASSAPSS,
    OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA, Oid,
};
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::AlgorithmIdentifier;

use super::x509::parse;
use super::{Certificate, CertificateError, CertificateFault};

/// The mask generation function MGF1 (RFC 8017, appendix B.2.1): 1.2.840.113549.1.1.8.
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
/// The only trailer field there is (RFC 4055, section 3.1).
const TRAILER: u32 = 1;

/// Whether the CA's key signed the certificate.
pub(super) fn verify(certificate: &Certificate, ca: &Certificate) -> Result<(), CertificateFault> {
    // CL-82
    let parsed = parse(certificate.der())?;
    let parameters = parameters(&parsed.signature_algorithm)
        .ok_or(CertificateFault::Malformed(CertificateError::UnsupportedSignature))?;
    parameters
        .verify_sig(ca.public_key_pkcs1(), parsed.tbs_certificate.as_ref(), &parsed.signature_value.data)
        .map_err(|_| CertificateFault::InvalidSignature)
}

fn parameters(algorithm: &AlgorithmIdentifier<'_>) -> Option<RsaParameters> {
    let oid = &algorithm.algorithm;
    if *oid == OID_PKCS1_RSASSAPSS {
        return pss(&RsaSsaPssParams::try_from(algorithm.parameters.as_ref()?).ok()?);
    }
    let known = [
        (OID_PKCS1_SHA256WITHRSA, RSA_PKCS1_2048_8192_SHA256),
        (OID_PKCS1_SHA384WITHRSA, RSA_PKCS1_2048_8192_SHA384),
        (OID_PKCS1_SHA512WITHRSA, RSA_PKCS1_2048_8192_SHA512),
    ];
    known.into_iter().find(|(name, _)| name == oid).map(|(_, parameters)| parameters)
}

fn pss(parameters: &RsaSsaPssParams<'_>) -> Option<RsaParameters> {
    let hash: &Oid<'_> = parameters.hash_algorithm_oid();
    let mask = parameters.mask_gen_algorithm().ok()?;
    if mask.mgf.as_bytes() != MGF1 || mask.hash != *hash || parameters.trailer_field() != TRAILER {
        return None;
    }
    let known = [
        (OID_NIST_HASH_SHA256, RSA_PSS_2048_8192_SHA256),
        (OID_NIST_HASH_SHA384, RSA_PSS_2048_8192_SHA384),
        (OID_NIST_HASH_SHA512, RSA_PSS_2048_8192_SHA512),
    ];
    let (_, base) = known.into_iter().find(|(name, _)| name == hash)?;
    let salt = u16::try_from(parameters.salt_length()).ok()?;
    Some(base.with_pss_salt_length(RsaPssSaltLength::Custom(salt)))
}
