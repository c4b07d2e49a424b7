//! An organisation for the targets that need one: `fuzz_targets/channel.rs`, `rooms.rs`, `certificates.rs`.

use std::sync::{Arc, OnceLock};

use pki::ca::{IssuingCa, RootCa, Validity};
use pki::ed25519::SigningKey;
use pki::{Chain, Holder, Name, Organisation, TrustStore, Usage, VerifiedCertificate};

/// 2026-01-01T00:00:00Z in Unix milliseconds; everything is valid then.
pub const NOW: u64 = 1_767_225_600_000;
const DAY: u64 = 86_400_000;

/// An organisation with its authorities.
pub struct Organised {
    pub root: RootCa,
    issuing: IssuingCa,
    pub trust: Arc<TrustStore>,
}

impl Organised {
    /// The one organisation of this process.
    pub fn get() -> &'static Self {
        static ONE: OnceLock<Organised> = OnceLock::new();
        ONE.get_or_init(|| {
            let organisation = Organisation::parse("example.org").expect("a good name");
            let days = |days| Validity::days(NOW - DAY, days).expect("a good time");
            let root = RootCa::generate(&organisation, &days(3650)).expect("a root");
            let issuing = root.new_issuing_ca(&days(3000)).expect("an authority");
            let trust = Arc::new(TrustStore::new(vec![root.anchor().clone()]));
            Self { root, issuing, trust }
        })
    }

    /// A fresh key and its chain.
    pub fn issue(&self, holder: &Holder) -> (Chain, SigningKey) {
        let key = SigningKey::generate().expect("random bytes");
        let validity = Validity::days(NOW - DAY, 300).expect("a good time");
        (self.issuing.issue_to_key(key.public(), holder, &validity).expect("a certificate"), key)
    }

    /// A fresh device and its key.
    pub fn device(&self, user: &str) -> (VerifiedCertificate, SigningKey) {
        let (chain, key) = self.issue(&device(user));
        (self.trust.verify_as_of(&chain, Usage::Device, NOW).expect("our own chain"), key)
    }
}

/// The holder of a device's certificate.
pub fn device(user: &str) -> Holder {
    Holder::Device { user: name(user), device: name("laptop") }
}

/// A canonical name.
pub fn name(text: &str) -> Name {
    Name::parse(text).expect("a good name")
}
