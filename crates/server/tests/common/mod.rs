//! A server on a folder of its own, for tests.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part; a test's helper fails the test"
)]

pub mod room;
pub mod sealed;

use std::net::SocketAddr;
use std::path::Path;

use evidence::entry::Place;
use evidence::log::TreeHead;
use evidence::room::RoomId;
use pki::name::Organisation;
use server::console::{ClassicUser, Console, Imported};
use server::organisation::{Authority, DataFolder, KeyProtection};
use server::{Server, ServerConfig};
use session::link::{Link, Purpose};
use session::login::ClassicHash;
use session::message::Role;
use tempfile::TempDir;
use testkit::member::Member;
use testkit::peer::now_ms;

pub const PASSWORD: &str = "correct horse battery staple";

pub struct Running {
    pub folder: TempDir,
    pub server: Server,
}

pub async fn serve(folder: &Path) -> Server {
    let config = ServerConfig {
        data: folder.to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        name: None,
        store: None,
        protection: KeyProtection::Plain,
    };
    Server::start(config).await.unwrap()
}

pub async fn start() -> Running {
    start_made_at(now_ms()).await
}

/// A server of an organisation that was made at this time.
pub async fn start_made_at(made_ms: u64) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let data = DataFolder::open(folder.path()).unwrap();
    let organisation = Organisation::parse("apollo.example").unwrap();
    Authority::create(&data, &organisation, &KeyProtection::Plain, made_ms).unwrap();
    let server = serve(folder.path()).await;
    Running { folder, server }
}

impl Running {
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub fn authority(&self) -> Authority {
        Authority::load(&DataFolder::open(self.folder.path()).unwrap(), &KeyProtection::Plain).unwrap()
    }

    pub async fn invite(&self, role: Role, uses: u32, expires_ms: u64) -> Link {
        let console = self.console().await;
        let token = console.create_invite(None, role, uses, expires_ms).await.unwrap();
        console.close().await;
        self.link(token)
    }

    /// Imports a user of an earlier system whose salt is 16 times the first letter of its name.
    pub async fn import(&self, name: &str, email: Option<&str>, password: &str) -> Imported {
        self.import_by(name, email, password, false).await
    }

    /// As [`Self::import`], of one who is known to be the one who waits.
    pub async fn import_replacing(&self, name: &str, email: Option<&str>, password: &str) -> Imported {
        self.import_by(name, email, password, true).await
    }

    async fn import_by(&self, name: &str, email: Option<&str>, password: &str, replace: bool) -> Imported {
        let console = self.console().await;
        let mut importer = console.importer(&self.authority(), false).await.unwrap();
        importer.replace(replace.then(|| pki::Name::parse(name).unwrap()));
        let outcome = importer.import(classic(name, email, password)).await.unwrap();
        console.close().await;
        outcome
    }

    pub async fn console(&self) -> Console {
        Console::open(&DataFolder::open(self.folder.path()).unwrap()).await.unwrap()
    }

    /// A link for this name alone.
    pub async fn invite_for(&self, user: &str) -> Link {
        let console = self.console().await;
        let name = pki::Name::parse(user).unwrap();
        let token = console.create_invite(Some(&name), Role::Member, 1, now_ms() + 60_000).await.unwrap();
        console.close().await;
        self.link(token)
    }

    fn link(&self, token: [u8; 32]) -> Link {
        Link {
            host: self.address().ip().to_string(),
            port: self.address().port(),
            root: *self.authority().root_fingerprint(),
            token,
            purpose: Purpose::Join,
        }
    }

    pub async fn member(&self, user: &str) -> Member {
        let link = self.invite(Role::Member, 1, now_ms() + 60_000).await;
        Member::join(&link, user, "laptop", PASSWORD).await.unwrap()
    }
}

pub fn place(room: RoomId, seq: u64, epoch: u64) -> Place {
    Place { room, seq, time_ms: now_ms(), epoch, seen: TreeHead::empty() }
}

/// A user as an earlier system keeps it; the salt is 16 times the first letter of the name.
pub fn classic(name: &str, email: Option<&str>, password: &str) -> ClassicUser {
    let salt = vec![name.bytes().next().unwrap(); 16];
    let password_hash = ClassicHash::of(&salt, password).as_str().to_owned().into();
    ClassicUser { name: name.to_owned(), email: email.map(str::to_owned), salt, password_hash }
}
