//! The receipts of a bundle: verified, and asked who received what.

use std::collections::BTreeMap;

use pki::trust::NoRevocations;
use pki::{Name, VerifiedCertificate};
use rayon::prelude::*;

use super::findings::Findings;
use super::trust::Trusted;
use super::{ms, room_checkpoint};
use crate::bundle::Scope;
use crate::bundle::parts::Parts;
use crate::checkpoint::{Cosignature, device_name};
use crate::limits::{ANCHOR_SLACK_MS, MAX_SKEW_MS};
use crate::log::TreeHead;
use crate::receipt::{Receipt, ReceiptClaim};
use crate::verdict::Code;

/// Verified receipts; whether their roots are the log's is for the caller to compare.
pub(super) struct Receipts {
    heads: Vec<TreeHead>,
    /// By user, the ranges received: ascending, not touching.
    received: BTreeMap<Name, Vec<(u64, u64)>>,
}

impl Receipts {
    pub(super) fn verify(parts: &Parts, trusted: &Trusted, findings: &mut Findings) -> Self {
        let checked: Vec<Result<(Name, ReceiptClaim), String>> = parts
            .receipts
            .par_iter()
            .map(|(receipt, cosignature)| check(receipt, cosignature, &parts.scope, trusted))
            .collect();
        let mut heads = Vec::new();
        let mut received: BTreeMap<Name, Vec<(u64, u64)>> = BTreeMap::new();
        for result in checked {
            match result {
                Ok((user, receipt)) => {
                    heads.push(receipt.head);
                    received.entry(user).or_default().extend(ranges(&receipt));
                }
                Err(message) => findings.problem(Code::Receipt, None, message),
            }
        }
        heads.sort_unstable_by_key(|head| (head.size, head.root));
        heads.dedup();
        received.values_mut().for_each(merge);
        Self { heads, received }
    }

    /// The roots that receipts name.
    pub(super) fn heads(&self) -> &[TreeHead] {
        &self.heads
    }

    /// Users other than `sender` who gave a receipt for the message at `index`.
    pub(super) fn received_by(&self, index: u64, sender: Option<&Name>) -> Vec<String> {
        let has = |ranges: &Vec<(u64, u64)>| {
            let after = ranges.partition_point(|(from, _)| *from <= index);
            after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, to)| index <= *to)
        };
        let users = self.received.iter().filter(|(user, ranges)| Some(*user) != sender && has(ranges));
        users.map(|(user, _)| user.to_string()).collect()
    }
}

fn check(
    receipt: &[u8],
    cosignature: &Cosignature,
    scope: &Scope,
    trusted: &Trusted,
) -> Result<(Name, ReceiptClaim), String> {
    let unverified = Receipt::parse(receipt).map_err(|error| format!("a receipt: {error}"))?;
    let signer = trusted
        .certificates
        .get(&unverified.certificate())
        .ok_or("a receipt's signer has no good certificate in the bundle")?;
    let (user, device) = signer
        .identity()
        .user()
        .zip(signer.identity().device())
        .ok_or("a receipt that is not by a device")?;
    let receipt = unverified.verify(signer).map_err(|error| format!("a receipt of {user}: {error}"))?;
    let bad = |why: &str| format!("a receipt of {user}: {why}");
    if receipt.room != scope.room || !scope.concerns(&receipt) {
        return Err(bad("it is of another room, or for no entry of the range"));
    }
    let name = device_name(&scope.organisation, user, device);
    let checkpoint = room_checkpoint(scope, receipt.head);
    let time_s = cosignature
        .verify(&checkpoint, &name, signer.key())
        .map_err(|_| bad("its cosignature does not verify"))?;
    check_times(signer, &receipt, time_s).map_err(bad)?;
    Ok((user.clone(), ReceiptClaim::clone(&receipt)))
}

fn check_times(
    signer: &VerifiedCertificate,
    receipt: &ReceiptClaim,
    time_s: u64,
) -> Result<(), &'static str> {
    signer.recheck(receipt.time_ms, &NoRevocations).map_err(|_| "its certificate was not valid then")?;
    if ms(time_s).abs_diff(receipt.time_ms) > MAX_SKEW_MS + ANCHOR_SLACK_MS {
        return Err("its cosignature is of another time");
    }
    Ok(())
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
