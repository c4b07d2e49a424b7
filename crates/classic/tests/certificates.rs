//! Certificates of the `cianr` dialects as we make them: each is good, each bad kind is refused in its words, and nothing
//! that strangers show does harm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use classic::certificate::issue::{
    Bad, CA_NAME, IssueError, has_ca, layout_of, make_bad, make_folder, make_leaf,
};
use classic::certificate::{
    Certificate, CertificateError, CertificateFault, Dialect, Expectation, Folder, FolderError, KeyError,
    Passphrase, PrivateKey, Role, check,
};
use proptest::prelude::*;
use tempfile::TempDir;

/// 2026-01-01T00:00:00Z in Unix milliseconds.
const NOW: u64 = 1_767_225_600_000;
const DAY: u64 = 86_400_000;

/// A folder with a CA whose key is plain, made once.
fn folder() -> &'static Path {
    static ONE: OnceLock<TempDir> = OnceLock::new();
    let one = ONE.get_or_init(|| {
        let place = tempfile::tempdir().unwrap();
        make_folder(place.path(), Dialect::Pss, None, None, NOW).unwrap();
        place
    });
    one.path()
}

/// Another folder of the same CA, as `layout` would have made it.
fn copied(layout: Dialect) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let names = if layout == Dialect::Line { ["ca.cert.pem", "ca.key.pem"] } else { ["ca.crt", "ca.key"] };
    fs::copy(folder().join("ca.crt"), place.path().join(names[0])).unwrap();
    fs::copy(folder().join("ca.key"), place.path().join(names[1])).unwrap();
    place
}

fn certificate(path: PathBuf) -> Certificate {
    Certificate::parse(&fs::read(path).unwrap()).unwrap()
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned().into())
}

fn names(files: &[PathBuf]) -> Vec<&str> {
    files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect()
}

#[test]
fn each_layout_has_its_files_and_names_and_both_sides_accept_each_other() {
    for layout in Dialect::ALL {
        let place = copied(layout);
        let made = make_folder(place.path(), layout, None, None, NOW).unwrap();
        let expected = match layout {
            Dialect::Line => ["server.cert.pem", "server.key.pem", "client.cert.pem", "client.key.pem"],
            _ => ["server.crt", "server.key", "client.crt", "client.key"],
        };
        assert_eq!(names(&made), expected);
        assert_eq!(layout_of(place.path()), Some(layout));
        for role in Role::ALL {
            let own = Folder::open(place.path(), role, None).unwrap();
            let peer = Folder::open(place.path(), role.peer(), None).unwrap();
            let name = layout.common_name(role);
            assert_eq!(own.certificate().common_name(), Some(name));
            assert_eq!(own.certificate().dns_names(), [name]);
            assert_eq!(check(own.certificate(), peer.ca(), layout.expectation(name), NOW), Ok(()));
            let signature = own.key().sign_pss(b"text").unwrap();
            own.certificate().verifying_key().verify_pss(b"text", &signature).unwrap();
            assert!(own.certificate_file().exists() && own.ca_file().exists());
        }
    }
}

/// CL-91, CL-92.
#[test]
fn a_new_folder_is_private_and_complete_and_is_never_overwritten() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for (name, expected) in [("ca.key", 0o600), ("server.key", 0o600), ("client.key", 0o600)] {
        assert_eq!(mode(&folder().join(name)), expected, "{name}");
    }
    assert!(
        fs::read_to_string(folder().join("client.key")).unwrap().starts_with("-----BEGIN RSA PRIVATE KEY")
    );
    let again = make_folder(folder(), Dialect::Pss, None, None, NOW).unwrap_err();
    assert!(matches!(again, IssueError::Complete(_)), "{again}");

    let place = copied(Dialect::Pss);
    let named = make_folder(place.path(), Dialect::Pss, Some("Other"), None, NOW).unwrap_err();
    assert!(matches!(named, IssueError::Exists(_)), "{named}");
    fs::write(place.path().join("client.key"), "somebody's").unwrap();
    let half = make_folder(place.path(), Dialect::Pss, None, None, NOW).unwrap_err();
    assert!(half.to_string().contains("client.crt"), "{half}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 3, "nothing was made");

    fs::remove_file(place.path().join("client.key")).unwrap();
    make_leaf(place.path(), "bob.local", "bob", None, NOW).unwrap();
    assert_eq!(certificate(place.path().join("bob.crt")).common_name(), Some("bob.local"));
    let twice = make_leaf(place.path(), "bob.local", "bob", None, NOW).unwrap_err();
    assert!(matches!(twice, IssueError::Exists(_)), "{twice}");
    for stem in ["ca", "", "..", "a/b", "/a", "."] {
        assert!(
            matches!(make_leaf(place.path(), "bob", stem, None, NOW), Err(IssueError::BadStem)),
            "{stem}"
        );
    }
    for name in ["", "two words", "naïve", &"x".repeat(65)] {
        assert!(matches!(make_leaf(place.path(), name, "x", None, NOW), Err(IssueError::BadName)), "{name}");
    }
    fs::remove_file(place.path().join("ca.key")).unwrap();
    let no_key = make_leaf(place.path(), "eve", "eve", None, NOW).unwrap_err();
    assert!(matches!(no_key, IssueError::NoAuthorityKey(_)), "{no_key}");
    let late = make_leaf(folder(), "eve", "eve", None, NOW + 3651 * DAY).unwrap_err();
    assert!(matches!(late, IssueError::AuthorityExpired), "{late}");
}

