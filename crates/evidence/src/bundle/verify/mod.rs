//! Verifying a bundle (EV-35 to EV-39).

mod checked;
mod entries;
mod findings;
mod receipts;
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::rc::Rc;

use entries::Folded;
use findings::Findings;
use pki::Fingerprint;
use pki::certificate::certificates_from_pem;
use pki::trust::CertificateRef;
use receipts::Receipts;
use trust::Trusted;

use super::Scope;
use super::archive::Reader;
use super::parts::{self, Parts};
use super::stop::Stop;
use crate::checkpoint::SignedCheckpoint;
use crate::log::TreeHead;
use crate::relation::{Edited, Fate, Referred};
use crate::room::ContentSuite;
use crate::verdict::{Code, Erased, NoteCode, Said, State, Verdict, Word};

/// Whose word a bundle is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// The root certificate with this fingerprint.
    Pinned(Fingerprint),
    /// Nobody's: the most that is said is [`Word::ConsistentUnpinned`].
    Unpinned,
}

/// A file in which no root could be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a root: name a file with exactly one certificate, or its fingerprint as sha256: and 64 digits")]
pub struct BadRoot;

impl Root {
    /// Pins the one certificate in a file, PEM or DER.
    ///
    /// # Errors
    /// [`BadRoot`] if there is none or more than one.
    pub fn from_certificate_file(bytes: &[u8]) -> Result<Self, BadRoot> {
        let in_pem = std::str::from_utf8(bytes).ok().and_then(|text| certificates_from_pem(text).ok());
        let certificates = in_pem.unwrap_or_else(|| vec![bytes.to_vec()]);
        match certificates.as_slice() {
            [der] if CertificateRef::of(der).is_ok() => Ok(Self::Pinned(Fingerprint::of(der))),
            _ => Err(BadRoot),
        }
    }
}

/// Verifies a bundle and returns the verdict and its messages, in order.
///
/// # Errors
/// Only those of `input`: whatever is wrong with the bundle is in the verdict.
pub fn verify(input: impl Read, root: Root) -> io::Result<(Verdict, Vec<Said>)> {
    let mut said = Vec::new();
    let (verdict, erasures) = judge(input, root, |message| said.push(message))?;
    mark(&mut said);
    mark_erased(&mut said, &erasures);
    Ok((verdict, said))
}

/// Verifies a bundle, giving each message to `each` as soon as it is read. **Nothing that `each` was given counts before
/// the verdict is there.** What later entries make of one, its `edited`, `deleted` and `erased`, is not known by then and left out: what was erased is [`State::Withheld`].
/// Memory grows by the tree's hashes and what references are held against, some 100 bytes an entry.
///
/// # Errors
/// Only those of `input`: whatever is wrong with the bundle is in the verdict.
pub fn verify_each(input: impl Read, root: Root, each: impl FnMut(Said)) -> io::Result<Verdict> {
    Ok(judge(input, root, each)?.0)
}

/// By the index of each message that they name, the erasures of a bundle.
type Erasures = BTreeMap<u64, Rc<Erased>>;

fn judge(input: impl Read, root: Root, mut each: impl FnMut(Said)) -> io::Result<(Verdict, Erasures)> {
    let mut findings = Findings::default();
    let mut summary = Summary::default();
    match run(input, root, &mut each, &mut findings, &mut summary) {
        Ok(()) => {}
        Err(Stop::Io(error)) => return Err(error),
        Err(Stop::Found(problem)) => findings.add(problem),
    }
    let erasures = std::mem::take(&mut summary.erasures);
    Ok((summary.verdict(root, findings), erasures))
}

/// Adds to messages the erasures that name them (EV-49).
fn mark_erased(said: &mut [Said], erasures: &Erasures) {
    for message in said {
        let Some(erased) = erasures.get(&message.index) else { continue };
        message.erased = Some(Erased::clone(erased));
        if message.state == State::Withheld {
            message.state = State::Erased;
        }
    }
}

/// Adds to messages what good edits and deletions have made of them (EV-44).
fn mark(said: &mut [Said]) {
    let mut fates: BTreeMap<u64, Fate> = BTreeMap::new();
    let is_good = |referred: &&Referred| referred.good == Some(true);
    for message in &*said {
        if let Some(edits) = message.relations.edits.as_ref().filter(is_good) {
            fates.entry(edits.index).or_default().edit(message.index);
        }
        if let Some(deletes) = message.relations.deletes.as_ref().filter(is_good) {
            fates.entry(deletes.index).or_default().delete(message.index);
        }
    }
    if fates.is_empty() {
        return;
    }
    let edits = fates.values().filter_map(|fate| fate.edited);
    let edits: BTreeSet<u64> = edits.collect();
    let texts: BTreeMap<u64, Option<String>> = said
        .iter()
        .filter(|message| edits.contains(&message.index))
        .map(|message| (message.index, message.text.clone()))
        .collect();
    for message in said {
        let edits = message.relations.edits.as_ref().filter(is_good);
        if let Some(fate) = fates.get(&message.index) {
            message.edited =
                fate.edited.map(|index| Edited { index, text: texts.get(&index).cloned().flatten() });
            message.deleted = fate.deleted;
        } else if let Some(fate) = edits.and_then(|edits| fates.get(&edits.index)) {
            message.deleted = fate.deleted;
        }
    }
}

