//! CPU of a whole server for a message, over loopback, against one strict verification.
//!
//! What is sealed is so in appearance only, as long as it would be: the server cannot tell. Server and clients share the process; the clients share this thread. The server's time is that of the process
//! less that of this thread.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use evidence::content::{Content, Field};
use evidence::entry::Place;
use evidence::log::{TreeHead, leaf_hash};
use evidence::membership::{Change, DeviceRef, Membership, MembershipClaim};
use evidence::room::{ContentSuite, Creation, RoomId, RoomName};
use evidence::statement::{Statement, StatementClaim};
use pki::{Fingerprint, Name, Organisation};
use server::console::Console;
use server::organisation::{Authority, DataFolder, KeyProtection};
use server::{Server, ServerConfig};
use session::message::{Command, Event, Reply, Role, ServerMessage};
use testkit::sealed::shown::{self, Shown};

use crate::measure::{Contender, Stopwatch, compete, cpu_time, process_cpu_time, unix_ms};
use crate::peer::{Member, Peer, Target};

const MEMBERS: usize = 8;
const ROUNDS: usize = 15;
/// Messages of one member that are under way at once, and messages of all in a round.
const ALONE: (u32, u32) = (1, 256);
const PIPELINED: (u32, u32) = (64, 2_048);
/// The key epoch of a room that nobody has changed since it was created.
const KEY_EPOCH: u64 = 1;
/// Bytes of text in a message.
const TEXT: usize = 100;

pub(crate) fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = DataFolder::open(folder.path())?;
    let protection = KeyProtection::Plain;
    Authority::create(&folder, &Organisation::parse("apollo.example")?, &protection, unix_ms()?)?;
    let root = Fingerprint(*Authority::load(&folder, &protection)?.root_fingerprint());
    let config = ServerConfig {
        data: folder.path().to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        name: None,
        store: None,
        protection,
    };
    let server = runtime.block_on(Server::start(config))?;
    let target = Target { address: server.address(), root };
    let token = runtime.block_on(async {
        let console = Console::open(&folder).await?;
        let token = console.create_invite(None, Role::Member, MEMBERS as u32, unix_ms()? + 3_600_000).await?;
        console.close().await;
        anyhow::Ok(token)
    })?;
    let mut room = Room::new(&target, &token)?;

    println!(
        "\nMessages of {TEXT} bytes of text in a room of {MEMBERS}, all members sending, {ROUNDS} rounds"
    );
    report("accepted, 1 of each under way", &mut room, ALONE)?;
    report("accepted, 64 of each under way", &mut room, PIPELINED)?;
    room.watch()?;
    report("the same, delivered to all", &mut room, PIPELINED)?;
    drop(room);
    runtime.block_on(server.stop());
    Ok(())
}

fn report(what: &str, room: &mut Room, (window, messages): (u32, u32)) -> Result<()> {
    let key = pki::ed25519::SigningKey::generate()?;
    let message = [7; 400];
    let signature = key.sign(&message);
    let mut contenders = [
        Contender::new("server", |times| room.talk(window, times)),
        Contender::new("one strict verification", |times| {
            let mut watch = Stopwatch::default();
            watch.count(|| (0..times).try_for_each(|_| Ok(key.public().verify(&message, &signature)?)))?;
            Ok(watch.total())
        }),
    ];
    compete(&mut contenders, ROUNDS, messages)?;
    let [server, verification] = &contenders;
    println!(
        "  {what:<32}{:>8.1} µs a message, a verification {:>6.1} µs, ratio {}",
        server.nanoseconds()?.median / 1e3,
        verification.nanoseconds()?.median / 1e3,
        server.ratio_to(verification)?
    );
    Ok(())
}

/// A room and all its members, logged in.
struct Room {
    id: RoomId,
    seen: TreeHead,
    /// Entries in the room's log.
    size: u64,
    speakers: Vec<Speaker>,
    watched: bool,
}

struct Speaker {
    member: Member,
    peer: Peer,
    /// The last number used.
    seq: u64,
    /// Entries that were delivered.
    delivered: u64,
}

