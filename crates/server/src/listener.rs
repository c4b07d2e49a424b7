//! Starting, accepting, draining.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pki::{TrustStore, Usage};
use session::login::ServerSetup;
use store::{SqliteStore, Store, StoreError};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tracing::{debug, error, info, warn};

use crate::clock::now_ms;
use crate::connection;
use crate::organisation::{
    Authority, AuthorityError, DataFolder, Directory, FolderError, FolderLock, KeyProtection, PublicAddress,
    renewal,
};
use crate::revocation;
use crate::rooms::{Hub, LogCertificates, Sequencer, SequencerParts};
use crate::shared::{LiveRevocations, Shared};
use crate::sweep;

/// Setting that holds the sealed OPAQUE setup.
const OPAQUE_SETTING: &str = "opaque-setup-v1";
/// Milliseconds that connections have to end in when the server stops.
const DRAIN_MS: u64 = 5_000;
/// Milliseconds after which accepting is tried again when the system refuses (too many open files, say).
const ACCEPT_PAUSE_MS: u64 = 100;

/// Where and how a server runs.
#[derive(Debug)]
pub struct ServerConfig {
    /// The data folder.
    pub data: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Host name or address that invites carry; if none, that of the last start, at first the listening address.
    pub name: Option<String>,
    /// Database, `sqlite:PATH`; if none, the one of the last start, `store.db` in the data folder at first.
    pub store: Option<String>,
    /// How the keys open.
    pub protection: KeyProtection,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The organisation's keys.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The database.
    #[error("the database cannot be used: {0}")]
    Store(#[from] StoreError),
    /// A database URL that this version does not know.
    #[error("databases of the kind {0:?} are not known; this version takes sqlite:PATH")]
    UnknownStore(String),
    /// A server has run here, and its database is gone.
    #[error("{} is missing or empty, though a server has run here: restore it from a backup", .0.display())]
    DatabaseLost(PathBuf),
    /// The server's own certificates are no longer good.
    #[error("the server's own certificate cannot be used: {0}")]
    Certificate(#[from] pki::CertificateError),
    /// The address.
    #[error("cannot listen on {0}: {1}; choose another with --listen")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The stored login secrets.
    #[error("the stored login secrets cannot be read: {0}")]
    Login(#[from] session::login::LoginError),
}

/// A part without which the server does nothing has ended by itself; the server's log says which, and why.
#[derive(Debug, thiserror::Error)]
#[error(
    "a part of the server ended by itself, and the server with it; the log says which. What was acknowledged is on disk: \
     start the server again"
)]
pub struct PartEnded;

/// A running server.
pub struct Server {
    address: SocketAddr,
    public: PublicAddress,
    syncs_commits: bool,
    stop: watch::Sender<bool>,
    running: JoinHandle<Result<(), PartEnded>>,
}

impl Server {
    /// Starts on a data folder that holds an organisation.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: ServerConfig) -> Result<Self, StartError> {
        let folder = DataFolder::open(&config.data)?;
        let lock = folder.lock()?;
        folder.remove_rewritten()?;
        let authority = Arc::new(Authority::load(&folder, &config.protection)?);
        authority.renew(&folder, now_ms())?;
        renewal::warn_of_end(&authority, now_ms());
        let store = open_store(&folder, config.store.as_deref()).await?;
        let (shared, parts) = assemble(Arc::clone(&store), authority).await?;
        let listener =
            TcpListener::bind(config.listen).await.map_err(|e| StartError::Listen(config.listen, e))?;
        let address = listener.local_addr().map_err(|e| StartError::Listen(config.listen, e))?;
        // A file that cannot be read is written anew.
        let last = folder.address().ok().flatten();
        let public = PublicAddress::choose(config.name, last, address);
        folder.remember_addresses(&public, address)?;
        let (stop, stopping) = watch::channel(false);
        let syncs_commits = store.syncs_commits();
        let running = tokio::spawn(serve(listener, shared, parts, store, stopping, folder, lock));
        Ok(Self { address, public, syncs_commits, stop, running })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that invites carry.
    pub fn public_address(&self) -> &PublicAddress {
        &self.public
    }

    /// Waits until the server ends without having been told to; once it has, there is nothing left to stop.
    pub async fn ended(&mut self) -> PartEnded {
        if let Err(failed) = (&mut self.running).await {
            error!("the server failed: {failed}");
        }
        PartEnded
    }

    /// Whether what is acknowledged is on disk, as the database says.
    pub fn syncs_commits(&self) -> bool {
        self.syncs_commits
    }

