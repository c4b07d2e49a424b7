//! `classic serve`, `connect` and `verify`: each protocol between two processes, and what is refused.

use serde_json::Value;

use crate::support::{Outcome, Place, Server};

/// A server of a protocol, and where it listens.
fn serve(place: &Place, arguments: &str) -> (Server, String) {
    let server = Server::start(place.command(&format!("classic serve {arguments} --listen 127.0.0.1:0")));
    let address = server.ready.strip_prefix("READY ").unwrap().to_owned();
    (server, address)
}

/// The texts of the events of one kind.
fn texts(outcome: &Outcome, event: &str) -> Vec<String> {
    let objects = outcome.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of = objects.filter(|object| object.get("event").is_some_and(|kind| kind == event));
    of.map(|object| object.get("text").unwrap().as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_session_of_cianr_pss_leaves_receipts_that_verify_until_a_character_is_changed() {
    let place = Place::new();
    place.run("classic certs certs --plain-keys").ok();
    std::fs::write(place.path("lines"), "hello\n\ngrüße\n").unwrap();
    let (mut server, address) =
        serve(&place, "cianr-pss --certs certs --transcripts there --users users.json --json");
    let connect = format!("classic connect cianr-pss {address} --certs certs --password-file pw --json");
    place.run(&format!("{connect} --login alice@example.org --send lines")).refused("User not found");
    let talk =
        place.run(&format!("{connect} --register alice@example.org:alice --send lines --transcripts here"));
    assert_eq!(talk.code, 0, "{}", talk.err);
    assert_eq!(texts(&talk, "message"), ["Server acknowledges: 'hello'", "Server acknowledges: 'grüße'"]);
    let heard: Value = serde_json::from_str(&server.line_with("\"message\"")).unwrap();
    assert_eq!((&heard["from"], &heard["text"]), (&"alice".into(), &"hello".into()));
    server.line_with("\"receipt\"");
    server.line_with("\"saved\"");
    assert!(place.read("users.json").contains("alice"));

    let verify = |arguments: &str| place.run(&format!("classic verify {arguments}"));
    assert!(
        verify("here/server_session_receipt.json --root certs/ca.crt").ok().ends_with("valid: 4 messages")
    );
    let unpinned = verify("there/client_session_receipt.json");
    assert!(unpinned.ok().ends_with("consistent-unpinned: 4 messages"));
    assert!(unpinned.err.contains("--root"), "{}", unpinned.err);
    place.run("classic certs other --plain-keys").ok();
    verify("there/client_session_receipt.json --root other/ca.crt").ended(3, "does not verify");

    let log = place.read("here/server_transcript.log");
    let (before, after) = log.split_at(log.find('|').unwrap() + 1);
    std::fs::write(place.path("changed.log"), format!("{before}9{after}")).unwrap();
    let changed =
        verify("here/server_session_receipt.json --root certs/ca.crt --transcript changed.log --json");
    changed.ended(3, "evidence");
    let report: Value = serde_json::from_str(&changed.out).unwrap();
    assert_eq!(report["verdict"], "invalid");
    let failed = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().any(|check| check["name"] == name && check["passed"] == false)
    };
    assert!(failed("transcript-hash") && failed("message-signatures") && !failed("receipt-signature"));
    verify("absent.json").refused("absent.json");
    // Regression: a receipt that names a device was read without end.
    verify("here/server_session_receipt.json --transcript /dev/zero").refused("no regular file");
}

#[test]
fn bad_certificates_are_refused_with_the_words_of_the_existing_programs() {
    let place = Place::new();
    place.run("classic certs certs --plain-keys").ok();
    let (mut server, address) = serve(&place, "cianr-pss --certs certs");
    for (bad, word) in [
        ("expired", "BAD_CERT: Certificate expired"),
        ("wrong-cn", "BAD_CERT: Certificate CN mismatch"),
        ("self-signed", "BAD_CERT: Invalid signature"),
        ("other-ca", "BAD_CERT: Invalid signature"),
    ] {
        place.run(&format!("classic certs certs --bad {bad} --plain-keys")).ok();
        place
            .run(&format!(
                "classic connect cianr-pss {address} --certs certs/bad-{bad} --login a@b.c --password-file pw"
            ))
            .refused(word);
        assert!(server.line_with("rejected").ends_with(word));
    }
}

#[test]
fn the_other_protocols_talk_too() {
    let place = Place::new();
    std::fs::write(place.path("lines"), "hello\n").unwrap();
    std::fs::write(place.path("answer"), "welcome\n").unwrap();
    place.run("classic certs two --layout cianr-pkcs1 --plain-keys").ok();
    let (_server, address) = serve(&place, "cianr-pkcs1 --certs two --send answer");
    let talk = place.run(&format!(
        "classic connect cianr-pkcs1 {address} --certs two --register a@b.c:alice --password-file pw --send lines --json"
    ));
    assert_eq!((talk.code, texts(&talk, "message")), (0, vec!["welcome".to_owned()]), "{}", talk.err);

    place.run("classic certs three --layout cianr-line --plain-keys").ok();
    let (mut server, address) = serve(&place, "cianr-line --certs three --accounts-listen 127.0.0.1:0");
    let accounts = server.line_with("ACCOUNTS");
    let accounts = accounts.strip_prefix("ACCOUNTS ").unwrap();
    let talk = place.run(&format!(
        "classic connect cianr-line {address} --accounts {accounts} --certs three --register a@b.c:alice \
         --password-file pw --send lines"
    ));
    talk.ok();
    assert!(server.line_with("message").ends_with("client: hello"));

    let (mut server, address) = serve(&place, "key-transport");
    place.run(&format!("classic connect key-transport {address} --send lines")).ok();
    assert!(server.line_with("message").ends_with(": hello"));
    assert!(place.read("server_key.pem").starts_with("-----BEGIN"));

    let (mut server, address) = serve(&place, "broadcast --users people.json");
    let connect = format!("classic connect broadcast {address} --password-file pw --send lines");
    place.run(&format!("{connect} --register alice")).ok();
    assert!(server.line_with("message").ends_with("alice: hello"));
    assert_eq!(server.end_quietly("-TERM"), 0);
    place.run(&format!("{connect} --login alice")).refused("is the server running there?");
}

#[test]
fn what_a_protocol_has_no_use_for_is_said() {
    let place = Place::new();
    for (arguments, word) in [
        ("serve cianr-pss --listen 127.0.0.1:0", "--certs DIR"),
        ("serve broadcast --certs x", "no certificates"),
        ("serve broadcast --interactive", "says nothing of its own"),
        ("serve cianr-pkcs1 --accounts-listen 127.0.0.1:1 --certs x", "cianr-line"),
        ("serve nothing", "the protocols are"),
        ("connect key-transport 127.0.0.1:1 --login a", "no accounts"),
        ("connect cianr-pss 127.0.0.1:1 --certs x", "--register EMAIL:NAME"),
        ("connect cianr-pss 127.0.0.1:1 --certs x --register alice", "EMAIL:NAME"),
        ("connect broadcast 127.0.0.1:1 --login a --pipelined", "cianr-pss"),
    ] {
        place.run(&format!("classic {arguments}")).ended(2, word);
    }
    place.run("classic serve cianr-pss --listen 127.0.0.1:0 --certs absent").refused("absent");
}

#[test]
fn the_menus_of_broadcast_lead_to_its_server_and_its_clients() {
    let place = Place::new();
    let answers = |arguments: &str, answers: &str| {
        std::fs::write(place.path("answers"), answers).unwrap();
        let mut command = place.command(arguments);
        command.stdin(std::fs::File::open(place.path("answers")).unwrap());
        command
    };
    let mut server = Server::start(answers("classic menu 127.0.0.1:0", "what?\n1\n"));
    let address = server.ready.strip_prefix("READY ").unwrap().to_owned();
    let client = format!("classic menu {address} --password-file pw");
    let talk = Outcome::of(answers(&client, "2\n1\nalice\nhello from the menu\nexit\n"));
    assert_eq!(talk.code, 0, "{}", talk.err);
    assert!(talk.err.contains("1. Server\n2. Client") && talk.err.contains("1. Register"), "{}", talk.err);
    server.line_with("hello from the menu");
    assert!(place.read("server_credentials.json").contains("alice"));
    assert_eq!(Outcome::of(answers(&client, "2\n2\nalice\nexit\n")).code, 0);
    assert_eq!(Outcome::of(answers(&client, "2\n3\n")).code, 0);
    Outcome::of(answers(&client, "")).ended(2, "--login");
}

/// Regression: what a server said of an error could move the cursor, and write lines as if they were ours.
#[test]
fn what_a_server_says_is_shown_and_not_obeyed() {
    use std::io::Write as _;
    let place = Place::new();
    place.run("classic certs certs --layout cianr-line --plain-keys").ok();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let text = "\\u001b[2J\\nREADY 1.1.1.1:1".to_owned() + &"x".repeat(60_000);
            let _ = writeln!(stream.unwrap(), "{{\"type\": \"error\", \"msg\": \"{text}\"}}");
        }
    });
    let talk = place.run(&format!(
        "classic connect cianr-line {address} --accounts {address} --certs certs --login a@b.c --password-file pw"
    ));
    talk.refused("\\u{1b}[2J\\u{a}READY");
    assert!(!talk.err.contains('\u{1b}') && talk.err.len() < 2_000, "{}", talk.err.len());
    assert!(talk.out.lines().all(|line| line.starts_with('[')), "{}", talk.out);
}
