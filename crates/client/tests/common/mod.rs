//! An organisation on a folder of its own, and homes of its members.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses a part; a test's helper fails the test"
)]

use std::io::Cursor;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use client::{Client, ClientOptions, Home, Joiner, Outgoing, join};
use evidence::bundle::Root;
use evidence::checkpoint::{Checkpoint, Origin};
use evidence::log::{Tree, TreeHead, leaf_hash};
use evidence::membership::DeviceRef;
use evidence::room::RoomId;
use evidence::verdict::{Said, Verdict};
use pki::{Fingerprint, Organisation, Password};
use server::console::Console;
use server::organisation::{Authority, DataFolder, KeyProtection};
use server::{Server, ServerConfig};
use session::link::{Link, Purpose};
use session::message::Role;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use store::SqliteStore;
use tempfile::TempDir;
use testkit::member::Member;
use testkit::sealed::Party;

pub const PASSWORD: &str = "seven lanterns over water";

/// A server and a place for homes.
pub struct World {
    pub folder: TempDir,
    pub server: Option<Server>,
    pub address: SocketAddr,
}

pub fn password() -> Password {
    Password::new(PASSWORD.to_owned())
}

/// Fails the test rather than hang it.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.unwrap_or_else(|_| panic!("too slow: {what}"))
}

impl World {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("server");
        std::fs::create_dir(&data).unwrap();
        let organisation = Organisation::parse("apollo.example").unwrap();
        let now = client::system_clock();
        Authority::create(&DataFolder::open(&data).unwrap(), &organisation, &KeyProtection::Plain, now)
            .unwrap();
        let mut world = Self { folder, server: None, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        world.start().await;
        world
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("server")
    }

    /// Starts the server, on the same port if it ran before.
    pub async fn start(&mut self) {
        let config = ServerConfig {
            data: self.data(),
            listen: self.address,
            name: None,
            store: None,
            protection: KeyProtection::Plain,
        };
        let server = Server::start(config).await.unwrap();
        self.address = server.address();
        self.server = Some(server);
    }

    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    pub fn root(&self) -> Fingerprint {
        let folder = DataFolder::open(&self.data()).unwrap();
        Fingerprint(*Authority::load(&folder, &KeyProtection::Plain).unwrap().root_fingerprint())
    }

    /// A room of content suite 0 as an earlier version has made it.
    pub async fn clear_room(&self, creator: &Member, devices: Vec<DeviceRef>) -> RoomId {
        let authority =
            Authority::load(&DataFolder::open(&self.data()).unwrap(), &KeyProtection::Plain).unwrap();
        let store = SqliteStore::open(&self.data().join("store.db")).await.unwrap();
        let keys = (authority.log_key(), authority.cosigner_key());
        testkit::clear::create(&store, keys, creator, devices).await.0
    }

    /// Makes another directory of a stopped server's, signed as it signs its own.
    pub async fn rewrite_directory(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let authority =
            Authority::load(&DataFolder::open(&self.data()).unwrap(), &KeyProtection::Plain).unwrap();
        let path = self.data().join("store.db");
        let options = SqliteConnectOptions::new().filename(path).foreign_keys(false);
        let mut database = options.connect().await.unwrap();
        let query = sqlx::query_scalar("SELECT leaf FROM directory_entries ORDER BY idx");
        let mut leaves: Vec<Vec<u8>> = query.fetch_all(&mut database).await.unwrap();
        change(&mut leaves);
        sqlx::query("DELETE FROM directory_entries").execute(&mut database).await.unwrap();
        let mut tree = Tree::default();
        for leaf in leaves {
            let index = i64::try_from(tree.size()).unwrap();
            tree.push(leaf_hash(&leaf));
            sqlx::query("INSERT INTO directory_entries (idx, leaf, leaf_hash) VALUES (?, ?, ?)")
                .bind(index)
                .bind(&leaf)
                .bind(leaf_hash(&leaf).to_vec())
                .execute(&mut database)
                .await
                .unwrap();
        }
        let head = TreeHead { size: tree.size(), root: tree.root() };
        let checkpoint = Checkpoint { origin: Origin::directory(authority.organisation()), head };
        let seconds = client::system_clock() / 1_000;
        let signed = checkpoint.sign(authority.log_key(), authority.cosigner_key(), seconds);
        sqlx::query("UPDATE directory_head SET size = ?, frontier = ?, checkpoint = ?")
            .bind(i64::try_from(tree.size()).unwrap())
            .bind(tree.compact().to_bytes())
            .bind(signed.as_text().as_bytes())
            .execute(&mut database)
            .await
            .unwrap();
        SqliteConnection::close(database).await.unwrap();
    }

