use serde_json::Value;

use crate::support::{Place, mode};

/// The lines of `ca show --json` of one kind.
fn shown(place: &Place, kind: &str) -> Vec<Value> {
    let show = place.run("ca show --data d --json");
    let lines = show.ok().lines().map(|line| serde_json::from_str(line).unwrap());
    lines.filter(|line: &Value| line["kind"] == kind).collect()
}

#[test]
fn an_organisation_is_made_before_the_first_start() {
    let place = Place::new();
    let init = place.run("ca init --organisation Example.org --data d --key-password-file kp");
    let root = init.ok().to_owned();
    assert_eq!(shown(&place, "organisation")[0]["name"], "example.org");
    assert_eq!(shown(&place, "root")[0]["certificate"], root.as_str());
    assert_eq!(place.run("doctor --data d").code, 0);
    assert!(!place.path("d/store.db").exists(), "looking changes nothing");
    place.run("ca init --organisation example.org --data d --key-password-file kp").refused("already");
    let (code, err) = place.serve().end("-TERM");
    assert_eq!(code, 0);
    assert!(!err.contains("Made"), "{err}");
}

#[test]
fn a_revoked_device_is_shown_and_shut_out() {
    let place = Place::new();
    let server = place.serve();
    let address = server.ready.strip_prefix("READY ").unwrap().to_owned();
    let link = place.run("invite create --data d --role admin").ok().to_owned();
    place.join("ann", &link);
    drop(server);
    let device = &shown(&place, "device")[0];
    assert_eq!((&device["name"], &device["revoked"]), (&"ann/laptop".into(), &Value::Null));
    let certificate = device["certificate"].as_str().unwrap();

    let revoke = format!("ca revoke {certificate} --data d --key-password-file kp");
    place.run(&format!("{revoke} --reason whim")).ended(2, "key-compromise");
    place.run(&format!("ca revoke {certificate} --data d --key-password-file pw")).refused("passphrase");
    place.run(&format!("{revoke} --reason key-compromise")).ok();
    place.run(&revoke).refused("revoked already");
    assert!(shown(&place, "device")[0]["revoked"].is_u64());
    let server = crate::support::Server::start(
        place.command(&format!("serve --listen {address} --data d --key-password-file kp")),
    );
    place.run("device list --home ann --password-file pw").refused("revoked");
    let (_, log) = server.end("-TERM");
    assert!(!log.contains("revoked certificate="), "it is not new: {log}");
}

#[test]
fn a_revocation_beside_a_running_server_is_in_force_soon_and_logged_once() {
    let place = Place::new();
    let server = place.serve();
    let link = place.run("invite create --data d").ok().to_owned();
    place.join("ann", &link);
    let certificate = shown(&place, "device")[0]["certificate"].as_str().unwrap().to_owned();
    place.run(&format!("ca revoke {certificate} --data d --key-password-file kp")).ok();
    while !place.run("device list --home ann --password-file pw").err.contains("revoked") {}
    let (_, log) = server.end("-TERM");
    assert_eq!(log.matches("revoked certificate=").count(), 1, "{log}");
}

#[test]
fn the_servers_own_certificates_and_unknown_ones_are_not_revoked() {
    let place = Place::new();
    drop(place.serve());
    for kind in ["root", "issuing", "server", "log", "cosigner"] {
        let own = shown(&place, kind)[0]["certificate"].as_str().unwrap().to_owned();
        place.run(&format!("ca revoke {own} --data d --key-password-file kp")).refused("the server's own");
    }
    let unknown = format!("sha256:{}", "0".repeat(64));
    place
        .run(&format!("ca revoke {unknown} --data d --key-password-file kp"))
        .refused("knows no certificate");
}

#[test]
fn the_roots_key_is_moved_out_whole_and_once() {
    let place = Place::new();
    drop(place.serve());
    let key = place.read("d/organisation/root.key");
    std::fs::write(place.path("taken"), "mine").unwrap();
    place.run("ca export-root --data d --out taken").refused("taken");
    assert_eq!(place.read("taken"), "mine");
    place.run("ca export-root --data d --out nowhere/root.key").refused("nowhere");
    place.run("ca export-root --data d --out root.key --key-password-file pw").refused("passphrase");
    assert_eq!(place.read("d/organisation/root.key"), key, "still there");

    place.run("ca export-root --data d --out root.key --key-password-file kp").ok();
    assert_eq!(place.read("root.key"), key);
    assert_eq!(mode(&place.path("root.key")), 0o600);
    assert!(!place.path("d/organisation/root.key").exists());
    place.run("ca export-root --data d --out again").refused("not in this folder");
    assert_eq!(place.serve().end("-TERM").0, 0, "the server needs no root key");
}

