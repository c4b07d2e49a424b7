//! Chains that are accepted, and each way in which one is not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod forge;

use forge::{DAY, NOW, World, device, device_parameters, holders, leaf_parameters, name, organisation};
use pki::ca::Validity;
use pki::certificate::{MAX_CHAIN, MAX_CHAIN_CERTIFICATES};
use pki::ed25519::{PublicKey, SigningKey};
use pki::trust::{CertificateRef, Reason, RevocationSet};
use pki::{
    CertificateError, Chain, Holder, NoRevocations, Organisation, TrustAnchor, TrustStore, Usage, sha256,
};
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints, SanType,
};

/// A key that a test can put anywhere.
struct RawKey([u8; 32]);

impl rcgen::PublicKeyData for RawKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

fn refused(world: &World, chain: &Chain) -> CertificateError {
    world.trust.verify(chain, Usage::Device, NOW + DAY, &NoRevocations).unwrap_err()
}

const WRONG_USAGE: CertificateError = CertificateError::WrongUsage { wanted: Usage::Device };

#[test]
fn every_holder_is_accepted_for_its_usage_and_no_other() {
    let world = World::new();
    for holder in holders() {
        let (key, chain) = world.issue(&holder);
        for usage in Usage::ALL {
            let verdict = world.trust.verify(&chain, usage, NOW + DAY, &NoRevocations);
            if usage == holder.usage() {
                let certificate = verdict.unwrap();
                assert_eq!(certificate.key(), key.public());
                assert_eq!(certificate.hash(), sha256(chain.leaf().unwrap()));
                assert_eq!(certificate.identity().organisation, organisation());
                assert_eq!(certificate.identity().holder, holder);
                assert_eq!(certificate.usage(), usage);
                assert_eq!(certificate.der(), chain.leaf().unwrap());
                assert_eq!(certificate.not_before_ms(), NOW);
                assert_eq!(certificate.not_after_ms(), NOW + 30 * DAY + 999);
            } else {
                assert_eq!(verdict, Err(CertificateError::WrongUsage { wanted: usage }), "{holder:?}");
            }
        }
    }
}

#[test]
fn the_forges_good_device_is_accepted_with_and_without_the_root() {
    let world = World::new();
    let chain = world.forge(&device_parameters());
    for chain in [chain.with_root(world.root.certificate()), chain] {
        world.trust.verify(&chain, Usage::Device, NOW, &NoRevocations).unwrap();
    }
}

#[test]
fn expired_and_not_yet_valid() {
    let world = World::new();
    let (_, chain) = world.issue(&device());
    let at = |ms| world.trust.verify(&chain, Usage::Device, ms, &NoRevocations).map(|_| ());
    let not_after_ms = NOW + 30 * DAY + 999;
    for remembered in [false, true] {
        assert_eq!(at(NOW - 1), Err(CertificateError::NotYetValid { not_before_ms: NOW }), "{remembered}");
        assert_eq!(at(not_after_ms + 1), Err(CertificateError::Expired { not_after_ms }), "{remembered}");
        assert_eq!(at(NOW), Ok(()));
        assert_eq!(at(not_after_ms), Ok(()));
    }
}

#[test]
fn an_expired_authority_or_root_expires_what_is_under_it() {
    let world = World::new();
    let root_end = world.root.new_issuing_ca(&Validity::days(NOW, 3649).unwrap());
    assert!(root_end.is_ok(), "up to the root's own end");
    let mut root = forge::authority_parameters("short root");
    root.not_after = rcgen::date_time_ymd(2026, 1, 10);
    let root_key = SigningKey::generate().unwrap();
    let root_der = root.self_signed(&root_key).unwrap().der().to_vec();
    let anchor = TrustAnchor::new(&root_der, organisation()).unwrap();
    let leaf =
        device_parameters().signed_by(&SigningKey::generate().unwrap(), &forge::issuer(&root_der, &root_key));
    let chain = Chain(vec![leaf.unwrap().der().to_vec()]);
    let trust = TrustStore::new(vec![anchor]);
    trust.verify_as_of(&chain, Usage::Device, NOW).unwrap();
    assert!(matches!(
        trust.verify_as_of(&chain, Usage::Device, NOW + 20 * DAY),
        Err(CertificateError::Expired { .. })
    ));
}

