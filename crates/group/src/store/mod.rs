//! The records of one device: what OpenMLS keeps, and what of it is to be written.
//!
//! Records live in memory while they are used. [`Store::take_changes`] gives those that differ from what was stored, so that the client
//! writes them in the one transaction that also moves its outbox and its position in the log (GR-16).

mod codec;
mod openmls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use zeroize::Zeroizing;

use codec::StoreError;
pub(crate) use codec::scope;

/// The name of a record: 32 bytes that say whose it is, all zero for key packages, and 33 that say what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// SHA-256 of the group's id as it is stored, or zeros for what belongs to no group.
    pub scope: [u8; 32],
    /// Kind and SHA-256 of the key.
    pub item: [u8; 33],
}

/// A record to be written, or removed.
#[derive(PartialEq, Eq)]
pub struct Write {
    /// Which one.
    pub record: Record,
    /// What it holds from now on; `None` removes it. Secret.
    pub bytes: Option<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for Write {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Write")
            .field("record", &self.record)
            .field("bytes", &self.bytes.as_ref().map(|bytes| bytes.len()))
            .finish()
    }
}

/// All records of a device that are in use.
#[derive(Default)]
pub struct Store {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    values: BTreeMap<Record, Zeroizing<Vec<u8>>>,
    stored: BTreeMap<Record, Zeroizing<Vec<u8>>>,
    touched: BTreeSet<Record>,
}

impl Store {
    /// Takes in records that were stored.
    pub fn load(&self, records: impl IntoIterator<Item = (Record, Zeroizing<Vec<u8>>)>) {
        let mut state = self.state();
        for (record, bytes) in records {
            state.stored.insert(record, bytes.clone());
            state.values.insert(record, bytes);
        }
    }

    /// What is to be written, and from then on counts as stored. If it could not be written, make the store anew from what is stored.
    pub fn take_changes(&self) -> Vec<Write> {
        let mut state = self.state();
        let State { values, stored, touched } = &mut *state;
        let mut writes = Vec::new();
        for record in std::mem::take(touched) {
            let bytes = values.get(&record);
            if bytes == stored.get(&record) {
                continue;
            }
            match (bytes, stored.get_mut(&record)) {
                (Some(now), Some(before)) if now.len() == before.len() => before.copy_from_slice(now),
                (Some(now), _) => drop(stored.insert(record, now.clone())),
                (None, _) => drop(stored.remove(&record)),
            }
            writes.push(Write { record, bytes: bytes.cloned() });
        }
        writes
    }

    /// Forgets what was changed since it was last taken.
    pub fn undo(&self) {
        let mut state = self.state();
        let State { values, stored, touched } = &mut *state;
        for record in std::mem::take(touched) {
            match stored.get(&record) {
                Some(bytes) => values.insert(record, bytes.clone()),
                None => values.remove(&record),
            };
        }
    }

    /// Whether nothing was changed since changes were last taken.
    pub(crate) fn is_clean(&self) -> bool {
        self.state().touched.is_empty()
    }

    /// Removes all records of a group, those of epochs that ended included (GR-9).
    pub(crate) fn forget(&self, group: &impl Serialize) -> Result<(), StoreError> {
        let scope = scope(group)?;
        let mut state = self.state();
        let gone: Vec<Record> = state.values.keys().filter(|record| record.scope == scope).copied().collect();
        for record in gone {
            state.values.remove(&record);
            state.touched.insert(record);
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces a record in the memory that it has: to overwrite all of it for every message would cost more than the message.
    fn put(&self, record: Record, value: &impl Serialize) -> Result<(), StoreError> {
        let mut state = self.state();
        state.touched.insert(record);
        let memory = state.values.remove(&record).unwrap_or_default();
        match codec::encode(value, memory) {
            Ok(bytes) => {
                state.values.insert(record, bytes);
                Ok(())
            }
            Err(error) => {
                if let Some(bytes) = state.stored.get(&record).cloned() {
                    state.values.insert(record, bytes);
                }
                Err(error)
            }
        }
    }

    fn remove(&self, record: Record) {
        let mut state = self.state();
        if state.values.remove(&record).is_some() {
            state.touched.insert(record);
        }
    }
}
