//! Random schedules: devices that come, go, talk, are offline, lose their disks or are killed, on one log with one commit an epoch. At the end
//! each device holds exactly what was said while it was a member and had its group, in the order of the log.
//!
//! A schedule is its seed (`testkit::dice`).

use std::collections::{BTreeMap, BTreeSet};

use group::{Change, Commit, Device, Group, Place, Provider, Record, Store, package};
use pki::VerifiedCertificate;
use testkit::authority::{Authority, Certified};
use testkit::dice::{Dice, seeds};
use testkit::peer::now_ms;
use zeroize::Zeroizing;

use crate::party::{ROOM, device};

const DEVICES: usize = 12;
const STEPS: usize = 500;
const SCHEDULES: u64 = 8;

enum Entry {
    Text { by: usize, sealed: Vec<u8>, text: Vec<u8> },
    Commit { by: usize, commit: Commit, added: Vec<usize>, removed: Vec<usize>, before: BTreeSet<usize> },
}

/// What a device writes in one transaction.
#[derive(Clone, Default)]
struct Disk {
    records: BTreeMap<Record, Vec<u8>>,
    position: usize,
    held: Vec<(usize, Vec<u8>)>,
    waiting: Option<Waiting>,
}

/// What a device has made and not yet seen in the log.
#[derive(Clone)]
enum Waiting {
    Text { sealed: Vec<u8>, text: Vec<u8> },
    Commit { commit: Commit, added: Vec<usize>, removed: Vec<usize> },
}

struct Node {
    certified: Certified,
    provider: Provider,
    group: Option<Group>,
    disk: Disk,
    packages: Vec<Vec<u8>>,
}

impl Node {
    fn write(&mut self) {
        for write in self.provider.store().take_changes() {
            match write.bytes {
                Some(bytes) => self.disk.records.insert(write.record, bytes.to_vec()),
                None => self.disk.records.remove(&write.record),
            };
        }
    }

    fn start(&mut self, disk: Disk) {
        self.disk = disk;
        let store = Store::default();
        store.load(self.disk.records.iter().map(|(record, bytes)| (*record, Zeroizing::new(bytes.clone()))));
        self.provider = Provider::new(store).unwrap();
        self.group = Group::load(&self.provider, &ROOM, 0).unwrap().filter(Group::is_active);
    }

    fn device(&self) -> Device<'_> {
        device(&self.certified)
    }
}

struct World {
    dice: Dice,
    nodes: Vec<Node>,
    log: Vec<Entry>,
    members: BTreeSet<usize>,
    epoch: u64,
    /// Of each device, which texts it must hold.
    owed: Vec<BTreeMap<usize, Vec<u8>>>,
    /// Which devices have lost their group and are to come back.
    lost: BTreeSet<usize>,
}

impl World {
    fn new(authority: &Authority, seed: u64) -> Self {
        let mut nodes: Vec<Node> = (0..DEVICES)
            .map(|number| Node {
                certified: authority.device(&format!("user{number}"), "laptop"),
                provider: Provider::new(Store::default()).unwrap(),
                group: None,
                disk: Disk::default(),
                packages: Vec::new(),
            })
            .collect();
        let first = &mut nodes[0];
        first.group = Some(Group::create(&first.provider, &device(&first.certified), &ROOM, 0).unwrap());
        first.write();
        let owed = vec![BTreeMap::new(); DEVICES];
        Self {
            dice: Dice::new(seed),
            nodes,
            log: Vec::new(),
            members: BTreeSet::from([0]),
            epoch: 0,
            owed,
            lost: BTreeSet::new(),
        }
    }

    fn certificate(&self, node: usize) -> VerifiedCertificate {
        self.nodes[node].certified.certificate.clone()
    }

    fn certificates(&self, nodes: impl IntoIterator<Item = usize>) -> Vec<VerifiedCertificate> {
        nodes.into_iter().map(|node| self.certificate(node)).collect()
    }

    fn hashes(&self, nodes: &[usize]) -> Vec<[u8; 32]> {
        nodes.iter().map(|node| self.certificate(*node).hash()).collect()
    }

    fn step(&mut self) {
        let mut node = self.dice.roll(DEVICES);
        if self.dice.roll(4) > 0 {
            let members: Vec<usize> = self.members.iter().copied().collect();
            node = members[self.dice.roll(members.len())];
        }
        match self.dice.roll(20) {
            0..=5 => {
                let entries = 1 + self.dice.roll(8);
                self.read(node, entries);
            }
            6..=9 => self.speak(node),
            10..=12 => self.change(node),
            13..=16 => self.submit(node),
            17 => {
                let disk = self.nodes[node].disk.clone();
                self.nodes[node].start(disk);
            }
            18 => self.killed(node),
            _ => self.lose(node),
        }
    }

