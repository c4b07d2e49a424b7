//! The devices of a room, its log, and what may happen next.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use group::{Change, Group, Place, Provider, Record, Store};
use pki::VerifiedCertificate;
use testkit::authority::Authority;
use testkit::dice::Dice;
use testkit::peer::now_ms;

use super::log::{Draft, Entry, Made, State, Waiting, What};
use super::node::Node;
use crate::party::{ROOM, device};

/// How large a schedule is.
struct Scale {
    users: usize,
    steps: usize,
    /// Users whom the first device adds before anything else.
    founders: usize,
    /// Users added at once later, at most.
    batch: usize,
    /// Changes of the members after which nobody makes one that need not be.
    changes: u64,
}

pub struct World {
    dice: Dice,
    scale: Scale,
    pub nodes: Vec<Node>,
    /// Devices that have a certificate which is not revoked.
    pub alive: BTreeSet<usize>,
    pub revoked: BTreeSet<usize>,
    away: BTreeSet<usize>,
    pub log: Vec<Entry>,
    pub now: State,
    begin: Rc<State>,
    /// Of each device, which texts it must hold.
    pub owed: Vec<BTreeMap<usize, String>>,
    /// Which devices have lost their group and are to come back.
    lost: BTreeSet<usize>,
    /// What users were promised is said, and what of it was given up as they are out.
    pub promised: BTreeSet<String>,
    pub given_up: BTreeSet<String>,
    /// What devices had when the log put them out, from the index on where it did.
    pub stolen: Vec<(usize, BTreeMap<Record, Vec<u8>>)>,
}

impl World {
    pub fn new(authority: &Authority, seed: u64, large: bool) -> Self {
        let mut dice = Dice::new(seed);
        let scale = if large {
            Scale { users: 80 + dice.roll(40), steps: 900, founders: 60, batch: 20, changes: 8 }
        } else {
            Scale { users: 2 + dice.roll(9), steps: 400, founders: 0, batch: 3, changes: u64::MAX }
        };
        let (mut nodes, mut alive) = (Vec::new(), BTreeSet::new());
        for user in 0..scale.users {
            for number in 0..1 + dice.roll(4) {
                // The first is there, others are to come, some of them soon.
                if number == 0 || dice.roll(2) == 0 {
                    alive.insert(nodes.len());
                }
                let certified = authority.device(&format!("user{user}"), &format!("device{number}"));
                nodes.push(Node::new(certified, user));
            }
        }
        let first = &mut nodes[0];
        first.group = Some(Group::create(&first.provider, &device(&first.certified), &ROOM, 0).unwrap());
        first.write();
        let now = State { members: BTreeSet::from([0]), ..State::default() };
        Self {
            owed: vec![BTreeMap::new(); nodes.len()],
            begin: Rc::new(now.clone()),
            now,
            dice,
            scale,
            nodes,
            alive,
            revoked: BTreeSet::new(),
            away: BTreeSet::new(),
            log: Vec::new(),
            lost: BTreeSet::new(),
            promised: BTreeSet::new(),
            given_up: BTreeSet::new(),
            stolen: Vec::new(),
        }
    }

