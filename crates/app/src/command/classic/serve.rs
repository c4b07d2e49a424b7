//! `classic serve`: a server of a classic protocol, until it is told to stop.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use classic::ClassicError;
use classic::certificate::Role;
use classic::cianr;
use classic::conversation::{Event, Reporter, Says, Stop, serve};
use classic::protocol::Protocol;
use classic::users::{self, UserStore};
use classic::{broadcast, key_transport};
use tokio::net::TcpListener;
use tokio::signal::unix::SignalKind;
use tokio::sync::broadcast as channel;

use super::super::Context;
use super::super::serve::{address, stop_signal};
use super::{events, lines, settings};
use crate::cli::{ClassicServeArguments, ListenAddress};
use crate::clock::now_ms;
use crate::terminal::Failure;

/// Folder of `server_key.pem` if none is named.
const KEY_FOLDER: &str = ".";
/// Characters of an error of a classic protocol that are shown.
const MAX_ERROR: usize = 400;
/// Typed lines that wait for one slow session.
const TYPED_AHEAD: usize = 256;

type Sink = Arc<dyn Fn(Event) + Send + Sync>;

/// Runs it.
pub async fn run(context: &Context, arguments: ClassicServeArguments) -> Result<(), Failure> {
    let protocol = arguments.protocol;
    settings::check(protocol, &arguments.side)?;
    if arguments.accounts_listen.is_some() && protocol.accounts_port().is_none() {
        return Err(Failure::usage(format!("{protocol} has one port: --accounts-listen is of cianr-line")));
    }
    let speaks = matches!(protocol, Protocol::Cianr(_));
    if !speaks && (arguments.interactive || arguments.side.send.is_some()) {
        return Err(Failure::usage(format!("the server of {protocol} says nothing of its own")));
    }
    let sessions = Sessions::build(context, &arguments).await?;
    let listen = arguments.listen.unwrap_or_else(|| local(protocol.port()));
    let listener = bind(&listen).await?;
    let accounts = match protocol.accounts_port() {
        None => None,
        Some(port) => {
            let beside = listen
                .0
                .rsplit_once(':')
                .map_or_else(|| local(port), |(host, _)| ListenAddress(format!("{host}:{port}")));
            Some(bind(&arguments.accounts_listen.unwrap_or(beside)).await?)
        }
    };
    let (mut terminate, mut interrupt) =
        (stop_signal(SignalKind::terminate())?, stop_signal(SignalKind::interrupt())?);
    context.output.note("None of the classic protocols is safe; `countersign lab` shows why.");
    context.output.line(&format!("READY {}", local_address(&listener)?))?;
    if let Some(accounts) = &accounts {
        let address = local_address(accounts)?;
        context.output.result(
            || serde_json::json!({ "event": "accounts", "listen": address.to_string() }),
            || format!("ACCOUNTS {address}"),
        )?;
    }
    let (handle, stop) = Stop::new();
    let sink = events::printer(context.output);
    let told = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // The sessions may all be over: then nobody is left to be told.
        let _ = handle.send(true);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = sessions.serve(listener, accounts, stop, sink) => ended.map_err(Failure::from),
        () = told => Ok(()),
    }
}

/// The sessions of a protocol.
enum Sessions {
    Cianr(Arc<cianr::Server>),
    KeyTransport(key_transport::Server),
    Broadcast(broadcast::Server),
}

impl Sessions {
    async fn build(context: &Context, arguments: &ClassicServeArguments) -> Result<Self, Failure> {
        let side = &arguments.side;
        Ok(match arguments.protocol {
            Protocol::Cianr(dialect) => Self::Cianr(Arc::new(cianr::Server {
                dialect,
                identity: settings::identity(context, side, Role::Server)?,
                expected_name: side.expect_cn.clone(),
                users: users(&arguments.users).await?,
                transcripts: settings::transcripts(side),
                group: settings::group(context, dialect, side)?,
                says: says(arguments)?,
                clock: now_ms,
            })),
            Protocol::KeyTransport => {
                let folder = side.certs.as_deref().unwrap_or(Path::new(KEY_FOLDER));
                Self::KeyTransport(key_transport::Server::new(key_transport::key_of_folder(folder)?))
            }
            Protocol::Broadcast => Self::Broadcast(broadcast::Server::new(users(&arguments.users).await?)),
        })
    }

