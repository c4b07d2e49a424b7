//! OpenSSL reads the certificates and keys that we make, and we read what it makes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use classic::certificate::issue::{Bad, make_bad, make_folder, make_leaf};
use classic::certificate::{
    Certificate, CertificateError, CertificateFault, Dialect, Expectation, Folder, FolderError, KeyError,
    Passphrase, Role, check,
};
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

    fn certificate(&self, name: &str) -> Certificate {
        Certificate::parse(&std::fs::read(self.path().join(name)).unwrap()).unwrap()
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

    /// A leaf for `name` under the CA of [`theirs`], with more arguments for `openssl x509`.
    fn issue(&self, name: &str, arguments: &str) {
        self.run(&format!(
            "req -new -newkey rsa:2048 -noenc -keyout {name}.p8 -subj /CN={name} -out {name}.csr"
        ));
        self.run(&format!("rsa -in {name}.p8 -traditional -out {name}.key"));
        self.sign(name, arguments);
    }

    fn sign(&self, name: &str, arguments: &str) {
        let ca = theirs().path().display();
        self.run(&format!(
            "x509 -req -in {name}.csr -CA {ca}/ca.crt -CAkey {ca}/ca.key -passin pass:lunar {arguments} -out {name}.crt"
        ));
    }
}

/// An RSA-4096 CA of OpenSSL's making with an encrypted key, made once.
fn theirs() -> &'static Shell {
    static ONE: OnceLock<Shell> = OnceLock::new();
    ONE.get_or_init(|| {
        let shell = Shell::new();
        shell.run(
            "req -x509 -newkey rsa:4096 -passout pass:lunar -keyout ca.key -subj /C=PK/O=Ring/CN=Root -days 3650 -out ca.crt",
        );
        shell
    })
}

/// Now, as OpenSSL takes it, from a certificate that it just made.
fn now_ms(certificate: &Certificate) -> u64 {
    u64::try_from(certificate.not_before_s()).unwrap() * 1000 + 1000
}

fn passphrase() -> Passphrase {
    Passphrase::new("lunar".to_owned().into())
}