#[test]
fn another_organisations_authority_is_unknown_even_under_the_same_name() {
    let world = World::new();
    let impostor = World::new();
    let (_, chain) = impostor.issue(&device());
    assert_eq!(refused(&world, &chain), CertificateError::UnknownIssuer);
    assert_eq!(
        refused(&world, &chain.with_root(impostor.root.certificate())),
        CertificateError::UnknownIssuer
    );
    let crossed = Chain(vec![chain.0[0].clone(), world.ca.certificate().to_vec()]);
    assert_eq!(refused(&world, &crossed), CertificateError::UnknownIssuer);
}

#[test]
fn an_impostor_that_copies_the_authoritys_name_fails_at_the_signature() {
    let world = World::new();
    let key = SigningKey::generate().unwrap();
    let issuer = forge::issuer(world.ca.certificate(), &key);
    let leaf = device_parameters().signed_by(key.public(), &issuer).unwrap();
    let chain = Chain(vec![leaf.der().to_vec(), world.ca.certificate().to_vec()]);
    assert_eq!(refused(&world, &chain), CertificateError::BadSignature);
}

#[test]
fn self_signed() {
    let world = World::new();
    let leaf = device_parameters().self_signed(&SigningKey::generate().unwrap()).unwrap();
    assert_eq!(refused(&world, &Chain(vec![leaf.der().to_vec()])), CertificateError::SelfSigned);
}

#[test]
fn wrong_usages() {
    let world = World::new();

    let change = |change: &dyn Fn(&mut CertificateParams)| {
        let mut parameters = device_parameters();
        change(&mut parameters);
        refused(&world, &world.forge(&parameters))
    };
    assert_eq!(change(&|p| p.key_usages.clear()), WRONG_USAGE);
    assert_eq!(change(&|p| p.key_usages.truncate(1)), WRONG_USAGE);
    assert_eq!(change(&|p| p.key_usages.push(KeyUsagePurpose::KeyAgreement)), WRONG_USAGE);
    assert_eq!(change(&|p| p.key_usages.push(KeyUsagePurpose::KeyCertSign)), WRONG_USAGE);
    assert_eq!(change(&|p| p.custom_extensions.clear()), WRONG_USAGE);
    let usages = |oids: &[&[u8]]| {
        let extension = forge::extended_key_usage(oids.iter().copied());
        change(&move |p| p.custom_extensions = vec![extension.clone()])
    };
    assert_eq!(usages(&[Usage::Device.oid(), Usage::Log.oid()]), WRONG_USAGE);
    assert_eq!(usages(&[Usage::Device.oid(), Usage::Device.oid()]), WRONG_USAGE);
    let client_auth = [0x2b, 6, 1, 5, 5, 7, 3, 2];
    assert_eq!(usages(&[Usage::Device.oid(), &client_auth]), WRONG_USAGE);
    assert_eq!(usages(&[&client_auth]), WRONG_USAGE);
    let any = [0x55, 0x1d, 0x25, 0];
    assert_eq!(usages(&[&any]), WRONG_USAGE);
}

#[test]
fn a_name_of_another_kind_than_the_usage() {
    let world = World::new();
    let server = leaf_parameters("node1.servers.apollo.example", &[Usage::Device]);
    assert_eq!(refused(&world, &world.forge(&server)), CertificateError::WrongName);
}

