//! Random schedules: people talk, come, go, are put out, have further devices and lose some, run twice on one home, lose their keys, and the server restarts. In
//! the end each device that was entitled to a message holds it, the same in the same place, and nobody does whose user was not.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's helper fails the test")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use client::{Client, Outgoing};
use common::{World, execute, in_room, query, within};
use evidence::room::RoomId;
use testkit::dice::{Dice, seeds};

const PEOPLE: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
const STEPS: usize = 60;
/// Schedules without a wish for more (`testkit::dice`).
const SCHEDULES: u64 = 3;

/// Devices that a user has at once.
const DEVICES: usize = 3;

struct Device {
    user: usize,
    /// The folder of its home.
    home: String,
    client: Client,
    /// Whether it lost keys once, and may miss what came meanwhile.
    lost: bool,
}

struct Run {
    world: World,
    dice: Dice,
    /// All that are not revoked, the first of each user first.
    devices: Vec<Device>,
    room: RoomId,
    said: Vec<String>,
    /// Homes made, revoked ones among them.
    homes: usize,
}

impl Run {
    async fn new(seed: u64) -> Self {
        let world = World::new().await;
        let mut devices = Vec::new();
        for (user, name) in PEOPLE.iter().enumerate() {
            let client = world.member(name).await;
            devices.push(Device { user, home: (*name).to_owned(), client, lost: false });
        }
        let room = devices[0].client.create_room("ops").await.unwrap();
        Self { world, dice: Dice::new(seed), devices, room, said: Vec::new(), homes: PEOPLE.len() }
    }

    /// A user has another device, or one less.
    async fn devices(&mut self, who: usize) {
        let user = self.devices[who].user;
        let theirs: Vec<usize> =
            (0..self.devices.len()).filter(|at| self.devices[*at].user == user).collect();
        let client = self.world.reopen(&self.devices[who].home).await;
        if theirs.len() < DEVICES && self.dice.roll(3) > 0 {
            let home = format!("{}-{}", PEOPLE[user], self.homes);
            self.homes += 1;
            let new = common::run(self.world.device(&client, &home).await).await;
            self.devices.push(Device { user, home, client: new, lost: false });
        } else if let Some(other) = theirs.into_iter().find(|other| *other != who) {
            let certificate = self.devices[other].client.certificate();
            client.revoke_device(certificate, "superseded").await.unwrap();
            self.devices[who].client = client;
            self.devices.remove(other).client.close().await;
            return;
        }
        self.devices[who].client = client;
    }

    async fn step(&mut self) {
        let who = self.dice.roll(self.devices.len());
        let whom = PEOPLE[self.dice.roll(PEOPLE.len())];
        let Device { user, home, client, .. } = &self.devices[who];
        let (user, home, client) = (*user, home.clone(), client.clone());
        match self.dice.roll(22) {
            0..=9 => {
                let text = format!("{home} says {}", self.said.len());
                // Who is no member, or does not know it yet, says nothing.
                if client.send(self.room, Outgoing::text(&text)).await.is_ok() {
                    self.said.push(text);
                }
            }
            10..=12 => drop(within("add", client.add(self.room, &[whom])).await),
            // The first stays, so that there is a room.
            13 if whom != PEOPLE[0] => drop(within("remove", client.remove(self.room, &[whom])).await),
            14 if user > 0 => drop(within("leave", client.leave(self.room)).await),
            // Another process of the same home comes beside it, then it is gone, whatever was under way.
            15 | 16 => self.devices[who].client = self.world.reopen(&home).await,
            17 => {
                client.close().await;
                let vault = self.world.home(&home).join("vault.db");
                execute(
                    &vault,
                    "DELETE FROM group_record WHERE room > 0; UPDATE room SET group_version = group_version + 1",
                )
                .await;
                self.devices[who].lost = true;
                self.devices[who].client = self.world.reopen(&home).await;
            }
            18 => {
                self.world.stop().await;
                self.world.start().await;
            }
            19 | 20 => self.devices(who).await,
            _ => {
                // Two at once, where one alone can be first.
                let (one, two) = (self.devices[0].client.clone(), client);
                let (user, other) = ([whom], [PEOPLE[user]]);
                let (a, b) = tokio::join!(one.add(self.room, &user), two.add(self.room, &other));
                drop((a, b));
            }
        }
    }

