use crate::support::{Outcome, Place, Server, mode};

#[test]
fn the_first_start_makes_an_organisation_and_a_signal_ends_it() {
    let place = Place::new();
    let server = place.serve_with("--data d --key-password-file kp --name chat.example.org");
    let address = server.ready.strip_prefix("READY 127.0.0.1:").unwrap();
    assert_ne!(address.parse::<u16>().unwrap(), 0);
    let (code, err) = server.end("-TERM");
    assert_eq!(code, 0);
    for told in
        ["organisation chat.example.org", "sha256:", "countersign invite create --data d --role admin"]
    {
        assert!(err.contains(told), "{told}: {err}");
    }
    assert_eq!(mode(&place.path("d")), 0o700);
    assert!(place.read("d/organisation/server.key").contains("ENCRYPTED"));
    assert!(place.read("d/address").starts_with("chat.example.org:"));

    let again = place.serve();
    let (code, err) = again.end("-INT");
    assert_eq!(code, 0);
    assert!(!err.contains("Made the organisation"), "{err}");
}

#[test]
fn a_second_server_on_the_folder_is_refused_and_the_first_runs_on() {
    let place = Place::new();
    let server = place.serve();
    place
        .run("serve --data d --listen 127.0.0.1:0 --key-password-file kp")
        .refused("another countersign server is running on d");
    place.run("invite create --data d").ok();
    assert_eq!(server.end("-TERM").0, 0);
}

#[test]
fn a_port_in_use_is_named() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    place
        .run(&format!("serve --data d --listen {address} --key-password-file kp"))
        .refused(&format!("cannot listen on {address}"));
    assert!(!place.path("d").exists(), "no organisation is made for a server that cannot start");
}

#[test]
fn without_a_passphrase_nothing_is_made() {
    let place = Place::new();
    place.run("serve --data d").refused("--key-password-file");
    std::fs::write(place.path("weak"), "password123\n").unwrap();
    place.run("serve --data d --key-password-file weak").refused("nothing was made");
    place.run("serve --data d --key-password-file none").refused("none");
    assert!(!place.path("d").exists());
}

#[test]
fn a_wrong_passphrase_is_refused() {
    let place = Place::new();
    drop(place.serve());
    place.run("serve --data d --key-password-file pw --json").refused("\"wrong-passphrase\"");
    place.run("serve --data d --plain-keys").refused("are encrypted");
}

#[test]
fn the_passphrase_comes_as_a_systemd_credential() {
    let place = Place::new();
    std::fs::create_dir(place.path("credentials")).unwrap();
    std::fs::copy(place.path("kp"), place.path("credentials/countersign-key-password")).unwrap();
    let mut command = place.command("serve --data d --listen 127.0.0.1:0");
    command.env("CREDENTIALS_DIRECTORY", place.path("credentials"));
    drop(Server::start(command));
    drop(place.serve());
}

#[test]
fn plain_keys_are_warned_of_at_each_start() {
    let place = Place::new();
    for _ in 0..2 {
        let (code, err) = place.serve_with("--data d --plain-keys --quiet").end("-TERM");
        assert_eq!(code, 0);
        assert!(err.contains("without a passphrase"), "{err}");
    }
    assert!(!place.read("d/organisation/server.key").contains("ENCRYPTED"));
    place.run("serve --data d --key-password-file kp").refused("--plain-keys");
}

#[test]
fn settings_come_from_a_file_and_the_command_line_wins() {
    let place = Place::new();
    let settings = "data = 'd'\nlisten = '127.0.0.1:1'\nname = 'one.example'\nkey-password-file = 'kp'\n";
    std::fs::write(place.path("serve.toml"), settings).unwrap();
    drop(place.serve_with("--config serve.toml --name two.example"));
    assert!(place.read("d/address").starts_with("two.example:"));

    std::fs::write(place.path("bad.toml"), "date = 'd'\n").unwrap();
    place.run("serve --config bad.toml").ended(2, "date");
    std::fs::write(place.path("both.toml"), "plain-keys = true\nkey-password-file = 'kp'\n").unwrap();
    place.run("serve --config both.toml").ended(2, "both");
    place.run("serve --config missing.toml").ended(2, "missing.toml");
}

