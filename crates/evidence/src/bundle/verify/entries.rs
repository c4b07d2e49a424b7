//! The entries of a bundle: read in pieces, their signatures checked on all cores, then folded in order.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Read;
use std::rc::Rc;

use pki::trust::NoRevocations;
use rayon::prelude::*;

use super::checked::{Checked, Shown};
use super::findings::Findings;
use super::ms;
use super::receipts::Receipts;
use super::trust::Trusted;
use crate::bundle::archive::{Body, MAX_PART, Reader};
use crate::bundle::item::{First, MAX_ITEM, first_item};
use crate::bundle::parts::{Parts, open};
use crate::bundle::stop::Stop;
use crate::bundle::{ENTRIES, Scope};
use crate::checkpoint::SignedCheckpoint;
use crate::entry::Entry;
use crate::erasure::Erasure;
use crate::hash::Hash;
use crate::limits::{ANCHOR_SLACK_MS, MAX_SKEW_MS};
use crate::log::{CompactTree, Tree, cover, empty_root};
use crate::relation::Target;
use crate::room::{ContentSuite, Context, RoomState, Roots, Seen, Unacceptable};
use crate::verdict::{Code, Erased, Said, State};

/// Bytes read before the signatures in them are checked together.
const PIECE: usize = 1 << 20;

/// What the entries came to.
pub(super) struct Folded {
    tree: Tree,
    /// Roots behind the range.
    later: HashMap<u64, Hash>,
    pub(super) name: Option<String>,
    pub(super) suite: Option<ContentSuite>,
    pub(super) messages: u64,
    pub(super) disclosed: u64,
    /// Messages of the range that are not shown and were erased.
    pub(super) erased: u64,
    /// Erasures of the range, by the index of each message that they name.
    pub(super) erasures: BTreeMap<u64, Rc<Erased>>,
    pub(super) seen_unchecked: u64,
    /// Certificates under which entries are signed.
    pub(super) used: HashSet<Hash>,
}

impl Folded {
    /// Root of the log at `size`, as far as the bundle shows it.
    pub(super) fn root_at(&self, size: u64) -> Option<Hash> {
        self.later.get(&size).copied().or_else(|| self.tree.root_at(size))
    }
}

/// The tree so far: below the range only its compact state, then its nodes.
enum Growing {
    Before(CompactTree),
    Within(Tree),
}

impl Roots for Growing {
    fn root_at(&self, size: u64) -> Option<Hash> {
        match self {
            Self::Before(tree) if size == tree.size() => Some(tree.root()),
            Self::Before(_) => (size == 0).then(empty_root),
            Self::Within(tree) => tree.root_at(size),
        }
    }

    fn leaf_at(&self, index: u64) -> Option<Hash> {
        match self {
            Self::Before(_) => None,
            Self::Within(tree) => tree.leaf(index),
        }
    }
}

pub(super) fn fold<R: Read>(
    reader: &mut Reader<R>,
    parts: &Parts,
    trusted: &Trusted,
    checkpoints: &[SignedCheckpoint],
    receipts: &Receipts,
    each: &mut impl FnMut(Said),
    findings: &mut Findings,
) -> Result<Folded, Stop> {
    let scope = &parts.scope;
    let mut fold = Fold {
        scope,
        trusted,
        checkpoints,
        receipts,
        cover: cover::Check::new(scope.size, parts.proof.iter().copied()),
        tree: Growing::Before(CompactTree::new()),
        state: None,
        next_checkpoint: 0,
        messages: 0,
        disclosed: 0,
        erased: 0,
        erasures: BTreeMap::new(),
        seen_unchecked: 0,
        used: HashSet::new(),
        changes_before: HashSet::new(),
        users: HashMap::new(),
        passed: Vec::new(),
    };
    let mut body = open(reader, ENTRIES)?;
    if body.left() > MAX_PART {
        return Err(Stop::new(Code::TooLarge, "too many entries"));
    }
    let mut buffer = Vec::new();
    while body.left() > 0 || !buffer.is_empty() {
        let items = piece(&mut body, &mut buffer)?;
        let checked: Vec<Option<Checked>> = items.par_iter().map(|item| Checked::of(item, trusted)).collect();
        for checked in checked {
            let checked = checked.ok_or_else(|| Stop::new(Code::Malformed, "an item of the entries"))?;
            fold.item(checked, each, findings)?;
        }
    }
    body.finish()?;
    fold.finish(&scope.marks(parts.receipts.iter().map(|(receipt, _)| receipt.as_slice())))
}

