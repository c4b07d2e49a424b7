//! Each part of what a home does, killed at every moment of it.

use std::collections::BTreeSet;

use client::{Client, Outgoing, Transfer, What};
use evidence::room::RoomId;
use tokio::sync::watch;

use crate::common::{World, execute, in_room, said, within};
use crate::life::{TAPE, goes_on, until};
use crate::victim::Victim;

/// Loses the groups of a vault that nobody has open.
const LOSE: &str =
    "DELETE FROM group_record WHERE room > 0; UPDATE room SET group_version = group_version + 1";

/// A room of alice, who is killed, and bob, who looks on.
struct Run {
    world: World,
    bob: Client,
    room: RoomId,
    /// What alice has tried to say, in order, and of this what she was told is said.
    tried: Vec<String>,
    said: BTreeSet<String>,
    kills: usize,
}

impl Run {
    async fn new() -> Self {
        let world = World::new().await;
        let (alice, bob) = (world.member("alice").await, world.member("bob").await);
        let room = alice.create_room("ops").await.unwrap();
        alice.add(room, &["bob"]).await.unwrap();
        within("bob is in", in_room(&bob, room, 2)).await;
        alice.close().await;
        Self { world, bob, room, tried: Vec::new(), said: BTreeSet::new(), kills: 0 }
    }

    /// Lets a victim do its part once; whether it was killed.
    async fn once(
        &mut self,
        (part, name, at): (&str, &str, usize),
        with: &str,
        mut meanwhile: impl AsyncFnMut(&Self) -> String,
    ) -> bool {
        let mut victim = Victim::start(part, &self.world.home(name), with, at);
        while let Some(word) = within("a word", victim.word()).await {
            match word.split_once(' ') {
                Some(("tried", text)) => self.tried.push(text.to_owned()),
                Some(("said", text)) => drop(self.said.insert(text.to_owned())),
                _ if word == "ready" => victim.cue(&meanwhile(self).await),
                _ => {}
            }
        }
        let killed = victim.was_killed();
        self.kills += usize::from(killed);
        killed
    }

    /// Lets alice do her part, killed at each moment of it, until she comes to its end; at each start she goes on from where she was killed.
    async fn every_moment(&mut self, part: &str, mut meanwhile: impl AsyncFnMut(&Self) -> String) {
        let with = self.room.to_string();
        let mut at = 1;
        while self.once((part, "alice", at), &with, &mut meanwhile).await {
            at += 1;
        }
    }

    /// All that was promised is said, once and in order, to both alike; and alice has brought fresh keys into the room as often as she had to.
    async fn end(self, part: &str, keys: usize) {
        let Self { world, bob, room, mut tried, said: mut promised, kills } = self;
        let alice = world.reopen("alice").await;
        let index = goes_on(&alice, room, "the end").await;
        within("read", bob.synced(room, index + 1)).await.unwrap();
        let all = said(&bob, room).await;
        assert_eq!(said(&alice, room).await, all);
        tried.push("the end".to_owned());
        let mut left = tried.iter();
        for (_, text) in all.iter().filter(|(from, _)| from == "alice") {
            assert!(left.any(|tried| tried == text), "twice, or out of order: {text}");
            promised.remove(text);
        }
        assert_eq!(promised, BTreeSet::new(), "lost");
        let items = alice.timeline(room, 0, usize::MAX).await.unwrap();
        let fresh = items.iter().filter(|item| item.what == What::Keys && item.from == "alice");
        assert_eq!(fresh.count(), keys, "{items:?}");
        println!("{part}: killed {kills} times");
        for client in [alice, bob] {
            client.close().await;
        }
    }
}

async fn nothing(_: &Run) -> String {
    String::new()
}

#[tokio::test]
async fn a_home_that_says_something() {
    let mut run = Run::new().await;
    run.every_moment("say", nothing).await;
    run.end("say", 0).await;
}

#[tokio::test]
async fn a_home_that_says_something_without_a_server() {
    let mut run = Run::new().await;
    run.every_moment("offline", nothing).await;
    run.end("offline", 0).await;
}

#[tokio::test]
async fn a_home_that_hears_something() {
    let mut run = Run::new().await;
    let hear = async |run: &Run| {
        let mut size = 0;
        for number in 0..2 {
            let text = format!("bob {number} after {}", run.kills);
            let mut handle = run.bob.send(run.room, Outgoing::text(text)).await.unwrap();
            size = within("logged", handle.logged()).await.unwrap().index + 1;
        }
        size.to_string()
    };
    run.every_moment("hear", hear).await;
    run.end("hear", 0).await;
}