/// What is known when reading ends, early or not.
#[derive(Default)]
struct Summary {
    scope: Option<Scope>,
    root: Option<Fingerprint>,
    name: Option<String>,
    suite: Option<ContentSuite>,
    directory_size: u64,
    logged_by: u64,
    messages: u64,
    disclosed: u64,
    erased: u64,
    erasures: Erasures,
}

fn run(
    input: impl Read,
    root: Root,
    each: &mut impl FnMut(Said),
    findings: &mut Findings,
    summary: &mut Summary,
) -> Result<(), Stop> {
    let mut reader = Reader::new(input);
    let parts = Parts::read(&mut reader)?;
    summary.scope = Some(parts.scope.clone());
    summary.root = Some(parts.fingerprint());
    // EV-39
    if let Root::Pinned(pinned) = root
        && pinned != parts.fingerprint()
    {
        findings.problem(
            Code::RootMismatch,
            None,
            "the bundle stands under another root than the one you named",
        );
    }
    let trusted = Trusted::establish(&parts, findings)?;
    summary.directory_size = trusted.directory.head().size;
    let checkpoints = trusted.checkpoints(&parts)?;
    let last = checkpoints.last().ok_or_else(|| Stop::new(Code::MissingPart, "no checkpoint"))?;
    summary.logged_by = ms(last.time_s());
    let receipts = Receipts::verify(&parts, &trusted, findings);
    let folded = entries::fold(&mut reader, &parts, &trusted, &checkpoints, &receipts, each, findings)?;
    (summary.messages, summary.disclosed) = (folded.messages, folded.disclosed);
    summary.erased = folded.erased;
    summary.erasures.clone_from(&folded.erasures);
    summary.name = folded.name.clone();
    summary.suite = folded.suite;
    compare_heads(&checkpoints, &receipts, &folded, findings);
    trusted.note_revocations(&folded.used, findings);
    if folded.seen_unchecked > 0 {
        findings.note(
            NoteCode::SeenUnchecked,
            format!(
                "{} entries name a checkpoint from before the range, which this bundle does not allow to compare",
                folded.seen_unchecked
            ),
        );
    }
    parts::manifest(&mut reader)
}

/// Every root that somebody signed must be one of the log's.
fn compare_heads(
    checkpoints: &[SignedCheckpoint],
    receipts: &Receipts,
    folded: &Folded,
    findings: &mut Findings,
) {
    let is_prefix = |head: &TreeHead| folded.root_at(head.size) == Some(head.root);
    for checkpoint in checkpoints {
        if !is_prefix(&checkpoint.head()) {
            let size = checkpoint.head().size;
            findings.problem(Code::Fork, None, format!("the checkpoint of size {size} is not of this log"));
        }
    }
    for head in receipts.heads() {
        if !is_prefix(head) {
            let message = format!("a receipt is for a log of size {} that is not this one", head.size);
            findings.problem(Code::Receipt, None, message);
        }
    }
}

impl Summary {
    fn verdict(self, root: Root, mut findings: Findings) -> Verdict {
        let word = match (findings.is_clean(), root) {
            (false, _) => Word::Invalid,
            (true, Root::Pinned(_)) => Word::Valid,
            (true, Root::Unpinned) => Word::ConsistentUnpinned,
        };
        if word != Word::Invalid {
            self.add_notes(root, &mut findings);
        }
        let scope = self.scope;
        let of_scope = |get: fn(&Scope) -> u64| scope.as_ref().map_or(0, get);
        let (problems, problem_count, notes) = findings.into_parts();
        Verdict {
            word,
            root: self.root,
            messages: self.messages,
            disclosed: self.disclosed,
            erased: self.erased,
            withheld: self.messages.saturating_sub(self.disclosed).saturating_sub(self.erased),
            problems,
            problem_count,
            organisation: scope.as_ref().map(|scope| scope.organisation.to_string()),
            room: scope.as_ref().map(|scope| scope.room),
            name: self.name,
            from: of_scope(|scope| scope.from),
            to: of_scope(|scope| scope.to),
            size: of_scope(|scope| scope.size),
            suite: self.suite.map(ContentSuite::number),
            directory_size: self.directory_size,
            logged_by: self.logged_by,
            notes,
        }
    }

    fn add_notes(&self, root: Root, findings: &mut Findings) {
        if root == Root::Unpinned {
            findings.note(NoteCode::Unpinned, "no root was named: compare the fingerprint by another way");
        }
        match self.suite {
            Some(ContentSuite::ServerReads) => findings.note(
                NoteCode::ServerCanRead,
                "content suite 0: the messages were not end-to-end encrypted, the server could read them",
            ),
            Some(ContentSuite::EndToEnd) => findings.note(
                NoteCode::EndToEnd,
                "content suite 1: the room is sealed end to end; that a message was, and held what its sender \
                 committed to, rests on the receipts of those who opened it",
            ),
            None => {}
        }
        findings.note(
            NoteCode::DirectoryHead,
            format!(
                "revocations are known as far as the bundle shows them, under a directory of {} entries",
                self.directory_size
            ),
        );
        findings.note(
            NoteCode::NoWitness,
            "logged-by times are the server's own, signed times are the senders'; no outside witness stands beside them",
        );
        findings.note(
            NoteCode::Limits,
            "a key is not a person; and without a witness a server can keep two groups apart until they compare",
        );
    }
}

/// Milliseconds of a time in seconds.
fn ms(seconds: u64) -> u64 {
    seconds.saturating_mul(1_000)
}
