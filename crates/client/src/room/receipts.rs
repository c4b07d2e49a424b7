//! Receipts: this device's own, and those of others (EV-27, EV-30, EV-31).

use evidence::checkpoint::{Checkpoint, Cosignature, Origin, device_name};
use evidence::limits::MAX_UNOPENED;
use evidence::log::TreeHead;
use evidence::receipt::{self, Level, Receipt, ReceiptClaim, Unopened};
use minicbor::bytes::ByteArray;
use session::message::{Command, Reply};

use super::{Room, Told};
use crate::ClientError;
use crate::engine::{Core, Session};
use crate::event::Event;
use crate::reply::expect_reply;
use crate::vault::StoredReceipt;

/// Receipts of logs longer than this device's that wait until it has read as far.
const MAX_AHEAD: usize = 256;

/// A verified receipt that is not stored yet: giver, level, first, last.
pub(super) type Unstored = ([u8; 32], u64, u64, u64, StoredReceipt);

/// What this device will say.
struct Due {
    claims: Vec<ReceiptClaim>,
    told: Told,
}

impl Core {
    /// Gives receipts for all that is held and, at the level shown, for all that was shown.
    pub(crate) async fn give_receipt(&self, room: &Room, session: &Session) -> Result<(), ClientError> {
        let facts = room.facts();
        let told = *room.told();
        let shown = told.shown.min(facts.held);
        if facts.stopped || (facts.held <= told.delivered && shown <= told.shown_told) {
            return Ok(());
        }
        let now_ms = (self.clock)();
        let due = self.with_log(room, |log| self.due(room, log, told, now_ms)).await?;
        let mut done = due.told;
        for claim in due.claims {
            let (receipt, cosignature) = self.sign_receipt(room, &claim, now_ms);
            let stored = StoredReceipt { receipt: receipt.clone(), cosignature: cosignature.clone() };
            let put = Command::ReceiptPut { room: ByteArray::from(room.id.0), receipt, cosignature };
            match session.connection.ask(put).await? {
                // Kept for this device's own exports: it is a recipient like any other.
                Reply::Done => {
                    let own = (claim.certificate, claim.level as u64, claim.from, claim.to, stored);
                    room.received().unstored.push(own);
                }
                Reply::Failed { message, .. } => {
                    tracing::warn!(room = %room.id, "receipt not taken: {message}");
                    done = told;
                }
                _ => return Err(ClientError::unexpected()),
            }
        }
        self.vault.move_receipts(room.key, done.delivered, done.shown, done.shown_told).await?;
        let mut told = room.told();
        told.delivered = told.delivered.max(done.delivered);
        told.shown_told = told.shown_told.max(done.shown_told);
        Ok(())
    }

    fn due(&self, room: &Room, log: &super::Log, told: Told, now_ms: u64) -> Due {
        let own = self.owner.certificate.hash();
        let mut due = Due { claims: Vec::new(), told };
        let Some(head) = log.head.as_ref().map(|head| head.head) else { return due };
        let since = log.member_since(&own);
        let mut say = |level, end: u64| {
            let Some((from, to)) = since.zip(end.checked_sub(1)).filter(|(from, to)| from <= to) else {
                return;
            };
            let mut unopened: Vec<(u64, Unopened)> = log
                .unopened
                .iter()
                .filter(|(index, _)| (from..=to).contains(index))
                .map(|(index, reason)| (*index, reason_of(*reason)))
                .collect();
            let mut from = from;
            if unopened.len() > MAX_UNOPENED {
                // The newest of them fit; the range starts behind the others.
                let (older, newest) = unopened.split_at(unopened.len() - MAX_UNOPENED);
                from = older.last().map_or(from, |(index, _)| index + 1);
                unopened = newest.to_vec();
            }
            due.claims.push(ReceiptClaim {
                certificate: own,
                room: room.id,
                time_ms: now_ms,
                head,
                level,
                from,
                to,
                unopened,
            });
        };
        if head.size > told.delivered {
            say(Level::Delivered, head.size);
        }
        let shown = told.shown.min(head.size);
        if shown > told.shown_told {
            say(Level::Shown, shown);
        }
        due.told = Told { delivered: head.size, shown: told.shown, shown_told: shown };
        due
    }

    fn sign_receipt(&self, room: &Room, claim: &ReceiptClaim, now_ms: u64) -> (Vec<u8>, Vec<u8>) {
        let owner = &self.owner;
        let receipt = Receipt::sign(claim, &owner.key);
        let checkpoint = checkpoint(&owner.organisation, room, claim.head);
        let name = device_name(&owner.organisation, &owner.user, &owner.device);
        let cosignature = Cosignature::sign(&checkpoint, &name, &owner.key, now_ms / 1000);
        (receipt, cosignature.as_bytes().to_vec())
    }