    /// Reads on, as far as it may.
    fn read(&mut self, node: usize, entries: usize) {
        if self.lost.contains(&node) {
            self.come_back(node);
            return;
        }
        for _ in 0..entries {
            let index = self.nodes[node].disk.position;
            if index >= self.log.len() {
                return;
            }
            self.take(node, index);
            self.nodes[node].disk.position = index + 1;
            self.nodes[node].write();
        }
    }

    fn take(&mut self, node: usize, index: usize) {
        let me = self.hashes(&[node])[0];
        match &self.log[index] {
            Entry::Text { by, sealed, text } => {
                let (by, sealed, text) = (*by, sealed.clone(), text.clone());
                let sender = self.certificate(by).hash();
                let node = &mut self.nodes[node];
                let Some(group) = &mut node.group else { return };
                let own =
                    matches!(&node.disk.waiting, Some(Waiting::Text { sealed: mine, .. }) if *mine == sealed);
                if own {
                    node.disk.waiting = None;
                    node.disk.held.push((index, text));
                } else if sender != me {
                    let opened = group.open(&node.provider, &sealed, b"context", &sender).unwrap();
                    node.disk.held.push((index, opened.to_vec()));
                }
            }
            Entry::Commit { by, commit, added, removed, before } => {
                let (by, commit, added, removed) = (*by, commit.clone(), added.clone(), removed.clone());
                let mut after: BTreeSet<usize> = before.clone();
                after.extend(&added);
                for gone in &removed {
                    after.remove(gone);
                }
                let epoch =
                    self.log[..=index].iter().filter(|entry| matches!(entry, Entry::Commit { .. })).count()
                        as u64;
                let members = self.certificates(after);
                let joins = added.contains(&node);
                let change = Change {
                    by: &self.certificate(by),
                    added: &self.certificates(added),
                    removed: &self.hashes(&removed),
                };
                let node = &mut self.nodes[node];
                if joins {
                    let welcome = commit.welcome.as_ref().unwrap();
                    let joined = Group::join(
                        &node.provider,
                        welcome,
                        &commit.tree,
                        Place { room: &ROOM, generation: 0, epoch, members: &members },
                    );
                    node.group = Some(joined.unwrap());
                    node.disk.waiting = None;
                    return;
                }
                let Some(group) = &mut node.group else { return };
                let own = matches!(&node.disk.waiting, Some(Waiting::Commit { commit: mine, .. }) if mine.message == commit.message);
                if own {
                    group.confirm(&node.provider).unwrap();
                } else {
                    group.apply(&node.provider, &commit.message, &change).unwrap();
                }
                // Whatever waited was for the epoch that ended.
                node.disk.waiting = None;
                if !group.is_active() {
                    node.group = None;
                }
            }
        }
    }

    /// Seals a text and keeps it until it can be sent.
    fn speak(&mut self, node: usize) {
        let text = format!("text {} of {node}", self.dice.roll(1 << 30)).into_bytes();
        let node = &mut self.nodes[node];
        let Some(group) = &mut node.group else { return };
        if node.disk.waiting.is_some() {
            return;
        }
        let signer = device(&node.certified);
        let sealed = group.seal(&node.provider, &signer, b"context", &text).unwrap();
        node.disk.waiting = Some(Waiting::Text { sealed, text });
        node.write();
    }

    /// Makes a commit: somebody in, somebody out, or fresh keys.
    fn change(&mut self, node: usize) {
        let (other, kind) = (self.dice.roll(DEVICES), self.dice.roll(6));
        if self.nodes[node].group.is_none() || self.nodes[node].disk.waiting.is_some() {
            return;
        }
        let held = self.nodes[node].group.as_ref().unwrap().members().unwrap();
        let there = held.contains(&self.certificate(other).hash());
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        match kind {
            0 => {}
            1 if there && other != node => removed.push(other),
            _ if !there => added.push(other),
            _ => return,
        }
        let mut packages = Vec::new();
        for other in &added {
            let package = self.package(*other);
            packages.push((self.certificate(*other), package));
        }
        let offered: Vec<(&VerifiedCertificate, &[u8])> =
            packages.iter().map(|(certificate, bytes)| (certificate, bytes.as_slice())).collect();
        let hashes = self.hashes(&removed);
        let node = &mut self.nodes[node];
        let signer = device(&node.certified);
        let commit = node
            .group
            .as_mut()
            .unwrap()
            .commit(&node.provider, &signer, &offered, &hashes, now_ms())
            .unwrap();
        node.disk.waiting = Some(Waiting::Commit { commit, added, removed });
        node.write();
    }

    /// A key package that the server held for a device; each is given out once.
    fn package(&mut self, node: usize) -> Vec<u8> {
        let node = &mut self.nodes[node];
        if node.packages.is_empty() {
            let made = package::create(&node.provider, &node.device(), false, now_ms()).unwrap();
            node.packages.push(made);
            node.write();
        }
        node.packages.pop().unwrap()
    }

