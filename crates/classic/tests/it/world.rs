//! What the tests share: one folder of certificates, servers on free ports, events as they come.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use classic::certificate::{Folder, Identity, Role, issue};
use classic::cianr::{Account, Client, Dialect, Server, Transcripts};
use classic::conversation::{Event, Lines, Reporter, Says, Stop, What, serve};
use classic::dh::Group;
use classic::users::UserStore;
use classic::users::memory::MemoryUsers;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use zeroize::Zeroizing;

#[expect(clippy::disallowed_methods, reason = "the edge of the tests")]
pub fn clock() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A folder with good certificates of a dialect, made once.
pub fn certificates(dialect: Dialect) -> &'static Path {
    static FOLDERS: [OnceLock<TempDir>; 3] = [const { OnceLock::new() }; 3];
    FOLDERS[dialect as usize]
        .get_or_init(|| {
            let folder = TempDir::new().unwrap();
            issue::make_folder(folder.path(), dialect, None, None, clock()).unwrap();
            folder
        })
        .path()
}

pub fn identity(dialect: Dialect, role: Role) -> Identity {
    Folder::open(certificates(dialect), role, None).unwrap()
}

/// A server that runs until it is dropped.
pub struct Running {
    pub address: SocketAddr,
    pub events: mpsc::UnboundedReceiver<Event>,
    _stop: watch::Sender<bool>,
}

impl Running {
    /// What happens next, passing over what `wanted` does not take.
    pub async fn next<T>(&mut self, wanted: impl Fn(&What) -> Option<T>) -> T {
        loop {
            let event = self.events.recv().await.unwrap();
            if let Some(found) = wanted(&event.what) {
                return found;
            }
        }
    }
}

pub fn server(dialect: Dialect, transcripts: Option<&Path>) -> Server {
    Server {
        dialect,
        identity: identity(dialect, Role::Server),
        expected_name: None,
        users: Arc::new(MemoryUsers::default()) as Arc<dyn UserStore>,
        transcripts: transcripts.map(|path| Transcripts::new(path.to_owned())),
        group: Group::modp_14().unwrap(),
        says: Says::Nothing,
        clock,
    }
}

pub fn client(dialect: Dialect, register: Option<&str>, password: &str) -> Client {
    Client {
        dialect,
        identity: identity(dialect, Role::Client),
        expected_name: None,
        account: Account {
            email: "alice@example.org".to_owned(),
            register: register.map(str::to_owned),
            password: Zeroizing::new(password.to_owned()),
        },
        transcripts: None,
        group: Group::modp_14().unwrap(),
        pipelined: false,
        clock,
    }
}

pub async fn start(server: Server) -> Running {
    run(server, false).await
}

/// The accounts port of `cianr-line`.
pub async fn start_accounts(server: Server) -> Running {
    run(server, true).await
}

async fn run(server: Server, accounts: bool) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, events) = mpsc::unbounded_channel();
    let (handle, stop) = Stop::new();
    let sink = Arc::new(move |event| {
        let _ = sender.send(event);
    });
    let server = Arc::new(server);
    let sessions = stop.clone();
    let running = serve(listener, stop, sink, move |stream, reporter| {
        let (server, stop) = (Arc::clone(&server), sessions.clone());
        async move {
            match accounts {
                true => server.accounts_session(stream, &reporter).await,
                false => server.session(stream, &reporter, stop).await,
            }
        }
    });
    tokio::spawn(running);
    Running { address, events, _stop: handle }
}

/// What a client told while it said some lines, and how it ended.
pub async fn say(
    client: &Client,
    address: SocketAddr,
    lines: &[&str],
) -> (Vec<What>, Result<(), classic::ClassicError>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, mut events) = mpsc::unbounded_channel();
    let sink = Arc::new(move |event: Event| {
        let _ = sender.send(event.what);
    });
    let reporter = Reporter::new(1, address, sink);
    let (_handle, stop) = Stop::new();
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let outcome = client.session(stream, Lines::Script(lines.into_iter()), &reporter, stop).await;
    drop(reporter);
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        told.push(event);
    }
    (told, outcome)
}

/// Registers or logs in at the accounts port of `cianr-line`.
pub async fn enter(client: &Client, address: SocketAddr) -> Result<(), classic::ClassicError> {
    let stream = TcpStream::connect(address).await.unwrap();
    client.account_session(stream, &Reporter::new(1, address, Arc::new(|_| {}))).await
}
