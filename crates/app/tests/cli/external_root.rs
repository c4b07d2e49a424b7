use crate::support::Place;

/// Makes an operator's root with OpenSSL: `root.pem` and `root.key`.
fn own_root(place: &Place) {
    place.openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -days 3650 -subj /CN=Own -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign",
    );
}

fn sign(place: &Place, days: u32, extensions: &str) {
    place.openssl(&format!(
        "x509 -req -in request.pem -CA root.pem -CAkey root.key -days {days} {extensions} -out issuing.pem"
    ));
}

#[test]
fn openssl_own_root_signs_the_issuing_ca() {
    let place = Place::new();
    let init =
        "ca init --organisation example.org --external-root request.pem --data d --key-password-file kp";
    place.run(init).ok();
    place.run(init).refused("there already");
    place.run(&init.replace("request.pem", "second.pem")).refused("was made before");
    place.run("serve --data d --key-password-file kp").refused("ca install");
    place.run("doctor --data d").ended(1, "wrong");

    own_root(&place);
    let install = "ca install issuing.pem --root root.pem --data d";
    sign(&place, 1800, "");
    place.run(&format!("{install} --key-password-file kp")).refused("");
    sign(&place, 1800, "-copy_extensions copyall");
    place.run(&format!("{install} --key-password-file pw")).refused("passphrase");
    let root = place.run(&format!("{install} --key-password-file kp")).ok().to_owned();
    place.run(&format!("{install} --key-password-file kp")).refused("already");

    let _server = place.serve();
    let link = place.run("invite create --data d").ok().to_owned();
    assert!(link.contains(root.strip_prefix("sha256:").unwrap()));
    place.join("ann", &link);
    place.run("ca export-root --data d --out out.key").refused("your own");
}

/// ID-33: nothing outlives the issuing CA, and its end is told by everybody whom it concerns.
#[test]
fn openssl_an_authority_that_ends_soon_is_told_of_by_serve_doctor_and_every_home() {
    let place = Place::new();
    place.run("ca init --organisation example.org --external-root request.pem --data d --plain-keys").ok();
    own_root(&place);
    sign(&place, 20, "-copy_extensions copyall");
    place.run("ca install issuing.pem --root root.pem --data d --plain-keys").ok();
    let server = place.serve_with("--data d --plain-keys");
    let link = place.run("invite create --data d").ok().to_owned();
    place.join("ann", &link);

    let list = place.run("device list --home ann --password-file pw --json --quiet");
    list.ok();
    let warning: serde_json::Value = serde_json::from_str(&list.err).unwrap();
    assert_eq!(warning["warning"]["code"], "certificate-ends");
    assert!(warning["warning"]["message"].as_str().unwrap().contains("`countersign --home ann device add`"));
    let doctor = place.run("doctor --data d --home ann --password-file pw");
    doctor.ok();
    for told in [
        "the certificate issuing expires",
        "the certificate log expires",
        "this device's certificate expires",
    ] {
        assert!(doctor.out.contains(told), "{told}: {}", doctor.out);
    }
    let (_, err) = server.end("-TERM");
    assert!(err.contains("the organisation's certificate authority ends 20"), "{err}");
}