    /// The server takes what fits the log's epoch and members, and refuses the rest for good.
    fn submit(&mut self, node: usize) {
        if self.lost.contains(&node) {
            return;
        }
        let Some(waiting) = self.nodes[node].disk.waiting.clone() else { return };
        let epoch = self.nodes[node].group.as_ref().map(Group::epoch);
        let fits = epoch == Some(self.epoch) && self.members.contains(&node);
        match waiting {
            _ if !fits => {}
            Waiting::Text { sealed, text } => {
                for member in self.members.clone() {
                    if !self.lost.contains(&member) {
                        self.owed[member].insert(self.log.len(), text.clone());
                    }
                }
                self.log.push(Entry::Text { by: node, sealed, text });
                self.catch_up(node);
            }
            Waiting::Commit { commit, added, removed } => {
                self.append(node, commit, added, removed);
                self.catch_up(node);
            }
        }
    }

    fn append(&mut self, by: usize, commit: Commit, added: Vec<usize>, removed: Vec<usize>) {
        let before = self.members.clone();
        self.members.extend(&added);
        for gone in &removed {
            self.members.remove(gone);
            self.lost.remove(gone);
        }
        self.epoch += 1;
        self.log.push(Entry::Commit { by, commit, added, removed, before });
    }

    /// Whoever sends reads the log to its own entry, as its client does.
    fn catch_up(&mut self, node: usize) {
        self.read(node, self.log.len());
    }

    /// Killed between an operation and its transaction: the disk is as before.
    fn killed(&mut self, node: usize) {
        let before = self.nodes[node].disk.clone();
        match self.dice.roll(3) {
            0 => self.read(node, 2),
            1 => self.speak(node),
            _ => {
                let position = self.nodes[node].disk.position;
                if position < self.log.len() && !self.lost.contains(&node) {
                    self.take(node, position);
                }
            }
        }
        // Coming back was logged; what is logged stays.
        if !matches!(self.log.last(), Some(Entry::Commit { by, .. }) if *by == node && self.nodes[node].disk.position == self.log.len())
        {
            self.nodes[node].start(before);
        }
    }

    /// The group's state is lost; what was held is not.
    fn lose(&mut self, node: usize) {
        if !self.members.contains(&node)
            || self.members.len() - self.lost.len() < 2
            || self.lost.contains(&node)
            || self.dice.roll(3) > 0
        {
            return;
        }
        if !self.log.iter().any(|entry| matches!(entry, Entry::Commit { .. })) {
            return;
        }
        let disk =
            Disk { held: self.nodes[node].disk.held.clone(), position: self.log.len(), ..Disk::default() };
        let reached = self.nodes[node].disk.position;
        self.owed[node].retain(|index, _| *index < reached);
        self.nodes[node].start(disk);
        self.nodes[node].packages.clear();
        self.lost.insert(node);
    }

    /// It comes back by an external commit from the newest group info.
    fn come_back(&mut self, node: usize) {
        let last = self.log.iter().rev().find_map(|entry| match entry {
            Entry::Commit { commit, .. } => Some(commit.clone()),
            Entry::Text { .. } => None,
        });
        let Some(last) = last else { return };
        let members = self.certificates(self.members.clone());
        let (epoch, this) = (self.epoch, &mut self.nodes[node]);
        let signer = device(&this.certified);
        let (group, commit) = Group::rejoin(
            &this.provider,
            &signer,
            &last.group_info,
            &last.tree,
            Place { room: &ROOM, generation: 0, epoch, members: &members },
        )
        .unwrap();
        this.group = Some(group);
        self.append(node, commit, Vec::new(), Vec::new());
        self.lost.remove(&node);
        self.nodes[node].disk.position = self.log.len();
        self.nodes[node].write();
    }

    fn end(&mut self) {
        for node in 0..DEVICES {
            while self.lost.contains(&node) || self.nodes[node].disk.position < self.log.len() {
                self.read(node, self.log.len());
            }
        }
        for node in 0..DEVICES {
            // Entries after the last one to come back.
            self.read(node, self.log.len());
            let held: Vec<(usize, Vec<u8>)> = self.nodes[node].disk.held.clone();
            let owed: Vec<(usize, Vec<u8>)> = self.owed[node].clone().into_iter().collect();
            assert_eq!(held, owed, "device {node}");
            let inside = self.nodes[node].group.as_ref().is_some_and(Group::is_active);
            assert_eq!(inside, self.members.contains(&node), "device {node}");
        }
    }
}

#[test]
fn every_member_holds_the_same_and_nobody_else_holds_any() {
    let authority = Authority::new();
    for seed in seeds(SCHEDULES) {
        let mut world = World::new(&authority, seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.end();
        let texts = world.log.iter().filter(|entry| matches!(entry, Entry::Text { .. })).count();
        println!("seed {seed}: {} members, {} epochs, {texts} texts", world.members.len(), world.epoch);
    }
}
