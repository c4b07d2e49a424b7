//! One item by itself: its signature, and whether what it shows is what was committed to.

use super::trust::Trusted;
use crate::bundle::item::Item;
use crate::content::{Attachment, AttachmentInfo, Content, Field, Opening};
use crate::entry::Entry;
use crate::hash::Hash;
use crate::log::leaf_hash;
use crate::relation::{Act, Relations};
use crate::statement::Statement;
use crate::verdict::{Code, Fields, Problem, State};

/// An item and what is wrong with it by itself.
pub(super) struct Checked {
    pub(super) index: u64,
    pub(super) leaf: Hash,
    /// The entry; none if hidden or not verified.
    pub(super) entry: Option<Entry>,
    /// Whether the content is the ciphertext, if it is shown whole.
    is_clear: Option<bool>,
    pub(super) shown: Shown,
    pub(super) problems: Vec<Problem>,
}

/// What an item shows of a message.
pub(super) struct Shown {
    pub(super) state: State,
    pub(super) text: Option<String>,
    pub(super) fields: Fields,
    pub(super) attachments: Vec<AttachmentInfo>,
    pub(super) relations: Relations,
    pub(super) act: Option<Act>,
    /// Whether the content is neither an edit nor a reaction nor a deletion, as far as that shows.
    pub(super) is_plain: Option<bool>,
}

impl Shown {
    fn nothing(state: State) -> Self {
        Self {
            state,
            text: None,
            fields: Fields::default(),
            attachments: Vec::new(),
            relations: Relations::default(),
            act: None,
            is_plain: None,
        }
    }
}

impl Checked {
    /// Checks an item; `None` if it is not encoded as one.
    pub(super) fn of(item: &[u8], trusted: &Trusted) -> Option<Self> {
        let item = Item::from_bytes(item)?;
        let index = item.index();
        let mut checked = Self {
            index,
            leaf: [0; 32],
            entry: None,
            is_clear: None,
            shown: Shown::nothing(State::Withheld),
            problems: Vec::new(),
        };
        let (entry, content) = match item {
            Item::Hidden { leaf, .. } => {
                checked.leaf = leaf;
                checked.shown.state = State::Hidden;
                return Some(checked);
            }
            Item::Entry { entry, .. } => (entry, None),
            Item::Disclosed { entry, content, .. } => {
                checked.shown.state = State::Disclosed;
                (entry, Some(Ok(content)))
            }
            Item::Opened { entry, opening, .. } => {
                checked.shown.state = State::Partly;
                (entry, Some(Err(opening)))
            }
        };
        checked.leaf = leaf_hash(&entry);
        checked.verify(&entry, trusted);
        if let (Some(Entry::Statement(statement)), Some(content)) = (&checked.entry, content) {
            let outcome = match content {
                Ok(content) => {
                    checked.is_clear = Some(statement.is_ciphertext(&content));
                    disclosed(statement, &content, trusted)
                }
                Err(opening) => opened(statement, &opening, trusted),
            };
            match outcome {
                Ok(fields) => checked.show(fields),
                Err((code, message)) => {
                    checked.shown.state = State::Mismatch;
                    checked.problem(code, message);
                }
            }
        }
        Some(checked)
    }

    /// In suite 0 the content is the ciphertext too, in suite 1 it is not (EV-8); nothing is told of what breaks that.
    pub(super) fn require_clear(&mut self, clear: bool) {
        if self.shown.state == State::Disclosed && self.is_clear == Some(!clear) {
            self.shown = Shown::nothing(State::Mismatch);
            let message = if clear {
                "the content is not what was sent through the server"
            } else {
                "the content was sent through the server in clear"
            };
            self.problem(Code::Ciphertext, message);
        }
    }

    /// Whether this counts as a message: a statement, or a place that may hold one.
    pub(super) fn is_message(&self) -> bool {
        matches!(self.entry, Some(Entry::Statement(_))) || self.shown.state == State::Hidden
    }

    fn verify(&mut self, entry: &[u8], trusted: &Trusted) {
        let unverified = match Entry::parse(entry) {
            Ok(unverified) => unverified,
            Err(error) => return self.problem(Code::Statement, error.to_string()),
        };
        let Some(signer) = trusted.certificates.get(&unverified.certificate()) else {
            return self.problem(Code::UnknownSender, "its signer has no good certificate in the bundle");
        };
        match unverified.verify(signer) {
            Ok(entry) => self.entry = Some(entry),
            Err(error) => self.problem(Code::Signature, error.to_string()),
        }
    }

    fn problem(&mut self, code: Code, message: impl Into<String>) {
        self.problems.push(Problem { code, index: Some(self.index), message: message.into() });
    }

    fn show(&mut self, fields: Vec<Field>) {
        self.shown.relations = Relations::new(fields.iter(), None);
        self.shown.act = Act::of(&fields);
        let rules_others_out = |field: &Field| matches!(field, Field::Reply(_) | Field::Attachments(_));
        self.shown.is_plain = match &self.shown.act {
            Some(act) if !act.is_reply() => Some(false),
            // EV-6: beside these fields none of the others stands.
            _ if fields.iter().any(rules_others_out) => Some(true),
            _ => (self.shown.state == State::Disclosed).then_some(true),
        };
        for field in fields {
            match field {
                Field::Text(text) => self.shown.text = Some(text),
                Field::Composed(at) => self.shown.fields.composed = Some(at),
                Field::Script(at) => self.shown.fields.script = Some(at),
                Field::Attachments(files) => {
                    self.shown.attachments = files.iter().map(Attachment::info).collect();
                }
                Field::Reply(_)
                | Field::Edit(_)
                | Field::Reaction(_)
                | Field::Mentions(_)
                | Field::Deletion(_) => {}
            }
        }
    }
}

type Outcome = Result<Vec<Field>, (Code, &'static str)>;
const NOT_COMMITTED: (Code, &str) = (Code::Opening, "what is shown is not what its sender committed to");

fn disclosed(statement: &Statement, bytes: &[u8], trusted: &Trusted) -> Outcome {
    let content = Content::from_bytes(bytes).map_err(|_| (Code::Opening, "its content is malformed"))?;
    let user = sender(statement, trusted).ok_or(NOT_COMMITTED)?;
    if !statement.is_commitment_to(user, &content) {
        return Err(NOT_COMMITTED);
    }
    Ok(content.fields().cloned().collect())
}

fn opened(statement: &Statement, opening: &Opening, trusted: &Trusted) -> Outcome {
    let user = sender(statement, trusted).ok_or(NOT_COMMITTED)?;
    if opening.commitment(&statement.binding(user)) != statement.commitment {
        return Err(NOT_COMMITTED);
    }
    Ok(opening.shown().cloned().collect())
}

fn sender<'a>(statement: &Statement, trusted: &'a Trusted) -> Option<&'a pki::Name> {
    trusted.certificates.get(&statement.certificate)?.identity().user()
}
