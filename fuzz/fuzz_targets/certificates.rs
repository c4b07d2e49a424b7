//! Chains and certificate requests from strangers: none is trusted.

#![no_main]

use fuzz::{NOW, Organised};
use libfuzzer_sys::fuzz_target;
use pki::{CertificateRequest, Chain, TrustAnchor, Usage};

fuzz_target!(|chain: Vec<Vec<u8>>| {
    let ours = Organised::get();
    for der in &chain {
        let _ = CertificateRequest::parse(der);
        let _ = TrustAnchor::new(der, ours.root.organisation().clone());
    }
    let mut whole = Chain(chain);
    for usage in [Usage::Device, Usage::ServerHandshake, Usage::Log] {
        assert!(ours.trust.verify_as_of(&whole, usage, NOW).is_err());
    }
    // Under a root that everybody knows it is no better.
    whole.0.push(ours.root.certificate().to_vec());
    assert!(ours.trust.verify_as_of(&whole, Usage::Device, NOW).is_err());
});