    /// Ends every connection in order, finishes what was accepted, and closes the database.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.running.await;
    }
}

/// What of a database URL can be shown: the rest may hold a password.
fn scheme(url: &str) -> &str {
    url.split_once(':').map_or("without a scheme", |(scheme, _)| scheme)
}

/// Waits until the server has to stop.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// The file of a database URL.
///
/// # Errors
/// [`StartError::UnknownStore`].
pub fn database_path(url: &str) -> Result<PathBuf, StartError> {
    let path = url.strip_prefix("sqlite:").ok_or_else(|| StartError::UnknownStore(scheme(url).to_owned()))?;
    Ok(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
}

/// Whether [`stopped`] would return.
fn is_stopping(stopping: &watch::Receiver<bool>) -> bool {
    *stopping.borrow() || stopping.has_changed().is_err()
}

/// Opens the database of a folder: the one named, else the one that was named last, else its own. A name that works is
/// remembered.
pub(crate) async fn open_store(folder: &DataFolder, url: Option<&str>) -> Result<Arc<dyn Store>, StartError> {
    let remembered = folder.store()?;
    let Some(url) = url.or(remembered.as_deref()) else {
        if folder.lost_database() {
            return Err(StartError::DatabaseLost(folder.database()));
        }
        return Ok(Arc::new(SqliteStore::open(&folder.database()).await?));
    };
    let path = database_path(url)?;
    let store = SqliteStore::open(&path).await?;
    let whole = std::path::absolute(&path).unwrap_or(path);
    folder.remember_store(&format!("sqlite:{}", whole.display()))?;
    Ok(Arc::new(store))
}

pub(crate) async fn assemble(
    store: Arc<dyn Store>,
    authority: Arc<Authority>,
) -> Result<(Arc<Shared>, JoinSet<&'static str>), StartError> {
    let now = now_ms();
    let trust = Arc::new(TrustStore::new(vec![authority.issuing().root().clone()]));
    let revocations = Arc::new(LiveRevocations::default());
    trust.verify(&authority.server_chain(), Usage::ServerHandshake, now, &*revocations)?;
    let keys = LogCertificates::current(&authority, &trust, now)?;
    let directory = Directory::open(store.as_ref(), &authority).await?;
    let opaque = opaque_setup(store.as_ref(), &authority).await?;
    let (hub, erased) = (Arc::new(Hub::default()), Arc::new(Notify::new()));
    let parts = SequencerParts {
        store: Arc::clone(&store),
        authority: Arc::clone(&authority),
        trust: Arc::clone(&trust),
        keys,
        hub: Arc::clone(&hub),
        erased: Arc::clone(&erased),
    };
    let (sequencer, stages) = Sequencer::start(parts);
    let shared = Arc::new(Shared::new(
        store,
        authority,
        trust,
        revocations,
        directory,
        opaque,
        hub,
        sequencer,
        erased,
    ));
    Ok((shared, stages))
}

/// The organisation's OPAQUE secrets: made when they are first needed, sealed in the database.
pub(crate) async fn opaque_setup(
    store: &dyn Store,
    authority: &Authority,
) -> Result<ServerSetup, StartError> {
    if let Some(setup) = stored_opaque_setup(store, authority).await? {
        return Ok(setup);
    }
    let fresh = authority.seal(OPAQUE_SETTING, &ServerSetup::generate().to_bytes())?;
    open_setup(authority, &store.put_setting_if_absent(OPAQUE_SETTING, &fresh).await?)
}

/// Those secrets, if they were made.
pub(crate) async fn stored_opaque_setup(
    store: &dyn Store,
    authority: &Authority,
) -> Result<Option<ServerSetup>, StartError> {
    store.setting(OPAQUE_SETTING).await?.map(|sealed| open_setup(authority, &sealed)).transpose()
}

fn open_setup(authority: &Authority, sealed: &[u8]) -> Result<ServerSetup, StartError> {
    Ok(ServerSetup::from_bytes(&authority.open(OPAQUE_SETTING, sealed)?)?)
}

/// Serves until it is told to stop, or one of `parts` ends, as none does before. The database has no such part: a
/// connection to it that fails is replaced at the next transaction.
async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut parts: JoinSet<&'static str>,
    store: Arc<dyn Store>,
    mut stopping: watch::Receiver<bool>,
    folder: DataFolder,
    _lock: FolderLock,
) -> Result<(), PartEnded> {
    let logged = shared.directory.size().await;
    let following = revocation::follow(Arc::clone(&shared), logged, stopping.clone());
    parts.spawn(async {
        following.await;
        "the watch for revocations"
    });
    let sweeping = sweep::follow(Arc::clone(&shared), stopping.clone());
    parts.spawn(async {
        sweeping.await;
        "the overwriting of what was erased"
    });
    let mut tasks = JoinSet::new();
    let renewing = renewal::follow(Arc::clone(&shared), folder, stopping.clone());
    parts.spawn(async {
        renewing.await;
        "the renewal of certificates"
    });
    let outcome = loop {
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut stopping) => break Ok(()),
            // What was told to stop may end after the look at the line above.
            Some(ended) = parts.join_next() => {
                break if is_stopping(&stopping) { Ok(()) } else { Err(part_ended(ended)) };
            }
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(e) => {
                warn!("cannot accept a connection: {e}");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                continue;
            }
        };
        let Some(permit) = shared.connections.admit(address.ip()) else {
            debug!(%address, "turned away: too many connections without login");
            continue;
        };
        tasks.spawn(connection::run(Arc::clone(&shared), stream, address, permit, stopping.clone()));
    };
    drop(listener);
    if outcome.is_ok() {
        let drain = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_millis(DRAIN_MS), drain).await.is_err() {
            warn!("some connections did not end in time");
        }
    }
    tasks.shutdown().await;
    // The sequencer ends when its last way in is gone, after it has finished what it holds.
    drop(shared);
    if outcome.is_ok() {
        while parts.join_next().await.is_some() {}
    }
    parts.shutdown().await;
    store.close().await;
    info!("stopped");
    outcome
}