/// Reads on and cuts whole items off the buffer.
fn piece<R: Read>(body: &mut Body<'_, R>, buffer: &mut Vec<u8>) -> Result<Vec<Vec<u8>>, Stop> {
    body.read(buffer, PIECE)?;
    let mut items = Vec::new();
    let mut rest = buffer.as_slice();
    loop {
        match first_item(rest) {
            _ if rest.is_empty() => break,
            First::Item(length) if length <= MAX_ITEM => {
                let (item, after) = rest.split_at_checked(length).unwrap_or_default();
                items.push(item.to_vec());
                rest = after;
            }
            First::Partial if rest.len() <= MAX_ITEM && body.left() > 0 => break,
            First::Item(_) | First::Partial | First::Malformed => {
                return Err(Stop::new(Code::Malformed, "the entries are not a sequence of items"));
            }
        }
    }
    let kept = rest.len();
    buffer.drain(..buffer.len() - kept);
    Ok(items)
}

struct Fold<'a, P> {
    scope: &'a Scope,
    trusted: &'a Trusted,
    checkpoints: &'a [SignedCheckpoint],
    receipts: &'a Receipts,
    cover: cover::Check<P>,
    tree: Growing,
    state: Option<RoomState>,
    next_checkpoint: usize,
    messages: u64,
    disclosed: u64,
    erased: u64,
    erasures: BTreeMap<u64, Rc<Erased>>,
    seen_unchecked: u64,
    used: HashSet<Hash>,
    /// Indices below the range that are shown.
    changes_before: HashSet<u64>,
    /// Users by their certificates, as far as they were met.
    users: HashMap<Hash, Rc<str>>,
    /// What later messages may refer to, from the first index of the range on.
    passed: Vec<Passed>,
}

/// What of an entry decides whether a reference to it is good, its leaf hash aside (EV-43).
struct Passed {
    is_statement: Option<bool>,
    user: Option<Rc<str>>,
    is_plain: Option<bool>,
    /// Whether it counts as a message that is not shown.
    is_withheld: bool,
}

/// Between which cosigned times an entry was logged, Unix milliseconds.
#[derive(Clone, Copy)]
struct Anchor {
    floor: Option<u64>,
    at: u64,
}