/// CL-92: a folder in which one file cannot be written has none of them.
#[test]
fn what_cannot_be_written_whole_is_not_written_at_all() {
    let place = copied(Dialect::Pss);
    // A link that leads nowhere is no file, and cannot be made anew either.
    std::os::unix::fs::symlink(place.path().join("absent/x"), place.path().join("client.key")).unwrap();
    make_folder(place.path(), Dialect::Pss, None, None, NOW).unwrap_err();
    let mut left: Vec<_> =
        fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["ca.crt", "ca.key", "client.key"]);
}

#[test]
fn an_encrypted_ca_key_opens_with_its_passphrase_alone() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("deep/certs");
    assert!(!has_ca(&path));
    let made = make_folder(&path, Dialect::Pss, Some("Ring CA"), Some(&passphrase("lunar")), NOW).unwrap();
    assert_eq!(names(&made)[..2], ["ca.crt", "ca.key"]);
    assert_eq!(certificate(path.join("ca.crt")).common_name(), Some("Ring CA"));
    assert!(has_ca(&path));
    assert!(make_leaf(&path, "bob", "bob", None, NOW).unwrap_err().needs_passphrase());
    let fault = |given: Option<&Passphrase>| match make_leaf(&path, "bob", "bob", given, NOW) {
        Err(IssueError::Folder(FolderError::Key { error, .. })) => Some(error),
        _ => None,
    };
    assert_eq!(fault(None), Some(KeyError::NeedsPassphrase));
    assert_eq!(fault(Some(&passphrase("solar"))), Some(KeyError::WrongPassphrase));
    make_leaf(&path, "bob", "bob", Some(&passphrase("lunar")), NOW).unwrap();
}

/// CL-93, CL-84.
#[test]
fn each_bad_kind_is_refused_in_its_words() {
    let classic = |layout: Dialect, bad| match (layout, bad) {
        (_, Bad::SelfSigned | Bad::OtherCa) => Some("Invalid signature"),
        (_, Bad::Expired) => Some("Certificate expired"),
        (Dialect::Line, Bad::WrongCn) => None,
        (_, Bad::WrongCn) => Some("Certificate CN mismatch"),
    };
    for layout in Dialect::ALL {
        let place = copied(layout);
        let good = Certificate::parse(&fs::read(folder().join("ca.crt")).unwrap()).unwrap();
        // The CA's double is slow to make: once is enough.
        for bad in Bad::ALL.into_iter().filter(|bad| *bad != Bad::OtherCa || layout == Dialect::Line) {
            make_bad(place.path(), layout, bad, None, NOW).unwrap();
            for role in Role::ALL {
                let shown = Folder::open(&bad.folder(place.path()), role, None).unwrap();
                assert_eq!(shown.ca().der(), good.der(), "a bad side judges as a good one");
                let expected = layout.expectation(layout.common_name(role));
                let outcome = check(shown.certificate(), &good, expected, NOW);
                assert_eq!(
                    outcome.err().map(|fault| fault.classic_text()),
                    classic(layout, bad),
                    "{layout} {bad} {role:?}"
                );
            }
            assert!(!bad.folder(place.path()).join("ca.key").exists());
            let again = make_bad(place.path(), layout, bad, None, NOW).unwrap_err();
            assert!(matches!(again, IssueError::Exists(_)), "{again}");
        }
    }
    let nowhere = tempfile::tempdir().unwrap();
    let none = make_bad(nowhere.path(), Dialect::Pss, Bad::SelfSigned, None, NOW).unwrap_err();
    assert!(matches!(none, IssueError::NoAuthority(_)), "{none}");
}

/// CL-83: both ends of validity are in it.
#[test]
fn time_and_names_are_compared_exactly() {
    let ca = certificate(folder().join("ca.crt"));
    let leaf = certificate(folder().join("server.crt"));
    let at = |now_ms| check(&leaf, &ca, Expectation::CommonName("server"), now_ms);
    let start = u64::try_from(leaf.not_before_s()).unwrap() * 1000;
    let end = u64::try_from(leaf.not_after_s()).unwrap() * 1000;
    assert_eq!((start, end), (NOW - 3_600_000, NOW + 365 * DAY));
    assert_eq!([at(start), at(end)], [Ok(()); 2]);
    assert_eq!(at(start - 1), Err(CertificateFault::NotYetValid));
    assert_eq!(at(start - 1).unwrap_err().classic_text(), "Certificate expired");
    assert_eq!(at(end + 1), Err(CertificateFault::Expired));
    for name in ["Server", "server ", "client", ""] {
        assert_eq!(check(&leaf, &ca, Expectation::CommonName(name), NOW), Err(CertificateFault::WrongName));
        assert_eq!(
            check(&leaf, &ca, Expectation::CommonNameOrDns(name), NOW),
            Err(CertificateFault::WrongName)
        );
    }
    assert_eq!(ca.common_name(), Some(CA_NAME));
    assert_eq!(check(&ca, &leaf, Expectation::Issuer, NOW), Err(CertificateFault::InvalidSignature));
}