#[test]
fn wrong_names() {
    let world = World::new();
    for dns in [
        "apollo.example",
        "cdr.devices.apollo.example",
        "laptop.cdr.users.apollo.example",
        "Laptop.cdr.devices.apollo.example",
        "*.cdr.devices.apollo.example",
        "laptop.root.devices.apollo.example",
        "a.laptop.cdr.devices.apollo.example",
    ] {
        let chain = world.forge(&leaf_parameters(dns, &[Usage::Device]));
        assert_eq!(refused(&world, &chain), CertificateError::WrongName, "{dns}");
    }
    let second = |san: SanType| {
        let mut parameters = device_parameters();
        parameters.subject_alt_names.push(san);
        refused(&world, &world.forge(&parameters))
    };
    assert_eq!(
        second(SanType::DnsName("phone.cdr.devices.apollo.example".try_into().unwrap())),
        CertificateError::WrongName
    );
    assert_eq!(
        second(SanType::Rfc822Name("cdr@apollo.example".try_into().unwrap())),
        CertificateError::WrongName
    );
    let mut nameless = device_parameters();
    nameless.subject_alt_names.clear();
    assert_eq!(refused(&world, &world.forge(&nameless)), CertificateError::WrongName);
}

#[test]
fn a_name_outside_the_authoritys_constraint() {
    let world = World::new();
    let chain = world.forge(&leaf_parameters("laptop.cdr.devices.other.example", &[Usage::Device]));
    assert_eq!(refused(&world, &chain), CertificateError::OutsideOrganisation);
}

#[test]
fn an_unconstrained_root_still_speaks_for_its_own_organisation_only() {
    let root_key = SigningKey::generate().unwrap();
    let root = forge::authority_parameters("corporate root").self_signed(&root_key).unwrap().der().to_vec();
    assert_eq!(TrustAnchor::from_root(&root).unwrap_err(), CertificateError::UnboundRoot);
    let trust = TrustStore::new(vec![TrustAnchor::new(&root, organisation()).unwrap()]);
    let leaf = |dns: &str| {
        let leaf = leaf_parameters(dns, &[Usage::Device]);
        let leaf = leaf.signed_by(&SigningKey::generate().unwrap(), &forge::issuer(&root, &root_key));
        trust.verify_as_of(&Chain(vec![leaf.unwrap().der().to_vec()]), Usage::Device, NOW).map(|_| ())
    };
    assert_eq!(leaf("laptop.cdr.devices.apollo.example"), Ok(()));
    assert_eq!(leaf("laptop.cdr.devices.other.example"), Err(CertificateError::OutsideOrganisation));
}

#[test]
fn each_root_speaks_for_its_own_organisation() {
    let other = Organisation::parse("other.example").unwrap();
    let (ours, theirs) = (World::new(), World::of(&other));
    let trust = TrustStore::new(vec![ours.root.anchor().clone(), theirs.root.anchor().clone()]);
    for world in [&ours, &theirs] {
        let (_, chain) = world.issue(&device());
        let certificate = trust.verify_as_of(&chain, Usage::Device, NOW).unwrap();
        assert_eq!(&certificate.identity().organisation, world.root.organisation());
    }
}

#[test]
fn an_authority_as_leaf() {
    let world = World::new();
    let chain = Chain(vec![world.ca.certificate().to_vec()]);
    assert_eq!(refused(&world, &chain), CertificateError::AuthorityAsLeaf);
    let mut parameters = device_parameters();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert_eq!(refused(&world, &world.forge(&parameters)), CertificateError::AuthorityAsLeaf);
}

#[test]
fn a_leaf_as_authority() {
    let world = World::new();
    let (key, device) = world.issue(&device());
    let below = device_parameters()
        .signed_by(&SigningKey::generate().unwrap(), &forge::issuer(&device.0[0], &key))
        .unwrap();
    let chain = Chain([vec![below.der().to_vec()], device.0].concat());
    assert_eq!(refused(&world, &chain), CertificateError::NotAnAuthority);
}

