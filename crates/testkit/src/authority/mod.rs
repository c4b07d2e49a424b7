//! An organisation's authority in memory, for certificates without a server.

use pki::ca::{IssuingCa, RootCa, Validity};
use pki::ed25519::SigningKey;
use pki::{Chain, Holder, Name, Organisation, TrustStore, Usage, VerifiedCertificate};

use crate::peer::now_ms;

/// Root and issuing CA of `mission.example`.
pub struct Authority {
    issuing: IssuingCa,
    trust: TrustStore,
}

/// A device with its key.
pub struct Certified {
    /// The private key.
    pub key: SigningKey,
    /// The certificate over it.
    pub certificate: VerifiedCertificate,
    /// Its chain.
    pub chain: Chain,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// A new one, valid from an hour ago for ten years.
    pub fn new() -> Self {
        let organisation = Organisation::parse("mission.example").expect("an authority of a test");
        let validity = Validity::days(now_ms() - 3_600_000, 3_650).expect("an authority of a test");
        let root = RootCa::generate(&organisation, &validity).expect("an authority of a test");
        let issuing = root.new_issuing_ca(&validity).expect("an authority of a test");
        let trust = TrustStore::new(vec![root.anchor().clone()]);
        Self { issuing, trust }
    }

    /// A device of a user.
    pub fn device(&self, user: &str, device: &str) -> Certified {
        let key = SigningKey::generate().expect("an authority of a test");
        let holder = Holder::Device {
            user: Name::parse(user).expect("an authority of a test"),
            device: Name::parse(device).expect("an authority of a test"),
        };
        let validity = Validity::days(now_ms() - 3_600_000, 30).expect("an authority of a test");
        let chain =
            self.issuing.issue_to_key(key.public(), &holder, &validity).expect("an authority of a test");
        let certificate =
            self.trust.verify_as_of(&chain, Usage::Device, now_ms()).expect("an authority of a test");
        Certified { key, certificate, chain }
    }
}
