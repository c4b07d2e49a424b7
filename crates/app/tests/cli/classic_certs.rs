use crate::support::{Place, mode};

#[test]
fn openssl_verifies_a_teachers_certificates_and_the_bad_ones_are_beside_them() {
    let place = Place::new();
    let certs = |arguments: &str| place.run(&format!("classic certs certs {arguments}"));
    certs("").refused("--key-password-file");
    certs("--key-password-file kp --json").ok();
    assert_eq!(mode(&place.path("certs/ca.key")), 0o600);
    place.openssl("verify -CAfile certs/ca.crt certs/server.crt certs/client.crt");
    place.openssl("rsa -in certs/ca.key -passin file:kp -check -noout");

    // What is there is told before a passphrase is asked for.
    certs("").refused("everything is in certs already");
    certs("--name Other").refused("ca.crt is there already");
    certs("--bad expired").refused("--key-password-file");
    certs("--bad expired --plain-keys").refused("is encrypted");
    certs("--bad expired --key-password-file pw").refused("passphrase is wrong");
    let made = certs("--bad expired --key-password-file kp");
    assert_eq!(made.ok().lines().next(), Some("certs/bad-expired/ca.crt"));
    assert_eq!(place.read("certs/bad-expired/ca.crt"), place.read("certs/ca.crt"));
    // Who signs it is somebody else: no passphrase is needed.
    certs("--bad self-signed").ok();
    certs("--bad self-signed").refused("is there already");
    certs("--bad worse").ended(2, "self-signed, expired, wrong-cn and other-ca");

    certs("--cn bob.local").ended(2, "--out");
    certs("--cn bob.local --out ../bob").ended(2, "stem");
    let bob = certs("--cn bob.local --out bob --key-password-file kp --json");
    let object: serde_json::Value = serde_json::from_str(bob.ok()).unwrap();
    assert_eq!(object["files"], serde_json::json!(["certs/bob.crt", "certs/bob.key"]));
    assert_eq!(object["layout"], "cianr-pss");
    place.openssl("verify -CAfile certs/ca.crt -verify_hostname bob.local certs/bob.crt");
}

#[test]
fn openssl_verifies_a_bad_folder_that_brought_its_good_one() {
    let place = Place::new();
    let run = place.run("classic certs l --layout cianr-line --bad wrong-cn --name Ring --plain-keys");
    assert_eq!(run.ok().lines().count(), 11, "{}", run.out);
    assert!(run.err.contains("without a passphrase"), "{}", run.err);
    place.openssl("verify -CAfile l/ca.cert.pem l/server.cert.pem l/bad-wrong-cn/client.cert.pem");
    assert!(place.openssl("x509 -in l/ca.cert.pem -noout -subject").contains("Ring"));
    // The folder says which layout it has.
    place.run("classic certs l --bad expired").ok();
    assert!(place.path("l/bad-expired/client.key.pem").exists());
    place.run("classic certs absent --cn bob --out bob").refused("there is no CA");
}