    async fn serve(
        self,
        listener: TcpListener,
        accounts: Option<TcpListener>,
        stop: Stop,
        sink: Sink,
    ) -> Result<(), ClassicError> {
        match self {
            Self::Cianr(server) => {
                let chat = chats(Arc::clone(&server), listener, stop.clone(), Arc::clone(&sink));
                match accounts {
                    None => chat.await,
                    Some(accounts) => {
                        tokio::try_join!(chat, logins(server, accounts, stop, sink)).map(|_| ())
                    }
                }
            }
            Self::KeyTransport(server) => {
                let sessions = stop.clone();
                serve(listener, stop, sink, move |stream, reporter| {
                    let (server, stop) = (server.clone(), sessions.clone());
                    async move { server.session(stream, reporter, stop).await }
                })
                .await
            }
            Self::Broadcast(server) => {
                let sessions = stop.clone();
                serve(listener, stop, sink, move |stream, reporter| {
                    let (server, stop) = (server.clone(), sessions.clone());
                    async move { server.session(stream, reporter, stop).await }
                })
                .await
            }
        }
    }
}

async fn chats(
    server: Arc<cianr::Server>,
    listener: TcpListener,
    stop: Stop,
    sink: Sink,
) -> Result<(), ClassicError> {
    let sessions = stop.clone();
    serve(listener, stop, sink, move |stream, reporter| {
        let (server, stop) = (Arc::clone(&server), sessions.clone());
        async move { server.session(stream, &reporter, stop).await }
    })
    .await
}

async fn logins(
    server: Arc<cianr::Server>,
    listener: TcpListener,
    stop: Stop,
    sink: Sink,
) -> Result<(), ClassicError> {
    serve(listener, stop, sink, move |stream, reporter: Reporter| {
        let server = Arc::clone(&server);
        async move { server.accounts_session(stream, &reporter).await }
    })
    .await
}

fn says(arguments: &ClassicServeArguments) -> Result<Says, Failure> {
    if let Some(file) = &arguments.side.send {
        return Ok(Says::Script(lines::script(file)?));
    }
    if !arguments.interactive {
        return Ok(Says::Nothing);
    }
    let (mut typed, _) = lines::read(None)?;
    let (sender, _) = channel::channel(TYPED_AHEAD);
    let everybody = sender.clone();
    tokio::spawn(async move {
        while let Some(line) = typed.recv().await {
            // Nobody may be there.
            let _ = everybody.send(line);
        }
    });
    Ok(Says::Typed(sender))
}

async fn users(text: &str) -> Result<Arc<dyn UserStore>, Failure> {
    users::open(text).await.map_err(|error| Failure::new("users", with_causes(&error)))
}

/// The beginning of what may be as long as the other side likes.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_ERROR) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// An error and what it came from.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn local(port: u16) -> ListenAddress {
    ListenAddress(format!("127.0.0.1:{port}"))
}

async fn bind(listen: &ListenAddress) -> Result<TcpListener, Failure> {
    let address = address(listen).await?;
    TcpListener::bind(address).await.map_err(|e| {
        Failure::new("listen", format!("cannot listen on {address}: {e}; choose another with --listen"))
    })
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|e| Failure::failed(format!("cannot tell where it listens: {e}")))
}

impl From<ClassicError> for Failure {
    fn from(error: ClassicError) -> Self {
        // What the other side says may be meant for the terminal, and not for who sits before it.
        Self::new(error.code(), shortened(&evidence::verdict::safe(&with_causes(&error))))
    }
}
