//! Certificates that are refused, on both sides (CH-19 to CH-22).

use pki::trust::{Reason, RevocationSet};
use pki::{CertificateError, Fingerprint};

use super::*;

fn duplicate(key: &SigningKey) -> SigningKey {
    SigningKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap()
}

fn expired() -> Validity {
    Validity::new(NOW - DAY, NOW - 1000).unwrap()
}

fn not_yet_valid() -> Validity {
    Validity::new(NOW + 60_000, NOW + DAY).unwrap()
}

/// What the server says of a client that shows this chain, and what the client hears.
fn server_refuses(forge: &Forge, chain: &Chain, key: SigningKey, server: ServerConfig) -> (Error, Alert) {
    let mut config = forge.client_config();
    config.identity = Some(Arc::new(ClientIdentity::new(chain, key).unwrap()));
    let mut pair = Pair::new(config, server);
    let refusal = pair.run().unwrap_err();
    assert!(!is_established(&mut pair.server));
    let (alert, authenticated) = peer_hears(&mut pair.server, &mut pair.client);
    assert!(authenticated && !is_established(&mut pair.client));
    (refusal, alert)
}

/// What the client says of a server that shows this chain, and what the server hears.
fn client_refuses(client: ClientConfig, forge: &Forge, chain: &Chain, key: SigningKey) -> (Error, Alert) {
    let mut server = forge.server_config();
    server.identity = Arc::new(ServerIdentity::new(chain, key).unwrap());
    let mut pair = Pair::new(client, server);
    let refusal = pair.run().unwrap_err();
    assert!(!is_established(&mut pair.client));
    let (alert, authenticated) = peer_hears(&mut pair.client, &mut pair.server);
    assert!(authenticated && !is_established(&mut pair.server));
    (refusal, alert)
}

#[test]
fn bad_client_certificates_are_refused() {
    let forge = forge();
    let other = Forge::new("gemini.example");
    let namesake = Forge::new("apollo.example");
    let root_as_leaf = (Chain(vec![forge.root.certificate().to_vec()]), duplicate(forge.root.key()));
    let stranger = (Chain(vec![other.root.certificate().to_vec()]), duplicate(other.root.key()));
    let cases = [
        ("expired", forge.issue(&laptop(), &expired()), Alert::CertificateExpired),
        ("not yet valid", forge.issue(&laptop(), &not_yet_valid()), Alert::CertificateExpired),
        ("a server's", forge.issue(&node(), &validity()), Alert::CertificateRefused),
        ("another organisation's", other.issue(&laptop(), &validity()), Alert::CertificateRefused),
        ("a namesake organisation's", namesake.issue(&laptop(), &validity()), Alert::CertificateRefused),
        ("an authority's", root_as_leaf, Alert::CertificateRefused),
        ("self-signed", stranger, Alert::CertificateRefused),
    ];
    for (name, (chain, key), told) in cases {
        let (refusal, alert) = server_refuses(&forge, &chain, key, forge.server_config());
        assert!(matches!(refusal, Error::Certificate(_)), "{name}: {refusal:?}");
        assert_eq!(alert, told, "{name}");
    }
}

#[test]
fn bad_server_certificates_are_refused() {
    let forge = forge();
    let other = Forge::new("gemini.example");
    let namesake = Forge::new("apollo.example");
    let own_root = forge.root.certificate();
    let cases = [
        ("expired", forge.issue(&node(), &expired()), own_root, Alert::CertificateExpired),
        ("not yet valid", forge.issue(&node(), &not_yet_valid()), own_root, Alert::CertificateExpired),
        ("a device's", forge.issue(&laptop(), &validity()), own_root, Alert::CertificateRefused),
        ("another's under our root", other.issue(&node(), &validity()), own_root, Alert::CertificateRefused),
        (
            "another organisation's",
            other.issue(&node(), &validity()),
            other.root.certificate(),
            Alert::CertificateRefused,
        ),
        (
            "a namesake's",
            namesake.issue(&node(), &validity()),
            namesake.root.certificate(),
            Alert::CertificateRefused,
        ),
    ];
    for (name, (chain, key), root, told) in cases {
        for config in [forge.client_config(), forge.anonymous_config()] {
            let (refusal, alert) = client_refuses(config, &forge, &chain.with_root(root), duplicate(&key));
            assert!(matches!(refusal, Error::Certificate(_)), "{name}: {refusal:?}");
            assert_eq!(alert, told, "{name}");
        }
    }
}

