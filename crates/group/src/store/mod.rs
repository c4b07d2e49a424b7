//! The records of one device: what OpenMLS keeps, and what of it is to be written.
//!
//! Records live in memory while they are used. [`Store::take_changes`] gives the pages that differ from what was stored, so that the client
//! writes them in the one transaction that also moves its outbox and its position in the log (GR-16). A record is cut into pages because
//! the largest, the secrets of an epoch, grows with the group, while one message changes few of its bytes.

mod codec;
mod openmls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::limits::PAGE;
use codec::StoreError;

/// The name of a record: 32 bytes that say whose it is, all zero for key packages, and 33 that say what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// SHA-256 of the group's id as it is stored, or zeros for what belongs to no group.
    pub scope: [u8; 32],
    /// Kind and SHA-256 of the key.
    pub item: [u8; 33],
}

/// A page to be written, or removed.
#[derive(PartialEq, Eq)]
pub struct Page {
    /// Of which record.
    pub record: Record,
    /// Which one, from 0.
    pub number: u32,
    /// At most [`PAGE`] bytes; `None` removes it. Secret.
    pub bytes: Option<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page")
            .field("record", &self.record)
            .field("number", &self.number)
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
    /// Takes in pages that were stored, in ascending order of their numbers within a record.
    pub fn load(&self, pages: impl IntoIterator<Item = (Record, Zeroizing<Vec<u8>>)>) {
        let mut state = self.state();
        for (record, bytes) in pages {
            append(state.stored.entry(record).or_default(), &bytes);
            append(state.values.entry(record).or_default(), &bytes);
        }
    }

    /// What is to be written, and from then on counts as stored. If it could not be written, make the store anew from what is stored.
    pub fn take_changes(&self) -> Vec<Page> {
        let mut state = self.state();
        let State { values, stored, touched } = &mut *state;
        let mut pages = Vec::new();
        for record in std::mem::take(touched) {
            let now = values.get(&record).map_or(&[][..], |bytes| bytes.as_slice());
            let before = stored.entry(record).or_default();
            let count = now.len().max(before.len()).div_ceil(PAGE);
            for (number, index) in (0_u32..).zip(0..count) {
                let page = cut(now, index);
                if page != cut(before, index) {
                    let bytes = (!page.is_empty()).then(|| Zeroizing::new(page.to_vec()));
                    pages.push(Page { record, number, bytes });
                }
            }
            if now.is_empty() {
                stored.remove(&record);
            } else if before.len() == now.len() {
                before.copy_from_slice(now);
            } else {
                *before = Zeroizing::new(now.to_vec());
            }
        }
        pages
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces a record in the memory that it has: to overwrite all of it for every message would cost more than the message.
    fn put(&self, record: Record, value: &impl Serialize) -> Result<(), StoreError> {
        let mut state = self.state();
        state.touched.insert(record);
        let memory = state.values.remove(&record).unwrap_or_default();
        state.values.insert(record, codec::encode(value, memory)?);
        Ok(())
    }

    fn remove(&self, record: Record) {
        let mut state = self.state();
        if state.values.remove(&record).is_some() {
            state.touched.insert(record);
        }
    }
}

/// Appends without leaving a copy of a secret behind in freed memory.
fn append(to: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    let mut whole = Zeroizing::new(Vec::with_capacity(to.len() + bytes.len()));
    whole.extend_from_slice(to);
    whole.extend_from_slice(bytes);
    *to = whole;
}

fn cut(bytes: &[u8], page: usize) -> &[u8] {
    let from = (page * PAGE).min(bytes.len());
    let to = (from + PAGE).min(bytes.len());
    bytes.get(from..to).unwrap_or_default()
}
