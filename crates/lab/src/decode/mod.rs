//! A frame in words, for the pages that show the wire (LA-30 to LA-33): its name, its fields, and what an eavesdropper learns.
//!
//! - `classic`: the messages of the classic protocols. `countersign`: the frames of Countersign.
//! - `repeats`: what ciphertexts give away when they are laid beside each other.

mod classic;
mod countersign;
mod repeats;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::capture::Frame;
use crate::exhibit::Column;
use repeats::Repeats;

/// Most characters of a value that are shown; what is longer is shortened to [`SHORT`].
pub const MAX_SHOWN: usize = 64;
/// Characters that stay of a value that is too long.
pub const SHORT: usize = 24;
/// Most fields of a message that are shown.
pub const MAX_FIELDS: usize = 16;

/// A field of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name in the specification.
    pub name: String,
    /// Its value, shortened and without control characters.
    pub value: String,
}

/// A frame in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readable {
    /// The message's name.
    pub name: String,
    /// Its fields.
    pub fields: Vec<Field>,
    /// What one who only listens learns of it, a sentence each.
    pub learnt: Vec<String>,
}

/// Reads the frames of one run, in order.
pub struct Decoder {
    column: Column,
    flows: BTreeMap<usize, Repeats>,
}

impl Decoder {
    /// For a protocol.
    pub fn new(column: Column) -> Self {
        Self { column, flows: BTreeMap::new() }
    }

    /// A frame in words; there are some for any bytes.
    pub fn read(&mut self, frame: &Frame) -> Readable {
        if self.column == Column::Countersign {
            return countersign::read(&frame.bytes);
        }
        let repeats = self.flows.entry(frame.flow).or_default();
        classic::read(self.column, &frame.bytes, repeats)
    }
}

/// A value as it is shown: at most [`MAX_SHOWN`] characters, none of them a control character.
fn shown(text: &str) -> String {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    match text.chars().nth(MAX_SHOWN) {
        None => text.chars().map(visible).collect(),
        Some(_) => {
            let start: String = text.chars().take(SHORT).map(visible).collect();
            format!("{start}… ({} characters)", text.chars().count())
        }
    }
}

/// Bytes that are no text, as they are shown.
fn octets(bytes: &[u8]) -> String {
    let start = hex::encode(bytes.get(..SHORT / 2).unwrap_or(bytes));
    let more = if bytes.len() > SHORT / 2 { "…" } else { "" };
    format!("{start}{more} ({} bytes)", bytes.len())
}
