//! The server and the people's homes, each with a connection of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use client::{Client, ClientOptions, Disclose, Events, ExportOptions, Home, Joiner};
use evidence::room::RoomId;
use pki::certificate::certificate_to_pem;
use pki::{Organisation, Password};
use server::console::Console;
use server::organisation::{Authority, DataFolder, KeyProtection};
use server::{Server, ServerConfig};
use session::link::{Link, Purpose};
use session::message::Role;

use super::Narrator;
use super::script::Script;
use super::talk::Talked;
use crate::clock::now_ms;
use crate::command::{room_size, write_bundle};
use crate::terminal::{Failure, count};

/// Milliseconds that the demo's invite is good.
const INVITE_MS: u64 = 3_600_000;
/// Bytes of randomness in the demo's password.
const PASSWORD_BYTES: usize = 12;
/// Name of the demo's device on every home.
const DEVICE: &str = "demo";

/// A running server and its connected people.
pub struct Stage {
    server: Server,
    /// One for each speaker of the script, in its order.
    pub people: Vec<Client>,
    /// The room in which everybody is.
    pub room: RoomId,
}

impl Stage {
    /// Makes an organisation, starts its server, lets everybody join, connects them and opens a room.
    pub async fn build(place: &Path, script: &Script, narrator: &Narrator) -> Result<Self, Failure> {
        let folder = DataFolder::open(&place.join("server"))?;
        let organisation = Organisation::parse("demo.example").map_err(|e| Failure::failed(e.to_string()))?;
        Authority::create(&folder, &organisation, &KeyProtection::Plain, now_ms())?;
        let config = ServerConfig {
            data: folder.path().to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            name: None,
            store: None,
            protection: KeyProtection::Plain,
        };
        let server = Server::start(config).await?;
        let authority = Authority::load(&folder, &KeyProtection::Plain)?;
        write(&place.join("root.pem"), &certificate_to_pem(authority.root()))?;
        let fingerprint = pki::Fingerprint(*authority.root_fingerprint());
        narrator.say("");
        narrator.say(&format!("1. An organisation: its own certificate authority, root {fingerprint},"));
        narrator.say(&format!("   and a server on {}.", server.address()));

        let password = new_password()?;
        write(&place.join("password"), &password)?;
        let link = invite(&folder, &authority, server.address(), script.speakers.len()).await?;
        let mut people = Vec::with_capacity(script.speakers.len());
        for speaker in &script.speakers {
            let home =
                join(&place.join("homes").join(&speaker.user), &link, &speaker.user, &password).await?;
            let client = Client::start(home, ClientOptions::default()).await?;
            client.ready().await?;
            people.push(client);
        }
        let names: Vec<&str> = script.speakers.iter().map(|s| s.user.as_str()).collect();
        let joined = count(names.len() as u64, "person", "people");
        narrator.say(&format!("2. {joined} joined by invite, each with a key and certificate of their own:"));
        narrator.say(&format!("   {}.", names.join(", ")));

        let room = open_room(&people, &names).await?;
        narrator.say(&format!("3. A room with all of them: {room}."));
        Ok(Self { server, people, room })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Whether the server's store syncs each commit to disk.
    pub fn synced(&self) -> bool {
        self.server.syncs_commits()
    }

    /// Ends everybody's session, receipts included, exports as the first person, and stops the server.
    pub async fn export_and_stop(mut self, talked: &Talked, bundle: &Path) -> Result<u64, Failure> {
        let mut people = self.people.drain(..);
        let Some(exporter) = people.next() else { return Err(Failure::failed("the demo has nobody in it")) };
        for client in people {
            client.close().await;
        }
        let options = ExportOptions { from: None, to: None, disclose: Disclose::All };
        exporter.synced(self.room, talked.log_size).await?;
        let (bytes, _) = write_bundle(&exporter, self.room, options, bundle).await?;
        exporter.close().await;
        self.server.stop().await;
        Ok(bytes)
    }
}

async fn open_room(people: &[Client], names: &[&str]) -> Result<RoomId, Failure> {
    let Some((first, others)) = people.split_first() else {
        return Err(Failure::failed("the demo has nobody in it"));
    };
    let mut listening: Vec<Events> = others.iter().map(Client::events).collect();
    let room = first.create_room("demo").await?;
    let invited: Vec<&str> = names.iter().skip(1).copied().collect();
    if !invited.is_empty() {
        first.add(room, &invited).await?;
    }
    let size = room_size(first, room).await?;
    for (client, events) in others.iter().zip(&mut listening) {
        while !client.rooms().await?.iter().any(|r| r.id == room) {
            if events.next().await.is_none() {
                return Err(Failure::failed("somebody's client ended"));
            }
        }
        client.synced(room, size).await?;
    }
    Ok(room)
}

async fn invite(
    folder: &DataFolder,
    authority: &Authority,
    address: SocketAddr,
    people: usize,
) -> Result<Link, Failure> {
    let console = Console::open(folder).await?;
    let uses = u32::try_from(people).unwrap_or(u32::MAX);
    let token = console.create_invite(None, Role::Member, uses, now_ms().saturating_add(INVITE_MS)).await;
    console.close().await;
    Ok(Link {
        host: address.ip().to_string(),
        port: address.port(),
        root: *authority.root_fingerprint(),
        token: token?,
        purpose: Purpose::Join,
    })
}

async fn join(folder: &Path, link: &Link, user: &str, password: &str) -> Result<Home, Failure> {
    let joiner = Joiner {
        user,
        email: None,
        device: DEVICE,
        password: Password::new(password.to_owned()),
        earlier: None,
    };
    Ok(client::join(folder, &link.format(), joiner).await?)
}

fn new_password() -> Result<String, Failure> {
    let mut bytes = [0; PASSWORD_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Failure::failed("the system gave no randomness"))?;
    Ok(hex::encode(bytes))
}

fn write(path: &PathBuf, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    // The password opens every home: nobody else reads it.
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|e| Failure::failed(format!("cannot write {}: {e}", path.display())))
}
