//! What a bundle shows of one index (EV-35), and sequences of CBOR items (RFC 8742).

use minicbor::encode::Error as EncodeError;
use minicbor::{Decoder, Encoder};

use crate::content::Opening;
use crate::hash::Hash;
use crate::limits::{MAX_CONTENT, MAX_ENTRY};

/// Longest item in bytes: entry, content and their framing.
pub(super) const MAX_ITEM: usize = MAX_ENTRY + MAX_CONTENT + 64;

/// What a bundle shows of one index.
#[derive(Debug)]
pub enum Item {
    /// Only its place.
    Hidden {
        /// Index in the log.
        index: u64,
        /// Leaf hash of the entry.
        leaf: Hash,
    },
    /// The entry; of a statement who and when, not what.
    Entry {
        /// Index in the log.
        index: u64,
        /// The entry's exact bytes.
        entry: Vec<u8>,
    },
    /// A statement and all it says.
    Disclosed {
        /// Index in the log.
        index: u64,
        /// The statement's exact bytes.
        entry: Vec<u8>,
        /// The content's bytes.
        content: Vec<u8>,
    },
    /// A statement and chosen fields.
    Opened {
        /// Index in the log.
        index: u64,
        /// The statement's exact bytes.
        entry: Vec<u8>,
        /// The fields: at least one shown and one not.
        opening: Opening,
    },
}

const HIDDEN: u8 = 0;
const ENTRY: u8 = 1;
const DISCLOSED: u8 = 2;
const OPENED: u8 = 3;

impl Item {
    /// Index in the log.
    pub fn index(&self) -> u64 {
        match self {
            Self::Hidden { index, .. }
            | Self::Entry { index, .. }
            | Self::Disclosed { index, .. }
            | Self::Opened { index, .. } => *index,
        }
    }

    #[expect(clippy::expect_used, reason = "writing to a Vec cannot fail")]
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut e = Encoder::new(Vec::new());
        self.write(&mut e).expect("encoding to memory");
        e.into_writer()
    }

    fn write(&self, e: &mut Encoder<Vec<u8>>) -> Result<(), EncodeError<std::convert::Infallible>> {
        match self {
            Self::Hidden { index, leaf } => e.array(3)?.u64(*index)?.u8(HIDDEN)?.bytes(leaf)?.ok(),
            Self::Entry { index, entry } => e.array(3)?.u64(*index)?.u8(ENTRY)?.bytes(entry)?.ok(),
            Self::Disclosed { index, entry, content } => {
                e.array(4)?.u64(*index)?.u8(DISCLOSED)?.bytes(entry)?.bytes(content)?.ok()
            }
            Self::Opened { index, entry, opening } => {
                e.array(4)?.u64(*index)?.u8(OPENED)?.bytes(entry)?;
                opening.write(e)
            }
        }
    }

    /// Reads one item, in its one encoding.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let d = &mut Decoder::new(bytes);
        let length = d.array().ok()??;
        let index = d.u64().ok()?;
        let item = match (d.u8().ok()?, length) {
            (HIDDEN, 3) => Self::Hidden { index, leaf: d.bytes().ok()?.try_into().ok()? },
            (ENTRY, 3) => Self::Entry { index, entry: d.bytes().ok()?.to_vec() },
            (DISCLOSED, 4) => {
                Self::Disclosed { index, entry: d.bytes().ok()?.to_vec(), content: d.bytes().ok()?.to_vec() }
            }
            (OPENED, 4) => {
                let entry = d.bytes().ok()?.to_vec();
                let opening = Opening::read(d).filter(Opening::is_proper)?;
                Self::Opened { index, entry, opening }
            }
            _ => return None,
        };
        (item.to_bytes() == bytes).then_some(item)
    }
}

/// How the bytes of a sequence begin.
pub(super) enum First {
    /// With an item of this many bytes.
    Item(usize),
    /// With an item whose end is not there yet.
    Partial,
    /// With something else.
    Malformed,
}

/// Where the first item of `bytes` ends.
pub(super) fn first_item(bytes: &[u8]) -> First {
    let mut d = Decoder::new(bytes);
    match d.skip() {
        Ok(()) => First::Item(d.position()),
        Err(error) if error.is_end_of_input() => First::Partial,
        Err(_) => First::Malformed,
    }
}

/// The items of a whole sequence.
pub(super) fn items(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut items = Vec::new();
    while !bytes.is_empty() {
        let First::Item(length) = first_item(bytes) else { return None };
        let (item, rest) = bytes.split_at_checked(length)?;
        items.push(item);
        bytes = rest;
    }
    Some(items)
}