#[test]
fn an_authority_under_the_issuing_ca() {
    let world = World::new();
    let key = SigningKey::generate().unwrap();
    let mut sub = forge::authority_parameters("sub");
    sub.custom_extensions = device_parameters().custom_extensions;
    let sub = sub.signed_by(&key, &forge::issuer(world.ca.certificate(), world.ca.key())).unwrap();
    let leaf = device_parameters().signed_by(&key, &forge::issuer(sub.der(), &key)).unwrap();
    let chain = Chain(vec![leaf.der().to_vec(), sub.der().to_vec(), world.ca.certificate().to_vec()]);
    assert_eq!(refused(&world, &chain), CertificateError::NotAnAuthority);
}

/// A leaf under an intermediate that `change` makes wrong, under our root.
fn under_changed_intermediate(world: &World, change: impl Fn(&mut CertificateParams)) -> Chain {
    let key = SigningKey::generate().unwrap();
    let mut intermediate = forge::authority_parameters("intermediate");
    intermediate.custom_extensions =
        vec![forge::extended_key_usage(Usage::ALL.iter().map(|usage| usage.oid()))];
    change(&mut intermediate);
    let root = forge::issuer(world.root.certificate(), world.root.key());
    let intermediate = intermediate.signed_by(&key, &root).unwrap();
    let leaf = device_parameters().signed_by(&key, &forge::issuer(intermediate.der(), &key)).unwrap();
    Chain(vec![leaf.der().to_vec(), intermediate.der().to_vec()])
}

#[test]
fn an_intermediate_without_the_usage_or_the_right_to_sign() {
    let world = World::new();
    let good = under_changed_intermediate(&world, |_| {});
    world.trust.verify_as_of(&good, Usage::Device, NOW).unwrap();
    let without = under_changed_intermediate(&world, |p| p.custom_extensions.clear());
    assert_eq!(refused(&world, &without), WRONG_USAGE);
    let other = under_changed_intermediate(&world, |p| {
        p.custom_extensions = vec![forge::extended_key_usage([Usage::Log.oid()].into_iter())];
    });
    assert_eq!(refused(&world, &other), WRONG_USAGE);
    let no_signing = under_changed_intermediate(&world, |p| p.key_usages = vec![KeyUsagePurpose::CrlSign]);
    assert_eq!(refused(&world, &no_signing), CertificateError::NotAnAuthority);
    let elsewhere = under_changed_intermediate(&world, |p| {
        p.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("other.example".into())],
            excluded_subtrees: vec![],
        });
    });
    assert_eq!(refused(&world, &elsewhere), CertificateError::OutsideOrganisation);
    let narrower = under_changed_intermediate(&world, |p| {
        p.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("devices.apollo.example".into())],
            excluded_subtrees: vec![],
        });
    });
    assert_eq!(refused(&world, &narrower), CertificateError::OutsideOrganisation);
}

#[test]
fn leaves_of_other_algorithms_and_unsound_keys() {
    let world = World::new();
    let parameters = device_parameters();
    for chain in [world.forge_for(&parameters, &forge::rsa()), world.forge_for(&parameters, &forge::p256())] {
        assert_eq!(refused(&world, &chain), CertificateError::UnsupportedAlgorithm);
    }
    let mut identity = [0; 32];
    identity[0] = 1;
    for key in [[0; 32], identity, [0xff; 32]] {
        assert_eq!(
            refused(&world, &world.forge_for(&parameters, &RawKey(key))),
            CertificateError::UnsoundKey
        );
    }
}

