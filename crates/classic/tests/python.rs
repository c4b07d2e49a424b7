//! Other programs, written in Python from `docs/classic.md` alone, speak with ours in both roles.

#![expect(clippy::unwrap_used, reason = "clippy.toml exempts test functions and not what they call")]

mod watch;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use classic::broadcast::{self, Account, Password};
use classic::conversation::{Lines, Stop, What, serve};
use classic::key_transport::{self, key_of_folder};
use classic::users::credentials_file::CredentialsFile;
use testkit::program;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use watch::{Watch, script};

/// A running `classic_peers.py`; stopped when dropped.
struct Python(program::Python);

impl Python {
    fn run(arguments: &[&str]) -> Self {
        Self(program::Python::start("classic_peers.py", arguments.iter().copied()))
    }

    fn say(&mut self, line: &str) {
        self.0.say(line);
    }

    /// Ends what is typed, and waits for the end of the program.
    async fn leave(self) {
        self.0.end().await;
    }

    async fn line(&mut self) -> String {
        self.0.line().await
    }

    /// What it hears next.
    async fn hears(&mut self) -> String {
        serde_json::from_str(&self.line().await).unwrap()
    }

    async fn address(&mut self) -> SocketAddr {
        let line = self.line().await;
        let port: u16 = line.strip_prefix("READY ").unwrap().parse().unwrap();
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn python_clients_of_key_transport() {
    let folder = tempfile::tempdir().unwrap();
    let server = key_transport::Server::new(key_of_folder(folder.path()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let (sink, mut watch) = Watch::new();
    let (stop, told) = Stop::new();
    let serving = tokio::spawn(serve(listener, told.clone(), sink, move |stream, reporter| {
        let (server, told) = (server.clone(), told.clone());
        async move { server.session(stream, reporter, told).await }
    }));
    let mut clients: Vec<_> = (0..3).map(|_| Python::run(&["key-transport", "client", &port])).collect();
    for (client, n) in clients.iter_mut().zip(0..) {
        // All at once: they may come in one segment.
        let lines: Vec<_> = (0..20).map(|line| format!("{n} héllo {line:02}")).collect();
        client.say(&lines.join("\n"));
    }
    for client in clients {
        client.leave().await;
    }
    let mut expected: Vec<_> =
        (0..3).flat_map(|n| (0..20).map(move |line| format!("{n} héllo {line:02}"))).collect();
    let mut messages = Vec::new();
    while messages.len() < expected.len() {
        match watch.next().await {
            What::Message { text, .. } => messages.push(text),
            What::Disconnected { error } => assert_eq!(error, None),
            _ => {}
        }
    }
    messages.sort();
    expected.sort();
    assert_eq!(messages, expected);
    stop.send(true).unwrap();
    serving.await.unwrap().unwrap();
}

/// CL-44, CL-45: each of many lines arrives at a server that loses what it reads together; either side's key file is
/// read by the other.
#[tokio::test]
async fn python_servers_of_key_transport() {
    for is_ours in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let ours = is_ours.then(|| key_of_folder(folder.path()).unwrap());
        let mut server = Python::run(&["key-transport", "server", &text(folder.path())]);
        let address = server.address().await;
        let lines: Vec<_> = (0..25).map(|n| format!("héllo {n}")).collect();
        let said = Lines::Script(lines.clone().into_iter());
        key_transport::connect(connect(address).await, said, Watch::one().0).await.unwrap();
        for line in lines {
            assert_eq!(server.hears().await, line);
        }
        assert_eq!(server.hears().await, "(left)");
        let read = key_of_folder(folder.path()).unwrap();
        assert!(ours.is_none_or(|made| made.public_der() == read.public_der()));
    }
}

#[tokio::test]
async fn python_clients_of_broadcast() {
    let folder = tempfile::tempdir().unwrap();
    let users = CredentialsFile::open(&folder.path().join("server_credentials.json")).await.unwrap();
    let server = broadcast::Server::new(Arc::new(users));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let port = address.port().to_string();
    let (sink, mut watch) = Watch::new();
    let (stop, told) = Stop::new();
    let serving = tokio::spawn(serve(listener, told.clone(), sink, move |stream, reporter| {
        let (server, told) = (server.clone(), told.clone());
        async move { server.session(stream, reporter, told).await }
    }));
    let mut ann = Python::run(&["broadcast", "client", &port, "register", "ann", "pw"]);
    assert_eq!(ann.hears().await, "Registration successful");
    assert_eq!(ann.hears().await, "Authentication successful");
    watch.until(&What::LoggedIn { user: "ann".into() }).await;
    let mut wrong = Python::run(&["broadcast", "client", &port, "login", "ann", "PW"]);
    assert_eq!(wrong.hears().await, "Invalid password");
    let mut again = Python::run(&["broadcast", "client", &port, "register", "ann", "pw"]);
    assert_eq!(again.hears().await, "Username already exists");
    assert_eq!(again.hears().await, "Authentication successful");
    assert_eq!(ann.hears().await, "User ann has joined the chat");
    again.say("exit");
    assert_eq!(ann.hears().await, "User ann has left the chat");
    // Our client says many lines at once to a reader that takes what it reads at once for one object.
    let lines: Vec<_> = (0..25).map(|n| format!("héllo {n}")).collect();
    let account = Account { username: "bob".into(), password: Password::new("pw".into()), is_new: true };
    let said = Lines::Script(lines.clone().into_iter());
    broadcast::connect(connect(address).await, account, said, Watch::one().0).await.unwrap();
    assert_eq!(ann.hears().await, "User bob has joined the chat");
    for line in lines {
        assert_eq!(ann.hears().await, format!("bob: {line}"));
    }
    assert_eq!(ann.hears().await, "User bob has left the chat");
    ann.say("alone again");
    watch.until(&What::Message { from: "ann".into(), seqno: None, text: "alone again".into() }).await;
    ann.leave().await;
    stop.send(true).unwrap();
    serving.await.unwrap().unwrap();
}

/// CL-52: a server with a group of its own, as PKCS#3, and one whose library knows the group and writes it as X9.42.
#[tokio::test]
async fn python_servers_of_broadcast() {
    for group in ["own", "modp-14"] {
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("server_credentials.json");
        let mut server = Python::run(&["broadcast", "server", &text(&users), group]);
        let address = server.address().await;
        let come = |name: &'static str, is_new: bool, lines: Lines| {
            let (reporter, watch) = Watch::one();
            let account = Account { username: name.into(), password: Password::new("pw".into()), is_new };
            let talking = tokio::spawn(async move {
                broadcast::connect(connect(address).await, account, lines, reporter).await
            });
            (talking, watch)
        };
        let room = |text: &str| What::Message { from: "room".into(), seqno: None, text: text.into() };
        let (to_ann, lines) = mpsc::channel(8);
        let (ann, mut at_ann) = come("ann", true, Lines::Typed(lines));
        assert_eq!(server.hears().await, "ann is in");
        let (bob, _) = come("bob", true, script(&["one", "two", "three"]));
        bob.await.unwrap().unwrap();
        for line in ["bob is in", "bob: one", "bob: two", "bob: three", "bob is out"] {
            assert_eq!(server.hears().await, line);
        }
        for line in [
            "User bob has joined the chat",
            "bob: one",
            "bob: two",
            "bob: three",
            "User bob has left the chat",
        ] {
            at_ann.until(&room(line)).await;
        }
        to_ann.send("exit".into()).await.unwrap();
        ann.await.unwrap().unwrap();
        assert_eq!(server.hears().await, "ann is out");
        let (refused, _) = come("ann", true, Lines::Nothing);
        assert!(refused.await.unwrap().unwrap_err().to_string().contains("Username already exists"));
        CredentialsFile::existing(&users).await.unwrap();
    }
}