impl<P: Iterator<Item = Hash>> Fold<'_, P> {
    fn item(
        &mut self,
        mut checked: Checked,
        each: &mut impl FnMut(Said),
        findings: &mut Findings,
    ) -> Result<(), Stop> {
        let index = checked.index;
        self.advance(index, findings)?;
        let anchor = self.anchor(index);
        if let Some(state) = &self.state {
            checked.require_clear(state.creation().suite == ContentSuite::ServerReads);
        }
        checked.problems.drain(..).for_each(|problem| findings.add(problem));
        // EV-35
        if index < self.scope.from && checked.is_message() {
            findings.problem(
                Code::Membership,
                Some(index),
                "below the range only changes of membership and erasures are shown",
            );
        }
        match &checked.entry {
            Some(entry) => {
                self.used.insert(entry.certificate());
                self.entry(index, entry, &checked.shown, anchor, findings)?;
            }
            None => self.pass(index, 1, findings)?,
        }
        match &mut self.tree {
            Growing::Before(tree) => tree.push(checked.leaf),
            Growing::Within(tree) => tree.push(checked.leaf),
        };
        if index >= self.scope.from {
            let passed = self.passed(&checked);
            self.passed.push(passed);
        } else {
            self.changes_before.insert(index);
        }
        if index >= self.scope.from && checked.is_message() {
            self.messages += 1;
            self.disclosed += u64::from(checked.shown.state.shows_content());
            each(self.said(checked, anchor));
        }
        Ok(())
    }

    /// Brings tree and state to `index`; what is passed over must lie below the range.
    fn advance(&mut self, index: u64, findings: &mut Findings) -> Result<(), Stop> {
        let size = match &self.tree {
            Growing::Before(tree) => tree.size(),
            Growing::Within(tree) => tree.size(),
        };
        let (from, to) = (self.scope.from, self.scope.to);
        let missing = size.max(from);
        if index < size || index > to || (index > from && index != missing) {
            return Err(Stop::at(Code::Missing, missing.min(to), "an index is not where it must be"));
        }
        if let Growing::Before(tree) = &mut self.tree {
            let cut = |_| Stop::at(Code::Log, index, "the proof does not reach this entry");
            self.cover.fill_to(tree, index).map_err(cut)?;
            if index == from {
                self.tree = Growing::Within(Tree::new(std::mem::take(tree)));
            }
        }
        if index > size { self.pass(size, index - size, findings) } else { Ok(()) }
    }

    /// Goes on over entries that are not shown: statements, as no others are ever withheld.
    fn pass(&mut self, index: u64, count: u64, findings: &mut Findings) -> Result<(), Stop> {
        // EV-45
        if self.state.as_ref().is_some_and(|state| state.lingering().next().is_some()) {
            let message = "something was said while one who is gone still held the room's keys";
            findings.problem(Code::Membership, Some(index), message);
        }
        self.skip(index, count)
    }

    fn skip(&mut self, index: u64, count: u64) -> Result<(), Stop> {
        let no_room = || Stop::at(Code::Membership, index, "the entry that creates the room is not shown");
        self.state.as_mut().map(|state| state.skip(count)).ok_or_else(no_room)
    }

    /// EV-37
    fn anchor(&mut self, index: u64) -> Anchor {
        let covers =
            |at: usize| self.checkpoints.get(at).is_some_and(|checkpoint| checkpoint.head().size > index);
        while self.next_checkpoint + 1 < self.checkpoints.len() && !covers(self.next_checkpoint) {
            self.next_checkpoint += 1;
        }
        let time = |at: usize| self.checkpoints.get(at).map(|checkpoint| ms(checkpoint.time_s()));
        let floor = self.next_checkpoint.checked_sub(1).and_then(time);
        Anchor { floor, at: time(self.next_checkpoint).unwrap_or_default() }
    }

    fn entry(
        &mut self,
        index: u64,
        entry: &Entry,
        shown: &Shown,
        anchor: Anchor,
        findings: &mut Findings,
    ) -> Result<(), Stop> {
        let is_statement = matches!(entry, Entry::Statement(_));
        if !is_statement && shown.state != State::Withheld {
            findings.problem(Code::Opening, Some(index), "content of an entry that has none");
        }
        self.check_time(index, entry, anchor, findings);
        let context = Context { certificates: &self.trusted.certificates, roots: &self.tree, now_ms: None };
        let outcome = match (&mut self.state, entry) {
            (Some(state), _) => state.accept(entry, &context).map(|(_, seen)| seen),
            (None, Entry::Membership(first)) if index == 0 => {
                let state = RoomState::create(first, &context).map_err(|fault| refusal(index, fault))?;
                self.check_room(&state)?;
                self.state = Some(state);
                Ok(Seen::Prefix)
            }
            (None, _) => return self.skip(index, 1),
        };
        match outcome {
            Ok(seen) => {
                self.seen_unchecked += u64::from(seen == Seen::Unknown);
                if let Entry::Erasure(erasure) = entry {
                    self.erase(index, erasure);
                }
                Ok(())
            }
            Err(fault) => {
                if let Stop::Found(problem) = refusal(index, fault) {
                    findings.add(problem);
                }
                self.skip(index, 1)
            }
        }
    }

    /// Notes an erasure that stands.
    fn erase(&mut self, index: u64, erasure: &Erasure) {
        let by = self.trusted.certificates.get(&erasure.certificate);
        let by = by.and_then(|signer| signer.identity().user()).map(ToString::to_string).unwrap_or_default();
        let erased = Rc::new(Erased { index, by, reason: erasure.reason.as_str().to_owned() });
        for named in erasure.erased.indices() {
            self.erased += u64::from(self.at(named).is_some_and(|passed| passed.is_withheld));
            self.erasures.insert(named, Rc::clone(&erased));
        }
    }

    /// An entry of the range before this one.
    fn at(&self, index: u64) -> Option<&Passed> {
        self.passed.get(usize::try_from(index.checked_sub(self.scope.from)?).ok()?)
    }

    fn check_room(&self, state: &RoomState) -> Result<(), Stop> {
        if state.id() != self.scope.room {
            return Err(Stop::at(Code::WrongRoom, 0, "the first entry creates another room"));
        }
        if state.creation().organisation != self.scope.organisation {
            return Err(Stop::at(Code::WrongRoom, 0, "the room is of another organisation"));
        }
        Ok(())
    }

    /// EV-37
    fn check_time(&self, index: u64, entry: &Entry, anchor: Anchor, findings: &mut Findings) {
        const TOLERANCE_MS: u64 = MAX_SKEW_MS + ANCHOR_SLACK_MS;
        let time_ms = entry.place().time_ms;
        let mut wrong = |code, message: &str| findings.problem(code, Some(index), message);
        if time_ms > anchor.at.saturating_add(TOLERANCE_MS) {
            wrong(Code::Time, "it says it was signed after it was logged");
        }
        if anchor.floor.is_some_and(|floor| time_ms.saturating_add(TOLERANCE_MS) < floor) {
            wrong(Code::Time, "it says it was signed long before it can have been logged");
        }
        let Some(signer) = self.trusted.certificates.get(&entry.certificate()) else { return };
        if signer.recheck(anchor.at, &NoRevocations).is_err() {
            wrong(Code::Time, "its certificate was not valid when it was logged");
        }
        let revoked = self.trusted.revoked_ms(&entry.certificate());
        if let (Some(revoked), Some(floor)) = (revoked, anchor.floor)
            && revoked.saturating_add(ANCHOR_SLACK_MS) < floor
        {
            wrong(Code::Revoked, "the directory revoked its certificate before it was logged");
        }
    }

    fn passed(&mut self, checked: &Checked) -> Passed {
        let certificate = checked.entry.as_ref().map(Entry::certificate);
        let user = certificate.and_then(|certificate| {
            let name = self.trusted.certificates.get(&certificate)?.identity().user()?;
            Some(Rc::clone(self.users.entry(certificate).or_insert_with(|| Rc::from(name.as_str()))))
        });
        let is_statement = checked.entry.as_ref().map(|entry| matches!(entry, Entry::Statement(_)));
        let is_withheld = checked.is_message() && !checked.shown.state.shows_content();
        Passed { is_statement, user, is_plain: checked.shown.is_plain, is_withheld }
    }

    /// What the bundle shows of an entry before this one that a message refers to.
    fn target(&self, index: u64) -> Option<Target<'_>> {
        if self.changes_before.contains(&index) {
            return Some(Target { leaf: [0; 32], is_statement: Some(false), user: None, is_plain: None });
        }
        let Growing::Within(tree) = &self.tree else { return None };
        let passed = self.at(index)?;
        Some(Target {
            leaf: tree.leaf(index)?,
            is_statement: passed.is_statement,
            user: passed.user.as_deref(),
            is_plain: passed.is_plain,
        })
    }

    fn said(&self, mut checked: Checked, anchor: Anchor) -> Said {
        let signer =
            checked.entry.as_ref().and_then(|entry| self.trusted.certificates.get(&entry.certificate()));
        let user = signer.and_then(|signer| signer.identity().user());
        if let Some(act) = &checked.shown.act {
            let target = self.target(act.reference().index);
            let good = act.is_good(checked.index, user.map(pki::Name::as_str), target.as_ref());
            checked.shown.relations.judge(good);
        }
        Said {
            index: checked.index,
            from: user.map(ToString::to_string),
            device: signer.and_then(|signer| signer.identity().device()).map(ToString::to_string),
            time: checked.entry.as_ref().map(|entry| entry.place().time_ms),
            logged_by: anchor.at,
            text: checked.shown.text,
            fields: checked.shown.fields,
            attachments: checked.shown.attachments,
            relations: checked.shown.relations,
            edited: None,
            deleted: None,
            erased: None,
            state: checked.shown.state,
            received_by: self.receipts.received_by(checked.index, user, self.state.as_ref()),
            unopened_by: self.receipts.unopened_by(checked.index, self.state.as_ref(), self.trusted),
        }
    }

    fn finish(mut self, marks: &BTreeSet<u64>) -> Result<Folded, Stop> {
        let Growing::Within(tree) = self.tree else {
            return Err(Stop::at(Code::Missing, self.scope.from, "the range has no entries"));
        };
        if tree.size() != self.scope.to + 1 {
            return Err(Stop::at(Code::Missing, tree.size(), "an index is not where it must be"));
        }
        let not_the_log =
            |_| Stop::new(Code::Log, "the entries are not those of the log that the checkpoint signs");
        let last = self.checkpoints.last().map(|checkpoint| checkpoint.head().root).unwrap_or_default();
        let (mut compact, mut later) = (tree.compact().clone(), HashMap::from([(self.scope.size, last)]));
        for mark in marks {
            self.cover.fill_to(&mut compact, *mark).map_err(not_the_log)?;
            later.insert(*mark, compact.root());
        }
        self.cover.finish(compact, &last).map_err(not_the_log)?;
        Ok(Folded {
            tree,
            later,
            suite: self.state.as_ref().map(|state| state.creation().suite),
            name: self.state.and_then(|state| state.name().map(|name| name.as_str().to_owned())),
            messages: self.messages,
            disclosed: self.disclosed,
            erased: self.erased,
            erasures: self.erasures,
            seen_unchecked: self.seen_unchecked,
            used: self.used,
        })
    }
}

fn refusal(index: u64, fault: Unacceptable) -> Stop {
    let code = match fault {
        Unacceptable::OtherRoom => Code::WrongRoom,
        Unacceptable::NotAMember => Code::NotAMember,
        Unacceptable::Revoked => Code::Revoked,
        Unacceptable::Sequence { .. } => Code::Sequence,
        Unacceptable::Epoch { .. } => Code::Epoch,
        Unacceptable::CheckpointSeen => Code::Fork,
        Unacceptable::Time { .. } => Code::Time,
        Unacceptable::Lingering | Unacceptable::Membership(_) => Code::Membership,
        Unacceptable::Erasure(_) => Code::Erasure,
    };
    Stop::at(code, index, fault.to_string())
}