    /// A new device of `client`'s user, which says yes to it. It is not running.
    pub async fn device(&self, client: &Client, name: &str) -> Home {
        let (link, _) = client.create_device_link().await.unwrap();
        let (folder, link, name) = (self.home(name), link.format(), name.to_owned());
        let (codes, mut shown) = tokio::sync::mpsc::unbounded_channel();
        let waiting = tokio::spawn(async move {
            let told = move |_| codes.send(()).unwrap();
            client::join_device(&folder, &link, &name, password(), told).await.unwrap()
        });
        within("the device waits", shown.recv()).await.unwrap();
        let request = client.device_requests().await.unwrap().remove(0);
        client.approve_device(&request).await.unwrap();
        within("approved", waiting).await.unwrap()
    }

    /// Runs SQL on the database of a server that is stopped.
    pub async fn execute(&self, sql: &str) {
        execute(&self.data().join("store.db"), sql).await;
    }

    pub async fn invite(&self, role: Role) -> String {
        let console = Console::open(&DataFolder::open(&self.data()).unwrap()).await.unwrap();
        let expires = client::system_clock() + 60_000;
        let token = console.create_invite(None, role, 1, expires).await.unwrap();
        console.close().await;
        let link = Link {
            host: self.address.ip().to_string(),
            port: self.address.port(),
            root: *self.root().as_bytes(),
            token,
            purpose: Purpose::Join,
        };
        link.format()
    }

    pub fn home(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn join(&self, user: &str) -> Home {
        let link = self.invite(Role::Member).await;
        let joiner = Joiner { user, email: None, device: "laptop", password: password(), earlier: None };
        join(&self.home(user), &link, joiner).await.unwrap()
    }

    /// A new user, logged in.
    pub async fn member(&self, user: &str) -> Client {
        run(self.join(user).await).await
    }

    /// A new user whose device a test has in its own hands; it can be added.
    pub async fn party(&self, user: &str) -> Party {
        let link = Link::parse(&self.invite(Role::Member).await).unwrap();
        let member = Member::join(&link, user, "laptop", PASSWORD).await.unwrap();
        let mut party = Party::new(member, self.address).await.unwrap();
        party.hand_in_packages(2).await.unwrap();
        party
    }

    pub async fn reopen(&self, user: &str) -> Client {
        run(Home::open(&self.home(user), password()).await.unwrap()).await
    }
}

pub async fn run(home: Home) -> Client {
    let client = Client::start(home, ClientOptions::default()).await.unwrap();
    within("login", client.ready()).await.unwrap();
    client
}

/// Waits until a client knows a room and holds its first `size` entries.
pub async fn in_room(client: &Client, room: RoomId, size: u64) {
    let mut events = client.events();
    while client.synced(room, size).await.is_err() {
        events.next().await.unwrap();
    }
}

/// All texts of a room, each with its sender.
pub async fn said(client: &Client, room: RoomId) -> Vec<(String, String)> {
    let items = client.timeline(room, 0, usize::MAX).await.unwrap();
    items.iter().filter_map(|item| Some((item.from.clone(), item.text()?.to_owned()))).collect()
}

pub async fn texts(client: &Client, room: RoomId) -> Vec<String> {
    said(client, room).await.into_iter().map(|(_, text)| text).collect()
}

/// Says it, and tells its index once it is logged.
pub async fn say(client: &Client, room: RoomId, text: &str) -> u64 {
    let mut handle = client.send(room, Outgoing::text(text)).await.unwrap();
    within("logged", handle.logged()).await.unwrap().index
}

pub async fn export(client: &Client, room: RoomId, options: &client::ExportOptions) -> Vec<u8> {
    let mut bundle = Cursor::new(Vec::new());
    client.export(room, options, &mut bundle).await.unwrap();
    bundle.into_inner()
}

pub fn verdict(bundle: &[u8], root: Root) -> (Verdict, Vec<Said>) {
    evidence::bundle::verify(Cursor::new(bundle), root).unwrap()
}

/// Runs SQL on a database that nobody has open.
pub async fn execute(path: &Path, sql: &str) {
    let mut database = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut database).await.unwrap();
    SqliteConnection::close(database).await.unwrap();
}

/// What SQL finds in a database that nobody has open.
pub async fn query<T>(path: &Path, sql: &'static str) -> Vec<T>
where
    T: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin,
{
    let mut database = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let rows = sqlx::query_as(sql).fetch_all(&mut database).await.unwrap();
    SqliteConnection::close(database).await.unwrap();
    rows
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Starts a client that cannot go on, and says why.
pub async fn ended(home: Home) -> String {
    let client = Client::start(home, ClientOptions::default()).await.unwrap();
    let error = within("the end", client.ready()).await.unwrap_err();
    client.close().await;
    error.code().to_owned()
}
