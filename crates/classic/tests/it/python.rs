//! Other programs, in Python, speak the three dialects of `cianr` with ours in both roles, and
//! each verifies what the other leaves.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use classic::ClassicError;
use classic::certificate::issue::{Bad, make_bad};
use classic::certificate::{Folder, Role};
use classic::cianr::{Client, Dialect, Transcripts};
use classic::conversation::{Event, Lines, Reporter, Says, Stop, What};
use classic::dh::Group;
use classic::verify::{Files, Verdict, verify};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::{broadcast, mpsc};
use tokio::time::timeout;

use crate::peer::{LONG, Python, text};
use crate::world::{Running, certificates, client, clock, enter, say, server, start, start_accounts};

const REGISTER: [&str; 4] = ["register", "alice@example.org", "alice", "sécret"];
const WRONG: [&str; 4] = ["login", "alice@example.org", "", "wrong"];
const AGAIN: [&str; 4] = ["login", "alice@example.org", "", "sécret"];

/// Our server, and Python clients that come to it.
struct Ours {
    dialect: Dialect,
    chat: Running,
    accounts: Option<Running>,
    says: broadcast::Sender<String>,
    folder: TempDir,
    options: &'static [&'static str],
}

impl Ours {
    async fn start(dialect: Dialect, options: &'static [&'static str]) -> Self {
        let folder = TempDir::new().unwrap();
        let says = broadcast::channel(8).0;
        let mut ours = server(dialect, Some(&folder.path().join("ours")));
        if options.contains(&"weak") {
            ours.group = Group::weak_oakley_1().unwrap();
        }
        ours.says = Says::Typed(says.clone());
        let accounts = match dialect {
            Dialect::Line => Some(start_accounts(server(dialect, None)).await),
            Dialect::Pss | Dialect::Pkcs1 => None,
        };
        Self { dialect, chat: start(ours).await, accounts, says, folder, options }
    }

    fn client(&self, certificates: &Path, account: [&str; 4]) -> Python {
        let ports = [Some(self.chat.address), self.accounts.as_ref().map(|running| running.address)];
        let ports: Vec<_> = ports.into_iter().flatten().map(|address| address.port().to_string()).collect();
        let (certificates, out) = (text(certificates), text(&self.folder.path().join("theirs")));
        let mut arguments = vec!["client", &certificates, &out];
        arguments.extend(self.options);
        arguments.extend(ports.iter().map(String::as_str));
        arguments.extend(account);
        Python::run(self.dialect, &arguments)
    }
}

/// Ours takes theirs, theirs takes ours, and neither takes either with a changed character.
async fn verified(dialect: Dialect, receipts: &[&Path]) {
    let root = Folder::open(certificates(dialect), Role::Client, None).unwrap();
    let certs = text(certificates(dialect));
    for receipt in receipts {
        for good in [true, false] {
            if !good {
                change(receipt);
            }
            let verdict = Python::run(dialect, &["verify", &certs, &text(receipt)]).tells("verdict").await;
            assert_eq!(verdict, if good { "valid" } else { "hash" }, "{}", receipt.display());
            let report = verify(&Files::of(receipt.to_path_buf()), Some(root.ca())).unwrap();
            assert_eq!(report.verdict == Verdict::Valid, good, "{report:?}");
        }
    }
}

/// Changes one character of a ciphertext in a receipt's transcript.
fn change(receipt: &Path) {
    let receipt: serde_json::Value = serde_json::from_slice(&std::fs::read(receipt).unwrap()).unwrap();
    let transcript = receipt["transcript_file"].as_str().unwrap();
    let mut bytes = std::fs::read(transcript).unwrap();
    let at = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'|').nth(1).unwrap().0 + 1;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    std::fs::write(transcript, bytes).unwrap();
}

fn receipt_keys(dialect: Dialect) -> serde_json::Value {
    match dialect {
        Dialect::Line => json!(["transcript_sha256"]),
        Dialect::Pss | Dialect::Pkcs1 => json!(["peer", "first_seq", "last_seq", "transcript_sha256"]),
    }
}

