//! `serve`: runs a server until it is told to stop. The first start makes the organisation.

use std::fs;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use pki::Organisation;
use sd_notify::NotifyState;
use serde::Deserialize;
use server::organisation::{Authority, DataFolder, Inventory, KeyProtection};
use server::{Server, ServerConfig, StartError, database_path};
use tokio::net::lookup_host;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Context;
use super::keys::KeyOptions;
use crate::cli::{ListenAddress, ServeArguments};
use crate::clock::now_ms;
use crate::terminal::Failure;

/// Where a server listens if nothing else is said.
const DEFAULT_LISTEN: &str = "127.0.0.1:7117";
/// The organisation's name if the server's is no DNS name.
const DEFAULT_ORGANISATION: &str = "countersign.internal";
/// Largest settings file, in bytes.
const MAX_CONFIG: u64 = 64 * 1024;
/// Longest host name that invites carry.
const MAX_HOST: usize = 253;

/// Runs it.
pub async fn run(context: &Context, arguments: ServeArguments) -> Result<(), Failure> {
    let settings = Settings::new(context, arguments)?;
    if settings.data.exists() {
        // Before a passphrase is asked for; the server takes the lock for good.
        drop(DataFolder::open(&settings.data)?.lock()?);
    }
    let listen = address(&settings.listen).await?;
    let protection = match DataFolder::existing(&settings.data) {
        Some(folder) => settings.keys.for_existing_keys(&context.output, &folder)?,
        None => {
            // A server that cannot start makes no organisation.
            settings.store.as_deref().map(database_path).transpose()?;
            drop(TcpListener::bind(listen).map_err(|e| StartError::Listen(listen, e))?);
            bootstrap(context, &settings)?
        }
    };
    let (mut terminate, mut interrupt) =
        (stop_signal(SignalKind::terminate())?, stop_signal(SignalKind::interrupt())?);
    let mut server = Server::start(ServerConfig {
        data: settings.data,
        listen,
        name: settings.name,
        store: settings.store,
        protection,
    })
    .await?;
    let address = server.address();
    let public = server.public_address();
    if public.is_unspecified() {
        context
            .output
            .note(&format!("Invites will carry {}, which nobody can reach: give --name HOST.", public.host));
    }
    context
        .output
        .result(|| serde_json::json!({ "ready": address.to_string() }), || format!("READY {address}"))?;
    notify(NotifyState::Ready);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = server.ended() => return Err(Failure::new("part-ended", ended.to_string())),
    }
    notify(NotifyState::Stopping);
    server.stop().await;
    Ok(())
}

/// Tells systemd, if it is there (NOTIFY_SOCKET, sd_notify(3)).
fn notify(state: NotifyState) {
    if let Err(e) = sd_notify::notify(&[state]) {
        tracing::warn!("cannot tell systemd how the server is: {e}");
    }
}

/// The host's address; of several the first that can be listened on.
pub(super) async fn address(listen: &ListenAddress) -> Result<SocketAddr, Failure> {
    let unknown = |why: String| {
        let text = &listen.0;
        Failure::new(
            "listen",
            format!("cannot listen on {text}: {why}; give --listen an address of this machine"),
        )
    };
    let found: Vec<SocketAddr> = lookup_host(&listen.0).await.map_err(|e| unknown(e.to_string()))?.collect();
    match found.as_slice() {
        [] => Err(unknown("the host has no address".to_owned())),
        [only] => Ok(*only),
        [first, ..] => {
            let usable = found.iter().find(|address| TcpListener::bind(address).is_ok());
            Ok(*usable.unwrap_or(first))
        }
    }
}

pub(super) fn stop_signal(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|e| Failure::failed(format!("cannot wait for signals: {e}")))
}