impl Room {
    fn new(target: &Target, token: &[u8]) -> Result<Self> {
        let mut speakers = Vec::new();
        for number in 0..MEMBERS {
            let member = Member::join(target, token, &Name::parse(&format!("member-{number}"))?)?;
            let peer = member.log_in(target)?;
            speakers.push(Speaker { member, peer, seq: 0, delivered: 0 });
        }
        let devices = speakers
            .iter()
            .map(|speaker| DeviceRef {
                user: speaker.member.user.clone(),
                certificate: speaker.member.certificate,
            })
            .collect();
        let creator = speakers.first_mut().context("a member")?;
        let creation = Creation {
            organisation: Organisation::parse("apollo.example")?,
            creator: creator.member.certificate,
            parties: None,
            suite: ContentSuite::EndToEnd,
            nonce: [7; 32],
        };
        let id = creation.room_id();
        let place = Place { room: id, seq: 1, time_ms: unix_ms()?, epoch: 0, seen: TreeHead::empty() };
        let change = Change::Create { creation, name: Some(RoomName::parse("bench")?), devices };
        let Shown { hashes: mls, blobs } = shown::change(id, 0, &change);
        for blob in blobs {
            let (hash, size) = (pki::sha256(&blob).into(), blob.len() as u64);
            let reply = creator.peer.ask(Command::BlobPut { hash, size, offset: 0, bytes: blob })?;
            ensure!(reply == Reply::BlobHeld { held: size }, "a blob is not taken: {reply:?}");
        }
        let claim = MembershipClaim { certificate: creator.member.certificate, place, change, mls };
        let statement = Membership::sign(&claim, &creator.member.key);
        let seen = TreeHead { size: 1, root: leaf_hash(&statement) };
        let reply = creator.peer.ask(Command::RoomCreate { room: id.0.into(), statement })?;
        ensure!(matches!(reply, Reply::Appended { index: 0, .. }), "the room is not made: {reply:?}");
        creator.seq = 1;
        Ok(Self { id, seen, size: 1, speakers, watched: false })
    }

    /// From here on every entry is delivered to every member.
    fn watch(&mut self) -> Result<()> {
        for speaker in &mut self.speakers {
            let reply = speaker.peer.ask(Command::Watch)?;
            ensure!(reply == Reply::Done, "no events: {reply:?}");
            speaker.delivered = self.size;
        }
        self.watched = true;
        Ok(())
    }

    /// Lets the members say `times` things in all, each `window` before it waits; returns the server's CPU time.
    fn talk(&mut self, window: u32, times: u32) -> Result<Duration> {
        let (process, thread) = (process_cpu_time()?, cpu_time()?);
        for _ in 0..times / (window * MEMBERS as u32) {
            for speaker in &mut self.speakers {
                for _ in 0..window {
                    let append = speaker.say(self.id, self.seen)?;
                    speaker.peer.queue(append)?;
                }
                speaker.peer.flush()?;
            }
            self.size += u64::from(window) * MEMBERS as u64;
            for speaker in &mut self.speakers {
                let mut acknowledged = 0;
                while acknowledged < window || (self.watched && speaker.delivered < self.size) {
                    match speaker.peer.hear()? {
                        ServerMessage::Reply { reply: Reply::Appended { .. }, .. } => acknowledged += 1,
                        ServerMessage::Event { event: Event::Entries { entries, .. } } => {
                            speaker.delivered += entries.len() as u64;
                        }
                        other => bail!("unexpected: {other:?}"),
                    }
                }
            }
        }
        let own = cpu_time()? - thread;
        Ok((process_cpu_time()? - process).saturating_sub(own))
    }
}

impl Speaker {
    fn say(&mut self, room: RoomId, seen: TreeHead) -> Result<Command> {
        self.seq += 1;
        let time_ms = unix_ms()?;
        let place = Place { room, seq: self.seq, time_ms, epoch: 0, seen };
        let content = Content::new(vec![Field::Text("x".repeat(TEXT)), Field::Composed(time_ms)])?;
        let sent = shown::content(room, KEY_EPOCH, content.to_bytes().len());
        let claim = StatementClaim::new(&self.member.user, self.member.certificate, place, &content, &sent);
        let statement = Statement::sign(&claim, &self.member.key);
        Ok(Command::Append { room: room.0.into(), statement, content: Some(sent), files: Vec::new() })
    }
}
