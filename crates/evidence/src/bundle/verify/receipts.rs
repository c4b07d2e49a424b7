//! The receipts of a bundle: verified, and asked who received what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use pki::Name;
use rayon::prelude::*;

use super::findings::Findings;
use super::trust::Trusted;
use crate::bundle::Scope;
use crate::bundle::parts::Parts;
use crate::checkpoint::Cosignature;
use crate::hash::Hash;
use crate::log::TreeHead;
use crate::receipt::{self, Receipt, ReceiptClaim};
use crate::room::RoomState;
use crate::verdict::{Code, UnopenedBy};

/// Who gave a receipt: user, and the hash of the device's certificate.
type Giver = (Name, Hash);

/// Verified receipts; whether their roots are the log's is for the caller to compare.
pub(super) struct Receipts {
    heads: Vec<TreeHead>,
    /// By giver, the ranges received: ascending, not touching.
    received: BTreeMap<Giver, Vec<(u64, u64)>>,
    /// By index, who could not open what is there, and why.
    unopened: BTreeMap<u64, BTreeSet<(Giver, u8)>>,
}

impl Receipts {
    pub(super) fn verify(parts: &Parts, trusted: &Trusted, findings: &mut Findings) -> Self {
        let checked: Vec<Result<(Giver, ReceiptClaim), String>> = parts
            .receipts
            .par_iter()
            .map(|(receipt, cosignature)| check(receipt, cosignature, &parts.scope, trusted))
            .collect();
        let mut heads = Vec::new();
        let mut received: BTreeMap<Giver, Vec<(u64, u64)>> = BTreeMap::new();
        let mut unopened: BTreeMap<u64, BTreeSet<(Giver, u8)>> = BTreeMap::new();
        for result in checked {
            match result {
                Ok((giver, receipt)) => {
                    heads.push(receipt.head);
                    for (index, reason) in &receipt.unopened {
                        unopened.entry(*index).or_default().insert((giver.clone(), *reason as u8));
                    }
                    received.entry(giver).or_default().extend(ranges(&receipt));
                }
                Err(message) => findings.problem(Code::Receipt, None, message),
            }
        }
        heads.sort_unstable_by_key(|head| (head.size, head.root));
        heads.dedup();
        received.values_mut().for_each(merge);
        Self { heads, received, unopened }
    }

    /// The roots that receipts name.
    pub(super) fn heads(&self) -> &[TreeHead] {
        &self.heads
    }

    /// Users other than `sender` who gave a receipt for the message at `index` on a device that is a member in
    /// `room`, the state there.
    pub(super) fn received_by(
        &self,
        index: u64,
        sender: Option<&Name>,
        room: Option<&RoomState>,
    ) -> Vec<String> {
        let is_member = |device: &Hash| room.is_some_and(|room| room.member(device).is_some());
        let givers = self.received.iter().filter(|((user, device), ranges)| {
            Some(user) != sender && is_member(device) && holds(ranges, index)
        });
        let mut users: Vec<String> = givers.map(|((user, _), _)| user.to_string()).collect();
        users.dedup();
        users
    }

    /// Devices that are members in `room`, the state at `index`, and whose receipts say that they could not open what is there, and none
    /// of them that they could.
    pub(super) fn unopened_by(
        &self,
        index: u64,
        room: Option<&RoomState>,
        trusted: &Trusted,
    ) -> Vec<UnopenedBy> {
        let Some(claims) = self.unopened.get(&index) else { return Vec::new() };
        let stands = |giver: &Giver| {
            room.is_some_and(|room| room.member(&giver.1).is_some())
                && !self.received.get(giver).is_some_and(|ranges| holds(ranges, index))
        };
        let claims = claims.iter().filter(|(giver, _)| stands(giver));
        let mut told: Vec<UnopenedBy> = claims
            .map(|((user, device), reason)| {
                let device = trusted.certificates.get(device).and_then(|known| known.identity().device());
                let device = device.map(ToString::to_string).unwrap_or_default();
                UnopenedBy { user: user.to_string(), device, reason: reason_word(*reason) }
            })
            .collect();
        told.sort();
        told.dedup();
        told
    }
}

fn reason_word(reason: u8) -> &'static str {
    match reason {
        1 => "withheld",
        2 => "mismatch",
        4 => "erased",
        _ => "not-decryptable",
    }
}

/// Whether one of ascending ranges holds an index.
fn holds(ranges: &[(u64, u64)], index: u64) -> bool {
    let after = ranges.partition_point(|(from, _)| *from <= index);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, to)| index <= *to)
}

fn check(
    receipt: &[u8],
    cosignature: &Cosignature,
    scope: &Scope,
    trusted: &Trusted,
) -> Result<(Giver, ReceiptClaim), String> {
    let unverified = Receipt::parse(receipt).map_err(|error| format!("a receipt: {error}"))?;
    let certificate = unverified.certificate();
    let signer = trusted
        .certificates
        .get(&certificate)
        .ok_or("a receipt's signer has no good certificate in the bundle")?;
    let user = signer.identity().user().ok_or("a receipt that is not by a device")?;
    let bad = |why: &dyn Display| format!("a receipt of {user}: {why}");
    let (organisation, room) = (&scope.organisation, scope.room);
    let receipt = receipt::check(unverified, cosignature.as_bytes(), signer, organisation, room)
        .map_err(|error| bad(&error))?;
    if !scope.concerns(&receipt) {
        return Err(bad(&"it is for no entry of the range"));
    }
    Ok(((user.clone(), certificate), ReceiptClaim::clone(&receipt)))
}

/// The range of a receipt without the indices it names as not opened.
fn ranges(receipt: &ReceiptClaim) -> Vec<(u64, u64)> {
    let mut ranges = Vec::new();
    let mut from = receipt.from;
    for (unopened, _) in &receipt.unopened {
        if let Some(to) = unopened.checked_sub(1).filter(|to| from <= *to) {
            ranges.push((from, to));
        }
        from = unopened.saturating_add(1);
    }
    if from <= receipt.to {
        ranges.push((from, receipt.to));
    }
    ranges
}

fn merge(ranges: &mut Vec<(u64, u64)>) {
    ranges.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges.drain(..) {
        match merged.last_mut() {
            Some((_, last)) if from <= last.saturating_add(1) => *last = to.max(*last),
            _ => merged.push((from, to)),
        }
    }
    *ranges = merged;
}