/// Makes the organisation and tells what was made.
fn bootstrap(context: &Context, settings: &Settings) -> Result<KeyProtection, Failure> {
    let organisation = settings.name.as_deref().and_then(|name| Organisation::parse(name).ok());
    let organisation = match organisation {
        Some(organisation) => organisation,
        None => Organisation::canonical(DEFAULT_ORGANISATION)
            .map_err(|e| Failure::failed(format!("{DEFAULT_ORGANISATION}: {e}")))?,
    };
    if DataFolder::at(&settings.data).awaits_certificate() {
        return Err(server::organisation::AuthorityError::Unfinished.into());
    }
    let protection = settings.keys.for_new_keys(&context.output)?;
    let folder = DataFolder::open(&settings.data)?;
    {
        let _lock = folder.lock()?;
        Authority::create(&folder, &organisation, &protection, now_ms())?;
    }
    let inventory = Inventory::read(&folder)?;
    let place = super::shown(folder.path());
    context.output.note(&format!(
        "Made the organisation {organisation} in {place}: a root, an issuing CA and the server's keys.\n\
         Root fingerprint  {}\n\
         The root's key is not needed to run the server; move it to a safe place with\n  \
         countersign ca export-root --data {place} --out FILE\n\
         When the server is ready, invite its first administrator with\n  \
         countersign invite create --data {place} --role admin",
        inventory.root.fingerprint
    ));
    Ok(protection)
}

/// What is asked of a server: the command line first, then the settings file, then the defaults.
struct Settings {
    data: PathBuf,
    listen: ListenAddress,
    name: Option<String>,
    store: Option<String>,
    keys: KeyOptions,
}

/// The settings file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    data: Option<PathBuf>,
    listen: Option<ListenAddress>,
    name: Option<String>,
    store: Option<String>,
    key_password_file: Option<PathBuf>,
    plain_keys: Option<bool>,
}

impl Settings {
    fn new(context: &Context, arguments: ServeArguments) -> Result<Self, Failure> {
        let config = arguments.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
        let typed = KeyOptions::from(&arguments.keys);
        let keys = if typed.plain || typed.password_file.is_some() {
            typed
        } else {
            KeyOptions { password_file: config.key_password_file, plain: config.plain_keys.unwrap_or(false) }
        };
        let name = arguments.name.or(config.name);
        if let Some(name) = &name {
            check_host(name)?;
        }
        let data = match (&arguments.keys.data.data, config.data) {
            (None, Some(data)) => data,
            _ => context.data_folder(&arguments.keys.data),
        };
        let default = || DEFAULT_LISTEN.parse().map_err(Failure::usage);
        Ok(Self {
            data,
            listen: arguments.listen.or(config.listen).map_or_else(default, Ok)?,
            name,
            store: arguments.store.or(config.store),
            keys,
        })
    }
}

impl Config {
    fn read(path: &Path) -> Result<Self, Failure> {
        let unusable = |why: String| {
            Failure::usage(format!("the settings file {} cannot be used: {why}", path.display()))
        };
        let size = fs::metadata(path).map_err(|e| unusable(e.to_string()))?.len();
        if size > MAX_CONFIG {
            return Err(unusable(format!("it has {size} bytes, and at most {MAX_CONFIG} are read")));
        }
        let text = fs::read_to_string(path).map_err(|e| unusable(e.to_string()))?;
        let config: Self = toml::from_str(&text).map_err(|e| unusable(e.to_string()))?;
        if config.plain_keys == Some(true) && config.key_password_file.is_some() {
            return Err(unusable("it has both key-password-file and plain-keys; take one out".into()));
        }
        Ok(config)
    }
}

/// A host as invites carry it: a name or an address, without a port.
fn check_host(host: &str) -> Result<(), Failure> {
    let named = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    let usable = !host.is_empty() && host.len() <= MAX_HOST && (named || host.parse::<Ipv6Addr>().is_ok());
    if usable {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "--name {host:?} is no host name or address; give it without a port, as in --name chat.example.org"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_no_port() {
        for good in ["chat.example.org", "192.0.2.1", "::1", "db_1"] {
            assert!(check_host(good).is_ok(), "{good}");
        }
        for bad in ["", "chat.example.org:7117", "a b", "[::1]", "é.example", "a/b"] {
            assert!(check_host(bad).is_err(), "{bad}");
        }
    }
}
