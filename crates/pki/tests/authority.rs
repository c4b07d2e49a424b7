//! What the authority issues, and what it refuses to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod forge;

use forge::{DAY, NOW, World, device, holders, name, organisation};
use pki::ca::{CaError, IssuingCa, RootCa, Validity, issuing_ca_request};
use pki::ed25519::SigningKey;
use pki::request::{self, RequestError};
use pki::trust::Reason;
use pki::{CertificateError, CertificateRequest, Holder, MAX_CLIENT_CHAIN, Organisation, Usage};
use rcgen::{CertificateParams, CertificateSigningRequestParams, IsCa, Issuer};

fn days(count: u32) -> Validity {
    Validity::days(NOW, count).unwrap()
}

#[test]
fn a_request_is_answered_with_the_key_and_nothing_else_of_it() {
    let world = World::new();
    let key = SigningKey::generate().unwrap();
    let mut greedy = forge::leaf_parameters("laptop.root.devices.other.example", &[Usage::Log]);
    greedy.use_authority_key_identifier_extension = false;
    greedy.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let greedy = greedy.serialize_request(&key).unwrap();
    for der in [request::create(&key).unwrap(), greedy.der().to_vec()] {
        let request = CertificateRequest::parse(&der).unwrap();
        assert_eq!(request.key(), key.public());
        assert_eq!(request.hash(), &pki::sha256(&der));
        let chain = world.ca.issue(&request, &device(), &days(30)).unwrap();
        let certificate = world.trust.verify_as_of(&chain, Usage::Device, NOW).unwrap();
        assert_eq!(certificate.identity().holder, device());
        assert_eq!(certificate.identity().user(), Some(&name("cdr")));
        assert_eq!(certificate.identity().device(), Some(&name("laptop")));
        assert_eq!(certificate.key(), key.public());
    }
}

#[test]
fn bad_requests() {
    let parse = |der: &[u8]| CertificateRequest::parse(der).unwrap_err();
    let key = SigningKey::generate().unwrap();
    let good = request::create(&key).unwrap();
    assert_eq!(parse(&[]), RequestError::Malformed);
    assert_eq!(parse(&[good.clone(), vec![0]].concat()), RequestError::Malformed);
    assert_eq!(parse(&vec![0x30; 1025]), RequestError::TooLong);
    let p256 = CertificateParams::default().serialize_request(&forge::p256()).unwrap();
    assert_eq!(parse(p256.der()), RequestError::NotEd25519);
    for byte in 0..good.len() {
        let mut changed = good.clone();
        changed[byte] ^= 1;
        assert!(CertificateRequest::parse(&changed).is_err(), "byte {byte}");
    }
    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 0x10;
    assert_eq!(parse(&changed), RequestError::BadSignature);

    let place = good.windows(32).position(|window| window == key.public().as_bytes()).unwrap();
    let mut unsound = good;
    unsound[place..place + 32].fill(0);
    assert_eq!(parse(&unsound), RequestError::UnsoundKey);
}

#[test]
fn possession_is_proved_over_one_channel_and_for_one_request() {
    let key = SigningKey::generate().unwrap();
    let der = request::create(&key).unwrap();
    let request = CertificateRequest::parse(&der).unwrap();
    let proof = request::prove_possession(&key, &[7; 32], &der);
    assert!(request.check_possession(&[7; 32], &proof).is_ok());
    assert!(request.check_possession(&[8; 32], &proof).is_err());
    let other = request::prove_possession(&SigningKey::generate().unwrap(), &[7; 32], &der);
    assert!(request.check_possession(&[7; 32], &other).is_err());
    let message = [&b"countersign v1 request\0"[..], &[7; 32], &pki::sha256(&der)].concat();
    assert!(key.public().verify(&message, &proof).is_ok());
}

#[test]
fn the_longest_names_fit_into_a_handshake() {
    let long = "a".repeat(32);
    let organisation = Organisation::parse(&format!("{}.{}", "a".repeat(31), "b".repeat(32))).unwrap();
    let world = World::of(&organisation);
    let (_, chain) = world.issue(&Holder::Device { user: name(&long), device: name(&long) });
    assert!(chain.total_len() <= MAX_CLIENT_CHAIN, "{} bytes", chain.total_len());
    world.trust.verify_as_of(&chain, Usage::Device, NOW).unwrap();
}

#[test]
fn a_chain_that_does_not_fit_is_refused_when_issued() {
    let root_key = forge::rsa();
    let mut root = forge::authority_parameters("root");
    let organisation = organisation();
    for index in 0..12 {
        let unit = rcgen::DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 99_999, index]);
        root.distinguished_name
            .push(unit, "a long name that an operator gave its authority, part of several");
    }
    let root_der = root.self_signed(&root_key).unwrap().der().to_vec();
    let (key, certificate) = signed_by_operator(&root, &root_key, |_| {});
    let error = IssuingCa::load(key, &certificate, &root_der, &organisation).unwrap_err();
    assert!(matches!(error, CaError::ChainTooLong { limit: MAX_CLIENT_CHAIN, .. }), "{error}");
}

#[test]
fn validity_stays_within_the_authoritys() {
    let world = World::new();
    let key = SigningKey::generate().unwrap();
    for validity in [days(1900), Validity::days(NOW - 2 * DAY, 10).unwrap()] {
        let error = world.ca.issue_to_key(key.public(), &device(), &validity).unwrap_err();
        assert!(matches!(error, CaError::OutlivesAuthority { .. }));
        let cut = validity.within(world.ca.validity()).unwrap();
        world.ca.issue_to_key(key.public(), &device(), &cut).unwrap();
    }
    let error = world.root.new_issuing_ca(&days(4000)).unwrap_err();
    assert!(matches!(error, CaError::OutlivesAuthority { .. }));
    assert_eq!(Validity::new(NOW, NOW), Err(CaError::BadValidity));
    assert_eq!(Validity::days(NOW, u32::MAX), Err(CaError::BadValidity));
}