    /// Brings everybody to the end of what they may read, and compares.
    async fn compare(mut self, seed: u64) {
        for device in &self.devices {
            device.client.close().await;
        }
        for device in &self.devices {
            // What waits goes out before the end.
            self.world.reopen(&device.home).await.close().await;
        }
        for device in &mut self.devices {
            device.client = self.world.reopen(&device.home).await;
        }
        let database = self.world.home("server").join("store.db");
        let spans: Vec<(String, Vec<u8>, i64, Option<i64>)> = query(
            &database,
            "SELECT d.user_name, m.certificate, m.from_idx, m.to_idx FROM members m JOIN devices d ON d.certificate = m.certificate",
        )
        .await;
        let of = |device: &Device| {
            let certificate = device.client.certificate();
            spans.iter().filter(move |(_, of, ..)| of == &certificate)
        };
        let size: Vec<(i64,)> = query(&database, "SELECT size FROM room_heads").await;
        let mut texts: BTreeMap<u64, String> = BTreeMap::new();
        let mut held: Vec<BTreeMap<u64, String>> = Vec::new();
        for device in &self.devices {
            let client = &device.client;
            let last = of(device).map(|(.., to)| to.map_or(size[0].0, |to| to + 1));
            let Some(last) = last.max() else {
                held.push(BTreeMap::new());
                continue;
            };
            within("read", in_room(client, self.room, last as u64)).await;
            let items = client.timeline(self.room, 0, usize::MAX).await.unwrap();
            let own: BTreeMap<u64, String> =
                items.iter().filter_map(|item| Some((item.index, item.text()?.to_owned()))).collect();
            for (index, text) in &own {
                let first = texts.entry(*index).or_insert_with(|| text.clone());
                assert_eq!(first, text, "seed {seed}: two texts at {index}");
            }
            held.push(own);
        }
        let all: BTreeSet<&String> = texts.values().collect();
        assert_eq!(all.len(), texts.len(), "seed {seed}: something was said twice: {texts:?}");
        for (device, own) in self.devices.iter().zip(&held) {
            let Device { user, home, lost, .. } = device;
            let covers = |(_, _, from, to): &(String, Vec<u8>, i64, Option<i64>), index: u64| {
                *from <= index as i64 && to.is_none_or(|to| index as i64 <= to)
            };
            for (index, text) in &texts {
                let holds = own.contains_key(index);
                // What its user's other devices have read it may have from them.
                let may = spans.iter().any(|span| span.0 == PEOPLE[*user] && covers(span, *index));
                assert!(!holds || may, "seed {seed}: {home} holds {text:?} at {index}");
                let should = of(device).any(|span| covers(span, *index)) && !lost;
                assert!(holds || !should, "seed {seed}: {home} lacks {text:?} at {index}");
            }
        }
        // Whoever is in is in for good: it hears what is said next.
        let is_in = |device: &&Device| of(device).any(|(.., to)| to.is_none());
        let inside: Vec<&Device> = self.devices.iter().filter(is_in).collect();
        if let Some(first) = inside.first() {
            let mut handle = first.client.send(self.room, Outgoing::text("the end")).await.unwrap();
            let index = within("the end", handle.logged()).await.unwrap().index;
            for Device { client, home, .. } in &inside {
                within("the end is read", client.synced(self.room, index + 1)).await.unwrap();
                let end = client.timeline(self.room, index, 1).await.unwrap();
                assert_eq!(end[0].text(), Some("the end"), "seed {seed}: {home}");
            }
        }
        let (said, homes) = (self.said.len(), self.homes);
        println!(
            "seed {seed}: {homes} devices, {said} said, {} in the log, {} entries",
            texts.len(),
            size[0].0
        );
        for device in self.devices {
            device.client.close().await;
        }
        self.world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_entitled_holds_the_same_and_nobody_else_holds_any() {
    for seed in seeds(SCHEDULES) {
        let mut run = Run::new(seed).await;
        for _ in 0..STEPS {
            run.step().await;
        }
        run.compare(seed).await;
    }
}
