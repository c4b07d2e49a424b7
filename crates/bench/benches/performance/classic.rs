//! Sustained messages of `cianr-pss` between our two sides over loopback, against RSA-2048 signing on one core.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PSS_SHA256;
use classic::certificate::{Folder, Role, issue};
use classic::cianr::{Account, Client, Dialect, Server};
use classic::conversation::{Lines, Reporter, Says, Stop, serve};
use classic::dh::Group;
use classic::users::UserStore;
use classic::users::memory::MemoryUsers;
use tokio::net::{TcpListener, TcpStream};

use crate::measure::{Contender, compete, monotonic, unix_ms};

/// Messages, or signatures, of a round.
const TIMES: u32 = 1_000;
const ROUNDS: usize = 5;
const TEXT: &str = "Okay, Houston, we've had a problem here.";

pub(crate) fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    issue::make_folder(folder.path(), Dialect::Pss, None, None, unix_ms()?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (address, _stop) = runtime.block_on(start(folder.path()))?;
    let talk = |pipelined| {
        let (runtime, folder) = (&runtime, folder.path());
        move |times| runtime.block_on(talk(folder, address, pipelined, times))
    };
    runtime.block_on(enter(folder.path(), address))?;
    let key = KeyPair::generate(KeySize::Rsa2048)?;
    let sign = |times: u32| {
        let mut signature = vec![0; key.public_modulus_len()];
        let start = monotonic()?;
        for _ in 0..times {
            key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), TEXT.as_bytes(), &mut signature)?;
        }
        Ok(monotonic()? - start)
    };
    let mut contenders = [
        Contender::new("RSA-2048 signature, one core", sign),
        Contender::new("cianr-pss, pipelined", talk(true)),
        Contender::new("cianr-pss, in turn", talk(false)),
    ];
    compete(&mut contenders, ROUNDS, TIMES)?;
    println!("\nClassic: messages a second, by the clock; each is acknowledged by a signed message");
    let [signing, talking @ ..] = &contenders;
    println!("{:32} {:8.0}/s", signing.name(), 1e9 / signing.nanoseconds()?.median);
    for contender in talking {
        println!(
            "{:32} {:8.0}/s   {} of the signing rate",
            contender.name(),
            1e9 / contender.nanoseconds()?.median,
            signing.ratio_to(contender)?
        );
    }
    Ok(())
}

fn clock() -> u64 {
    unix_ms().unwrap_or_default()
}

async fn start(folder: &std::path::Path) -> Result<(SocketAddr, tokio::sync::watch::Sender<bool>)> {
    let server = Arc::new(Server {
        dialect: Dialect::Pss,
        identity: Folder::open(folder, Role::Server, None)?,
        expected_name: None,
        users: Arc::new(MemoryUsers::default()) as Arc<dyn UserStore>,
        transcripts: None,
        group: Group::modp_14()?,
        says: Says::Nothing,
        clock,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (handle, stop) = Stop::new();
    let sessions = stop.clone();
    tokio::spawn(serve(listener, stop, Arc::new(|_| {}), move |stream, reporter| {
        let (server, stop) = (Arc::clone(&server), sessions.clone());
        async move { server.session(stream, &reporter, stop).await }
    }));
    Ok((address, handle))
}

fn client(folder: &std::path::Path, register: bool, pipelined: bool) -> Result<Client> {
    Ok(Client {
        dialect: Dialect::Pss,
        identity: Folder::open(folder, Role::Client, None)?,
        expected_name: None,
        account: Account {
            email: "jack@example.org".to_owned(),
            register: register.then(|| "jack".to_owned()),
            password: "odyssey".to_owned().into(),
        },
        transcripts: None,
        group: Group::modp_14()?,
        pipelined,
        clock,
    })
}

async fn session(client: &Client, address: SocketAddr, lines: Vec<String>) -> Result<()> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (_handle, stop) = Stop::new();
    let reporter = Reporter::new(1, address, Arc::new(|_| {}));
    client.session(stream, Lines::Script(lines.into_iter()), &reporter, stop).await.context("a session")
}

async fn enter(folder: &std::path::Path, address: SocketAddr) -> Result<()> {
    session(&client(folder, true, false)?, address, Vec::new()).await
}

/// The time of a session's messages: that of a whole session less that of an empty one.
async fn talk(
    folder: &std::path::Path,
    address: SocketAddr,
    pipelined: bool,
    times: u32,
) -> Result<Duration> {
    let client = client(folder, false, pipelined)?;
    let start = monotonic()?;
    session(&client, address, Vec::new()).await?;
    let empty = monotonic()? - start;
    let start = monotonic()?;
    session(&client, address, vec![TEXT.to_owned(); usize::try_from(times)?]).await?;
    Ok((monotonic()? - start).saturating_sub(empty))
}