#[test]
fn openssl_reads_the_revocation_list_and_the_roots_key() {
    let place = Place::new();
    let server = place.serve();
    let link = place.run("invite create --data d").ok().to_owned();
    place.join("ann", &link);
    drop(server);
    let certificate = shown(&place, "device")[0]["certificate"].as_str().unwrap().to_owned();
    place.run("ca crl --out crl.pem --data d --key-password-file kp").ok();
    assert!(place.openssl("crl -in crl.pem -noout -text").contains("No Revoked Certificates"));
    place.run(&format!("ca revoke {certificate} --data d --key-password-file kp --reason superseded")).ok();
    place.run("ca crl --out crl.pem --data d --key-password-file kp").ok();
    let text = place.openssl("crl -in crl.pem -noout -text -CAfile d/organisation/issuing.pem");
    assert!(text.contains("verify OK") && text.contains("Superseded"), "{text}");
    place.run("ca export-root --data d --out root.key").ok();
    place.openssl("pkey -in root.key -passin file:kp -noout");
}

#[test]
fn openssl_requests_are_issued_for_names_without_devices() {
    let place = Place::new();
    drop(place.serve());
    place.openssl("genpkey -algorithm ed25519 -out ann.key");
    place.openssl("req -new -key ann.key -subj / -out ann.pem");
    let issue = "ca issue ann.pem --user ann --device badge --data d --key-password-file kp";
    let fingerprint = place.run(&format!("{issue} --out chain.pem")).ok().to_owned();
    assert!(fingerprint.starts_with("sha256:"));
    place.openssl("verify -CAfile d/organisation/root.pem -untrusted chain.pem chain.pem");
    assert_eq!(shown(&place, "device")[0]["name"], "ann/badge");
    place.run(&format!("{issue} --out chain.pem")).refused("there already");
    place.openssl("req -new -newkey rsa:2048 -nodes -keyout rsa.key -subj / -out rsa.pem");
    place
        .run("ca issue rsa.pem --user bob --device badge --data d --key-password-file kp --out bob.pem")
        .refused("Ed25519");
    assert!(!place.path("bob.pem").exists());
}

#[test]
fn openssl_the_passphrase_of_all_keys_changes_at_once() {
    let place = Place::new();
    let server = place.serve_with("--data d --plain-keys");
    let encrypt = "ca change-passphrase --data d --plain-keys --new-key-password-file kp";
    place.run(encrypt).refused("another countersign server is running");
    drop(server);
    place.run("ca change-passphrase --data d --new-key-password-file kp").refused("not encrypted");
    place.run(encrypt).ok();
    drop(place.serve());

    let before = place.read("d/organisation/log.key");
    let change = "ca change-passphrase --data d --key-password-file";
    place.run(&format!("{change} pw --new-key-password-file kp")).refused("passphrase");
    place.run(&format!("{change} kp")).refused("--new-key-password-file");
    std::fs::write(place.path("weak"), "short\n").unwrap();
    place.run(&format!("{change} kp --new-key-password-file weak")).refused("changed");
    assert_eq!(place.read("d/organisation/log.key"), before);

    place.run(&format!("{change} kp --new-key-password-file pw")).ok();
    for name in ["root", "issuing", "server", "log", "cosigner", "storage"] {
        place.openssl(&format!("pkey -in d/organisation/{name}.key -passin file:pw -noout"));
        assert_eq!(mode(&place.path(&format!("d/organisation/{name}.key"))), 0o600);
    }
    assert_eq!(mode(&place.path("d/organisation")), 0o700);
    place.run("serve --data d --key-password-file kp").refused("passphrase");
    // What a stop just after the exchange leaves: the old keys, of no use to anybody.
    std::fs::create_dir(place.path("d/organisation.rewritten")).unwrap();
    drop(place.serve_with("--data d --key-password-file pw"));
    assert!(!place.path("d/organisation.rewritten").exists());
}

#[test]
fn a_backup_of_a_running_server_starts_as_it_was() {
    let place = Place::new();
    let server = place.serve();
    let link = place.run("invite create --data d").ok().to_owned();
    place.join("ann", &link);
    place.run("room create ops --home ann --password-file pw").ok();
    place.run("send ops hello --home ann --password-file pw").ok();
    place.run("backup --data d --out copy").ok();
    place.run("backup --data d --out copy").refused("there already");
    place.run("backup --data nowhere --out other").refused("no organisation");
    assert!(!place.path("copy.unfinished").exists() && !place.path("other").exists());
    assert_eq!((mode(&place.path("copy")), mode(&place.path("copy/store.db"))), (0o700, 0o600));
    assert_eq!(mode(&place.path("copy/organisation/log.key")), 0o600);
    let address = server.ready.strip_prefix("READY ").unwrap().to_owned();
    drop(server);

    place.run("doctor --data copy").ok();
    let serve = format!("serve --listen {address} --data copy --key-password-file kp");
    let _restored = crate::support::Server::start(place.command(&serve));
    place.run("send ops again --home ann --password-file pw").ok();
    assert!(place.run("tail ops --home ann --password-file pw").ok().ends_with("again"));
}
