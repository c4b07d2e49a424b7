//! MLS groups of several sizes: what changes of membership and messages cost, storage included.

use std::str::FromStr;
use std::time::Duration;

use ::group::{Change, Commit, Device, Group, Place, Provider, Store, package};
use anyhow::{Context, Result, ensure};
use pki::VerifiedCertificate;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection};
use testkit::authority::{Authority, Certified};
use tokio::runtime::Runtime;

use crate::measure::{Contender, Stopwatch, compete, cpu_time, monotonic, unix_ms};

const SIZES: [usize; 4] = [2, 16, 128, 1_000];
const ROOM: [u8; 32] = [7; 32];
const ROUNDS: usize = 15;
/// Messages in a round.
const TIMES: u32 = 32;
/// Bytes of content in a message, and of what is authenticated beside it.
const CONTENT: [u8; 200] = [1; 200];
const CONTEXT: [u8; 120] = [2; 120];

pub(crate) fn run() -> Result<()> {
    let authority = Authority::new();
    println!(
        "\nGroups, suite {:?}: CPU time of the device, once each; bytes of commit, welcome, tree",
        ::group::SUITE
    );
    println!(
        "{:>8} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} bytes",
        "devices", "create", "join", "add", "take add", "remove", "update"
    );
    let mut rooms = Vec::new();
    for size in SIZES {
        rooms.push(Room::new(&authority, size)?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (first, last) = (rooms.first().context("a room")?.size, rooms.last().context("a room")?.size);
    println!(
        "\nA message of {} bytes, {ROUNDS} rounds of {TIMES}; ratio of {last} devices to {first}",
        CONTENT.len()
    );
    let mut kept: Vec<Kept> =
        rooms.into_iter().map(|room| Kept::new(&runtime, room)).collect::<Result<_>>()?;
    for (name, stored, opens) in [
        ("seal", false, false),
        ("open", false, true),
        ("seal and store", true, false),
        ("open and store", true, true),
    ] {
        let runtime = &runtime;
        let mut contenders: Vec<Contender<'_>> = kept
            .iter_mut()
            .map(|kept| Contender::new("", move |times| kept.messages(runtime, times, stored, opens)))
            .collect();
        compete(&mut contenders, ROUNDS, TIMES)?;
        let times: Vec<String> = contenders
            .iter()
            .map(|contender| Ok(format!("{:.0} µs", contender.nanoseconds()?.median / 1e3)))
            .collect::<Result<_>>()?;
        let ratio = contenders.last().context("a room")?.ratio_to(contenders.first().context("a room")?)?;
        println!("{name:>16}: {}; {ratio}", times.join(", "));
    }
    Ok(())
}

/// Maker and one other of a group's devices.
struct Room {
    size: usize,
    maker: Party,
    other: Party,
}

struct Party {
    certified: Certified,
    provider: Provider,
    group: Option<Group>,
}

impl Party {
    fn new(authority: &Authority, user: &str) -> Result<Self> {
        Ok(Self {
            certified: authority.device(user, "laptop"),
            provider: Provider::new(Store::default())?,
            group: None,
        })
    }

    fn device(&self) -> Device<'_> {
        Device { certificate: &self.certified.certificate, key: &self.certified.key }
    }

    fn package(&self) -> Result<(VerifiedCertificate, Vec<u8>)> {
        let package = package::create(&self.provider, &self.device(), false, unix_ms()?)?;
        self.provider.store().take_changes();
        Ok((self.certified.certificate.clone(), package))
    }

    fn commit(&mut self, added: &[(VerifiedCertificate, Vec<u8>)], removed: &[[u8; 32]]) -> Result<Commit> {
        let added: Vec<(&VerifiedCertificate, &[u8])> =
            added.iter().map(|(certificate, bytes)| (certificate, bytes.as_slice())).collect();
        let device = Device { certificate: &self.certified.certificate, key: &self.certified.key };
        let group = self.group.as_mut().context("a group")?;
        let commit = group.commit(&self.provider, &device, &added, removed, unix_ms()?)?;
        group.confirm(&self.provider)?;
        self.provider.store().take_changes();
        Ok(commit)
    }

    fn apply(&mut self, commit: &Commit, change: &Change<'_>) -> Result<()> {
        self.group.as_mut().context("a group")?.apply(&self.provider, &commit.message, change)?;
        self.provider.store().take_changes();
        Ok(())
    }
}

impl Room {
    /// Makes the group and prints what that cost.
    fn new(authority: &Authority, size: usize) -> Result<Self> {
        let (mut maker, mut other) = (Party::new(authority, "maker")?, Party::new(authority, "other")?);
        let mut packages = vec![other.package()?];
        for number in 2..size {
            packages.push(Party::new(authority, &format!("user{number}"))?.package()?);
        }
        let members: Vec<VerifiedCertificate> = std::iter::once(&maker.certified.certificate)
            .chain(packages.iter().map(|(certificate, _)| certificate))
            .cloned()
            .collect();

        let mut create = Stopwatch::default();
        let commit = create.count(|| {
            maker.group = Some(Group::create(&maker.provider, &maker.device(), &ROOM, 0)?);
            maker.commit(&packages, &[])
        })?;
        let mut join = Stopwatch::default();
        join.count(|| {
            let welcome = commit.welcome.as_ref().context("a welcome")?;
            other.group = Some(Group::join(
                &other.provider,
                welcome,
                &commit.tree,
                Place { room: &ROOM, generation: 0, epoch: 1, members: &members },
            )?);
            other.provider.store().take_changes();
            Ok(())
        })?;

        let guest = Party::new(authority, "guest")?.package()?;
        let (by, guests) = (maker.certified.certificate.clone(), [guest.0.clone()]);
        let (mut add, mut take, mut remove, mut update) =
            <(Stopwatch, Stopwatch, Stopwatch, Stopwatch)>::default();
        let added = add.count(|| maker.commit(std::slice::from_ref(&guest), &[]))?;
        take.count(|| other.apply(&added, &Change { by: &by, added: &guests, removed: &[] }))?;
        let gone = [guest.0.hash()];
        let removed = remove.count(|| maker.commit(&[], &gone))?;
        other.apply(&removed, &Change { by: &by, added: &[], removed: &gone })?;
        let updated = update.count(|| maker.commit(&[], &[]))?;
        other.apply(&updated, &Change { by: &by, added: &[], removed: &[] })?;
        let welcome = commit.welcome.as_ref().map_or(0, Vec::len);
        println!(
            "{size:>8} {:>10.2?} {:>10.2?} {:>10.2?} {:>10.2?} {:>10.2?} {:>10.2?} {}, {welcome}, {}; add {}, update {}, group info {}",
            create.total(),
            join.total(),
            add.total(),
            take.total(),
            remove.total(),
            update.total(),
            commit.message.len(),
            commit.tree.len(),
            added.message.len(),
            updated.message.len(),
            updated.group_info.len(),
        );
        Ok(Self { size, maker, other })
    }
}

/// A group whose devices write to databases.
struct Kept {
    room: Room,
    maker: SqliteConnection,
    other: SqliteConnection,
    _folder: tempfile::TempDir,
}

impl Kept {
    fn new(runtime: &Runtime, room: Room) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let open = |name: &str| {
            let options =
                SqliteConnectOptions::from_str(&format!("sqlite://{}", folder.path().join(name).display()))?
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full);
            runtime.block_on(async {
                let mut connection = SqliteConnection::connect_with(&options).await?;
                sqlx::query("CREATE TABLE record (scope BLOB, item BLOB, bytes BLOB, PRIMARY KEY (scope, item)) WITHOUT ROWID")
                    .execute(&mut connection)
                    .await?;
                anyhow::Ok(connection)
            })
        };
        let (maker, other) = (open("maker")?, open("other")?);
        Ok(Self { room, maker, other, _folder: folder })
    }

    /// Sends messages, and gives the time of sealing or of opening: CPU time alone, or the clock's with storage.
    fn messages(&mut self, runtime: &Runtime, times: u32, stored: bool, opens: bool) -> Result<Duration> {
        let mut spent = Duration::ZERO;
        let sender = self.room.maker.certified.certificate.hash();
        for _ in 0..times {
            let start = if stored { monotonic()? } else { cpu_time()? };
            let Party { certified, provider, group } = &mut self.room.maker;
            let device = Device { certificate: &certified.certificate, key: &certified.key };
            let sealed = group.as_mut().context("a group")?.seal(provider, &device, &CONTEXT, &CONTENT)?;
            write(runtime, &mut self.maker, provider.store(), stored)?;
            let middle = if stored { monotonic()? } else { cpu_time()? };
            let Party { provider, group, .. } = &mut self.room.other;
            let opened = group.as_mut().context("a group")?.open(provider, &sealed, &CONTEXT, &sender)?;
            write(runtime, &mut self.other, provider.store(), stored)?;
            let end = if stored { monotonic()? } else { cpu_time()? };
            ensure!(opened.as_slice() == CONTENT, "it opened to something else");
            spent += if opens { end - middle } else { middle - start };
        }
        Ok(spent)
    }
}

fn write(runtime: &Runtime, connection: &mut SqliteConnection, store: &Store, stored: bool) -> Result<()> {
    let writes = store.take_changes();
    if !stored {
        return Ok(());
    }
    runtime.block_on(async {
        let mut transaction = connection.begin().await?;
        for write in writes {
            let bytes = write.bytes.as_ref().map(|bytes| bytes.as_slice());
            sqlx::query("INSERT OR REPLACE INTO record VALUES (?, ?, ?)")
                .bind(write.record.scope.as_slice())
                .bind(write.record.item.as_slice())
                .bind(bytes)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    })
}