#[test]
fn an_authority_with_an_unsound_key_or_of_another_kind_is_no_anchor() {
    let signer = forge::p256();
    let issuer_parameters = forge::authority_parameters("root");
    let issuer = rcgen::Issuer::from_params(&issuer_parameters, &signer);
    let unsound = issuer_parameters.signed_by(&RawKey([0; 32]), &issuer).unwrap();
    assert_eq!(TrustAnchor::new(unsound.der(), organisation()).unwrap_err(), CertificateError::UnsoundKey);
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let other = issuer_parameters.self_signed(&p384).unwrap();
    assert_eq!(
        TrustAnchor::new(other.der(), organisation()).unwrap_err(),
        CertificateError::UnsupportedAlgorithm
    );
    let leaf = device_parameters().self_signed(&signer).unwrap();
    assert_eq!(TrustAnchor::new(leaf.der(), organisation()).unwrap_err(), CertificateError::NotAnAuthority);
    let world = World::new();
    assert_eq!(
        TrustAnchor::new(world.root.certificate(), Organisation::parse("other.example").unwrap())
            .unwrap_err(),
        CertificateError::OutsideOrganisation
    );
}

#[test]
fn revoked_by_hash_or_by_issuer_and_serial_and_at_any_level() {
    let world = World::new();
    let (_, chain) = world.issue(&device());
    let verify = |set: &RevocationSet| world.trust.verify(&chain, Usage::Device, NOW + DAY, set).map(|_| ());
    assert_eq!(verify(&RevocationSet::default()), Ok(()));
    let revocation = world.ca.revoke(chain.leaf().unwrap(), Reason::KeyCompromise, NOW + 2 * DAY).unwrap();
    let since_ms = NOW + 2 * DAY;
    let set: RevocationSet = [revocation.clone()].into_iter().collect();
    assert_eq!(verify(&set), Err(CertificateError::Revoked { since_ms }), "whatever the date");

    let mut by_serial = revocation.clone();
    by_serial.certificate.hash = [0; 32];
    assert_eq!(verify(&[by_serial].into_iter().collect()), Err(CertificateError::Revoked { since_ms }));

    let mut of_another_issuer = revocation.clone();
    of_another_issuer.certificate.hash = [0; 32];
    of_another_issuer.certificate.issuer = vec![0x30, 0];
    assert_eq!(verify(&[of_another_issuer].into_iter().collect()), Ok(()));

    let mut of_the_ca = revocation;
    of_the_ca.certificate = CertificateRef::of(world.ca.certificate()).unwrap();
    assert_eq!(verify(&[of_the_ca].into_iter().collect()), Err(CertificateError::Revoked { since_ms }));

    world.trust.verify_as_of(&chain, Usage::Device, NOW + 3 * DAY).unwrap();
}

#[test]
fn chains_over_the_limits_or_not_in_order() {
    let world = World::new();
    let (_, chain) = world.issue(&device());
    let root = world.root.certificate();
    assert_eq!(refused(&world, &Chain(vec![])), CertificateError::Missing);
    let many = Chain(vec![chain.0[0].clone(); MAX_CHAIN_CERTIFICATES + 1]);
    assert_eq!(
        refused(&world, &many),
        CertificateError::TooMany { count: MAX_CHAIN_CERTIFICATES + 1, limit: MAX_CHAIN_CERTIFICATES }
    );
    let long = Chain(vec![vec![0; MAX_CHAIN + 1]]);
    assert_eq!(refused(&world, &long), CertificateError::TooLong { length: MAX_CHAIN + 1, limit: MAX_CHAIN });
    let stranger = Chain([chain.0.clone(), vec![World::new().ca.certificate().to_vec()]].concat());
    assert_eq!(refused(&world, &stranger), CertificateError::NotAPath);
    let doubled = Chain(vec![chain.0[0].clone(), chain.0[1].clone(), chain.0[1].clone()]);
    assert_eq!(refused(&world, &doubled), CertificateError::NotAPath);
    assert_eq!(refused(&world, &Chain(vec![chain.0[0].clone()])), CertificateError::UnknownIssuer);
    assert_eq!(
        refused(&world, &Chain(vec![root.to_vec(), chain.0[0].clone()])),
        CertificateError::AuthorityAsLeaf
    );
}