#[tokio::test]
async fn a_home_that_creates_a_room() {
    let mut run = Run::new().await;
    run.every_moment("create", nothing).await;
    let alice = run.world.reopen("alice").await;
    let mut made = BTreeSet::new();
    for room in alice.rooms().await.unwrap() {
        let name = room.name.unwrap();
        assert!(made.insert(name.clone()), "twice: {name}");
        goes_on(&alice, room.id, "in use").await;
    }
    assert!(run.said.iter().filter(|said| !said.ends_with("goes on")).all(|said| made.contains(said)));
    run.said.clear();
    run.tried.push("in use".to_owned());
    alice.close().await;
    run.end("create", 0).await;
}

#[tokio::test]
async fn a_home_that_adds_and_removes() {
    let mut run = Run::new().await;
    let carol = run.world.member("carol").await;
    run.every_moment("members", nothing).await;
    run.end("members", 0).await;
    carol.close().await;
}

/// GR-18, GR-19
#[tokio::test]
async fn a_home_that_gives_fresh_keys() {
    let mut run = Run::new().await;
    let carol = run.world.member("carol").await;
    let leave = async |run: &Run| {
        let there =
            async || carol.rooms().await.unwrap().iter().any(|room| room.id == run.room && room.member);
        until(&carol, there).await;
        carol.leave(run.room).await.unwrap();
        String::new()
    };
    run.every_moment("keys", leave).await;
    let left = run.kills + 1;
    run.end("keys", left).await;
    carol.close().await;
}

/// GR-12
#[tokio::test]
async fn a_home_that_comes_back_into_a_group() {
    let mut run = Run::new().await;
    let (with, vault) = (run.room.to_string(), run.world.home("alice").join("vault.db"));
    let mut at = 1;
    loop {
        execute(&vault, LOSE).await;
        let killed = run.once(("return", "alice", at), &with, nothing).await;
        if !killed {
            break;
        }
        let alice = run.world.reopen("alice").await;
        let text = format!("back {at}");
        goes_on(&alice, run.room, &text).await;
        run.tried.push(text);
        alice.close().await;
        at += 1;
    }
    run.end("return", at).await;
}

/// GR-25
#[tokio::test]
async fn a_home_that_sends_a_file() {
    let mut run = Run::new().await;
    let folder = run.world.folder.path().to_owned();
    std::fs::write(folder.join("tape.bin"), vec![7; TAPE]).unwrap();
    run.every_moment("file", nothing).await;
    let items = run.bob.timeline(run.room, 0, usize::MAX).await.unwrap();
    let to = folder.join("back");
    for item in items {
        if run.bob.attachments(run.room, item.index).await.unwrap().is_empty() {
            continue;
        }
        let fetched =
            run.bob.fetch_file(run.room, item.index, 0, &to, watch::Sender::new(Transfer::default()));
        drop(within("fetched", fetched).await.unwrap());
        assert!(std::fs::read(&to).unwrap() == vec![7; TAPE]);
        std::fs::remove_file(&to).unwrap();
    }
    assert_eq!(std::fs::read_dir(run.world.home("alice").join("outgoing")).unwrap().count(), 0);
    run.end("file", 0).await;
}

/// GR-26 to GR-29: a new device at its first start. What it wrote is written, so that its next write is the first of the next run.
#[tokio::test]
async fn a_home_that_reads_history() {
    let mut run = Run::new().await;
    let (room, with) = (run.room, run.room.to_string());
    let alice = run.world.reopen("alice").await;
    for text in ["one", "two"] {
        run.tried.push(text.to_owned());
        goes_on(&alice, room, text).await;
    }
    drop(run.world.device(&alice, "phone").await);
    let expected = said(&alice, room).await;
    while run.once(("history", "phone", 1), &with, nothing).await {
        run.once(("history", "phone", 2), &with, nothing).await;
    }
    let phone = run.world.reopen("phone").await;
    assert_eq!(said(&phone, room).await, expected);
    for client in [alice, phone] {
        client.close().await;
    }
    run.end("history", 0).await;
}

/// SE-11: with the password that it was begun with, a join goes on.
#[tokio::test]
async fn a_home_that_is_being_made() {
    let mut run = Run::new().await;
    let mut at = 1;
    loop {
        let user = format!("user{at}");
        let link = run.world.invite(session::message::Role::Member).await;
        let added = async |run: &Run| {
            run.bob.add(run.room, &[&user]).await.unwrap();
            run.room.to_string()
        };
        let killed = run.once(("join", &user, at), &link, added).await;
        if killed {
            assert!(!run.once(("join", &user, 0), &link, added).await);
        } else {
            break;
        }
        at += 1;
    }
    run.end("join", 0).await;
}
