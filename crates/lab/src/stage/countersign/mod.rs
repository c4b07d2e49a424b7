//! A Countersign organisation: a server, alice, bob, and a room with both.

pub mod forged;
mod outsider;
mod peer;
mod pretender;
mod room;

pub use outsider::{DEVICE, Member, Papers};
pub use peer::{Peer, PeerError};
pub use pretender::Pretender;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use client::{Address, Client, ClientOptions, Home, Joiner};
use evidence::room::RoomId;
use pki::{Organisation, Password};
use server::console::Console;
use server::organisation::{Authority, DataFolder, KeyProtection};
use server::{Server, ServerConfig};
use session::link::{Link, Purpose};
use session::message::Role;
use tokio::sync::OnceCell;

use super::{ALICE, PASSWORD, Stage};
use crate::LabError;

/// The organisation's name.
pub const ORGANISATION: &str = "lab.example";
/// Who is in the room beside alice.
pub const BOB: &str = "bob";
/// The room of alice and bob.
pub const ROOM: &str = "lighthouse-keepers";
/// Milliseconds that an invite is good.
const INVITE_MS: u64 = 3_600_000;
/// A day, in milliseconds.
pub const DAY_MS: u64 = 86_400_000;
/// How old an organisation's authority is, so that certificates of it can have ended.
const AGE_MS: u64 = 7 * DAY_MS;

/// The stage's organisations, each made when it is first wanted.
#[derive(Default)]
pub(super) struct Made {
    good: OnceCell<Arc<World>>,
    impostor: OnceCell<Arc<World>>,
}

/// A running organisation.
pub struct World {
    /// Where its server listens.
    pub address: std::net::SocketAddr,
    /// Its authority, which is also the operator's.
    pub authority: Authority,
    /// The room of alice and bob.
    pub room: RoomId,
    folder: PathBuf,
    server: Server,
}

impl Stage {
    /// The stage's organisation.
    ///
    /// # Errors
    /// [`LabError::Stage`] if it cannot be made.
    pub async fn organisation(&self) -> Result<Arc<World>, LabError> {
        self.world(&self.countersign.good, "countersign").await
    }

    /// Another organisation under the same name, as an attacker makes it: everything is right but the root.
    ///
    /// # Errors
    /// [`LabError::Stage`] if it cannot be made.
    pub async fn impostor(&self) -> Result<Arc<World>, LabError> {
        self.world(&self.countersign.impostor, "impostor").await
    }

    /// One more organisation, of which nobody else knows.
    ///
    /// # Errors
    /// [`LabError::Stage`] if it cannot be made.
    pub async fn new_organisation(&self) -> Result<World, LabError> {
        let folder = tempfile::Builder::new()
            .prefix("countersign-")
            .tempdir_in(self.folder())
            .map_err(LabError::io("cannot make a folder"))?
            .keep();
        World::build(&folder, self.now_ms()).await
    }

    async fn world(&self, cell: &OnceCell<Arc<World>>, name: &str) -> Result<Arc<World>, LabError> {
        let making = cell.get_or_try_init(|| async {
            Ok::<_, LabError>(Arc::new(World::build(&self.folder().join(name), self.now_ms()).await?))
        });
        making.await.cloned()
    }
}

impl World {
    async fn build(folder: &Path, now_ms: u64) -> Result<Self, LabError> {
        let data = folder.join("server");
        std::fs::create_dir_all(&data).map_err(LabError::io("cannot make a folder"))?;
        let data = DataFolder::open(&data).map_err(LabError::stage)?;
        let organisation = Organisation::parse(ORGANISATION).map_err(LabError::stage)?;
        if !data.path().join("store.db").exists() {
            let made = now_ms.saturating_sub(AGE_MS);
            Authority::create(&data, &organisation, &KeyProtection::Plain, made).map_err(LabError::stage)?;
        }
        let config = ServerConfig {
            data: data.path().to_owned(),
            listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
            name: None,
            store: None,
            protection: KeyProtection::Plain,
        };
        let server = Server::start(config).await.map_err(LabError::stage)?;
        let authority = Authority::load(&data, &KeyProtection::Plain).map_err(LabError::stage)?;
        let address = server.address();
        let mut world = Self { address, authority, room: RoomId([0; 32]), folder: folder.to_owned(), server };
        let alice = world.join(ALICE, now_ms, None).await?;
        world.join(BOB, now_ms, None).await?.close().await;
        world.room = alice.create_room(ROOM).await.map_err(LabError::stage)?;
        alice.add(world.room, &[BOB]).await.map_err(LabError::stage)?;
        alice.close().await;
        Ok(world)
    }

    /// A new person's client, which joins by way of `through` and is logged in. It is not in the room yet.
    ///
    /// # Errors
    /// [`LabError::Stage`] with what refused it.
    pub async fn join(
        &self,
        user: &str,
        now_ms: u64,
        through: Option<std::net::SocketAddr>,
    ) -> Result<Client, LabError> {
        let mut link = self.invite(now_ms).await?;
        link.port = through.map_or(link.port, |address| address.port());
        let joiner = Joiner { user, email: None, device: "laptop", password: password(), earlier: None };
        let home =
            client::join(&self.folder.join(user), &link.format(), joiner).await.map_err(LabError::stage)?;
        start(home, through).await
    }

    /// Whether a person has joined.
    pub fn knows(&self, user: &str) -> bool {
        self.folder.join(user).exists()
    }

    /// Has alice, who must not be connected, add somebody to the room.
    ///
    /// # Errors
    /// [`LabError::Stage`] with what refused it.
    pub async fn add(&self, user: &str) -> Result<(), LabError> {
        let alice = self.client(ALICE, None).await?;
        let added = alice.add(self.room, &[user]).await.map_err(LabError::stage);
        alice.close().await;
        added
    }

    /// Stops the server in order.
    pub async fn stop(self) {
        self.server.stop().await;
    }

    /// An invite for one more.
    ///
    /// # Errors
    /// [`LabError::Stage`].
    pub async fn invite(&self, now_ms: u64) -> Result<Link, LabError> {
        let data = DataFolder::open(&self.folder.join("server")).map_err(LabError::stage)?;
        let console = Console::open(&data).await.map_err(LabError::stage)?;
        let token = console.create_invite(None, Role::Member, 1, now_ms.saturating_add(INVITE_MS)).await;
        console.close().await;
        Ok(Link {
            host: self.address.ip().to_string(),
            port: self.address.port(),
            root: *self.authority.root_fingerprint(),
            token: token.map_err(LabError::stage)?,
            purpose: Purpose::Join,
        })
    }

    /// A person's client, connected by way of `through`, and logged in.
    ///
    /// # Errors
    /// [`LabError::Stage`] with what refused it.
    pub async fn client(
        &self,
        user: &str,
        through: Option<std::net::SocketAddr>,
    ) -> Result<Client, LabError> {
        let home = Home::open(&self.folder.join(user), password()).await.map_err(LabError::stage)?;
        start(home, through).await
    }

    /// The folder of the server's data.
    pub fn data(&self) -> PathBuf {
        self.folder.join("server")
    }
}

async fn start(home: Home, through: Option<std::net::SocketAddr>) -> Result<Client, LabError> {
    let server = through.map(|address| Address { host: address.ip().to_string(), port: address.port() });
    let options = ClientOptions { server, ..ClientOptions::default() };
    let client = Client::start(home, options).await.map_err(LabError::stage)?;
    if let Err(error) = client.ready().await {
        client.close().await;
        return Err(LabError::stage(error));
    }
    Ok(client)
}

fn password() -> Password {
    Password::new(PASSWORD.to_owned())
}
