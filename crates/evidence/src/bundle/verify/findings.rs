//! Problems and notes as they are found.

use crate::verdict::{Code, MAX_PROBLEMS, Note, NoteCode, Problem};

/// Problems and notes so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    problems: Vec<Problem>,
    count: u64,
    notes: Vec<Note>,
}

impl Findings {
    pub(super) fn add(&mut self, problem: Problem) {
        self.count += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }

    pub(super) fn problem(&mut self, code: Code, index: Option<u64>, message: impl Into<String>) {
        self.add(Problem { code, index, message: message.into() });
    }

    pub(super) fn note(&mut self, code: NoteCode, message: impl Into<String>) {
        self.notes.push(Note { code, message: message.into() });
    }

    pub(super) fn is_clean(&self) -> bool {
        self.count == 0
    }

    pub(super) fn into_parts(self) -> (Vec<Problem>, u64, Vec<Note>) {
        (self.problems, self.count, self.notes)
    }
}
