//! Certificates as PEM text (RFC 7468).

use pkcs8::der::pem::{LineEnding, encode_string};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Largest PEM file that is read, in bytes.
pub const MAX_PEM_FILE: usize = 65_536;

/// Text that holds no certificate.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error("no certificate in PEM was found (`-----BEGIN CERTIFICATE-----` …)")]
pub struct BadPem;

/// One certificate as PEM.
pub fn certificate_to_pem(der: &[u8]) -> String {
    encode_string("CERTIFICATE", LineEnding::LF, der).unwrap_or_default()
}

/// All certificates in a PEM file, in order; other blocks and text around them are passed over.
///
/// # Errors
/// [`BadPem`] if there is none, a block is damaged, or the file is above [`MAX_PEM_FILE`].
pub fn certificates_from_pem(text: &str) -> Result<Vec<Vec<u8>>, BadPem> {
    if text.len() > MAX_PEM_FILE {
        return Err(BadPem);
    }
    let certificates: Result<Vec<Vec<u8>>, _> =
        CertificateDer::pem_slice_iter(text.as_bytes()).map(|found| found.map(|der| der.to_vec())).collect();
    match certificates {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(BadPem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes_and_refuses_the_rest() {
        let text =
            format!("subject: x\n{}\n{}", certificate_to_pem(&[1, 2, 3]), certificate_to_pem(&[4; 100]));
        assert_eq!(certificates_from_pem(&text), Ok(vec![vec![1, 2, 3], vec![4; 100]]));
        for bad in ["", "text", "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n"] {
            assert_eq!(certificates_from_pem(bad), Err(BadPem));
        }
        assert!(certificates_from_pem(&text.repeat(300)).is_err(), "too long");
    }
}
