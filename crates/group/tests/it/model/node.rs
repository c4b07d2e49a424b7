//! A device: what it has in memory and on its disk.

use std::collections::{BTreeMap, VecDeque};

use group::{Group, Provider, Record, Store, package};
use testkit::authority::Certified;
use testkit::peer::now_ms;
use zeroize::Zeroizing;

use super::log::Waiting;
use crate::party::{ROOM, device};

/// What a device writes in one transaction.
#[derive(Clone, Default)]
pub struct Disk {
    pub records: BTreeMap<Record, Vec<u8>>,
    pub position: usize,
    pub held: Vec<(usize, String)>,
    /// What its user was promised is said, the first of it perhaps waiting.
    pub outbox: VecDeque<String>,
    pub waiting: Option<Waiting>,
}

pub struct Node {
    pub certified: Certified,
    pub user: usize,
    pub provider: Provider,
    pub group: Option<Group>,
    pub disk: Disk,
    packages: Vec<Vec<u8>>,
}

/// A group as these records have it.
pub fn load(records: &BTreeMap<Record, Vec<u8>>) -> (Provider, Option<Group>) {
    let store = Store::default();
    store.load(records.iter().map(|(record, bytes)| (*record, Zeroizing::new(bytes.clone()))));
    let provider = Provider::new(store).unwrap();
    let group = Group::load(&provider, &ROOM, 0).unwrap().filter(Group::is_active);
    (provider, group)
}

impl Node {
    pub fn new(certified: Certified, user: usize) -> Self {
        let provider = Provider::new(Store::default()).unwrap();
        Self { certified, user, provider, group: None, disk: Disk::default(), packages: Vec::new() }
    }

    pub fn write(&mut self) {
        for write in self.provider.store().take_changes() {
            match write.bytes {
                Some(bytes) => self.disk.records.insert(write.record, bytes.to_vec()),
                None => self.disk.records.remove(&write.record),
            };
        }
    }

    pub fn start(&mut self, disk: Disk) {
        self.disk = disk;
        (self.provider, self.group) = load(&self.disk.records);
    }

    /// All of the group is lost, and the key packages with it; what was held and what was said are not.
    pub fn lose(&mut self, position: usize) {
        let Disk { held, outbox, .. } = self.disk.clone();
        self.packages.clear();
        self.start(Disk { position, held, outbox, ..Disk::default() });
    }

    /// A key package that the server held for it; each is given out once.
    pub fn package(&mut self) -> Vec<u8> {
        if self.packages.is_empty() {
            let made = package::create(&self.provider, &device(&self.certified), false, now_ms()).unwrap();
            self.packages.push(made);
            self.write();
        }
        self.packages.pop().unwrap()
    }

    /// It is out: nothing is kept of the group, and what was not said is given up.
    pub fn go(&mut self) -> VecDeque<String> {
        if let Some(group) = self.group.take() {
            group.forget(&self.provider).unwrap();
        }
        self.disk.waiting = None;
        std::mem::take(&mut self.disk.outbox)
    }

    /// The log has something else for what it has made.
    pub fn discard(&mut self) {
        self.disk.waiting = None;
        if let Some(group) = self.group.as_mut().filter(|group| group.has_pending()) {
            group.discard(&self.provider).unwrap();
        }
    }
}
