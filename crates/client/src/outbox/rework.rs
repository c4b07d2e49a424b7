//! What the server refused: given up, or signed again, once the refusal of every signature before is stored.
//!
//! A number belongs to one commitment for ever unless a refusal of what it was used for is stored. Content and salts stay;
//! the commitment changes with the number.

use std::collections::HashMap;

use evidence::Hash;
use evidence::content::Content;
use evidence::erasure::ErasureClaim;
use evidence::limits::MAX_SKEW_MS;
use evidence::membership::{Change, DeviceRef};
use evidence::refusal::Reason;

use super::waiting::{Ticket, ticket};
use crate::ClientError;
use crate::engine::{Core, Session};
use crate::mls::{Back, Blobs, OpenGroup, Plan, Renewal};
use crate::room::{Facts, Log, Room};
use crate::vault::{GroupRecords, OutboxRow, OutboxState, Parcel, VaultError, WriteTransaction};

/// What a room's group may need.
struct Care<'a> {
    /// The way back, if the group was lost when it was looked for.
    back: Option<Back>,
    /// What it is to be renewed with.
    renewal: Option<Renewal>,
    /// The other members.
    members: Vec<DeviceRef>,
    lingering: &'a [Hash],
    /// Whether message keys of this epoch were used for what is not in the log.
    skips: bool,
}

/// What came of the unsigned rows of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reworked {
    /// There is nothing to send.
    Nothing,
    /// There is something to send, or the room moved on meanwhile and is to be looked at again.
    More,
    /// It waits until somebody else's commit makes a way back into the group.
    NoWayBack,
}

/// How often a message is signed again in one push.
const TRIES: u32 = 5;

impl Core {
    /// Settles the unsigned rows of a room. Nothing of the room is under way.
    pub(super) async fn rework(
        &self,
        room: &Room,
        session: &Session,
        reasons: &HashMap<Ticket, Reason>,
        tries: &mut HashMap<Ticket, u32>,
    ) -> Result<Reworked, ClientError> {
        if reasons.values().any(|reason| *reason == Reason::Time) {
            self.check_clock(session).await?;
        }
        self.catch_up(room, session).await?;
        let own = self.owner.certificate.hash();
        // First, as it takes long: what is known of the room is to be of now.
        let before = self.with_fresh_log(room, |log| log.facts(&own, false)).await?;
        let back = self.find_way_back(room, session, &before).await?;
        let look = |log: &Log| (log.facts(&own, false), log.last_seq(&own), log.lingering(), log.members());
        let (facts, last, lingering, members) = self.with_fresh_log(room, look).await?;
        room.limit_acknowledged(last);
        let mut transaction = self.vault.begin().await?;
        if self.vault.room_size(&mut transaction, room.key).await? != facts.size {
            return Ok(Reworked::More);
        }
        let rows = self.vault.outbox_on(&mut transaction, room.key, last + 1, usize::MAX).await?;
        if rows.iter().any(|row| row.state == OutboxState::Signed) {
            // Not all have an answer: they are sent as they are before anything gets another number.
            return Ok(Reworked::More);
        }
        let mut open = self.open_group(&mut transaction, room).await?;
        // Nothing of this device is under way, a commit neither.
        open.discard()?;
        self.vault.drop_group_records(&mut transaction, GroupRecords::Returning(room.key)).await?;
        self.vault.clear_outbox(&mut transaction, room.key, 0, u64::MAX).await?;
        let at = facts.keys.map(|keys| keys.at);
        let lost = facts.member && at.is_some_and(|at| open.is_lost(at));
        let members: Vec<DeviceRef> =
            members.into_iter().filter(|member| member.certificate != own).collect();
        let renewal = room.renewal();
        if renewal.as_ref().is_some_and(|renewal| !facts.member || !renewal.fits(at, &members)) {
            // It was done, or the members are others now: whoever wanted it asks again.
            room.set_renewal(None);
            return Ok(Reworked::More);
        }
        match &back {
            _ if renewal.is_some() => {}
            Some(back) if lost && Some(back.at) != at => return Ok(Reworked::More),
            None if lost => {
                // A change is not made again: whoever waits for it is told.
                for row in rows.iter().filter(|row| !is_made_again(row)) {
                    let refused = ClientError::Refused(Reason::Epoch);
                    self.message_failed(room, &ticket(&row.parcel), refused, false);
                }
                return Ok(Reworked::NoWayBack);
            }
            _ => {}
        }
        let skips = at.is_some_and(|at| rows.iter().any(|row| row.parcel.is_sealed_in(room.id, at)));
        let care = Care { back, lingering: &lingering, skips, renewal, members };
        let commit = self.care_for(&mut transaction, room, &facts, last + 1, care, &mut open).await?;
        // What waits is sealed once the commit is in the log.
        let waits = commit.is_some();
        let (mut seq, mut again, mut given_up) = (last, Vec::new(), Vec::new());
        again.extend(commit.map(|parcel| {
            seq += 1;
            (room.key, OutboxRow { seq, state: OutboxState::Signed, parcel })
        }));
        for row in rows.into_iter().filter(|row| !row.parcel.is_care()) {
            let ticket = ticket(&row.parcel);
            let tried = tries.entry(ticket).or_default();
            *tried += u32::from(!waits);
            match verdict(&row, reasons.get(&ticket).copied(), *tried, &facts) {
                Some(error) => given_up.push((ticket, is_made_again(&row), error)),
                None => {
                    seq += 1;
                    let row = if waits {
                        OutboxRow { seq, ..row }
                    } else {
                        self.sign_again(room, &facts, seq, row, &mut open)?
                    };
                    again.push((room.key, row));
                }
            }
        }
        self.vault.put_outbox(&mut transaction, &again).await?;
        self.vault.reset_seq(&mut transaction, room.key, seq + 1).await?;
        self.store_group(&mut transaction, room, &mut open).await?;
        transaction.commit().await?;
        self.keep_group(room, open);
        for (ticket, said, error) in given_up {
            self.message_failed(room, &ticket, error, said);
        }
        Ok(if seq > last { Reworked::More } else { Reworked::Nothing })
    }

