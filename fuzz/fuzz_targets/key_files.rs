//! Key files, encrypted and not: read or refused, at a bounded cost.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::Password;
use pki::ed25519::SigningKey;

fuzz_target!(|text: &str| {
    let _ = SigningKey::from_pem(text, None);
    let _ = SigningKey::from_pem(text, Some(&Password::new("correct horse".to_owned())));
});
