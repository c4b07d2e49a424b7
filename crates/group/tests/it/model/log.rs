//! The log, and what a device has made for it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use group::{Commit, Record};

/// Who is in the room, and how far it is.
#[derive(Clone, Default)]
pub struct State {
    pub members: BTreeSet<usize>,
    /// Who is out, and whose leaves are still in the group (EV-45).
    pub lingering: BTreeSet<usize>,
    /// Changes of members.
    pub epoch: u64,
    /// The group's epoch.
    pub keys: u64,
}

pub struct Entry {
    pub by: usize,
    pub what: What,
    /// After it.
    pub state: Rc<State>,
}

pub enum What {
    Text {
        sealed: Vec<u8>,
        text: String,
    },
    Commit {
        made: Rc<Made>,
        removed: Vec<usize>,
    },
    /// A leave or a revocation, which come without a commit.
    Gone(Vec<usize>),
}

/// A commit with what its statement says.
pub struct Made {
    pub commit: Commit,
    pub added: Vec<usize>,
    pub removed: Vec<usize>,
    /// By whoever came back: what its group is made of once this is in the log.
    pub back: Option<BTreeMap<Record, Vec<u8>>>,
}

/// What a device has made in an epoch, and not yet seen in the log.
#[derive(Clone)]
pub struct Waiting {
    pub epoch: u64,
    pub what: Draft,
}

#[derive(Clone)]
pub enum Draft {
    Text { sealed: Vec<u8>, text: String },
    Commit(Rc<Made>),
}

impl What {
    /// Whether it is what a device has made.
    pub fn is(&self, draft: &Draft) -> bool {
        match (self, draft) {
            (Self::Text { sealed, .. }, Draft::Text { sealed: mine, .. }) => sealed == mine,
            (Self::Commit { made, .. }, Draft::Commit(mine)) => Rc::ptr_eq(made, mine),
            _ => false,
        }
    }
}