    /// What this device needs to come back into a group that it has lost.
    async fn find_way_back(
        &self,
        room: &Room,
        session: &Session,
        facts: &Facts,
    ) -> Result<Option<Back>, ClientError> {
        let Some(keys) = facts.keys.filter(|_| facts.member) else { return Ok(None) };
        let mut transaction = self.vault.begin().await?;
        let open = self.open_group(&mut transaction, room).await?;
        let lost = open.is_lost(keys.at) && room.renewal().is_none();
        self.keep_group(room, open);
        drop(transaction);
        let newest = self.with_log(room, Log::newest_group).await?.filter(|_| lost);
        let Some(group) = newest else { return Ok(None) };
        let mut blobs = Blobs::default();
        self.fetch_blobs(room, session, &[group.info, group.tree], &mut blobs).await?;
        self.with_log(room, |log| self.way_back(log, &blobs)).await
    }

    /// The commit that has to come before anything can be sealed: a return into a group that is lost, or fresh keys where devices
    /// linger, keys are due, or keys were used for messages that are not in the log (GR-18).
    async fn care_for(
        &self,
        transaction: &mut WriteTransaction,
        room: &Room,
        facts: &Facts,
        seq: u64,
        care: Care<'_>,
        open: &mut OpenGroup,
    ) -> Result<Option<Parcel>, ClientError> {
        let Some(keys) = facts.keys.filter(|_| facts.member) else { return Ok(None) };
        let Care { back, lingering, skips, renewal, members } = care;
        if let Some(renewal) = renewal {
            let (stay, removed) = renewal.divide(members);
            let at = (facts, keys.at);
            return self.sign_renewal(transaction, room, at, seq, (stay, removed)).await.map(Some);
        }
        if let Some(back) = back.filter(|_| open.is_lost(keys.at)) {
            return self.sign_return(transaction, room, facts, seq, &back).await.map(Some);
        }
        if !keys.lingering && !keys.due((self.clock)()) && !skips {
            return Ok(None);
        }
        let plan = Plan { change: Change::Update, packages: &[], lingering };
        self.sign_change(room, facts, seq, plan, open).map(Some)
    }

    fn sign_again(
        &self,
        room: &Room,
        facts: &Facts,
        seq: u64,
        row: OutboxRow,
        open: &mut OpenGroup,
    ) -> Result<OutboxRow, ClientError> {
        if let Some(ErasureClaim { erased, reason, .. }) = row.parcel.as_erasure() {
            let parcel = self.sign_erasure(room, facts, seq, erased, reason);
            return Ok(OutboxRow { seq, state: OutboxState::Signed, parcel });
        }
        let bytes = row.parcel.content.ok_or(VaultError::Damaged("outbox"))?;
        let content = Content::from_bytes(&bytes).map_err(|_| VaultError::Damaged("outbox"))?;
        let parcel = self.sign_content(room, facts, seq, &content, open)?;
        Ok(OutboxRow { seq, state: OutboxState::Signed, parcel })
    }

    /// Whether this machine's clock is near the server's; it is never set by it.
    async fn check_clock(&self, session: &Session) -> Result<(), ClientError> {
        let distance = self.clock_skew_ms(session).await?.unsigned_abs();
        if distance > MAX_SKEW_MS { Err(ClientError::Clock(distance)) } else { Ok(()) }
    }
}

/// Whether a row is signed again when it was refused; a change is made for the members as they were.
fn is_made_again(row: &OutboxRow) -> bool {
    row.parcel.content.is_some() || row.parcel.as_erasure().is_some()
}

/// Why a row is given up; `None` if it is to be signed again.
fn verdict(row: &OutboxRow, reason: Option<Reason>, tried: u32, facts: &Facts) -> Option<ClientError> {
    if !facts.member {
        return Some(ClientError::NotAMember);
    }
    if facts.keys.is_none() && row.parcel.content.is_some() {
        return Some(ClientError::Unencrypted);
    }
    match reason {
        Some(Reason::Epoch | Reason::Keys | Reason::Sequence | Reason::Time) | None
            if is_made_again(row) && tried <= TRIES =>
        {
            None
        }
        Some(reason) => Some(ClientError::Refused(reason)),
        None => Some(ClientError::Refused(Reason::Sequence)),
    }
}