#[test]
fn serial_numbers_are_random_positive_and_of_16_octets() {
    let world = World::new();
    let serials: std::collections::HashSet<Vec<u8>> = (0..8)
        .map(|_| {
            let (_, chain) = world.issue(&device());
            world.ca.revoke(chain.leaf().unwrap(), Reason::Unspecified, NOW).unwrap().certificate.serial
        })
        .collect();
    assert_eq!(serials.len(), 8);
    assert!(serials.iter().all(|serial| serial.len() == 16 && (0x40..0x80).contains(&serial[0])));
}

#[test]
fn only_own_leaves_are_revoked() {
    let (ours, theirs) = (World::new(), World::new());
    let (_, chain) = theirs.issue(&device());
    let revoked = ours.ca.revoke(chain.leaf().unwrap(), Reason::Superseded, NOW);
    assert_eq!(revoked, Err(CertificateError::UnknownIssuer));
    assert_eq!(ours.ca.revoke(b"x", Reason::Superseded, NOW), Err(CertificateError::Malformed));
}

#[test]
fn authorities_are_taken_up_again_from_files() {
    let world = World::new();
    let reload = |key: &SigningKey| SigningKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
    let root = RootCa::load(reload(world.root.key()), world.root.certificate()).unwrap();
    assert_eq!(root.fingerprint(), world.root.fingerprint());
    let root_der = world.root.certificate();
    let load = |key, certificate, organisation: &Organisation| {
        IssuingCa::load(key, certificate, root_der, organisation).map(|_| ())
    };
    let certificate = world.ca.certificate();
    assert_eq!(load(reload(world.ca.key()), certificate, &organisation()), Ok(()));
    assert_eq!(load(reload(world.root.key()), certificate, &organisation()), Err(CaError::WrongKey));
    assert_eq!(
        load(reload(world.ca.key()), certificate, &Organisation::parse("other.example").unwrap()),
        Err(CaError::Unconstrained)
    );
    assert_eq!(RootCa::load(reload(world.ca.key()), root_der).map(|_| ()).unwrap_err(), CaError::WrongKey);
    let elsewhere = World::new();
    assert_eq!(
        IssuingCa::load(reload(world.ca.key()), certificate, elsewhere.root.certificate(), &organisation())
            .map(|_| ())
            .unwrap_err(),
        CaError::Unusable(CertificateError::UnknownIssuer)
    );
}

/// An issuing CA's request, signed by an operator's root that copies what was asked for and then changes it.
fn signed_by_operator(
    root: &CertificateParams,
    root_key: &rcgen::KeyPair,
    change: impl Fn(&mut CertificateParams),
) -> (SigningKey, Vec<u8>) {
    let key = SigningKey::generate().unwrap();
    let der = issuing_ca_request(&key, &organisation()).unwrap();
    let asked = CertificateSigningRequestParams::from_der(&der.into());
    assert!(asked.is_err(), "the encoder's own reader knows no such usages; OpenSSL's is tested beside");
    let mut parameters = forge::authority_parameters("issuing");
    parameters.is_ca = IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    parameters.name_constraints = Some(rcgen::NameConstraints {
        permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("apollo.example".into())],
        excluded_subtrees: vec![],
    });
    parameters.custom_extensions =
        vec![forge::extended_key_usage(Usage::ALL.iter().map(|usage| usage.oid()))];
    change(&mut parameters);
    let certificate = parameters.signed_by(&key, &Issuer::from_params(root, root_key)).unwrap();
    (key, certificate.der().to_vec())
}

#[test]
fn an_operators_root_may_be_rsa_or_p256() {
    for root_key in [forge::rsa(), forge::p256()] {
        let root = forge::authority_parameters("corporate root");
        let root_der = root.self_signed(&root_key).unwrap().der().to_vec();
        let install = |change: &dyn Fn(&mut CertificateParams), now| {
            let (key, certificate) = signed_by_operator(&root, &root_key, change);
            IssuingCa::install(key, &certificate, &root_der, &organisation(), now)
        };
        let ca = install(&|_| {}, NOW).unwrap();
        let key = SigningKey::generate().unwrap();
        let chain = ca.issue_to_key(key.public(), &device(), &days(30)).unwrap();
        pki::TrustStore::new(vec![ca.root().clone()]).verify_as_of(&chain, Usage::Device, NOW).unwrap();
        let anchor = pki::TrustAnchor::for_chain(&root_der, &chain).unwrap();
        assert_eq!(anchor.organisation(), &organisation());

        let error = |change: &dyn Fn(&mut CertificateParams)| install(change, NOW).map(|_| ()).unwrap_err();
        assert_eq!(error(&|p| p.name_constraints = None), CaError::Unconstrained);
        assert!(matches!(
            error(&|p| p.custom_extensions.clear()),
            CaError::Unusable(CertificateError::WrongUsage { .. })
        ));
        assert_eq!(
            error(&|p| p.is_ca = IsCa::ExplicitNoCa),
            CaError::Unusable(CertificateError::NotAnAuthority)
        );
        assert_eq!(
            error(&|p| p.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature]),
            CaError::Unusable(CertificateError::NotAnAuthority)
        );
        assert!(matches!(
            install(&|_| {}, NOW + 4000 * DAY).map(|_| ()).unwrap_err(),
            CaError::Unusable(CertificateError::Expired { .. })
        ));
    }
}

#[test]
fn every_holder_gets_its_own_usage() {
    let usages: Vec<Usage> = holders().iter().map(Holder::usage).collect();
    assert_eq!(usages, Usage::ALL);
}
