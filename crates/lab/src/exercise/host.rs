//! The server of an exercise, whichever protocol it speaks, behind a listener that records the wire.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use classic::certificate::Role;
use classic::cianr::Dialect;
use classic::conversation::{Says, What};
use classic::frame::Framing;
use classic::users::{BadRow, ImportedUser, UserStore};
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;

use super::evidence::{self, Evidence};
use super::seen::View;
use super::talker::Talker;
use super::words;
use crate::LabError;
use crate::capture::Capture;
use crate::exhibit::Column;
use crate::stage::countersign::World;
use crate::stage::{CianrServer, ClassicServer, Events, PATIENCE, Person, Room, Stage, dialect, enter};
use crate::tap::{Marks, Tap};

/// How long a session may go on after everybody has left: strangers may be there too.
const SETTLE: Duration = Duration::from_secs(3);
/// Lines that a server may be ahead of its sessions.
const WAITING: usize = 16;

/// A running server.
pub(super) struct Host {
    kind: Kind,
    /// How its sessions are, where the server tells of them.
    sessions: watch::Receiver<Sessions>,
    tap: Tap,
    /// Where the accounts of `cianr-line` are recorded.
    accounts: Option<Tap>,
}

/// How a server's sessions are.
#[derive(Debug, Clone, Copy, Default)]
struct Sessions {
    /// Those that are not over.
    open: u64,
    /// Logins so far.
    logins: u64,
}

enum Kind {
    Cianr { dialect: Dialect, server: CianrServer, says: broadcast::Sender<String> },
    KeyTransport(ClassicServer),
    Broadcast(Room),
    Countersign { world: Box<World>, logged: Arc<AtomicU64> },
}

impl Host {
    pub async fn start(
        stage: &Stage,
        column: Column,
        view: &View,
        capture: &Capture,
    ) -> Result<Self, LabError> {
        let (sessions, told) = watch::channel(Sessions::default());
        let kind = match column {
            Column::CianrPss | Column::CianrPkcs1 | Column::CianrLine => {
                let (dialect, (says, _)) = (dialect(column)?, broadcast::channel(WAITING));
                let typed = Says::Typed(says.clone());
                let mut server = stage.cianr_server_as(Role::Server, dialect, false, typed).await?;
                keep_log(&mut server.events, view, sessions);
                if let Some(accounts) = &mut server.accounts {
                    keep_log(&mut accounts.events, view, watch::channel(Sessions::default()).0);
                }
                Kind::Cianr { dialect, server, says }
            }
            Column::KeyTransport => {
                let mut server = stage.key_transport_server().await?;
                keep_log(&mut server.events, view, sessions);
                Kind::KeyTransport(server)
            }
            Column::Broadcast => {
                let mut room = Room::open().await?;
                keep_log(&mut room.server.events, view, sessions);
                Kind::Broadcast(room)
            }
            Column::Countersign => {
                let world = Box::new(stage.new_organisation().await?);
                Kind::Countersign { world, logged: Arc::default() }
            }
        };
        let address = match &kind {
            Kind::Cianr { server, .. } => server.address,
            Kind::KeyTransport(server) => server.address,
            Kind::Broadcast(room) => room.server.address,
            Kind::Countersign { world, .. } => world.address,
        };
        let marks = match &kind {
            Kind::Cianr { dialect, .. } => Marks::Classic(dialect.framing()),
            Kind::KeyTransport(_) => Marks::Classic(Framing::BlankLine),
            Kind::Broadcast(_) => Marks::Classic(Framing::Object),
            Kind::Countersign { .. } => Marks::Countersign,
        };
        let tap = Tap::listen(address, marks, capture.clone()).await?;
        let accounts = match &kind {
            Kind::Cianr { server: CianrServer { accounts: Some(port), .. }, .. } => {
                Some(Tap::listen(port.address, marks, capture.clone()).await?)
            }
            _ => None,
        };
        Ok(Self { kind, sessions: told, tap, accounts })
    }

    /// Where people connect.
    pub fn address(&self) -> SocketAddr {
        self.tap.address()
    }

    /// Whether it says things by itself.
    pub fn talks(&self) -> bool {
        matches!(self.kind, Kind::Cianr { .. })
    }

    /// Says a line to everybody who is there.
    pub fn say(&self, text: &str) -> Result<(), LabError> {
        match &self.kind {
            Kind::Cianr { says, .. } => {
                says.send(text.to_owned()).map_err(|_| LabError::stage("nobody is there"))?;
                Ok(())
            }
            _ => Err(LabError::stage("this protocol's server says nothing by itself")),
        }
    }