fn part_ended(ended: Result<&'static str, JoinError>) -> PartEnded {
    match ended {
        Ok(part) => error!("{part} ended by itself: the server ends"),
        Err(failed) => error!("a part of the server failed, and the server ends: {failed}"),
    }
    PartEnded
}

#[cfg(test)]
mod tests {
    use pki::Organisation;

    use super::*;

    #[tokio::test]
    async fn a_part_that_ends_by_itself_ends_the_server() {
        let data = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(data.path()).unwrap();
        let organisation = Organisation::parse("apollo.example").unwrap();
        Authority::create(&folder, &organisation, &KeyProtection::Plain, now_ms()).unwrap();
        let authority = Arc::new(Authority::load(&folder, &KeyProtection::Plain).unwrap());
        let store = open_store(&folder, None).await.unwrap();
        let (shared, mut parts) = assemble(Arc::clone(&store), authority).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        parts.abort_all();
        let (stop, stopping) = watch::channel(false);
        let lock = folder.lock().unwrap();
        let running =
            tokio::spawn(serve(listener, shared, parts, Arc::clone(&store), stopping, folder, lock));
        let public = PublicAddress::choose(None, None, address);
        let mut server = Server { address, public, syncs_commits: true, stop, running };
        tokio::time::timeout(Duration::from_secs(60), server.ended()).await.unwrap();
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
        assert!(
            matches!(store.setting("a").await, Err(StoreError::Unavailable(_))),
            "the database is closed"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stop_is_never_taken_for_a_part_that_ended_by_itself() {
        let data = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(data.path()).unwrap();
        let organisation = Organisation::parse("apollo.example").unwrap();
        Authority::create(&folder, &organisation, &KeyProtection::Plain, now_ms()).unwrap();
        for _ in 0..40 {
            let server = Server::start(ServerConfig {
                data: data.path().to_owned(),
                listen: "127.0.0.1:0".parse().unwrap(),
                name: None,
                store: None,
                protection: KeyProtection::Plain,
            });
            let server = server.await.unwrap();
            server.stop.send(true).unwrap();
            assert!(server.running.await.unwrap().is_ok());
        }
    }

    #[tokio::test]
    async fn a_database_that_is_gone_is_not_made_anew() {
        let data = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(data.path()).unwrap();
        let organisation = Organisation::parse("apollo.example").unwrap();
        Authority::create(&folder, &organisation, &KeyProtection::Plain, now_ms()).unwrap();
        let config = || ServerConfig {
            data: data.path().to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            name: None,
            store: None,
            protection: KeyProtection::Plain,
        };
        Server::start(config()).await.unwrap().stop().await;
        for file in ["store.db-wal", "store.db-shm"] {
            let _ = std::fs::remove_file(data.path().join(file));
        }
        std::fs::write(folder.database(), b"").unwrap();
        assert!(matches!(Server::start(config()).await, Err(StartError::DatabaseLost(_))));
        std::fs::remove_file(folder.database()).unwrap();
        assert!(matches!(Server::start(config()).await, Err(StartError::DatabaseLost(_))));
        assert!(!folder.database().exists());
    }
}
