//! What the server refused: given up, or signed again, once the refusal of every signature before is stored.
//!
//! A number belongs to one commitment for ever unless a refusal of what it was used for is stored. Content and salts stay;
//! the commitment changes with the number.

use std::collections::HashMap;

use evidence::content::Content;
use evidence::limits::MAX_SKEW_MS;
use evidence::refusal::Reason;

use super::waiting::{Ticket, ticket};
use crate::ClientError;
use crate::engine::{Core, Session};
use crate::room::Room;
use crate::vault::{OutboxRow, OutboxState, Parcel, VaultError};

/// How often a message is signed again in one push.
const TRIES: u32 = 5;

impl Core {
    /// Settles the unsigned rows of a room; whether there is something to send now. Nothing of the room is under way.
    pub(super) async fn rework(
        &self,
        room: &Room,
        session: &Session,
        reasons: &HashMap<Ticket, Reason>,
        tries: &mut HashMap<Ticket, u32>,
    ) -> Result<bool, ClientError> {
        if reasons.values().any(|reason| *reason == Reason::Time) {
            self.check_clock(session).await?;
        }
        self.catch_up(room, session).await?;
        let own = self.owner.certificate.hash();
        let (facts, last) =
            self.with_fresh_log(room, |log| (log.facts(&own, false), log.last_seq(&own))).await?;
        room.limit_acknowledged(last);
        let mut transaction = self.vault.begin().await?;
        let rows = self.vault.outbox_on(&mut transaction, room.key, last + 1, usize::MAX).await?;
        if rows.iter().any(|row| row.state == OutboxState::Signed) {
            // Not all have an answer: they are sent as they are before anything gets another number.
            return Ok(true);
        }
        let (mut seq, mut again, mut given_up) = (last, Vec::new(), Vec::new());
        self.vault.clear_outbox(&mut transaction, room.key, 0, u64::MAX).await?;
        for row in rows {
            let ticket = ticket(&row.parcel);
            let tried = tries.entry(ticket).or_default();
            *tried += 1;
            match self.verdict(&row, reasons.get(&ticket).copied(), *tried, facts.member) {
                Some(error) => given_up.push((ticket, error)),
                None => {
                    seq += 1;
                    again.push((room.key, self.sign_again(room, facts, seq, row)?));
                }
            }
        }
        self.vault.put_outbox(&mut transaction, &again).await?;
        self.vault.reset_seq(&mut transaction, room.key, seq + 1).await?;
        transaction.commit().await.map_err(VaultError::from)?;
        for (ticket, error) in given_up {
            self.message_failed(room, &ticket, error);
        }
        Ok(seq > last)
    }

    /// Why a row is given up; `None` if it is to be signed again.
    fn verdict(
        &self,
        row: &OutboxRow,
        reason: Option<Reason>,
        tried: u32,
        member: bool,
    ) -> Option<ClientError> {
        if !member {
            return Some(ClientError::NotAMember);
        }
        match reason {
            Some(Reason::Epoch | Reason::Sequence | Reason::Time) | None
                if row.parcel.content.is_some() && tried <= TRIES =>
            {
                None
            }
            Some(reason) => Some(ClientError::Refused(reason)),
            None => Some(ClientError::Refused(Reason::Sequence)),
        }
    }

    fn sign_again(
        &self,
        room: &Room,
        facts: crate::room::Facts,
        seq: u64,
        row: OutboxRow,
    ) -> Result<OutboxRow, ClientError> {
        let bytes = row.parcel.content.ok_or(VaultError::Damaged("outbox"))?;
        let content = Content::from_bytes(&bytes).map_err(|_| VaultError::Damaged("outbox"))?;
        let entry = self.sign_content(room, facts, seq, &content, &bytes);
        let parcel = Parcel { entry, content: Some(bytes) };
        Ok(OutboxRow { seq, state: OutboxState::Signed, parcel })
    }

    /// Whether this machine's clock is near the server's; it is never set by it.
    async fn check_clock(&self, session: &Session) -> Result<(), ClientError> {
        let distance = self.clock_skew_ms(session).await?.unsigned_abs();
        if distance > MAX_SKEW_MS { Err(ClientError::Clock(distance)) } else { Ok(()) }
    }
}