async fn python_clients(dialect: Dialect, options: &'static [&'static str]) {
    let mut ours = Ours::start(dialect, options).await;
    for account in [REGISTER, AGAIN] {
        let mut python = ours.client(certificates(dialect), account);
        let answered = python.tells("answered").await;
        if dialect == Dialect::Pss {
            let wanted = if account == REGISTER { "Registration successful" } else { "Login successful" };
            assert_eq!(answered, wanted);
        }
        for line in ["héllo 🚀", "x"] {
            python.say(line);
            let name = if dialect == Dialect::Line { "client" } else { "alice" };
            assert_eq!(ours.chat.next(message).await, (name.to_owned(), line.to_owned()));
            if dialect == Dialect::Pss {
                assert_eq!(python.tells("heard").await, format!("Server acknowledges: '{line}'"));
            }
            ours.says.send(format!("got {line}")).unwrap();
            assert_eq!(python.tells("heard").await, format!("got {line}"));
        }
        python.leave();
        let told = python.told().await;
        assert_eq!(told, json!({"receipt": true, "same": true, "keys": receipt_keys(dialect)}));
        if dialect != Dialect::Line {
            assert_eq!(ours.chat.next(receipt).await, (true, true));
        }
        let saved = ours.chat.next(saved).await;
        let theirs = PathBuf::from(python.tells("saved").await.as_str().unwrap());
        // In cianr-line the server's receipt is the only one.
        let receipts = [saved.as_path(), theirs.as_path()];
        verified(dialect, if dialect == Dialect::Line { &receipts[..1] } else { &receipts }).await;
    }
    for account in [WRONG, REGISTER] {
        let mut python = ours.client(certificates(dialect), account);
        if dialect != Dialect::Pkcs1 {
            python.tells("answered").await;
        }
        let wanted = match (dialect, account == WRONG) {
            (Dialect::Pss, true) => "Invalid password",
            (Dialect::Pss, false) => "Email or username already exists",
            (Dialect::Pkcs1, true) => "AUTH_FAIL: wrong e-mail address or password",
            (Dialect::Pkcs1, false) => "AUTH_FAIL: e-mail address or user name already exists",
            (Dialect::Line, true) => "invalid credentials",
            (Dialect::Line, false) => "email or username already exists",
        };
        assert_eq!(python.tells("refused").await, wanted);
    }
}

#[tokio::test]
async fn python_clients_of_cianr_pss() {
    python_clients(Dialect::Pss, &[]).await;
}

#[tokio::test]
async fn python_clients_of_cianr_pss_in_the_weak_group() {
    python_clients(Dialect::Pss, &["weak"]).await;
}

#[tokio::test]
async fn python_clients_of_cianr_pkcs1() {
    python_clients(Dialect::Pkcs1, &[]).await;
}

#[tokio::test]
async fn python_clients_of_cianr_line() {
    python_clients(Dialect::Line, &[]).await;
}

/// One of our clients, with somebody at its keyboard.
struct Talking {
    to: mpsc::Sender<String>,
    events: mpsc::UnboundedReceiver<Event>,
    outcome: tokio::task::JoinHandle<Result<(), ClassicError>>,
}

impl Talking {
    async fn start(client: Client, address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        let reporter = Reporter::new(1, address, Arc::new(move |event| drop(sender.send(event))));
        let (to, typed) = mpsc::channel(8);
        let outcome = tokio::spawn(async move {
            let (_handle, stop) = Stop::new();
            client.session(stream, Lines::Typed(typed), &reporter, stop).await
        });
        Self { to, events, outcome }
    }

    async fn next<T>(&mut self, wanted: impl Fn(&What) -> Option<T>) -> T {
        loop {
            let event = timeout(LONG, self.events.recv()).await.unwrap().unwrap();
            if let Some(found) = wanted(&event.what) {
                return found;
            }
        }
    }
}

fn ours_at_theirs(dialect: Dialect, account: [&str; 4], folder: &Path, options: &[&str]) -> Client {
    let [how, _, name, password] = account;
    let mut ours = client(dialect, (how == "register").then_some(name), password);
    ours.transcripts = Some(Transcripts::new(folder.join("ours")));
    if options.contains(&"weak") {
        ours.group = Group::weak_oakley_1().unwrap();
    }
    ours
}

async fn python_servers(dialect: Dialect, options: &[&str]) {
    let folder = TempDir::new().unwrap();
    let (certs, out) = (text(certificates(dialect)), text(&folder.path().join("theirs")));
    let mut python = Python::run(dialect, &[&["server", certs.as_str(), out.as_str()], options].concat());
    let (address, accounts) = python.addresses().await;
    for account in [REGISTER, AGAIN] {
        let ours = ours_at_theirs(dialect, account, folder.path(), options);
        if let Some(accounts) = accounts {
            enter(&ours, accounts).await.unwrap();
            python.tells("answered").await;
            python.tells("left").await;
        }
        let mut ours = Talking::start(ours, address).await;
        if dialect != Dialect::Line {
            python.tells("answered").await;
        }
        let from = if dialect == Dialect::Pkcs1 { "server.local" } else { "server" };
        let hear = async |ours: &mut Talking, line: String| {
            assert_eq!(ours.next(message).await, (from.to_owned(), line));
        };
        for line in ["héllo 🚀", "x"] {
            if dialect != Dialect::Pss {
                python.say(&format!("say {line}"));
                hear(&mut ours, format!("say {line}")).await;
            }
            ours.to.send(line.to_owned()).await.unwrap();
            assert_eq!(python.tells("heard").await, line);
            if dialect == Dialect::Pss {
                hear(&mut ours, format!("Server acknowledges: '{line}'")).await;
            }
        }
        if options.contains(&"turns") {
            python.say("your turn");
            hear(&mut ours, "your turn".to_owned()).await;
        }
        ours.to.send(dialect.quit_word().to_owned()).await.unwrap();
        if dialect != Dialect::Line {
            let told = python.told().await;
            assert_eq!(told, json!({"receipt": true, "same": true, "keys": receipt_keys(dialect)}));
        }
        let theirs = PathBuf::from(python.tells("saved").await.as_str().unwrap());
        python.tells("left").await;
        assert_eq!(ours.next(receipt).await, (true, true));
        let saved = ours.next(saved).await;
        ours.outcome.await.unwrap().unwrap();
        if dialect != Dialect::Line {
            verified(dialect, &[&saved, &theirs]).await;
        }
        if !options.contains(&"turns") && dialect != Dialect::Pss {
            // Whoever talked in this session still waits for a line.
            python.say("");
        }
    }
    let ours = ours_at_theirs(dialect, WRONG, folder.path(), options);
    let outcome = match accounts {
        Some(accounts) => enter(&ours, accounts).await,
        None => say(&ours, address, &[]).await.1,
    };
    assert!(matches!(outcome, Err(ClassicError::Refused(_))), "{outcome:?}");
}

