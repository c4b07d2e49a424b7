//! Why reading a bundle went no further.

use std::io;

use crate::verdict::{Code, Problem};

/// Reading went no further.
#[derive(Debug)]
pub(super) enum Stop {
    /// The file could not be read.
    Io(io::Error),
    /// What was found makes the rest meaningless.
    Found(Problem),
}

impl Stop {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self::Found(Problem { code, index: None, message: message.into() })
    }

    pub(super) fn at(code: Code, index: u64, message: impl Into<String>) -> Self {
        Self::Found(Problem { code, index: Some(index), message: message.into() })
    }
}