#[test]
fn openssl_reads_and_verifies_what_we_make() {
    const NOW: u64 = 1_767_225_600_000;
    let shell = Shell::new();
    make_folder(shell.path(), Dialect::Pss, Some("Ring CA"), Some(&passphrase()), NOW).unwrap();
    make_bad(shell.path(), Dialect::Pss, Bad::Expired, Some(&passphrase()), NOW).unwrap();
    let at = NOW / 1000;
    for stem in ["server", "client"] {
        let verify = format!("verify -x509_strict -check_ss_sig -attime {at} -CAfile ca.crt");
        shell.run(&format!("{verify} -verify_hostname {stem} {stem}.crt"));
        let (done, text) = shell.try_run(&format!("{verify} bad-expired/{stem}.crt"));
        assert!(!done && text.contains("certificate has expired"), "{text}");
        assert!(shell.run(&format!("rsa -in {stem}.key -check -noout")).contains("RSA key ok"));
        assert_eq!(
            shell.run(&format!("rsa -in {stem}.key -pubout")).replace("writing RSA key\n", ""),
            shell.run(&format!("x509 -in {stem}.crt -noout -pubkey"))
        );
    }
    let text = shell.run("x509 -in ca.crt -noout -text");
    for part in
        ["(4096 bit)", "sha256WithRSAEncryption", "CA:TRUE", "CN=Ring CA", "Certificate Sign, CRL Sign"]
    {
        assert!(text.contains(part) || text.contains(&part.replace('=', " = ")), "{part} in {text}");
    }
    let text = shell.run("x509 -in server.crt -noout -text");
    for part in ["(2048 bit)", "Version: 3", "DNS:server", "CA:FALSE"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(shell.run("rsa -in ca.key -passin pass:lunar -check -noout").contains("RSA key ok"));
    assert!(!shell.try_run("rsa -in ca.key -passin pass:solar -noout").0);
    let structure = shell.run("asn1parse -in ca.key");
    for part in ["PBES2", "PBKDF2", "hmacWithSHA256", "aes-256-cbc"] {
        assert!(structure.contains(part), "{part} in {structure}");
    }
    let fingerprint = shell.run("x509 -in server.crt -noout -fingerprint -sha256");
    let digits = fingerprint.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
    assert_eq!(shell.certificate("server.crt").fingerprint(), digits);
}

#[test]
fn folders_of_openssl_are_read_with_every_kind_of_key() {
    let shell = Shell::new();
    shell.write("san", "subjectAltName=DNS:server.local,IP:127.0.0.1,email:a@b\n");
    shell.issue("server", "-days 30 -extfile san");
    std::fs::copy(theirs().path().join("ca.crt"), shell.path().join("ca.crt")).unwrap();
    let traditional = Folder::open(shell.path(), Role::Server, None).unwrap();
    let leaf = traditional.certificate();
    let now = now_ms(leaf);
    for (expected, name) in [(Dialect::Pss, "server"), (Dialect::Pkcs1, "server.local"), (Dialect::Line, "")]
    {
        assert_eq!(check(leaf, traditional.ca(), expected.expectation(name), now), Ok(()));
    }
    assert_eq!(leaf.dns_names(), ["server.local"]);

    let key = |arguments: &str, passphrase: Option<&Passphrase>| {
        shell.run(&format!("{arguments} -out server.key"));
        match Folder::open(shell.path(), Role::Server, passphrase) {
            Ok(_) => Ok(()),
            Err(FolderError::Key { error, .. }) => Err(error),
            Err(other) => panic!("{other}"),
        }
    };
    let given = passphrase();
    assert_eq!(key("pkcs8 -topk8 -in server.p8 -nocrypt", None), Ok(()));
    let sealed = "pkcs8 -topk8 -in server.p8 -v2 aes-256-cbc -passout pass:lunar";
    assert_eq!(key(sealed, Some(&given)), Ok(()));
    assert_eq!(key(sealed, None), Err(KeyError::NeedsPassphrase));
    assert_eq!(key(&sealed.replace("lunar", "solar"), Some(&given)), Err(KeyError::WrongPassphrase));
    assert_eq!(key(&format!("{sealed} -scrypt").replace("-v2 aes-256-cbc", ""), Some(&given)), Ok(()));
    assert_eq!(key(&format!("{sealed} -iter 10000001"), Some(&given)), Err(KeyError::UnsupportedEncryption));
    let legacy = "rsa -in server.p8 -traditional -aes256 -passout pass:lunar";
    assert_eq!(key(legacy, Some(&given)), Err(KeyError::LegacyEncryption));
    assert_eq!(key("genpkey -algorithm ed25519", None), Err(KeyError::Malformed));
    assert!(matches!(
        {
            shell.run("genrsa -traditional -out server.key 2048");
            Folder::open(shell.path(), Role::Server, None)
        },
        Err(FolderError::Mismatch { .. })
    ));
}

/// CL-82.
#[test]
fn signatures_of_openssl_are_taken_by_hash_and_padding() {
    let shell = Shell::new();
    let ca = theirs().certificate("ca.crt");
    shell.issue("client", "-sha256");
    let pss = "-sigopt rsa_padding_mode:pss";
    for (arguments, taken) in [
        ("-sha256", true),
        ("-sha384", true),
        ("-sha512", true),
        (&*format!("-sha256 {pss} -sigopt rsa_pss_saltlen:-1"), true),
        (&*format!("-sha256 {pss} -sigopt rsa_pss_saltlen:max"), true),
        (&*format!("-sha512 {pss} -sigopt rsa_pss_saltlen:20"), true),
        (&*format!("-sha384 {pss} -sigopt rsa_mgf1_md:sha256"), false),
        ("-sha1", false),
        (&*format!("-sha1 {pss}"), false),
    ] {
        shell.sign("client", arguments);
        let leaf = shell.certificate("client.crt");
        let outcome = check(&leaf, &ca, Expectation::CommonName("client"), now_ms(&leaf));
        let refused = Err(CertificateFault::Malformed(CertificateError::UnsupportedSignature));
        assert_eq!(outcome, if taken { Ok(()) } else { refused }, "{arguments}");
    }
    shell.run("x509 -req -in client.csr -key client.key -out self.crt");
    let leaf = shell.certificate("self.crt");
    for expected in [Expectation::CommonName("client"), Expectation::Issuer] {
        assert_eq!(check(&leaf, &ca, expected, now_ms(&leaf)), Err(CertificateFault::InvalidSignature));
    }
}

/// CL-80, CL-81: shapes that the existing programs take, and those that nobody should.
#[test]
fn certificates_of_openssl_of_any_shape_are_read_or_refused_with_a_reason() {
    let shell = Shell::new();
    let ca = theirs().certificate("ca.crt");
    shell.run(
        "req -new -newkey rsa:2048 -noenc -keyout odd.key -subj /O=none/CN=first/CN=second -out odd.csr",
    );
    shell.sign("odd", "-days 1");
    let odd = shell.certificate("odd.crt");
    assert!(shell.run("x509 -in odd.crt -noout -text").contains("Version: 1"), "no extensions");
    assert_eq!(odd.common_name(), Some("first"));
    assert_eq!(check(&odd, &ca, Expectation::CommonName("first"), now_ms(&odd)), Ok(()));
    shell.run("req -new -key odd.key -subj /O=none -out nameless.csr");
    shell.sign("nameless", "-days 1");
    assert_eq!(shell.certificate("nameless.crt").common_name(), None);

    let read = |arguments: &str| {
        shell.run(&format!("req -x509 -noenc -keyout x.key -subj /CN=x -out x.crt {arguments}"));
        Certificate::parse(&std::fs::read(shell.path().join("x.crt")).unwrap()).map(|_| ())
    };
    assert_eq!(read("-newkey rsa:1024"), Err(CertificateError::KeySize { bits: 1024 }));
    assert_eq!(read("-newkey ed25519"), Err(CertificateError::NotRsa));
    assert_eq!(read("-newkey ec -pkeyopt ec_paramgen_curve:P-256"), Err(CertificateError::NotRsa));
    assert_eq!(read("-newkey rsa-pss -pkeyopt rsa_keygen_bits:2048"), Ok(()));
    assert_eq!(read("-key odd.key -utf8 -subj /CN=zażółć"), Ok(()));
    assert_eq!(shell.certificate("x.crt").common_name(), Some("zażółć"));
}

/// CL-83: the issuer is compared by what it says, not by the kind of string.
#[test]
fn a_ca_of_openssl_issues_through_us() {
    let shell = Shell::new();
    for name in ["ca.crt", "ca.key"] {
        std::fs::copy(theirs().path().join(name), shell.path().join(name)).unwrap();
    }
    let ca = shell.certificate("ca.crt");
    let now = now_ms(&ca);
    make_leaf(shell.path(), "server.local", "server", Some(&passphrase()), now).unwrap();
    let at = now / 1000;
    shell.run(&format!("verify -attime {at} -CAfile ca.crt server.crt"));
    assert_eq!(check(&shell.certificate("server.crt"), &ca, Expectation::Issuer, now), Ok(()));
    make_bad(shell.path(), Dialect::Line, Bad::OtherCa, None, now).unwrap();
    let double = shell.certificate("bad-other-ca/server.crt");
    assert_eq!(double.issuer(), ca.subject());
    assert_eq!(check(&double, &ca, Expectation::Issuer, now), Err(CertificateFault::InvalidSignature));
}