    fn certificates<'a>(&self, nodes: impl IntoIterator<Item = &'a usize>) -> Vec<VerifiedCertificate> {
        nodes.into_iter().map(|node| self.nodes[*node].certified.certificate.clone()).collect()
    }

    pub fn hashes<'a>(&self, nodes: impl IntoIterator<Item = &'a usize>) -> Vec<[u8; 32]> {
        nodes.into_iter().map(|node| self.nodes[*node].certified.certificate.hash()).collect()
    }

    /// The room as far as a device has read.
    fn seen(&self, node: usize) -> Rc<State> {
        let position = self.nodes[node].disk.position;
        position.checked_sub(1).map_or(&self.begin, |last| &self.log[last].state).clone()
    }

    fn pick(&mut self, among: &BTreeSet<usize>) -> usize {
        let at = self.dice.roll(among.len());
        among.iter().copied().nth(at).unwrap()
    }

    pub fn live(&mut self) {
        self.add(0, 0, self.scale.founders);
        self.submit(0);
        for _ in 0..self.scale.steps {
            let among = if self.dice.roll(4) > 0 { &self.now.members } else { &self.alive };
            let node = self.pick(&among.clone());
            if self.away.contains(&node) {
                self.offline(node);
            } else {
                self.step(node);
            }
        }
    }

    fn offline(&mut self, node: usize) {
        match self.dice.roll(6) {
            0 => drop(self.away.remove(&node)),
            1 => self.speak(node),
            _ => {}
        }
    }

    fn step(&mut self, node: usize) {
        match self.dice.roll(24) {
            0..=6 => {
                let entries = 1 + self.dice.roll(8);
                self.read(node, entries);
            }
            7..=9 => self.speak(node),
            10..=12 => self.change(node),
            13..=17 => {
                self.prepare(node);
                if self.dice.roll(4) > 0 {
                    self.submit(node);
                }
            }
            18 => {
                let disk = self.nodes[node].disk.clone();
                self.nodes[node].start(disk);
            }
            19 => self.killed(node),
            20 => self.lose(node),
            21 => self.leave(node),
            22 => match self.dice.roll(3) {
                0 => self.revoke(node),
                _ => self.enrol(),
            },
            _ => drop(self.away.insert(node)),
        }
    }

    /// Its user says something: promised, and sealed when it can be.
    fn speak(&mut self, node: usize) {
        if self.seen(node).members.contains(&node) {
            let text = format!("text {} of {node}", self.promised.len());
            self.promised.insert(text.clone());
            self.nodes[node].disk.outbox.push_back(text);
        }
    }

    /// Makes what has to come next: a way back, fresh keys where devices linger, or the first of what was said.
    pub fn prepare(&mut self, node: usize) {
        let seen = self.seen(node);
        if self.nodes[node].disk.waiting.is_some() || !seen.members.contains(&node) {
            return;
        }
        let this = &mut self.nodes[node];
        let Some(group) = &mut this.group else {
            self.come_back(node);
            return;
        };
        let Some(text) = this.disk.outbox.front().cloned() else { return };
        if !seen.lingering.is_empty() {
            self.commit(node, Vec::new(), Vec::new());
            return;
        }
        let sealed =
            group.seal(&this.provider, &device(&this.certified), b"context", text.as_bytes()).unwrap();
        this.disk.waiting = Some(Waiting { epoch: seen.epoch, what: Draft::Text { sealed, text } });
        this.write();
    }

    /// Somebody in, somebody out, or fresh keys.
    fn change(&mut self, node: usize) {
        let seen = self.seen(node);
        let (kind, user) = (self.dice.roll(6), self.dice.roll(self.scale.users));
        let this = &self.nodes[node];
        if self.now.epoch >= self.scale.changes || this.group.is_none() || this.disk.waiting.is_some() {
            return;
        }
        match kind {
            0 => self.commit(node, Vec::new(), Vec::new()),
            1 => {
                let theirs = |at: &usize| self.nodes[*at].user == user;
                let removed: Vec<usize> = seen.members.iter().copied().filter(theirs).collect();
                if user != this.user && !removed.is_empty() {
                    self.commit(node, Vec::new(), removed);
                }
            }
            _ => {
                let users = 1 + self.dice.roll(self.scale.batch);
                self.add(node, user, users);
            }
        }
    }

    /// Adds so many users from this one on, with the devices of theirs that are not there.
    fn add(&mut self, node: usize, first: usize, users: usize) {
        let (seen, mut added) = (self.seen(node), Vec::new());
        for user in (first..self.scale.users).take(users) {
            let missing = self.alive.difference(&seen.members).copied();
            let missing: Vec<usize> = missing.filter(|at| self.nodes[*at].user == user).collect();
            // A device without a key package is left out, until another of its user adds it.
            let left_out = self.dice.roll(6) == 0 && missing.len() > 1;
            added.extend(missing.into_iter().skip(usize::from(left_out)));
        }
        if !added.is_empty() {
            self.commit(node, added, Vec::new());
        }
    }

    fn commit(&mut self, node: usize, added: Vec<usize>, removed: Vec<usize>) {
        let seen = self.seen(node);
        let certificates = self.certificates(&added);
        let packages: Vec<Vec<u8>> = added.iter().map(|other| self.nodes[*other].package()).collect();
        let offered: Vec<(&VerifiedCertificate, &[u8])> =
            certificates.iter().zip(packages.iter().map(Vec::as_slice)).collect();
        let gone: BTreeSet<usize> = removed.iter().chain(&seen.lingering).copied().collect();
        let hashes = self.hashes(&gone);
        let this = &mut self.nodes[node];
        let (group, signer) = (this.group.as_mut().unwrap(), device(&this.certified));
        let commit = group.commit(&this.provider, &signer, &offered, &hashes, now_ms()).unwrap();
        let made = Rc::new(Made { commit, added, removed, back: None });
        this.disk.waiting = Some(Waiting { epoch: seen.epoch, what: Draft::Commit(made) });
        this.write();
    }

    /// An external commit from the newest group info that it has read of.
    fn come_back(&mut self, node: usize) {
        let (seen, position) = (self.seen(node), self.nodes[node].disk.position);
        let newest = self.log[..position].iter().rev().find_map(|entry| match &entry.what {
            What::Commit { made, .. } => Some(Rc::clone(made)),
            _ => None,
        });
        let Some(newest) = newest else { return };
        let members = self.certificates(seen.members.union(&seen.lingering));
        let place = Place { room: &ROOM, generation: 0, epoch: seen.keys, members: &members };
        let provider = Provider::new(Store::default()).unwrap();
        let signer = device(&self.nodes[node].certified);
        let (info, tree) = (&newest.commit.group_info, &newest.commit.tree);
        let (_, commit) = Group::rejoin(&provider, &signer, info, tree, place).unwrap();
        let records = provider.store().take_changes().into_iter();
        let records = records.filter_map(|write| Some((write.record, write.bytes?.to_vec()))).collect();
        let made = Rc::new(Made { commit, added: Vec::new(), removed: Vec::new(), back: Some(records) });
        self.nodes[node].disk.waiting = Some(Waiting { epoch: seen.epoch, what: Draft::Commit(made) });
    }

    /// The server takes what fits the log's epoch and members, once, and refuses the rest for good.
    pub fn submit(&mut self, node: usize) {
        let Some(Waiting { epoch, what }) = self.nodes[node].disk.waiting.clone() else { return };
        let there = self.log.iter().any(|entry| entry.what.is(&what));
        let fits = epoch == self.now.epoch && self.now.members.contains(&node);
        match what {
            _ if there => {}
            _ if !fits => return,
            Draft::Text { sealed, text } => {
                assert!(self.now.lingering.is_empty());
                for member in self.now.members.difference(&self.lost) {
                    self.owed[*member].insert(self.log.len(), text.clone());
                }
                self.append(node, What::Text { sealed, text });
            }
            Draft::Commit(made) if !made.added.iter().all(|added| self.alive.contains(added)) => {
                self.nodes[node].discard();
                self.nodes[node].write();
                return;
            }
            Draft::Commit(made) => {
                let mut removed: BTreeSet<usize> = made.removed.iter().copied().collect();
                self.put_out(&made.removed, false);
                if made.back.is_some() {
                    self.lost.remove(&node);
                } else {
                    removed.append(&mut self.now.lingering);
                }
                self.now.members.extend(&made.added);
                self.now.epoch += 1;
                self.now.keys += 1;
                self.append(node, What::Commit { made, removed: removed.into_iter().collect() });
            }
        }
        // It reads on to its own entry, unless it is cut off before it has the answer.
        if self.dice.roll(4) > 0 {
            self.read(node, usize::MAX);
        }
    }

    fn append(&mut self, by: usize, what: What) {
        self.log.push(Entry { by, what, state: Rc::new(self.now.clone()) });
    }

    fn put_out(&mut self, devices: &[usize], lingers: bool) {
        for gone in devices {
            self.now.members.remove(gone);
            self.lost.remove(gone);
            if lingers {
                self.now.lingering.insert(*gone);
            }
        }
    }

    /// Whether the room goes on without these.
    fn goes_on_without(&self, gone: impl Fn(usize) -> bool) -> bool {
        self.now.members.difference(&self.lost).any(|member| !gone(*member))
    }

    fn leave(&mut self, node: usize) {
        let (user, reads) = (self.nodes[node].user, self.nodes[node].disk.position);
        let goes_on = self.goes_on_without(|member| self.nodes[member].user == user);
        if self.dice.roll(2) == 0
            && goes_on
            && reads == self.log.len()
            && self.now.members.contains(&node)
            && self.now.epoch < self.scale.changes
        {
            let members = self.now.members.iter().copied();
            let devices: Vec<usize> = members.filter(|at| self.nodes[*at].user == user).collect();
            self.gone(node, devices);
        }
    }

    fn revoke(&mut self, node: usize) {
        if self.alive.contains(&node) && self.goes_on_without(|member| member == node) {
            self.alive.remove(&node);
            self.revoked.insert(node);
            if self.now.members.contains(&node) {
                self.stolen.push((self.log.len(), self.nodes[node].disk.records.clone()));
                self.gone(node, vec![node]);
            }
        }
    }

    fn gone(&mut self, by: usize, devices: Vec<usize>) {
        self.put_out(&devices, true);
        self.now.epoch += 1;
        self.append(by, What::Gone(devices));
    }

    /// A user has a further device.
    fn enrol(&mut self) {
        let node = self.dice.roll(self.nodes.len());
        if !self.revoked.contains(&node) {
            self.alive.insert(node);
        }
    }

    /// Its group is lost. Nobody could come back if all had lost it, nor from what a room begins with.
    fn lose(&mut self, node: usize) {
        let somebody = self.goes_on_without(|member| member == node);
        let begun = self.log.iter().any(|entry| matches!(entry.what, What::Commit { .. }));
        let may = self.now.members.contains(&node) && self.now.epoch < self.scale.changes;
        if may && somebody && begun && self.dice.roll(3) == 0 {
            let disk = &mut self.nodes[node].disk;
            let reached = disk.position;
            let what = disk.waiting.take().map(|waiting| waiting.what);
            let said = what.filter(|what| matches!(what, Draft::Text { .. }));
            if said.is_some_and(|said| self.log.iter().any(|entry| entry.what.is(&said))) {
                disk.outbox.pop_front();
            }
            self.owed[node].retain(|index, _| *index < reached);
            self.nodes[node].lose(self.log.len());
            self.lost.insert(node);
        }
    }

    /// Killed between an operation and its transaction: the disk is as before.
    fn killed(&mut self, node: usize) {
        let before = self.nodes[node].disk.clone();
        let (stolen, given_up) = (self.stolen.len(), self.given_up.clone());
        match self.dice.roll(2) {
            0 => self.read(node, 2),
            _ => self.prepare(node),
        }
        self.stolen.truncate(stolen);
        self.given_up = given_up;
        self.nodes[node].start(before);
    }

    /// Reads on, as far as it may.
    pub fn read(&mut self, node: usize, entries: usize) {
        for _ in 0..entries {
            let index = self.nodes[node].disk.position;
            if index >= self.log.len() || self.revoked.contains(&node) {
                return;
            }
            self.take(node, index);
            self.nodes[node].disk.position = index + 1;
            self.nodes[node].write();
        }
    }

    fn take(&mut self, node: usize, index: usize) {
        let (entry, me) = (&self.log[index], &self.nodes[node]);
        let own = me.disk.waiting.as_ref().is_some_and(|waiting| entry.what.is(&waiting.what));
        let out = match &entry.what {
            What::Text { .. } => false,
            What::Commit { removed: gone, .. } | What::Gone(gone) => gone.contains(&node),
        };
        if out && me.group.is_some() {
            self.stolen.push((index, me.disk.records.clone()));
        }
        let sender = me.certified.certificate.hash();
        match &entry.what {
            What::Text { text, .. } if own => {
                let disk = &mut self.nodes[node].disk;
                disk.waiting = None;
                assert_eq!(disk.outbox.pop_front().as_ref(), Some(text));
                disk.held.push((index, text.clone()));
            }
            What::Text { sealed, .. } => {
                let by = self.hashes([&entry.by])[0];
                let this = &mut self.nodes[node];
                let Some(group) = &mut this.group else { return };
                assert_ne!(by, sender, "sent twice");
                let opened = group.open(&this.provider, sealed, b"context", &by).unwrap();
                this.disk.held.push((index, String::from_utf8(opened.to_vec()).unwrap()));
            }
            What::Gone(_) if out => self.given_up.extend(self.nodes[node].go()),
            What::Gone(_) => self.nodes[node].discard(),
            What::Commit { made, .. } if own => {
                let this = &mut self.nodes[node];
                this.disk.waiting = None;
                match &made.back {
                    Some(records) => {
                        let mut disk = this.disk.clone();
                        disk.records.extend(records.iter().map(|(record, bytes)| (*record, bytes.clone())));
                        this.start(disk);
                    }
                    None => this.group.as_mut().unwrap().confirm(&this.provider).unwrap(),
                }
            }
            What::Commit { made, .. } if made.added.contains(&node) => {
                let members = self.certificates(&entry.state.members);
                let place = Place { room: &ROOM, generation: 0, epoch: entry.state.keys, members: &members };
                let (welcome, tree) = (made.commit.welcome.as_ref().unwrap(), &made.commit.tree);
                let this = &mut self.nodes[node];
                this.group = Some(Group::join(&this.provider, welcome, tree, place).unwrap());
            }
            What::Commit { .. } if me.group.is_none() => {
                self.nodes[node].disk.waiting = None;
                if out {
                    self.given_up.extend(self.nodes[node].go());
                }
            }
            What::Commit { made, removed } => {
                let (added, removed) = (self.certificates(&made.added), self.hashes(removed));
                let by = self.nodes[entry.by].certified.certificate.clone();
                let change = Change { by: &by, added: &added, removed: &removed };
                let this = &mut self.nodes[node];
                // Whatever waited was for the epoch that ended.
                this.disk.waiting = None;
                this.group.as_mut().unwrap().apply(&this.provider, &made.commit.message, &change).unwrap();
                if out {
                    this.group = None;
                    self.given_up.extend(std::mem::take(&mut this.disk.outbox));
                }
            }
        }
    }
}
