//! A device of a test: its certificate, its records in memory and what it has on disk.

use std::collections::BTreeMap;

use group::{Change, Commit, Device, Group, GroupError, Place, Provider, Record, Store, Write, package};
use pki::VerifiedCertificate;
use testkit::authority::{Authority, Certified};
use testkit::peer::now_ms;
use zeroize::Zeroizing;

pub const ROOM: [u8; 32] = [7; 32];

pub struct Party {
    pub device: Certified,
    pub provider: Provider,
    pub disk: BTreeMap<Record, Vec<u8>>,
    pub group: Option<Group>,
}

impl Party {
    pub fn new(authority: &Authority, user: &str) -> Self {
        let provider = Provider::new(Store::default()).unwrap();
        Self { device: authority.device(user, "laptop"), provider, disk: BTreeMap::new(), group: None }
    }

    pub fn certificate(&self) -> VerifiedCertificate {
        self.device.certificate.clone()
    }

    pub fn hash(&self) -> [u8; 32] {
        self.device.certificate.hash()
    }

    /// Writes what changed, and tells it.
    pub fn save(&mut self) -> Vec<Write> {
        let writes = self.provider.store().take_changes();
        for write in &writes {
            match &write.bytes {
                Some(bytes) => self.disk.insert(write.record, bytes.to_vec()),
                None => self.disk.remove(&write.record),
            };
        }
        writes
    }

    /// Ends as by `kill -9` and starts again from the disk.
    pub fn restart(&mut self) {
        let store = Store::default();
        store.load(self.disk.iter().map(|(record, bytes)| (*record, Zeroizing::new(bytes.clone()))));
        self.provider = Provider::new(store).unwrap();
        self.group = Group::load(&self.provider, &ROOM, 0).unwrap();
    }

    pub fn package(&mut self) -> Vec<u8> {
        let package = package::create(&self.provider, &device(&self.device), false, now_ms()).unwrap();
        self.save();
        package
    }

    pub fn create(&mut self) {
        self.group = Some(Group::create(&self.provider, &device(&self.device), &ROOM, 0).unwrap());
        self.save();
    }

    pub fn commit(
        &mut self,
        added: &[(&VerifiedCertificate, &[u8])],
        removed: &[[u8; 32]],
    ) -> Result<Commit, GroupError> {
        let commit = self.group.as_mut().unwrap().commit(
            &self.provider,
            &device(&self.device),
            added,
            removed,
            now_ms(),
        );
        self.save();
        commit
    }

    pub fn confirm(&mut self) {
        self.group.as_mut().unwrap().confirm(&self.provider).unwrap();
        self.save();
    }

    pub fn apply(&mut self, message: &[u8], change: &Change<'_>) -> Result<(), GroupError> {
        let applied = self.group.as_mut().unwrap().apply(&self.provider, message, change);
        self.save();
        applied
    }

    pub fn join(
        &mut self,
        commit: &Commit,
        epoch: u64,
        members: &[VerifiedCertificate],
    ) -> Result<(), GroupError> {
        let welcome = commit.welcome.as_ref().unwrap();
        let place = Place { room: &ROOM, generation: 0, epoch, members };
        self.group = Some(Group::join(&self.provider, welcome, &commit.tree, place)?);
        self.save();
        Ok(())
    }

    pub fn discard(&mut self) {
        self.group.as_mut().unwrap().discard(&self.provider).unwrap();
        self.save();
    }

    /// How many bytes the last operation changed.
    pub fn save_and_count(&mut self) -> usize {
        self.save().iter().filter_map(|write| write.bytes.as_ref()).map(|bytes| bytes.len()).sum()
    }

    pub fn seal_unsaved(&mut self, context: &[u8], content: &[u8]) -> Result<Vec<u8>, GroupError> {
        self.group.as_mut().unwrap().seal(&self.provider, &device(&self.device), context, content)
    }

    pub fn seal(&mut self, context: &[u8], content: &[u8]) -> Result<Vec<u8>, GroupError> {
        let sealed = self.seal_unsaved(context, content);
        self.save();
        sealed
    }

    pub fn open_unsaved(
        &mut self,
        message: &[u8],
        context: &[u8],
        sender: &[u8; 32],
    ) -> Result<Vec<u8>, GroupError> {
        let opened = self.group.as_mut().unwrap().open(&self.provider, message, context, sender);
        opened.map(|content| content.to_vec())
    }

    pub fn open(&mut self, message: &[u8], context: &[u8], sender: &[u8; 32]) -> Result<Vec<u8>, GroupError> {
        let opened = self.open_unsaved(message, context, sender);
        self.save();
        opened
    }

    pub fn epoch(&self) -> u64 {
        self.group.as_ref().unwrap().epoch()
    }
}

pub fn device(certified: &Certified) -> Device<'_> {
    Device { certificate: &certified.certificate, key: &certified.key }
}

/// A group of `count` devices, all at epoch 1; the first made it.
pub fn room_of(count: usize) -> (Authority, Vec<Party>) {
    let authority = Authority::new();
    let mut parties: Vec<Party> =
        (0..count).map(|number| Party::new(&authority, &format!("user{number}"))).collect();
    parties[0].create();
    let packages: Vec<(VerifiedCertificate, Vec<u8>)> =
        parties.iter_mut().skip(1).map(|party| (party.certificate(), party.package())).collect();
    let added: Vec<(&VerifiedCertificate, &[u8])> =
        packages.iter().map(|(certificate, package)| (certificate, package.as_slice())).collect();
    let commit = parties[0].commit(&added, &[]).unwrap();
    parties[0].confirm();
    let members: Vec<VerifiedCertificate> = parties.iter().map(Party::certificate).collect();
    for party in parties.iter_mut().skip(1) {
        party.join(&commit, 1, &members).unwrap();
    }
    (authority, parties)
}

/// The refusal in an error.
pub fn refusal<T: std::fmt::Debug>(result: Result<T, GroupError>) -> group::Refusal {
    match result {
        Err(GroupError::Refused(refusal)) => refusal,
        other => unreachable_outcome(&other),
    }
}

#[expect(clippy::panic, reason = "a test's helper fails the test")]
fn unreachable_outcome<T: std::fmt::Debug>(other: &T) -> ! {
    panic!("not refused: {other:?}")
}
