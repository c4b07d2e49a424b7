use crate::support::Place;

/// Makes an operator's root with OpenSSL: `root.pem` and `root.key`.
fn own_root(place: &Place) {
    place.openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -days 3650 -subj /CN=Own -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign",
    );
}

fn sign(place: &Place, extensions: &str) {
    place.openssl(&format!(
        "x509 -req -in request.pem -CA root.pem -CAkey root.key -days 1800 {extensions} -out issuing.pem"
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
    sign(&place, "");
    place.run(&format!("{install} --key-password-file kp")).refused("");
    sign(&place, "-copy_extensions copyall");
    place.run(&format!("{install} --key-password-file pw")).refused("passphrase");
    let root = place.run(&format!("{install} --key-password-file kp")).ok().to_owned();
    place.run(&format!("{install} --key-password-file kp")).refused("already");

    let _server = place.serve();
    let link = place.run("invite create --data d").ok().to_owned();
    assert!(link.contains(root.strip_prefix("sha256:").unwrap()));
    place.join("ann", &link);
    place.run("ca export-root --data d --out out.key").refused("your own");
}
