//! Random schedules: people talk, come, go, are put out, run twice on one home, lose their keys, and the server restarts. In the end whoever was entitled to a
//! message holds it, the same in the same place, and nobody else does.

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

struct Run {
    world: World,
    dice: Dice,
    clients: Vec<Client>,
    room: RoomId,
    said: Vec<String>,
    /// Who lost keys once, and may miss what came meanwhile.
    lost: BTreeSet<usize>,
}

impl Run {
    async fn new(seed: u64) -> Self {
        let world = World::new().await;
        let mut clients = Vec::new();
        for name in PEOPLE {
            clients.push(world.member(name).await);
        }
        let room = clients[0].create_room("ops").await.unwrap();
        Self { world, dice: Dice::new(seed), clients, room, said: Vec::new(), lost: BTreeSet::new() }
    }

    async fn step(&mut self) {
        let who = self.dice.roll(PEOPLE.len());
        let whom = PEOPLE[self.dice.roll(PEOPLE.len())];
        let client = self.clients[who].clone();
        match self.dice.roll(20) {
            0..=9 => {
                let text = format!("{} says {}", PEOPLE[who], self.said.len());
                // Who is no member, or does not know it yet, says nothing.
                if client.send(self.room, Outgoing::text(&text)).await.is_ok() {
                    self.said.push(text);
                }
            }
            10..=12 => drop(within("add", client.add(self.room, &[whom])).await),
            // The first stays, so that there is a room.
            13 if whom != PEOPLE[0] => drop(within("remove", client.remove(self.room, &[whom])).await),
            14 if who > 0 => drop(within("leave", client.leave(self.room)).await),
            // Another process of the same home comes beside it, then it is gone, whatever was under way.
            15 | 16 => self.clients[who] = self.world.reopen(PEOPLE[who]).await,
            17 => {
                client.close().await;
                let vault = self.world.home(PEOPLE[who]).join("vault.db");
                execute(
                    &vault,
                    "DELETE FROM group_record WHERE room > 0; UPDATE room SET group_version = group_version + 1",
                )
                .await;
                self.lost.insert(who);
                self.clients[who] = self.world.reopen(PEOPLE[who]).await;
            }
            18 => {
                self.world.stop().await;
                self.world.start().await;
            }
            _ => {
                // Two at once, where one alone can be first.
                let (one, two) = (self.clients[0].clone(), client);
                let (user, other) = ([whom], [PEOPLE[who]]);
                let (a, b) = tokio::join!(one.add(self.room, &user), two.add(self.room, &other));
                drop((a, b));
            }
        }
    }

    /// Brings everybody to the end of what they may read, and compares.
    async fn compare(mut self, seed: u64) {
        for client in &self.clients {
            client.close().await;
        }
        for (who, name) in PEOPLE.iter().enumerate() {
            // What waits goes out before the end.
            let client = self.world.reopen(name).await;
            client.close().await;
            self.clients[who] = client;
        }
        let mut readers = Vec::new();
        for name in PEOPLE {
            readers.push(self.world.reopen(name).await);
        }
        let database = self.world.home("server").join("store.db");
        let spans: Vec<(String, i64, Option<i64>)> = query(
            &database,
            "SELECT d.user_name, m.from_idx, m.to_idx FROM members m JOIN devices d ON d.certificate = m.certificate",
        )
        .await;
        let size: Vec<(i64,)> = query(&database, "SELECT size FROM room_heads").await;
        let mut texts: BTreeMap<u64, String> = BTreeMap::new();
        let mut held: Vec<BTreeMap<u64, String>> = Vec::new();
        for (name, client) in PEOPLE.iter().zip(&readers) {
            let last = spans
                .iter()
                .filter(|(user, ..)| user == name)
                .map(|(.., to)| to.map_or(size[0].0, |to| to + 1));
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
        for (who, (name, own)) in PEOPLE.iter().zip(&held).enumerate() {
            let entitled = |index: u64| {
                spans.iter().any(|(user, from, to)| {
                    user == name && *from <= index as i64 && to.is_none_or(|to| index as i64 <= to)
                })
            };
            for (index, text) in &texts {
                let holds = own.contains_key(index);
                assert!(!holds || entitled(*index), "seed {seed}: {name} holds {text:?} at {index}");
                let should = entitled(*index) && !self.lost.contains(&who);
                assert!(holds || !should, "seed {seed}: {name} lacks {text:?} at {index}");
            }
        }
        // Whoever is in is in for good: it hears what is said next.
        let inside: Vec<usize> = (0..PEOPLE.len())
            .filter(|who| spans.iter().any(|(user, _, to)| user == PEOPLE[*who] && to.is_none()))
            .collect();
        if let Some(first) = inside.first() {
            let mut handle = readers[*first].send(self.room, Outgoing::text("the end")).await.unwrap();
            let index = within("the end", handle.logged()).await.unwrap().index;
            for who in &inside {
                within("the end is read", readers[*who].synced(self.room, index + 1)).await.unwrap();
                let end = readers[*who].timeline(self.room, index, 1).await.unwrap();
                assert_eq!(end[0].text(), Some("the end"), "seed {seed}: {}", PEOPLE[*who]);
            }
        }
        println!("seed {seed}: {} said, {} in the log, {} entries", self.said.len(), texts.len(), size[0].0);
        for client in readers {
            client.close().await;
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
