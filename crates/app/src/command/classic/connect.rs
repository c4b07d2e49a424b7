//! `classic connect`: a client of a classic protocol.

use std::io::IsTerminal;

use classic::certificate::Role;
use classic::cianr::{self, Account, Dialect};
use classic::conversation::{Lines, Reporter, Stop, What};
use classic::protocol::Protocol;
use classic::{ClassicError, broadcast, key_transport};
use tokio::net::TcpStream;
use tokio::signal::unix::SignalKind;
use zeroize::Zeroizing;

use super::super::Context;
use super::super::serve::stop_signal;
use super::{events, lines, menu, settings};
use crate::cli::{ClassicConnectArguments, ListenAddress};
use crate::clock::now_ms;
use crate::terminal::Failure;

/// Who somebody is: what stands in `--register` or `--login`, or what the menu asked for.
pub struct Who {
    /// E-mail address; empty for `broadcast`.
    pub email: String,
    /// Name, to make the account with, or for `broadcast`.
    pub name: Option<String>,
    /// Whether the account is to be made.
    pub register: bool,
}

/// Runs it.
pub async fn run(context: &Context, arguments: ClassicConnectArguments) -> Result<(), Failure> {
    let protocol = arguments.protocol;
    settings::check(protocol, &arguments.side)?;
    if arguments.accounts.is_some() && protocol.accounts_port().is_none() {
        return Err(Failure::usage(format!("{protocol} has one port: --accounts is of cianr-line")));
    }
    if arguments.pipelined && protocol != Protocol::Cianr(Dialect::Pss) {
        return Err(Failure::usage("--pipelined is of cianr-pss: no other server answers each message"));
    }
    let Some(who) = who(&arguments)? else { return Ok(()) };
    let password = match protocol {
        Protocol::KeyTransport => Zeroizing::default(),
        _ if who.register => context.password().read_new("Password: ")?,
        _ => context.password().read("Password: ")?,
    };
    if arguments.side.send.is_none() {
        let leaves = match protocol {
            Protocol::Cianr(dialect) => dialect.quit_word(),
            Protocol::Broadcast => "exit",
            Protocol::KeyTransport => "the end of input (Ctrl-D)",
        };
        context.output.note(&format!("A line is a message; {leaves} leaves."));
    }
    let (typed, broken) = lines::read(arguments.side.send.as_deref())?;
    let session = Session { context, arguments: &arguments };
    let outcome = session.run(who, password, Lines::Typed(typed)).await;
    // A line that could not be said goes before how the session then ended.
    match std::sync::Arc::into_inner(broken).and_then(std::sync::OnceLock::into_inner) {
        Some(failure) => Err(failure),
        None => outcome,
    }
}

/// Who connects; `None` if the menu was left.
fn who(arguments: &ClassicConnectArguments) -> Result<Option<Who>, Failure> {
    let named = matches!(arguments.protocol, Protocol::Broadcast);
    if arguments.protocol == Protocol::KeyTransport {
        return match (&arguments.register, &arguments.login) {
            (None, None) => Ok(Some(Who { email: String::new(), name: None, register: false })),
            _ => Err(Failure::usage("key-transport has no accounts: leave --register and --login out")),
        };
    }
    match (&arguments.register, &arguments.login) {
        (Some(text), _) => match text.split_once(':') {
            Some((_, name)) if named => {
                Ok(Some(Who { email: String::new(), name: Some(name.to_owned()), register: true }))
            }
            None if named => Ok(Some(Who { email: String::new(), name: Some(text.clone()), register: true })),
            Some((email, name)) if !email.is_empty() && !name.is_empty() => {
                Ok(Some(Who { email: email.to_owned(), name: Some(name.to_owned()), register: true }))
            }
            _ => Err(Failure::usage("--register is EMAIL:NAME, such as alice@example.org:alice")),
        },
        (None, Some(name)) if named => {
            Ok(Some(Who { email: String::new(), name: Some(name.clone()), register: false }))
        }
        (None, Some(email)) => Ok(Some(Who { email: email.clone(), name: None, register: false })),
        (None, None) if std::io::stdin().is_terminal() => menu::who(named),
        (None, None) => Err(Failure::usage("say who you are: --register EMAIL:NAME or --login EMAIL")),
    }
}

