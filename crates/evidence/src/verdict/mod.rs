//! What came of a bundle: one word, stable codes, and who said what (EV-39 to EV-41).

mod code;
mod text;

pub use code::{Code, NoteCode};
use pki::Fingerprint;
use serde::{Serialize, Serializer};
pub use text::{file_line, remarks, render, safe, utc};

use crate::content::AttachmentInfo;
use crate::relation::{Edited, Relations};
use crate::room::RoomId;

/// Problems after these are counted and not listed (EV-40).
pub const MAX_PROBLEMS: usize = 1_000;

/// The verdict in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Everything verifies under the pinned root.
    Valid,
    /// Everything fits together; whose root it is, the reader must find out.
    ConsistentUnpinned,
    /// It does not verify, malformed included.
    Invalid,
}

/// Something that does not verify.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable code.
    pub code: Code,
    /// Index in the log, where it is about an entry.
    pub index: Option<u64>,
    /// What was found, for a person.
    pub message: String,
}

/// Something that a reader should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Stable code.
    pub code: NoteCode,
    /// For a person.
    pub message: String,
}

/// How much of a message a bundle shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// All of it.
    Disclosed,
    /// Chosen fields.
    Partly,
    /// Content that is not what was signed: none of it is told.
    Mismatch,
    /// Who and when.
    Withheld,
    /// Who and when, and that it was erased: what it said is gone from wherever erasures are followed.
    Erased,
    /// Only its place.
    Hidden,
}

impl State {
    /// Whether the bundle shows content of the message, good or not.
    pub fn shows_content(self) -> bool {
        match self {
            Self::Disclosed | Self::Partly | Self::Mismatch => true,
            Self::Withheld | Self::Erased | Self::Hidden => false,
        }
    }
}

/// One message of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Index in the log.
    pub index: u64,
    /// User who said it; none if hidden.
    pub from: Option<String>,
    /// Device it was said on; none if hidden.
    pub device: Option<String>,
    /// When it was signed, by its sender's clock, Unix milliseconds; none if hidden.
    pub time: Option<u64>,
    /// Not logged later than this, by the server's cosignature, Unix milliseconds.
    pub logged_by: u64,
    /// What was said, if it is shown.
    pub text: Option<String>,
    /// The other fields shown.
    pub fields: Fields,
    /// The files, if they are shown.
    pub attachments: Vec<AttachmentInfo>,
    /// What it says of earlier messages and of people, if that is shown.
    #[serde(flatten)]
    pub relations: Relations,
    /// The text that stands instead by a good edit that the bundle shows.
    pub edited: Option<Edited>,
    /// Log index of a good deletion that the bundle shows; of an edit, that of what it edits.
    pub deleted: Option<u64>,
    /// The erasure that names it, if the bundle shows one.
    pub erased: Option<Erased>,
    /// How much is shown.
    pub state: State,
    /// Users other than the sender who gave a receipt for it.
    pub received_by: Vec<String>,
    /// Devices that say, signed, that they could not open it.
    pub unopened_by: Vec<UnopenedBy>,
}

/// An erasure, as readers of what it names are told of it (EV-49).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Log index of the erasure.
    pub index: u64,
    /// User who signed it: the one who had said what it names.
    pub by: String,
    /// Why, in that user's words.
    pub reason: String,
}

/// A device's claim that it could not open a message (EV-30): its signer's word, no more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct UnopenedBy {
    /// Its user.
    pub user: String,
    /// The device.
    pub device: String,
    /// `withheld`, `mismatch`, `not-decryptable` or `erased`.
    pub reason: &'static str,
}

impl UnopenedBy {
    /// The claim in words.
    pub fn sentence(&self) -> String {
        let why = match self.reason {
            "withheld" => "the server did not give it to them",
            "mismatch" => "what they were given is not what was signed",
            "erased" => "it was erased before they could open it",
            _ => "what they were given did not decrypt",
        };
        format!("{}/{} says, signed, that {why}", self.user, self.device)
    }
}

/// Fields of a message beside its text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Fields {
    /// When it was composed, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub composed: Option<u64>,
    /// Time of a script's line, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<i64>,
}

/// What came of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The verdict in a word.
    #[serde(rename = "verdict")]
    pub word: Word,
    /// Fingerprint of the root under which the bundle stands, if it has one.
    #[serde(serialize_with = "display_option")]
    pub root: Option<Fingerprint>,
    /// Statements and hidden places in the range.
    pub messages: u64,
    /// Messages with text or other fields shown, whether or not they match what was signed.
    pub disclosed: u64,
    /// Messages that are not shown and that an erasure in the bundle names.
    pub erased: u64,
    /// The other messages.
    pub withheld: u64,
    /// What does not verify; empty unless the word is [`Word::Invalid`].
    pub problems: Vec<Problem>,
    /// Problems found, listed or not.
    pub problem_count: u64,
    /// The organisation.
    pub organisation: Option<String>,
    /// The room's id.
    #[serde(serialize_with = "display_option")]
    pub room: Option<RoomId>,
    /// The room's name; a direct room has none.
    pub name: Option<String>,
    /// First index of the range.
    pub from: u64,
    /// Last index of the range.
    pub to: u64,
    /// Entries of the log under the last checkpoint.
    pub size: u64,
    /// The number of the content suite, if it was read (EV-4).
    pub suite: Option<u8>,
    /// Size of the directory up to which revocations are known.
    pub directory_size: u64,
    /// Time of the last checkpoint, Unix milliseconds.
    pub logged_by: u64,
    /// What a reader should know.
    pub notes: Vec<Note>,
}

impl Verdict {
    /// Exit code of `verify`: 0 unless [`Word::Invalid`], which is 3 (EV-39).
    pub fn exit_code(&self) -> u8 {
        match self.word {
            Word::Valid | Word::ConsistentUnpinned => 0,
            Word::Invalid => 3,
        }
    }

    /// Whether a problem with this code was found.
    pub fn has(&self, code: Code) -> bool {
        self.problems.iter().any(|problem| problem.code == code)
    }

    /// The verdict and its messages as one JSON object (EV-40).
    pub fn to_json(&self, said: &[Said]) -> serde_json::Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let (Some(object), Ok(said)) = (value.as_object_mut(), serde_json::to_value(said)) {
            object.insert("said".to_owned(), said);
        }
        value
    }
}

fn display_option<T: std::fmt::Display, S: Serializer>(value: &Option<T>, s: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(ToString::to_string).serialize(s)
}