    /// Lets somebody in; `colleague` is somebody who is in the room already.
    pub async fn admit(
        &self,
        stage: &Stage,
        view: &View,
        number: u32,
        name: &str,
        colleague: Option<&Talker>,
    ) -> Result<Talker, LabError> {
        let address = self.tap.address();
        match &self.kind {
            Kind::Cianr { dialect, server, .. } => {
                let known = server.users.by_username(name).await.map_err(LabError::stage)?.is_some();
                let client = stage.person(*dialect, name, !known).await?;
                if let Some(accounts) = &self.accounts {
                    enter(&client, accounts.address()).await??;
                }
                let person = Person::cianr(client, address).await?;
                let here = match dialect {
                    Dialect::Line => |what: &What| matches!(what, What::Certified { .. }),
                    _ => |what: &What| matches!(what, What::Registered { .. } | What::LoggedIn { .. }),
                };
                Talker::classic(view, number, person, Some(here)).await
            }
            Kind::KeyTransport(_) => {
                let person = Person::key_transport(address).await?;
                Talker::classic(view, number, person, None).await
            }
            Kind::Broadcast(room) => {
                let mut sessions = self.sessions.clone();
                let before = sessions.borrow_and_update().logins;
                let known = room.users.by_username(name).await.map_err(LabError::stage)?.is_some();
                let person = Person::broadcast(name, address, !known).await?;
                let here = |what: &What| matches!(what, What::LoggedIn { .. });
                let talker = Talker::classic(view, number, person, Some(here)).await?;
                // The client is told before the room hears of it.
                let entered = sessions.wait_for(|sessions| sessions.logins > before);
                timeout(PATIENCE, entered).await.map_err(LabError::stage)?.map_err(LabError::stage)?;
                Ok(talker)
            }
            Kind::Countersign { world, logged } => {
                let client = if world.knows(name) {
                    world.client(name, Some(address)).await?
                } else {
                    let client = world.join(name, stage.now_ms(), Some(address)).await?;
                    match colleague {
                        Some(colleague) => colleague.add(name).await?,
                        None => world.add(name).await?,
                    }
                    client
                };
                view.log(&format!("{}/{} logged in", client.user(), client.device()));
                Ok(Talker::countersign(view, number, client, world.room, Arc::clone(logged)))
            }
        }
    }

    /// Keeps what its sessions left in a folder.
    pub async fn evidence(&self, stage: &Stage, into: &Path) -> Result<Vec<Evidence>, LabError> {
        match &self.kind {
            Kind::Cianr { dialect, server, .. } => {
                evidence::of_cianr(stage, *dialect, &server.transcripts, into).await
            }
            Kind::Countersign { world, .. } => evidence::of_countersign(world, into).await,
            Kind::KeyTransport(_) | Kind::Broadcast(_) => Ok(Vec::new()),
        }
    }

    /// Waits until its sessions are over, once everybody has left: it writes their files at their end.
    pub async fn settle(&self) {
        // A server that has ended has no sessions either.
        let over = async { drop(self.sessions.clone().wait_for(|sessions| sessions.open == 0).await) };
        let _ = timeout(SETTLE, over).await;
    }

    /// The rows of its user table.
    pub async fn users(&self) -> Vec<Result<ImportedUser, BadRow>> {
        let users: &dyn UserStore = match &self.kind {
            Kind::Cianr { server, .. } => &*server.users,
            Kind::Broadcast(room) => &*room.users,
            Kind::KeyTransport(_) | Kind::Countersign { .. } => return Vec::new(),
        };
        // A store in memory does not fail.
        let rows = users.all().await.unwrap_or_default();
        rows.into_iter().map(|row| row.map(ImportedUser::from)).collect()
    }

    pub async fn stop(self) {
        if let Kind::Countersign { world, .. } = self.kind {
            world.stop().await;
        }
    }
}

/// Writes what a server tells into the log, until it tells nothing more, and says how its sessions are.
fn keep_log(events: &mut Events, view: &View, sessions: watch::Sender<Sessions>) {
    let (mut events, view) = (std::mem::replace(events, Events::silent()), view.clone());
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            view.log(&words::of_server(&event));
            sessions.send_modify(|sessions| match event.what {
                What::Connected => sessions.open += 1,
                What::Disconnected { .. } => sessions.open = sessions.open.saturating_sub(1),
                What::LoggedIn { .. } => sessions.logins += 1,
                _ => {}
            });
        }
    });
}