/// Tells that a connection is over, and how.
fn ended(reporter: &Reporter, outcome: Result<(), ClassicError>) -> Result<(), Failure> {
    reporter.tell(What::Disconnected { error: outcome.as_ref().err().map(ToString::to_string) });
    Ok(outcome?)
}

struct Session<'a> {
    context: &'a Context,
    arguments: &'a ClassicConnectArguments,
}

impl Session<'_> {
    async fn run(&self, who: Who, password: Zeroizing<String>, lines: Lines) -> Result<(), Failure> {
        let (mut terminate, mut interrupt) =
            (stop_signal(SignalKind::terminate())?, stop_signal(SignalKind::interrupt())?);
        let (handle, stop) = Stop::new();
        let talk = self.talk(who, password, lines, stop);
        tokio::pin!(talk);
        tokio::select! {
            ended = &mut talk => return ended,
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // It leaves in order; a protocol without a word for that just ends.
        let _ = handle.send(true);
        talk.await
    }

    async fn talk(
        &self,
        who: Who,
        password: Zeroizing<String>,
        lines: Lines,
        mut stop: Stop,
    ) -> Result<(), Failure> {
        let side = &self.arguments.side;
        match self.arguments.protocol {
            Protocol::Cianr(dialect) => {
                let client = cianr::Client {
                    dialect,
                    identity: settings::identity(self.context, side, Role::Client)?,
                    expected_name: side.expect_cn.clone(),
                    account: Account {
                        email: who.email,
                        register: who.name.filter(|_| who.register),
                        password,
                    },
                    transcripts: settings::transcripts(side),
                    group: settings::group(self.context, dialect, side)?,
                    pipelined: self.arguments.pipelined,
                    clock: now_ms,
                };
                if let Some(port) = self.arguments.protocol.accounts_port() {
                    let accounts = self.accounts(port);
                    let (stream, reporter) = self.open(&accounts).await?;
                    ended(&reporter, client.account_session(stream, &reporter).await)?;
                }
                let (stream, reporter) = self.open(&self.arguments.address).await?;
                ended(&reporter, client.session(stream, lines, &reporter, stop).await)
            }
            Protocol::KeyTransport => {
                let (stream, reporter) = self.open(&self.arguments.address).await?;
                let outcome = tokio::select! {
                    outcome = key_transport::connect(stream, lines, reporter.clone()) => outcome,
                    () = stop.told() => Ok(()),
                };
                ended(&reporter, outcome)
            }
            Protocol::Broadcast => {
                let account = broadcast::Account {
                    username: who.name.unwrap_or_default(),
                    password: broadcast::Password::new(password.as_str().to_owned()),
                    is_new: who.register,
                };
                let (stream, reporter) = self.open(&self.arguments.address).await?;
                let outcome = tokio::select! {
                    outcome = broadcast::connect(stream, account, lines, reporter.clone()) => outcome,
                    () = stop.told() => Ok(()),
                };
                ended(&reporter, outcome)
            }
        }
    }

    /// The port for accounts: the one that was named, else the usual one of the same host.
    fn accounts(&self, port: u16) -> ListenAddress {
        self.arguments.accounts.clone().unwrap_or_else(|| {
            let host = self.arguments.address.0.rsplit_once(':').map_or("127.0.0.1", |(host, _)| host);
            ListenAddress(format!("{host}:{port}"))
        })
    }

    async fn open(&self, address: &ListenAddress) -> Result<(TcpStream, Reporter), Failure> {
        let failed = |e| {
            Failure::new(
                "unreachable",
                format!("cannot connect to {}: {e}; is the server running there?", address.0),
            )
        };
        let stream = TcpStream::connect(&address.0).await.map_err(failed)?;
        let peer = stream.peer_addr().map_err(failed)?;
        // Without it, small messages wait for the other side's acknowledgement of the last one.
        let _ = stream.set_nodelay(true);
        let reporter = Reporter::new(1, peer, events::printer(self.context.output));
        reporter.tell(What::Connected);
        Ok((stream, reporter))
    }
}
