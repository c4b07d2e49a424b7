//! What is checked of a submission without knowing its room: form, signature, sender, ciphertext.

use std::sync::Arc;

use evidence::entry::{Entry, UnverifiedEntry};
use evidence::limits::MAX_CIPHERTEXT;
use evidence::mls::Named;
use evidence::refusal::Reason;
use pki::NoRevocations;
use rayon::prelude::*;
use session::message::{FailureCode, Reply};
use store::Hash;

use super::Session;
use crate::clock::now_ms;
use crate::failure;

/// Submissions for which it is worth to wake another core.
const WORTH_A_CORE: usize = 8;

/// Milliseconds before the end of a device's certificate from which on it signs nothing more: what is logged has to be
/// anchored within it (ID-33, EV-37).
const ENDS_EARLY_MS: u64 = 60_000;

/// What is handed in beside a statement.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) content: Option<Vec<u8>>,
    pub(crate) files: Vec<Hash>,
}

/// A statement that a session hands in.
pub(crate) struct Submission {
    pub(crate) session: Arc<Session>,
    pub(crate) id: u32,
    pub(crate) room: Hash,
    pub(crate) statement: Vec<u8>,
    pub(crate) content: Option<Vec<u8>>,
    /// The blobs that are its sealed files.
    pub(crate) files: Vec<Hash>,
    /// What shows of the group messages that it names; none if one of them is not there.
    pub(crate) named: Option<Named>,
    /// Whether it creates the room.
    pub(crate) creates: bool,
}

impl Submission {
    pub(crate) fn new(
        session: Arc<Session>,
        id: u32,
        room: Hash,
        statement: Vec<u8>,
        Said { content, files }: Said,
        named: Option<Named>,
        creates: bool,
    ) -> Self {
        Self { session, id, room, statement, content, files, named, creates }
    }

    /// The blobs that its entry takes (SE-36).
    pub(crate) fn blobs(&self, entry: &Entry) -> Vec<Hash> {
        match entry {
            Entry::Statement(_) => self.files.clone(),
            Entry::Membership(membership) => membership.mls.named().collect(),
            Entry::Revocation(_) | Entry::Erasure(_) => Vec::new(),
        }
    }

    pub(crate) fn reply(&self, reply: Reply) {
        self.session.reply(self.id, reply);
    }
}

/// A submission whose signature stands.
pub(crate) struct Checked {
    pub(crate) submission: Submission,
    pub(crate) entry: Entry,
    /// Why it cannot be accepted in any room, though it is its sender's.
    pub(crate) refused: Option<Reason>,
}

/// Checks a batch on all cores and answers what is not its sender's own well-formed entry (SE-20). Order is kept.
pub(crate) fn verify(batch: Vec<Submission>) -> Vec<Checked> {
    let now = now_ms();
    let checked: Vec<Option<Checked>> = batch
        .into_par_iter()
        .with_min_len(WORTH_A_CORE)
        .map(|submission| match check(&submission, now) {
            Ok((entry, refused)) => Some(Checked { submission, entry, refused }),
            Err(reply) => {
                submission.reply(reply);
                None
            }
        })
        .collect();
    checked.into_iter().flatten().collect()
}

fn check(submission: &Submission, now: u64) -> Result<(Entry, Option<Reason>), Reply> {
    let entry = Entry::parse(&submission.statement).map_err(|e| malformed(&e.to_string()))?;
    if matches!(entry, UnverifiedEntry::Revocation(_)) {
        return Err(malformed("revocation entries are the log's own"));
    }
    let signer = &submission.session.signer;
    // ID-33: a session may outlast it.
    if signer.recheck(now.saturating_add(ENDS_EARLY_MS), &NoRevocations).is_err() {
        let why = "this device's certificate has ended; add this machine as a new device";
        return Err(failure::failed(FailureCode::NotAllowed, why));
    }
    let entry = entry.verify(signer).map_err(|e| malformed(&e.to_string()))?;
    if entry.place().room.0 != submission.room {
        return Err(malformed("the statement is of another room"));
    }
    let refused = match (&entry, &submission.content) {
        // What is not sealed has to be shorter, which its room says.
        (Entry::Statement(_), Some(content)) if content.len() > MAX_CIPHERTEXT => Some(Reason::TooLarge),
        (Entry::Statement(statement), Some(content)) if statement.is_ciphertext(content) => None,
        (Entry::Statement(_), _) => Some(Reason::Ciphertext),
        (_, None) => None,
        (_, Some(_)) => return Err(malformed("only what somebody says has content")),
    };
    Ok((entry, refused))
}

fn malformed(why: &str) -> Reply {
    failure::failed(FailureCode::Malformed, format!("the statement is not acceptable: {why}"))
}