    /// Takes a receipt of another device, if it stands; one about a longer log waits.
    pub(crate) async fn take_receipt(
        &self,
        room: &Room,
        session: &Session,
        receipt: Vec<u8>,
        cosignature: Vec<u8>,
    ) -> Result<(), ClientError> {
        let Ok(unverified) = Receipt::parse(&receipt) else { return Ok(()) };
        let (giver, claim) = (unverified.certificate(), unverified.claim().clone());
        if giver == self.owner.certificate.hash() || claim.room != room.id || room.facts().stopped {
            return Ok(());
        }
        if claim.head.size > room.facts().size {
            let mut received = room.received();
            received.ahead.truncate(MAX_AHEAD - 1);
            received.ahead.insert(0, (receipt, cosignature));
            return Ok(());
        }
        self.certificates
            .fetch(&[(giver, claim.time_ms)], &self.owner, &self.vault, &session.connection)
            .await?;
        let Some(known) = self.certificates.accepted(&giver) else { return Ok(()) };
        let identity = known.certificate.identity();
        let (Some(user), Some(device)) = (identity.user(), identity.device()) else { return Ok(()) };
        let organisation = &self.owner.organisation;
        let checked = receipt::check(unverified, &cosignature, &known.certificate, organisation, room.id);
        if let Err(error) = checked {
            tracing::warn!(room = %room.id, "a receipt of {user}/{device} does not verify: {error}");
            return Ok(());
        }
        let root = self.with_log(room, |log| log.tree.root_at(claim.head.size)).await?;
        if root != Some(claim.head.root) {
            // Its giver signed it; the log's own key did not, so the room goes on.
            let what = format!(
                "{user}/{device} has signed another history of the first {} entries",
                claim.head.size
            );
            tracing::error!(room = %room.id, "{what}");
            self.emit(Event::Alarm { room: room.id, what, stopped: false });
            return Ok(());
        }
        let stored = StoredReceipt { receipt, cosignature };
        let fresh = {
            let mut received = room.received();
            let fresh = received.add(user, &claim);
            if fresh {
                received.unstored.push((giver, claim.level as u64, claim.from, claim.to, stored));
            }
            fresh
        };
        if fresh {
            self.emit(Event::Receipt {
                room: room.id,
                user: user.to_string(),
                device: device.to_string(),
                level: claim.level,
                to: claim.to,
            });
        }
        Ok(())
    }

    /// Takes receipts that waited and can be compared now; stores what was taken since the last call.
    pub(crate) async fn store_receipts(&self, room: &Room) -> Result<(), ClientError> {
        let ahead = {
            let size = room.facts().size;
            let mut received = room.received();
            if received.ahead.is_empty() {
                Vec::new()
            } else {
                let fits =
                    |receipt: &[u8]| Receipt::parse(receipt).is_ok_and(|r| r.claim().head.size <= size);
                let (now, later) =
                    std::mem::take(&mut received.ahead).into_iter().partition(|(r, _)| fits(r));
                received.ahead = later;
                now
            }
        };
        if let (Ok(session), false) = (self.session(), ahead.is_empty()) {
            for (receipt, cosignature) in ahead {
                self.take_receipt(room, &session, receipt, cosignature).await?;
            }
        }
        let unstored = std::mem::take(&mut room.received().unstored);
        if !unstored.is_empty() {
            self.vault.put_receipts(room.key, &unstored).await?;
        }
        Ok(())
    }

    /// Reads the receipts that the server has and this device has not.
    pub(crate) async fn fetch_receipts(&self, room: &Room, session: &Session) -> Result<(), ClientError> {
        let known = room.received().next_id;
        loop {
            let from = room.received().next_id;
            let ask = Command::Receipts { room: ByteArray::from(room.id.0), from };
            let receipts =
                expect_reply!(session.connection.ask(ask).await?, Reply::Receipts { receipts } => receipts)?;
            let Some(last) = receipts.last().map(|receipt| receipt.id) else { break };
            for item in receipts {
                self.take_receipt(room, session, item.receipt, item.cosignature).await?;
            }
            room.received().next_id = last.saturating_add(1).max(from.saturating_add(1));
        }
        self.store_receipts(room).await?;
        let next_id = room.received().next_id;
        if next_id > known {
            self.vault.move_receipt_cursor(room.key, next_id).await?;
        }
        Ok(())
    }

    /// Reads back what the vault holds of a room's receipts.
    pub(crate) async fn load_receipts(&self, room: &Room) -> Result<(), ClientError> {
        let stored = self.vault.receipts(room.key).await?;
        let next_id = self.vault.receipt_cursor(room.key).await?;
        let mut received = room.received();
        received.next_id = next_id;
        for stored in stored {
            let Ok(receipt) = Receipt::parse(&stored.receipt) else { continue };
            if receipt.certificate() == self.owner.certificate.hash() {
                continue;
            }
            let Some(known) = self.certificates.accepted(&receipt.certificate()) else { continue };
            if let Some(user) = known.certificate.identity().user() {
                received.add(user, receipt.claim());
            }
        }
        Ok(())
    }
}

fn checkpoint(organisation: &pki::Organisation, room: &Room, head: TreeHead) -> Checkpoint {
    Checkpoint { origin: Origin::room(organisation, room.id), head }
}

fn reason_of(reason: u8) -> Unopened {
    match reason {
        1 => Unopened::Withheld,
        2 => Unopened::Mismatch,
        4 => Unopened::Erased,
        _ => Unopened::NotDecryptable,
    }
}
