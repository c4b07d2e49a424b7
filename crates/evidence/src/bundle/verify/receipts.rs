//! The receipts of a bundle: verified, and asked who received what.

use std::collections::BTreeMap;
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
use crate::verdict::Code;

/// Who gave a receipt: user, and the hash of the device's certificate.
type Giver = (Name, Hash);

/// Verified receipts; whether their roots are the log's is for the caller to compare.
pub(super) struct Receipts {
    heads: Vec<TreeHead>,
    /// By giver, the ranges received: ascending, not touching.
    received: BTreeMap<Giver, Vec<(u64, u64)>>,
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
        for result in checked {
            match result {
                Ok((giver, receipt)) => {
                    heads.push(receipt.head);
                    received.entry(giver).or_default().extend(ranges(&receipt));
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

    /// Users other than `sender` who gave a receipt for the message at `index` on a device that is a member in
    /// `room`, the state there.
    pub(super) fn received_by(
        &self,
        index: u64,
        sender: Option<&Name>,
        room: Option<&RoomState>,
    ) -> Vec<String> {
        let has = |ranges: &Vec<(u64, u64)>| {
            let after = ranges.partition_point(|(from, _)| *from <= index);
            after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, to)| index <= *to)
        };
        let is_member = |device: &Hash| room.is_some_and(|room| room.member(device).is_some());
        let givers = self
            .received
            .iter()
            .filter(|((user, device), ranges)| Some(user) != sender && is_member(device) && has(ranges));
        let mut users: Vec<String> = givers.map(|((user, _), _)| user.to_string()).collect();
        users.dedup();
        users
    }
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