#[test]
fn ready_is_an_object_with_json() {
    let place = Place::new();
    let server = place.serve_with("--data d --key-password-file kp --json");
    let ready: serde_json::Value = serde_json::from_str(&server.ready).unwrap();
    assert!(ready["ready"].as_str().unwrap().starts_with("127.0.0.1:"));
}

#[test]
fn the_folder_comes_from_the_environment_and_never_from_a_home() {
    let place = Place::new();
    let mut command = place.command("serve --listen 127.0.0.1:0 --key-password-file kp");
    command.env("COUNTERSIGN_DATA", "e");
    drop(Server::start(command));
    drop(place.serve_with("--home h --key-password-file kp"));
    assert!(place.path("e/organisation").is_dir() && place.path("countersign-data/organisation").is_dir());
    assert!(!place.path("h").exists());

    let mut command = place.command("invite create");
    command.env("COUNTERSIGN_DATA", "e");
    assert!(Outcome::of(command).ok().starts_with("countersign://"));
    assert!(place.run("invite create --home h").ok().starts_with("countersign://"));
}

#[test]
fn another_database_is_remembered() {
    let place = Place::new();
    drop(place.serve_with("--data d --key-password-file kp --store sqlite:other.db"));
    place.run("invite create --data d").ok();
    assert!(place.path("other.db").exists() && !place.path("d/store.db").exists());
    place.run("serve --data d --key-password-file kp --store postgres://x").refused("sqlite:PATH");
}

#[test]
fn the_host_that_invites_carry_stays_until_another_name_is_given() {
    let place = Place::new();
    drop(place.serve_with("--data d --key-password-file kp --name chat.example.org"));
    let server = place.serve();
    let port = server.ready.rsplit(':').next().unwrap().to_owned();
    assert_eq!(place.read("d/address"), format!("chat.example.org:{port}"));
    drop(server);
    drop(place.serve_with("--data d --key-password-file kp --name 192.0.2.7"));
    drop(place.serve());
    assert!(place.read("d/address").starts_with("192.0.2.7:"));
    std::fs::write(place.path("d/address"), "nonsense").unwrap();
    drop(place.serve());
    assert!(place.read("d/address").starts_with("127.0.0.1:"));
}

#[test]
fn it_listens_on_a_host_by_name() {
    let place = Place::new();
    let server = Server::start(place.command("serve --listen localhost:0 --data d --plain-keys"));
    let address = server.ready.strip_prefix("READY ").unwrap();
    let link = place.run("invite create --data d").ok().to_owned();
    assert!(link.starts_with(&format!("countersign://{address}/join?")), "{link}");
    place.join("ann", &link);
    place
        .run("serve --listen no-such-host.invalid:7117 --data e --plain-keys")
        .refused("no-such-host.invalid");
    assert!(!place.path("e").exists());
    std::fs::write(place.path("serve.toml"), "data = 'd'\nlisten = 'localhost'\n").unwrap();
    place.run("serve --config serve.toml").ended(2, "a host and a port");
}

/// sd_notify(3): what `Type=notify` waits for.
#[test]
fn systemd_is_told_when_it_listens_and_when_it_stops() {
    let place = Place::new();
    let socket = std::os::unix::net::UnixDatagram::bind(place.path("notify")).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let told = || {
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let mut command = place.command("serve --listen 127.0.0.1:0 --data d --plain-keys");
    command.env("NOTIFY_SOCKET", place.path("notify"));
    let server = Server::start(command);
    assert_eq!(told().trim_end(), "READY=1");
    let address = server.ready.strip_prefix("READY ").unwrap();
    std::net::TcpStream::connect(address).unwrap();
    assert_eq!(server.end("-TERM").0, 0);
    assert_eq!(told().trim_end(), "STOPPING=1");
}