#[test]
fn a_trusted_server_of_another_organisation_is_refused() {
    let forge = forge();
    let other = Forge::new("gemini.example");
    let both = TrustStore::new(vec![forge.root.anchor().clone(), other.root.anchor().clone()]);
    let mut config = forge.client_config();
    config.trust = ServerTrust::Anchors {
        store: Arc::new(both),
        organisation: forge.root.organisation().clone(),
        revocations: Arc::new(NoRevocations),
    };
    let (chain, key) = other.issue(&node(), &validity());
    let (refusal, alert) = client_refuses(config, &forge, &chain.with_root(other.root.certificate()), key);
    assert!(matches!(refusal, Error::Misbehaved(Misbehaviour::OtherOrganisation)), "{refusal:?}");
    assert_eq!(alert, Alert::CertificateRefused);
}

#[test]
fn a_root_with_another_fingerprint_is_refused() {
    let forge = forge();
    let mut config = forge.anonymous_config();
    config.trust = ServerTrust::PinnedRoot(Fingerprint::of(b"another root"));
    let (chain, key) = forge.issue(&node(), &validity());
    let (refusal, _) = client_refuses(config, &forge, &chain.with_root(forge.root.certificate()), key);
    assert!(matches!(refusal, Error::Certificate(CertificateError::WrongRoot)), "{refusal:?}");
}

#[test]
fn revoked_certificates_are_refused() {
    let forge = forge();
    let (chain, key) = forge.issue(&laptop(), &validity());
    let revocation = |chain: &Chain| {
        forge.issuing.revoke(chain.leaf().unwrap(), Reason::KeyCompromise, NOW - 1000).unwrap()
    };
    let mut server = forge.server_config();
    server.revocations = Arc::new([revocation(&chain)].into_iter().collect::<RevocationSet>());
    let (refusal, alert) = server_refuses(&forge, &chain, key, server);
    assert!(matches!(refusal, Error::Certificate(CertificateError::Revoked { .. })), "{refusal:?}");
    assert_eq!(alert, Alert::CertificateRevoked);

    let (chain, key) = forge.issue(&node(), &validity());
    let mut client = forge.client_config();
    let revoked: RevocationSet = [revocation(&chain)].into_iter().collect();
    client.trust = ServerTrust::Anchors {
        store: forge.store(),
        organisation: forge.root.organisation().clone(),
        revocations: Arc::new(revoked),
    };
    let (refusal, alert) = client_refuses(client, &forge, &chain.with_root(forge.root.certificate()), key);
    assert!(matches!(refusal, Error::Certificate(CertificateError::Revoked { .. })), "{refusal:?}");
    assert_eq!(alert, Alert::CertificateRevoked);
}

#[test]
fn a_certificate_without_its_key_proves_nothing() {
    let forge = forge();
    let (chain, _) = forge.issue(&laptop(), &validity());
    let (refusal, alert) =
        server_refuses(&forge, &chain, SigningKey::generate().unwrap(), forge.server_config());
    assert!(matches!(refusal, Error::Misbehaved(Misbehaviour::BadSignature)), "{refusal:?}");
    assert_eq!(alert, Alert::HandshakeFailed);

    let (chain, _) = forge.issue(&node(), &validity());
    let chain = chain.with_root(forge.root.certificate());
    let (refusal, _) = client_refuses(forge.client_config(), &forge, &chain, SigningKey::generate().unwrap());
    assert!(matches!(refusal, Error::Misbehaved(Misbehaviour::BadSignature)), "{refusal:?}");
}

#[test]
fn chains_that_do_not_fit_are_refused_before_they_are_shown() {
    use crate::IdentityError;
    let key = || SigningKey::generate().unwrap();
    let client = |chain: Vec<Vec<u8>>| ClientIdentity::new(&Chain(chain), key()).map(|_| ());
    let server = |chain: Vec<Vec<u8>>| ServerIdentity::new(&Chain(chain), key()).map(|_| ());
    assert_eq!(client(vec![]), Err(IdentityError::Count(0)));
    assert_eq!(client(vec![vec![1]; 4]), Err(IdentityError::Count(4)));
    assert_eq!(client(vec![vec![1; 1952 - 3]]), Ok(()));
    assert_eq!(client(vec![vec![1; 1952 - 2]]), Err(IdentityError::Size));
    assert_eq!(client(vec![vec![]]), Err(IdentityError::Size));
    assert_eq!(server(vec![vec![1]]), Err(IdentityError::Count(1)));
    assert_eq!(server(vec![vec![1]; 5]), Err(IdentityError::Count(5)));
    assert_eq!(server(vec![vec![1; 4096]; 2]), Err(IdentityError::Size));
}
