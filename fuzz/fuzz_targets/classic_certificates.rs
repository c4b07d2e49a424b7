//! Certificates and key files of the classic protocols: read or refused, and none is signed by a CA that nobody has.

#![no_main]

use std::sync::OnceLock;

use classic::certificate::{Certificate, Expectation, Passphrase, PrivateKey, check};
use fuzz::NOW;
use libfuzzer_sys::fuzz_target;

/// A CA's certificate whose key is gone.
const CA: &str = include_str!("classic_ca.crt");

fuzz_target!(|bytes: &[u8]| {
    static READ: OnceLock<Certificate> = OnceLock::new();
    let ca = READ.get_or_init(|| Certificate::from_pem(CA).expect("a good certificate"));
    if let Ok(certificate) = Certificate::parse(bytes)
        && certificate.der() != ca.der()
    {
        for expected in
            [Expectation::CommonName("server"), Expectation::CommonNameOrDns("server"), Expectation::Issuer]
        {
            assert!(check(&certificate, ca, expected, NOW).is_err());
            // By its own key it may be signed.
            let _ = check(&certificate, &certificate, expected, NOW);
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = PrivateKey::from_pem(text, None);
        let _ = PrivateKey::from_pem(text, Some(&Passphrase::new("correct horse".to_owned().into())));
    }
});