#[test]
fn a_joiner_pins_the_root_by_its_fingerprint() {
    let world = World::new();
    let (_, chain) = world.issue(&Holder::Server(name("node1")));
    let chain = chain.with_root(world.root.certificate());
    let anchor = TrustAnchor::pinned(&world.root.fingerprint(), &chain).unwrap();
    assert_eq!(anchor.organisation(), &organisation());
    TrustStore::new(vec![anchor]).verify_as_of(&chain, Usage::ServerHandshake, NOW).unwrap();

    let impostor = World::new();
    assert_eq!(
        TrustAnchor::pinned(&impostor.root.fingerprint(), &chain).unwrap_err(),
        CertificateError::WrongRoot
    );
    assert_eq!(
        TrustAnchor::pinned(&world.root.fingerprint(), &Chain(chain.0[..2].to_vec())).unwrap_err(),
        CertificateError::WrongRoot
    );
}

#[test]
fn every_flipped_byte_of_a_chain_is_refused() {
    let world = World::new();
    let (_, chain) = world.issue(&device());
    for certificate in 0..chain.0.len() {
        for byte in 0..chain.0[certificate].len() {
            let mut changed = chain.clone();
            changed.0[certificate][byte] ^= 1;
            world
                .trust
                .verify(&changed, Usage::Device, NOW + DAY, &NoRevocations)
                .expect_err(&format!("certificate {certificate}, byte {byte}"));
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let world = World::new();
    let (_, chain) = world.issue(&device());
    for length in 0..chain.0[0].len() {
        let cut = Chain(vec![chain.0[0][..length].to_vec(), chain.0[1].clone()]);
        refused(&world, &cut);
    }
    let mut longer = chain;
    longer.0[0].push(0);
    assert_eq!(refused(&world, &longer), CertificateError::Malformed);
}

#[test]
fn the_codes_are_distinct() {
    let ms = NOW;
    let all = [
        CertificateError::Missing,
        CertificateError::TooLong { length: 1, limit: 1 },
        CertificateError::TooMany { count: 1, limit: 1 },
        CertificateError::NotAPath,
        CertificateError::Malformed,
        CertificateError::Expired { not_after_ms: ms },
        CertificateError::NotYetValid { not_before_ms: ms },
        CertificateError::UnknownIssuer,
        CertificateError::SelfSigned,
        CertificateError::BadSignature,
        WRONG_USAGE,
        CertificateError::WrongName,
        CertificateError::OutsideOrganisation,
        CertificateError::AuthorityAsLeaf,
        CertificateError::NotAnAuthority,
        CertificateError::UnsupportedAlgorithm,
        CertificateError::UnsoundKey,
        CertificateError::Revoked { since_ms: ms },
        CertificateError::WrongRoot,
        CertificateError::UnboundRoot,
    ];
    let codes: std::collections::HashSet<_> = all.iter().map(CertificateError::code).collect();
    assert_eq!(codes.len(), all.len());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let trust = TrustStore::default();
        let chain = Chain(vec![bytes.clone(), bytes.clone()]);
        prop_assert!(trust.verify(&chain, Usage::Device, NOW, &NoRevocations).is_err());
        prop_assert!(TrustAnchor::for_chain(&bytes, &chain).is_err());
        prop_assert!(CertificateRef::of(&bytes).is_err());
        prop_assert!(pki::CertificateRequest::parse(&bytes).is_err());
        prop_assert!(SigningKey::from_pkcs8(&bytes).is_err());
        let _ = PublicKey::try_from(&bytes[..]);
    }

    #[test]
    fn changed_certificates_never_panic(at in 0_usize..400, to in any::<[u8; 3]>()) {
        let world = World::new();
        let (_, mut chain) = world.issue(&device());
        let before = chain.clone();
        for (byte, value) in chain.0[0].iter_mut().skip(at).zip(to) {
            *byte = value;
        }
        let verdict = world.trust.verify(&chain, Usage::Device, NOW, &NoRevocations);
        prop_assert!(verdict.is_err() || chain == before);
    }
}