#[test]
fn what_is_missing_or_of_another_pair_is_told() {
    let place = tempfile::tempdir().unwrap();
    let open = || Folder::open(place.path(), Role::Client, None);
    let told = open().unwrap_err().to_string();
    for word in ["client.crt", "client.key", "ca.crt", "countersign classic certs"] {
        assert!(told.contains(word), "{told}");
    }
    for (from, to) in [("ca.crt", "ca_cert.pem"), ("client.crt", "client_cert.pem")] {
        fs::copy(folder().join(from), place.path().join(to)).unwrap();
    }
    let told = open().unwrap_err().to_string();
    assert!(told.contains("client_key.pem") && !told.contains("ca_cert"), "{told}");
    fs::copy(folder().join("server.key"), place.path().join("client_key.pem")).unwrap();
    assert!(matches!(open(), Err(FolderError::Mismatch { .. })));
    fs::copy(folder().join("client.key"), place.path().join("client_key.pem")).unwrap();
    assert_eq!(open().unwrap().certificate().common_name(), Some("client"));
}

/// CL-80.
#[test]
fn pem_is_read_as_python_reads_it_and_kept_as_it_came() {
    let text = fs::read_to_string(folder().join("server.crt")).unwrap();
    let other = fs::read_to_string(folder().join("client.crt")).unwrap();
    let read = Certificate::from_pem(&text).unwrap();
    let windows = format!("subject=CN = server\r\n{}\r\n{other}", text.replace('\n', "\r\n"));
    let old = text.replace("CERTIFICATE", "X509 CERTIFICATE");
    for form in [&windows, &old, &text.replace("M", " M")] {
        let again = Certificate::parse(form.as_bytes()).unwrap();
        assert_eq!((again.der(), again.pem()), (read.der(), form.as_str()));
        assert_eq!(again.fingerprint(), read.fingerprint());
    }
    let from_der = Certificate::parse(read.der()).unwrap();
    assert_eq!(from_der.pem(), text);
    let longer = [read.der(), &[0]].concat();
    assert_eq!(Certificate::from_der(&longer).unwrap_err(), CertificateError::Malformed);
    assert_eq!(Certificate::from_pem("no").unwrap_err(), CertificateError::NotPem);
    assert_eq!(Certificate::parse(&[b' '; 20_000]).unwrap_err(), CertificateError::TooLarge);
    assert_eq!(Certificate::from_pem(&text.replace("-----END", "")).unwrap_err(), CertificateError::NotPem);
}

#[test]
fn debug_shows_no_secret() {
    let key = PrivateKey::from_pem(&fs::read_to_string(folder().join("ca.key")).unwrap(), None).unwrap();
    assert_eq!(format!("{key:?} {:?}", passphrase("lunar")), "PrivateKey(hidden) Passphrase(hidden)");
    let identity = Folder::open(folder(), Role::Server, None).unwrap();
    let shown = format!("{identity:?}");
    assert!(shown.starts_with("Identity(Certificate(Some(\"server\"), sha256:"), "{shown}");
}

#[test]
fn a_certificate_with_any_bit_flipped_never_passes() {
    let ca = certificate(folder().join("ca.crt"));
    let good = certificate(folder().join("server.crt"));
    for at in 0..good.der().len() {
        for bit in [0, 3, 7] {
            let mut der = good.der().to_vec();
            der[at] ^= 1 << bit;
            let Ok(changed) = Certificate::from_der(&der) else { continue };
            for expected in [Expectation::CommonName("server"), Expectation::Issuer] {
                assert!(check(&changed, &ca, expected, NOW).is_err(), "byte {at}, bit {bit}");
            }
        }
    }
}

proptest! {
    #[test]
    fn what_strangers_show_never_panics_and_never_passes(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        text in "(-----BEGIN (RSA PRIVATE KEY|CERTIFICATE|ENCRYPTED PRIVATE KEY)-----)?.{0,80}(-----END CERTIFICATE-----)?",
        at in 0_usize..700,
    ) {
        prop_assert!(Certificate::from_der(&bytes).is_err());
        prop_assert!(Certificate::parse(text.as_bytes()).is_err());
        prop_assert!(PrivateKey::from_pem(&text, Some(&passphrase("lunar"))).is_err());
        let ca = certificate(folder().join("ca.crt"));
        let mut der = certificate(folder().join("server.crt")).der().to_vec();
        let until = (at + bytes.len()).min(der.len());
        der.splice(at.min(until)..until, bytes);
        if let Ok(changed) = Certificate::from_der(&der) {
            let same = changed.der() == certificate(folder().join("server.crt")).der();
            prop_assert!(same || check(&changed, &ca, Expectation::Issuer, NOW).is_err());
        }
    }
}