#[tokio::test]
async fn python_servers_of_cianr_pss() {
    python_servers(Dialect::Pss, &[]).await;
}

#[tokio::test]
async fn python_servers_of_cianr_pss_in_the_weak_group() {
    python_servers(Dialect::Pss, &["weak"]).await;
}

#[tokio::test]
async fn python_servers_of_cianr_pkcs1() {
    python_servers(Dialect::Pkcs1, &[]).await;
}

#[tokio::test]
async fn python_servers_of_cianr_line() {
    python_servers(Dialect::Line, &[]).await;
}

/// CL-32: the server's turn is first, and our client says all it has without waiting for its own.
#[tokio::test]
async fn python_servers_of_cianr_pkcs1_that_take_turns() {
    python_servers(Dialect::Pkcs1, &["turns"]).await;
    let folder = TempDir::new().unwrap();
    let (certs, out) = (text(certificates(Dialect::Pkcs1)), text(folder.path()));
    let mut python = Python::run(Dialect::Pkcs1, &["server", &certs, &out, "turns"]);
    let (address, _) = python.addresses().await;
    for line in ["first", "second", "third"] {
        python.say(line);
    }
    let ours = ours_at_theirs(Dialect::Pkcs1, REGISTER, folder.path(), &[]);
    let (told, outcome) = say(&ours, address, &["one", "two"]).await;
    outcome.unwrap();
    let heard: Vec<_> = told.iter().filter_map(message).map(|(_, text)| text).collect();
    assert_eq!(heard, ["first", "second", "third"]);
    assert!(told.iter().any(|what| matches!(what, What::Receipt { signature: true, .. })));
}

/// CL-84: both sides name the same faults.
#[tokio::test]
async fn python_and_ours_refuse_the_same_certificates() {
    for dialect in Dialect::ALL {
        let good = certificates(dialect);
        let ours = Ours::start(dialect, &[]).await;
        let (certs, out) = (text(good), text(ours.folder.path()));
        let mut python = Python::run(dialect, &["server", &certs, &out]);
        let (address, accounts) = python.addresses().await;
        for (bad, words) in [
            (Bad::SelfSigned, "BAD_CERT: Invalid signature"),
            (Bad::Expired, "BAD_CERT: Certificate expired"),
            (Bad::WrongCn, "BAD_CERT: Certificate CN mismatch"),
        ] {
            if dialect == Dialect::Line && bad == Bad::WrongCn {
                continue;
            }
            let words = if dialect == Dialect::Line { "bad cert" } else { words };
            make_bad(good, dialect, bad, None, clock()).unwrap();
            let refused = ours.client(&bad.folder(good), REGISTER).tells("refused").await;
            assert_eq!(refused, words);
            let mut client = ours_at_theirs(dialect, REGISTER, out.as_ref(), &[]);
            client.identity = Folder::open(&bad.folder(good), Role::Client, None).unwrap();
            let outcome = match accounts {
                Some(accounts) => enter(&client, accounts).await,
                None => say(&client, address, &[]).await.1,
            };
            let Err(ClassicError::Refused(refused)) = outcome else { panic!("{outcome:?}") };
            assert_eq!(refused.trim_start_matches("PROTOCOL_ERROR: "), words);
        }
    }
}

fn message(what: &What) -> Option<(String, String)> {
    match what {
        What::Message { from, text, .. } => Some((from.clone(), text.clone())),
        _ => None,
    }
}

fn receipt(what: &What) -> Option<(bool, bool)> {
    match what {
        What::Receipt { signature, same_transcript, .. } => Some((*signature, *same_transcript)),
        _ => None,
    }
}

fn saved(what: &What) -> Option<PathBuf> {
    match what {
        What::Saved { file } => Some(file.clone()),
        _ => None,
    }
}
