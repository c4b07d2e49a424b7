//! An organisation for tests, and certificates that the library would never issue.
#![allow(dead_code, reason = "each test file uses its own part")]

use pki::ca::{IssuingCa, RootCa, Validity};
use pki::ed25519::SigningKey;
use pki::{Chain, Holder, Name, Organisation, TrustStore, Usage};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls_pki_types::CertificateDer;

pub const DAY: u64 = 86_400_000;
/// 2026-01-01T00:00:00Z.
pub const NOW: u64 = 1_767_225_600_000;

pub fn organisation() -> Organisation {
    Organisation::parse("apollo.example").unwrap()
}

pub fn name(text: &str) -> Name {
    Name::canonical(text).unwrap()
}

pub fn device() -> Holder {
    Holder::Device { user: name("cdr"), device: name("laptop") }
}

pub fn holders() -> [Holder; 4] {
    [Holder::Server(name("node1")), device(), Holder::Log(name("node1")), Holder::Cosigner(name("node1"))]
}

/// An organisation's authorities and a store that trusts them.
pub struct World {
    pub root: RootCa,
    pub ca: IssuingCa,
    pub trust: TrustStore,
}

impl World {
    pub fn new() -> Self {
        Self::of(&organisation())
    }

    pub fn of(organisation: &Organisation) -> Self {
        let root = RootCa::generate(organisation, &Validity::days(NOW - DAY, 3650).unwrap()).unwrap();
        let ca = root.new_issuing_ca(&Validity::days(NOW - DAY, 1825).unwrap()).unwrap();
        let trust = TrustStore::new(vec![root.anchor().clone()]);
        Self { root, ca, trust }
    }

    pub fn issue(&self, holder: &Holder) -> (SigningKey, Chain) {
        let key = SigningKey::generate().unwrap();
        let validity = Validity::days(NOW, 30).unwrap();
        let chain = self.ca.issue_to_key(key.public(), holder, &validity).unwrap();
        (key, chain)
    }

    /// A leaf with any content, signed by the issuing CA.
    pub fn forge(&self, leaf: &CertificateParams) -> Chain {
        self.forge_for(leaf, &SigningKey::generate().unwrap())
    }

    pub fn forge_for(&self, leaf: &CertificateParams, key: &impl rcgen::PublicKeyData) -> Chain {
        let issuer = issuer(self.ca.certificate(), self.ca.key());
        Chain(vec![leaf.signed_by(key, &issuer).unwrap().der().to_vec(), self.ca.certificate().to_vec()])
    }
}

pub fn issuer<'k>(certificate: &[u8], key: &'k SigningKey) -> Issuer<'static, &'k SigningKey> {
    Issuer::from_ca_cert_der(&CertificateDer::from(certificate), key).unwrap()
}

/// What a good device's certificate holds, for a test to change one thing.
pub fn device_parameters() -> CertificateParams {
    leaf_parameters("laptop.cdr.devices.apollo.example", &[Usage::Device])
}

pub fn leaf_parameters(dns: &str, usages: &[Usage]) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.not_before = date_time_ymd(2025, 12, 31);
    parameters.not_after = date_time_ymd(2026, 3, 1);
    parameters.distinguished_name = common_name("cdr");
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.subject_alt_names = vec![SanType::DnsName(dns.try_into().unwrap())];
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
    parameters.custom_extensions = vec![extended_key_usage(usages.iter().map(|usage| usage.oid()))];
    parameters.use_authority_key_identifier_extension = true;
    parameters
}

/// What an authority's certificate holds without our constraints and usages.
pub fn authority_parameters(common: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.not_before = date_time_ymd(2025, 12, 31);
    parameters.not_after = date_time_ymd(2036, 1, 1);
    parameters.distinguished_name = common_name(common);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.use_authority_key_identifier_extension = true;
    parameters
}

pub fn extended_key_usage<'a>(oids: impl Iterator<Item = &'a [u8]>) -> CustomExtension {
    let list: Vec<u8> = oids.flat_map(|oid| [&[6, oid.len() as u8], oid].concat()).collect();
    CustomExtension::from_oid_content(&[2, 5, 29, 37], [&[0x30, list.len() as u8], &list[..]].concat())
}

pub fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

pub fn p256() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

pub fn rsa() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap()
}
