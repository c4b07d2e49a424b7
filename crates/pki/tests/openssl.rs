//! OpenSSL reads what we write and we read what it writes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod forge;

use std::path::Path;
use std::process::Command;

use forge::{DAY, NOW, World, device, holders, organisation};
use pki::ca::{IssuingCa, Validity, issuing_ca_request, openssl_extensions};
use pki::certificate::{certificate_to_pem, certificates_from_pem};
use pki::ed25519::at_rest::is_encrypted;
use pki::ed25519::{KeyError, SigningKey};
use pki::request;
use pki::trust::Reason;
use pki::{Password, TrustStore, Usage};
use tempfile::TempDir;

/// A directory in which OpenSSL runs.
struct Shell(TempDir);

impl Shell {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Runs `openssl` with words split at blanks; its whole output, and whether it succeeded.
    fn try_run(&self, arguments: &str) -> (bool, String) {
        let words = arguments.split_whitespace();
        let output = Command::new("openssl").args(words).current_dir(self.path()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn run(&self, arguments: &str) -> String {
        let (done, text) = self.try_run(arguments);
        assert!(done, "openssl {arguments}: {text}");
        text
    }
}

fn password(text: &str) -> Password {
    Password::new(text.into())
}

#[test]
fn keys_are_read_by_openssl() {
    let shell = Shell::new();
    let key = SigningKey::generate().unwrap();
    shell.write("plain.pem", key.to_plain_pem().unwrap().as_bytes());
    let sealed = key.to_encrypted_pem(&password("tape crater lunar")).unwrap();
    assert!(is_encrypted(&sealed));
    shell.write("sealed.pem", sealed);
    shell.write("password", "tape crater lunar\n");
    let plain = shell.run("pkey -in plain.pem -pubout -outform PEM");
    assert_eq!(shell.run("pkey -in sealed.pem -passin file:password -pubout -outform PEM"), plain);
    let structure = shell.run("asn1parse -in sealed.pem");
    for part in ["PBES2", "scrypt", "INTEGER           :4000", "aes-256-cbc"] {
        assert!(structure.contains(part), "{part} in {structure}");
    }
}

#[test]
fn keys_of_openssl_are_read() {
    let shell = Shell::new();
    shell.write("password", "tape crater lunar\n");
    shell.run("genpkey -algorithm ed25519 -out plain.pem");
    shell.run("pkcs8 -topk8 -in plain.pem -v2 aes-256-cbc -passout file:password -out pbkdf2.pem");
    shell.run("pkcs8 -topk8 -in plain.pem -scrypt -passout file:password -out scrypt.pem");
    let plain = SigningKey::from_pem(&shell.read("plain.pem"), None).unwrap();
    for file in ["pbkdf2.pem", "scrypt.pem"] {
        let text = shell.read(file);
        let right = password("tape crater lunar");
        let read = SigningKey::from_encrypted_pem(&text, &right).unwrap();
        assert_eq!(read.public(), plain.public());
        let wrong = SigningKey::from_pem(&text, Some(&password("tape crater lunaR")));
        assert_eq!(wrong.unwrap_err(), KeyError::WrongPassword);
        assert_eq!(SigningKey::from_pem(&text, None).unwrap_err(), KeyError::NeedsPassword);
    }
}

#[test]
fn other_keys_and_costly_encryption_are_refused() {
    let shell = Shell::new();
    shell.write("password", "tape crater lunar\n");
    shell.run("genpkey -algorithm ed25519 -out plain.pem");
    shell.run("genpkey -algorithm x25519 -out x25519.pem");
    shell.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.pem");
    shell.run(
        "pkcs8 -topk8 -in plain.pem -v2 aes-256-cbc -iter 10000001 -passout file:password -out dear.pem",
    );
    shell.run("pkcs8 -topk8 -in plain.pem -v1 PBE-SHA1-3DES -passout file:password -out old.pem");
    let right = password("tape crater lunar");
    let read = |file: &str| SigningKey::from_pem(&shell.read(file), Some(&right)).map(|_| ()).unwrap_err();
    assert_eq!(read("x25519.pem"), KeyError::Malformed);
    assert_eq!(read("p256.pem"), KeyError::Malformed);
    assert_eq!(read("dear.pem"), KeyError::Unsupported);
    assert!(matches!(read("old.pem"), KeyError::Unsupported | KeyError::Malformed));
    let plain = shell.read("plain.pem");
    assert_eq!(SigningKey::from_encrypted_pem(&plain, &right).unwrap_err(), KeyError::Malformed);
    assert_eq!(SigningKey::from_pem(&plain.repeat(50), None).unwrap_err(), KeyError::Malformed);
}

#[test]
fn chains_are_verified_by_openssl_strictly() {
    let shell = Shell::new();
    let world = World::new();
    shell.write("root.pem", certificate_to_pem(world.root.certificate()));
    shell.write("issuing.pem", certificate_to_pem(world.ca.certificate()));
    for holder in holders() {
        let (_, chain) = world.issue(&holder);
        shell.write("leaf.pem", certificate_to_pem(chain.leaf().unwrap()));
        let at = NOW / 1000 + 60;
        let verdict = shell.run(&format!(
            "verify -x509_strict -check_ss_sig -attime {at} -CAfile root.pem -untrusted issuing.pem leaf.pem"
        ));
        assert!(verdict.contains("leaf.pem: OK"), "{verdict}");
        let text = shell.run("x509 -in leaf.pem -noout -text");
        assert!(text.contains(&format!("DNS:{}", holder.dns_name(&organisation()))), "{text}");
        assert!(text.contains(&holder.usage().oid_text()), "{text}");
        assert!(text.contains("X509v3 Subject Key Identifier"), "{text}");
        assert!(text.contains("X509v3 Authority Key Identifier"), "{text}");
        assert_eq!(text.contains("Non Repudiation"), holder.usage() != Usage::ServerHandshake, "{text}");
    }
    let outside = forge::leaf_parameters("laptop.cdr.devices.other.example", &[Usage::Device]);
    shell.write("outside.pem", certificate_to_pem(world.forge(&outside).leaf().unwrap()));
    let (done, verdict) = shell.try_run(&format!(
        "verify -attime {} -CAfile root.pem -untrusted issuing.pem outside.pem",
        NOW / 1000
    ));
    assert!(!done && verdict.contains("permitted subtree violation"), "{verdict}");
}

#[test]
fn the_revocation_list_is_read_and_verified_by_openssl() {
    let shell = Shell::new();
    let world = World::new();
    let (_, good) = world.issue(&device());
    let (_, bad) = world.issue(&device());
    let revocation = world.ca.revoke(bad.leaf().unwrap(), Reason::KeyCompromise, NOW).unwrap();
    let foreign = World::new();
    let (_, other) = foreign.issue(&device());
    let foreign = foreign.ca.revoke(other.leaf().unwrap(), Reason::Unspecified, NOW).unwrap();
    let list = world.ca.crl(&[revocation.clone(), foreign], 7, NOW, NOW + 7 * DAY).unwrap();
    shell.write("list.der", &list);
    shell.write("root.pem", certificate_to_pem(world.root.certificate()));
    shell.write("issuing.pem", certificate_to_pem(world.ca.certificate()));
    let text = shell.run("crl -inform DER -in list.der -CAfile issuing.pem -noout -text");
    assert!(text.contains("verify OK"), "{text}");
    assert!(text.contains("Key Compromise"), "{text}");
    assert_eq!(text.matches("Serial Number:").count(), 1, "{text}");
    shell.run("crl -inform DER -in list.der -out list.pem");
    let check = |leaf: &[u8]| {
        shell.write("leaf.pem", certificate_to_pem(leaf));
        let at = NOW / 1000 + 60;
        shell.try_run(&format!(
            "verify -crl_check -attime {at} -CAfile root.pem -untrusted issuing.pem -CRLfile list.pem leaf.pem"
        ))
    };
    assert!(check(good.leaf().unwrap()).0);
    let (done, verdict) = check(bad.leaf().unwrap());
    assert!(!done && verdict.contains("certificate revoked"), "{verdict}");
    assert!(world.ca.crl(&[revocation], 8, NOW, NOW).is_err());
}

#[test]
fn requests_are_verified_by_openssl_and_its_own_are_read() {
    let shell = Shell::new();
    let key = SigningKey::generate().unwrap();
    shell.write("ours.der", request::create(&key).unwrap());
    assert!(shell.run("req -inform DER -in ours.der -noout -verify").contains("OK"));
    shell.write("key.pem", key.to_plain_pem().unwrap().as_bytes());
    shell.run("req -new -key key.pem -subj /CN=root -outform DER -out theirs.der");
    let der = std::fs::read(shell.path().join("theirs.der")).unwrap();
    assert_eq!(pki::CertificateRequest::parse(&der).unwrap().key(), key.public());
}

#[test]
fn an_operators_openssl_root_signs_our_issuing_ca() {
    for algorithm in ["rsa -pkeyopt rsa_keygen_bits:2048", "EC -pkeyopt ec_paramgen_curve:P-256", "ed25519"] {
        for copied in [true, false] {
            let shell = Shell::new();
            shell.run(&format!("genpkey -algorithm {algorithm} -out root-key.pem"));
            shell.run("req -x509 -new -key root-key.pem -subj /CN=Corporate -addext keyUsage=keyCertSign,cRLSign -days 3650 -out root.pem");
            let key = SigningKey::generate().unwrap();
            shell.write("request.der", issuing_ca_request(&key, &organisation()).unwrap());
            shell.write("extensions", openssl_extensions(&organisation()));
            let how = if copied { "-copy_extensions copyall" } else { "-extfile extensions" };
            shell.run(&format!(
                "x509 -req -inform DER -in request.der -CA root.pem -CAkey root-key.pem -days 1800 {how} -out ca.pem"
            ));
            let [root] = &certificates_from_pem(&shell.read("root.pem")).unwrap()[..] else { panic!() };
            let [certificate] = &certificates_from_pem(&shell.read("ca.pem")).unwrap()[..] else { panic!() };
            let ca = IssuingCa::load(key, certificate, root, &organisation()).unwrap();

            let now = ca.validity().not_before_ms() + DAY;
            let device_key = SigningKey::generate().unwrap();
            let validity = Validity::days(now, 30).unwrap();
            let chain = ca.issue_to_key(device_key.public(), &device(), &validity).unwrap();
            TrustStore::new(vec![ca.root().clone()]).verify_as_of(&chain, Usage::Device, now).unwrap();
            shell.write("leaf.pem", certificate_to_pem(chain.leaf().unwrap()));
            shell.run(&format!(
                "verify -x509_strict -attime {} -CAfile root.pem -untrusted ca.pem leaf.pem",
                now / 1000
            ));
            shell.write("list.der", ca.crl(&[], 1, now, now + DAY).unwrap());
            assert!(shell.run("crl -inform DER -in list.der -CAfile ca.pem -noout").contains("verify OK"));
        }
    }
}

#[test]
fn the_object_identifiers_are_what_openssl_makes_of_the_arc() {
    let shell = Shell::new();
    for usage in Usage::ALL {
        shell.run(&format!("asn1parse -genstr OID:{} -noout -out oid.der", usage.oid_text()));
        let der = std::fs::read(shell.path().join("oid.der")).unwrap();
        assert_eq!(&der[2..], usage.oid());
    }
}

#[test]
fn fingerprints_are_openssls() {
    let shell = Shell::new();
    let world = World::new();
    shell.write("root.pem", certificate_to_pem(world.root.certificate()));
    let line = shell.run("x509 -in root.pem -noout -fingerprint -sha256");
    let digits = line.trim().rsplit('=').next().unwrap().replace(':', "");
    assert_eq!(format!("sha256:{digits}").parse(), Ok(world.root.fingerprint()));
}
