//! A server of a `cianr` dialect, and alice as its client.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use classic::certificate::issue::{self, Bad};
use classic::certificate::{Folder, Identity, Role};
use classic::cianr::{Account, Client, Dialect, Server, Transcripts};
use classic::conversation::{Event, Lines, Reporter, Says, Stop, What, serve};
use classic::dh::Group;
use classic::users::memory::MemoryUsers;
use classic::{ClassicError, users::UserStore};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc, watch};
use zeroize::Zeroizing;

use super::{EMAIL, Events, PASSWORD, Person, Stage};
use crate::LabError;
use crate::exhibit::Column;

/// A CA's name on the stage.
const CA_NAME: &str = "Lab Root CA";

/// The folders of certificates, each made when it is first wanted.
#[derive(Default)]
pub(super) struct Certificates(Mutex<()>);

/// A running server; it stops when it is dropped.
pub struct CianrServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it tells.
    pub events: Events,
    /// The accounts of `cianr-line`, which are behind a port of their own.
    pub accounts: Option<Port>,
    /// Where its transcripts go, and no other server's.
    pub transcripts: PathBuf,
    /// Its users.
    pub users: Arc<MemoryUsers>,
    _stop: watch::Sender<bool>,
}

/// A port of a server.
pub struct Port {
    /// Where it listens.
    pub address: SocketAddr,
    /// What is told of it.
    pub events: Events,
}

/// What a client told, and how its session ended.
pub struct Said {
    /// Everything in order.
    pub told: Vec<What>,
    /// The end.
    pub outcome: Result<(), ClassicError>,
}

/// The dialect of a column.
pub fn dialect(column: Column) -> Result<Dialect, LabError> {
    match column {
        Column::CianrPss => Ok(Dialect::Pss),
        Column::CianrPkcs1 => Ok(Dialect::Pkcs1),
        Column::CianrLine => Ok(Dialect::Line),
        other => Err(LabError::stage(format!("{other} is no dialect of cianr"))),
    }
}

impl Stage {
    /// The folder of a dialect's certificates: a CA, a server, a client.
    ///
    /// # Errors
    /// [`LabError::Stage`] if they cannot be made.
    pub async fn certificates(&self, dialect: Dialect) -> Result<PathBuf, LabError> {
        let _one = self.certificates.0.lock().await;
        let path = self.folder().join(dialect.name());
        if path.exists() {
            return Ok(path);
        }
        let (made, now_ms) = (path.clone(), self.now_ms());
        let making = tokio::task::spawn_blocking(move || {
            issue::make_folder(&made, dialect, Some(CA_NAME), None, now_ms)
        });
        making.await.map_err(LabError::stage)?.map_err(LabError::stage)?;
        Ok(path)
    }

    /// The folder of a dialect's certificates with one thing wrong.
    ///
    /// # Errors
    /// [`LabError::Stage`] if they cannot be made.
    pub async fn bad_certificates(&self, dialect: Dialect, bad: Bad) -> Result<PathBuf, LabError> {
        let good = self.certificates(dialect).await?;
        let _one = self.certificates.0.lock().await;
        let path = bad.folder(&good);
        if path.exists() {
            return Ok(path);
        }
        let now_ms = self.now_ms();
        let making = tokio::task::spawn_blocking(move || issue::make_bad(&good, dialect, bad, None, now_ms));
        making.await.map_err(LabError::stage)?.map_err(LabError::stage)?;
        Ok(path)
    }

    /// Starts a server of a dialect with settings as the existing program has them, but for the group, unless `weak`.
    ///
    /// # Errors
    /// [`LabError`].
    pub async fn cianr_server(&self, dialect: Dialect, weak: bool) -> Result<CianrServer, LabError> {
        self.cianr_server_as(Role::Server, dialect, weak, Says::Nothing).await
    }

    /// Starts a server with the certificate of `role`, which says `says`: with a client's certificate it is an impostor.
    ///
    /// # Errors
    /// [`LabError`].
    pub async fn cianr_server_as(
        &self,
        role: Role,
        dialect: Dialect,
        weak: bool,
        says: Says,
    ) -> Result<CianrServer, LabError> {
        let certificates = self.certificates(dialect).await?;
        let transcripts = tempfile::Builder::new()
            .prefix(&format!("{}-server-", dialect.name()))
            .tempdir_in(self.folder())
            .map_err(LabError::io("cannot make a folder"))?
            .keep();
        let users = Arc::new(MemoryUsers::default());
        let server = Server {
            dialect,
            identity: open(&certificates, role)?,
            expected_name: None,
            users: Arc::clone(&users) as Arc<dyn UserStore>,
            transcripts: Some(Transcripts::new(transcripts.clone())),
            group: group(weak)?,
            says,
            clock: self.clock(),
        };
        let (handle, stop) = Stop::new();
        let server = Arc::new(server);
        let (talking, sessions) = (Arc::clone(&server), stop.clone());
        let chat = listen(&stop, move |stream, reporter| {
            let (server, stop) = (Arc::clone(&talking), sessions.clone());
            async move { server.session(stream, &reporter, stop).await }
        });
        let Port { address, events } = chat.await?;
        let accounts = match dialect {
            Dialect::Pss | Dialect::Pkcs1 => None,
            Dialect::Line => {
                let accounts = listen(&stop, move |stream, reporter| {
                    let server = Arc::clone(&server);
                    async move { server.accounts_session(stream, &reporter).await }
                });
                Some(accounts.await?)
            }
        };
        Ok(CianrServer { address, events, accounts, transcripts, users, _stop: handle })
    }

