//! What messages say of earlier ones, and what comes of that: which references are good (EV-43), which text and which
//! reactions stand (EV-44). Called by the client and by the verifier, which must agree.

use pki::Name;
use serde::Serialize;

use crate::content::{Field, Reaction, Reference};
use crate::hash::Hash;

/// What a message does to an earlier one. One message does one of these at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It answers it.
    Reply(Reference),
    /// It gives it another text.
    Edit(Reference),
    /// It gives a reaction to it or takes one back.
    React(Reaction),
    /// It asks that it is not shown any more.
    Delete(Reference),
}

impl Act {
    /// The act among these fields.
    pub fn of<'a>(fields: impl IntoIterator<Item = &'a Field>) -> Option<Self> {
        fields.into_iter().find_map(|field| match field {
            Field::Reply(to) => Some(Self::Reply(*to)),
            Field::Edit(of) => Some(Self::Edit(*of)),
            Field::Reaction(reaction) => Some(Self::React(reaction.clone())),
            Field::Deletion(of) => Some(Self::Delete(*of)),
            Field::Text(_)
            | Field::Composed(_)
            | Field::Script(_)
            | Field::Attachments(_)
            | Field::Mentions(_) => None,
        })
    }

    /// What it refers to.
    pub fn reference(&self) -> &Reference {
        match self {
            Self::Reply(to) | Self::Edit(to) | Self::Delete(to) => to,
            Self::React(reaction) => reaction.to(),
        }
    }

    /// Whether it changes the other message, which its own user alone may do.
    pub fn changes(&self) -> bool {
        matches!(self, Self::Edit(_) | Self::Delete(_))
    }

    /// Whether the message that does it can itself be edited and deleted.
    pub fn is_reply(&self) -> bool {
        matches!(self, Self::Reply(_))
    }

    /// Whether its reference is good (EV-43), for a message of `user` at `index`; `target` is what is known of the entry
    /// referred to. `None` if that is too little to tell.
    pub fn is_good(&self, index: u64, user: Option<&str>, target: Option<&Target<'_>>) -> Option<bool> {
        // EV-43
        let reference = self.reference();
        if reference.index >= index {
            return Some(false);
        }
        let target = target?;
        if target.leaf != reference.leaf || target.is_statement == Some(false) {
            return Some(false);
        }
        if !self.changes() {
            return target.is_statement;
        }
        let same_user = user.zip(target.user).map(|(by, of)| by == of);
        match (same_user, target.is_plain) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => target.is_statement,
            _ => None,
        }
    }
}

/// What is known of an entry that a message refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// Its leaf hash.
    pub leaf: Hash,
    /// Whether it is a statement.
    pub is_statement: Option<bool>,
    /// User who signed it.
    pub user: Option<&'a str>,
    /// Whether its content is neither an edit nor a reaction nor a deletion.
    pub is_plain: Option<bool>,
}

/// A reference as readers are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Referred {
    /// Log index.
    pub index: u64,
    /// Whether it is good; `None` if too little is known to tell (EV-43).
    pub good: Option<bool>,
}

/// A reaction as readers are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reacted {
    /// Log index of what it is a reaction to.
    pub index: u64,
    /// Whether its reference is good; `None` if too little is known to tell (EV-43).
    pub good: Option<bool>,
    /// An emoji, as a rule.
    pub text: String,
    /// Whether it is given; else it is taken back.
    pub given: bool,
}

/// What a message says of earlier ones and of people, as readers are told of it (EV-40).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Relations {
    /// What it replies to.
    pub reply_to: Option<Referred>,
    /// What it gives another text.
    pub edits: Option<Referred>,
    /// Its reaction.
    pub reaction: Option<Reacted>,
    /// What it asks not to show any more.
    pub deletes: Option<Referred>,
    /// Users whom it mentions, in order of their names.
    pub mentions: Vec<String>,
}

impl Relations {
    /// What these fields say, the reference being good or not.
    pub fn new<'a>(fields: impl Iterator<Item = &'a Field> + Clone, good: Option<bool>) -> Self {
        let mentions = fields.clone().find_map(|field| match field {
            Field::Mentions(names) => Some(names.iter().map(Name::to_string).collect()),
            _ => None,
        });
        let mut relations = Self { mentions: mentions.unwrap_or_default(), ..Self::default() };
        let referred = |to: &Reference| Some(Referred { index: to.index, good });
        match Act::of(fields) {
            Some(Act::Reply(to)) => relations.reply_to = referred(&to),
            Some(Act::Edit(of)) => relations.edits = referred(&of),
            Some(Act::Delete(of)) => relations.deletes = referred(&of),
            Some(Act::React(reaction)) => {
                relations.reaction = Some(Reacted {
                    index: reaction.to().index,
                    good,
                    text: reaction.text().to_owned(),
                    given: reaction.given(),
                });
            }
            None => {}
        }
        relations
    }

    /// Notes whether the reference is good.
    pub fn judge(&mut self, good: Option<bool>) {
        for referred in [&mut self.reply_to, &mut self.edits, &mut self.deletes].into_iter().flatten() {
            referred.good = good;
        }
        if let Some(reaction) = &mut self.reaction {
            reaction.good = good;
        }
    }

    /// Whether they refer to an earlier message.
    pub fn refer(&self) -> bool {
        self.reply_to.is_some() || self.edits.is_some() || self.reaction.is_some() || self.deletes.is_some()
    }
}

/// What good edits and deletions make of a message (EV-44).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fate {
    /// Index of the edit whose text stands.
    pub edited: Option<u64>,
    /// Index of the deletion.
    pub deleted: Option<u64>,
}

impl Fate {
    /// The fate by good edits and deletions of one message, in the order of the log.
    pub fn of<'a>(acts: impl IntoIterator<Item = (u64, &'a Act)>) -> Self {
        // EV-44
        let mut fate = Self::default();
        for (index, act) in acts {
            match act {
                Act::Edit(_) => fate.edit(index),
                Act::Delete(_) => fate.delete(index),
                Act::Reply(_) | Act::React(_) => {}
            }
        }
        fate
    }

    /// A good edit at `index`, behind all acts before.
    pub fn edit(&mut self, index: u64) {
        if self.deleted.is_none() {
            self.edited = Some(index);
        }
    }

    /// A good deletion at `index`, behind all acts before.
    pub fn delete(&mut self, index: u64) {
        self.deleted.get_or_insert(index);
    }
}

/// The text that stands instead of a message's own (EV-44).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edited {
    /// Log index of the edit.
    pub index: u64,
    /// The text; `None` if it is not shown.
    pub text: Option<String>,
}

#[cfg(test)]
mod tests;
