//! Signatures and contents of entries that came together, on all cores when they are many.

use std::sync::Arc;

use evidence::Hash;
use evidence::content::Content;
use evidence::entry::{Entry, UnverifiedEntry};
use evidence::membership::Change;
use evidence::receipt::Unopened;
use evidence::room::{Certificates as _, ContentSuite};
use pki::VerifiedCertificate;
use rayon::prelude::*;

use crate::certificates::{KnownCertificates, SKEW_MS};
use crate::vault::NewStoredEntry;

/// Entries from which on they are checked off the runtime's threads.
const SOME: usize = 8;
/// Entries from which on other cores are worth asking.
const MANY: usize = 256;

/// An entry whose signature stands.
pub(super) struct Checked {
    pub(super) entry: Entry,
    /// The content, if it is what the statement names and commits to; in suite 1 once it is opened.
    pub(super) content: Option<Vec<u8>>,
    /// In suite 1 what the statement names.
    pub(super) ciphertext: Option<Vec<u8>>,
    /// Why there is no content.
    pub(super) missing: Unopened,
    /// Whether a later entry that came with it erases it.
    pub(super) erased: bool,
}

/// An entry to check.
pub(super) struct Item {
    pub(super) entry: UnverifiedEntry,
    pub(super) content: Option<Vec<u8>>,
}

/// Reads entries.
///
/// # Errors
/// Position and fault of the first that is none.
pub(super) fn parse(entries: &[session::message::Entry]) -> Result<Vec<Item>, (usize, String)> {
    entries
        .iter()
        .enumerate()
        .map(|(at, entry)| {
            let parsed = Entry::parse(&entry.statement).map_err(|error| (at, error.to_string()))?;
            Ok(Item { entry: parsed, content: entry.content.clone() })
        })
        .collect()
}

/// Checks all items under known certificates.
///
/// # Errors
/// Position and fault of the first that does not stand.
pub(super) async fn verify(
    items: Vec<Item>,
    known: &Arc<KnownCertificates>,
    suite: ContentSuite,
) -> Result<Vec<Checked>, (usize, String)> {
    let known = Arc::clone(known);
    let check = move |(at, item)| check(item, &known, suite).map_err(|fault| (at, fault));
    if items.len() < SOME {
        return items.into_iter().enumerate().map(check).collect();
    }
    let all = tokio::task::spawn_blocking(move || {
        if items.len() < MANY {
            items.into_iter().enumerate().map(check).collect()
        } else {
            items.into_par_iter().enumerate().map(check).collect()
        }
    });
    all.await.unwrap_or_else(|_| Err((0, "verification was interrupted".to_owned())))
}

fn check(item: Item, known: &KnownCertificates, suite: ContentSuite) -> Result<Checked, String> {
    let signer = known
        .certificate(&item.entry.certificate())
        .ok_or_else(|| "signed under a certificate that the organisation does not vouch for".to_owned())?;
    let time_ms = item.entry.place().time_ms;
    if time_ms.saturating_add(SKEW_MS) < signer.not_before_ms() || time_ms > signer.not_after_ms() {
        return Err("signed when its signer's certificate was not valid".to_owned());
    }
    let entry = item.entry.verify(&signer).map_err(|error| error.to_string())?;
    let came = item.content.is_some();
    let named = item.content.filter(|bytes| matches!(&entry, Entry::Statement(s) if s.is_ciphertext(bytes)));
    let (content, ciphertext) = match suite {
        ContentSuite::ServerReads => (named.and_then(|content| open(&entry, &signer, content)), None),
        ContentSuite::EndToEnd => (None, named),
    };
    let mismatch = came && content.is_none() && ciphertext.is_none();
    let missing = if mismatch { Unopened::Mismatch } else { Unopened::Withheld };
    Ok(Checked { entry, content, ciphertext, missing, erased: false })
}

/// The content if it is what the statement commits to (EV-7).
fn open(entry: &Entry, signer: &VerifiedCertificate, content: Vec<u8>) -> Option<Vec<u8>> {
    let Entry::Statement(statement) = entry else { return None };
    let parsed = Content::from_bytes(&content).ok()?;
    let user = signer.identity().user()?;
    statement.is_commitment_to(user, &parsed).then_some(content)
}

impl Checked {
    pub(super) fn to_store(&self, unopened: Option<u8>) -> NewStoredEntry<'_> {
        NewStoredEntry { entry: self.entry.bytes(), content: self.kept(), unopened }
    }

    /// What is kept of the content.
    pub(super) fn kept(&self) -> Option<&[u8]> {
        self.content.as_deref().filter(|_| !self.erased)
    }

    /// Why there is no content, if this device should have one (EV-30).
    pub(super) fn unopened(&self, member: bool) -> Option<u8> {
        let missing = matches!(self.entry, Entry::Statement(_)) && self.content.is_none() && member;
        missing.then_some(self.missing as u8)
    }
}

/// The content suite of the room that an entry creates.
pub(super) fn suite(item: &Item) -> Option<ContentSuite> {
    match &item.entry {
        UnverifiedEntry::Membership(membership) => match &membership.claim().change {
            Change::Create { creation, .. } => Some(creation.suite),
            _ => None,
        },
        _ => None,
    }
}

/// Certificates that the entries need: signers, and devices that are added, each with the time of its use.
pub(super) fn needed(items: &[Item]) -> Vec<(Hash, u64)> {
    let mut wanted: Vec<(Hash, u64)> = Vec::new();
    for item in items {
        let time = item.entry.place().time_ms;
        let mut want = |hash| {
            if !wanted.iter().rev().take(64).any(|(known, _)| *known == hash) {
                wanted.push((hash, time));
            }
        };
        want(item.entry.certificate());
        if let UnverifiedEntry::Membership(membership) = &item.entry {
            membership.claim().change.added().iter().for_each(|device| want(device.certificate));
        }
    }
    wanted
}