    /// Alice as a client, with the certificates of `folder`, or the good ones.
    ///
    /// # Errors
    /// [`LabError`].
    pub async fn alice(
        &self,
        dialect: Dialect,
        folder: Option<&Path>,
        register: bool,
    ) -> Result<Client, LabError> {
        let good = self.certificates(dialect).await?;
        let account = Account {
            email: EMAIL.to_owned(),
            register: register.then(|| super::ALICE.to_owned()),
            password: Zeroizing::new(PASSWORD.to_owned()),
        };
        self.cianr_client(dialect, folder.unwrap_or(&good), account)
    }

    /// Somebody as a client, with the good certificates.
    ///
    /// # Errors
    /// [`LabError`].
    pub async fn person(&self, dialect: Dialect, name: &str, register: bool) -> Result<Client, LabError> {
        let folder = self.certificates(dialect).await?;
        let account = Account {
            email: format!("{name}@example.org"),
            register: register.then(|| name.to_owned()),
            password: Zeroizing::new(PASSWORD.to_owned()),
        };
        self.cianr_client(dialect, &folder, account)
    }

    fn cianr_client(&self, dialect: Dialect, folder: &Path, account: Account) -> Result<Client, LabError> {
        Ok(Client {
            dialect,
            identity: open(folder, Role::Client)?,
            expected_name: None,
            account,
            transcripts: None,
            group: group(false)?,
            pipelined: false,
            clock: self.clock(),
        })
    }
}

async fn listen<H, F>(stop: &Stop, session: H) -> Result<Port, LabError>
where
    H: Fn(TcpStream, Reporter) -> F + Send + 'static,
    F: Future<Output = Result<(), ClassicError>> + Send + 'static,
{
    let listener =
        TcpListener::bind(("127.0.0.1", 0)).await.map_err(LabError::io("cannot listen on loopback"))?;
    let address = listener.local_addr().map_err(LabError::io("cannot listen on loopback"))?;
    let (sink, events) = Events::new();
    tokio::spawn(serve(listener, stop.clone(), sink, session));
    Ok(Port { address, events })
}

impl Person {
    /// A client of a dialect of `cianr`.
    ///
    /// # Errors
    /// [`LabError::Io`] if nobody listens.
    pub async fn cianr(client: Client, address: SocketAddr) -> Result<Self, LabError> {
        Self::connect(address, |stream, lines, reporter| async move {
            let (_handle, stop) = Stop::new();
            client.session(stream, lines, &reporter, stop).await
        })
        .await
    }
}

/// Registers or logs in at the accounts port of `cianr-line`; how that ended.
///
/// # Errors
/// [`LabError::Io`] if nobody listens.
pub async fn enter(client: &Client, accounts: SocketAddr) -> Result<Result<(), ClassicError>, LabError> {
    let stream = TcpStream::connect(accounts).await.map_err(LabError::io("cannot connect on loopback"))?;
    let reporter = Reporter::new(1, accounts, Arc::new(|_| {}));
    Ok(client.account_session(stream, &reporter).await)
}

/// Says some lines as a client and leaves.
///
/// # Errors
/// [`LabError::Io`] if nobody listens.
pub async fn say(client: &Client, address: SocketAddr, lines: &[&str]) -> Result<Said, LabError> {
    let stream = TcpStream::connect(address).await.map_err(LabError::io("cannot connect on loopback"))?;
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
    while let Ok(what) = events.try_recv() {
        told.push(what);
    }
    Ok(Said { told, outcome })
}

/// One side's certificate, key and CA in a folder.
///
/// # Errors
/// [`LabError::Classic`].
pub fn open(folder: &Path, role: Role) -> Result<Identity, LabError> {
    Folder::open(folder, role, None).map_err(|e| LabError::Classic(e.into()))
}

fn group(weak: bool) -> Result<Group, LabError> {
    Ok(if weak { Group::weak_oakley_1()? } else { Group::modp_14()? })
}
