//! Rooms, their logs and receipts (SE-18).

use std::sync::Arc;

use minicbor::bytes::ByteArray;
use session::limits::{FETCH_BYTES, FETCH_ENTRIES, LIST_PAGE};
use session::message::{Entry, Event, ReceiptItem, Reply, RoomInfo};
use store::{Hash, Member, NewReceipt, ReceiptOutcome};

use super::{Answer, malformed, not_found};
use crate::clock::now_ms;
use crate::connection::not_allowed;
use crate::failure;
use crate::rooms::{STATEMENT, Session, check_receipt, direct_parties, members_now};
use crate::shared::Shared;

/// Receipts in one answer.
const RECEIPTS: u32 = 256;

pub(super) async fn list(shared: &Shared, session: &Session, after: u64) -> Answer {
    let page =
        shared.store.rooms_of(&session.user, after, LIST_PAGE).await.map_err(|e| failure::store(&e))?;
    let mut rooms = Vec::with_capacity(page.len());
    for listing in page {
        let made = listing.room.made;
        let direct_with = match made.direct {
            Some(_) => {
                direct_parties(shared.store.as_ref(), &made.id).await.map_err(|e| failure::store(&e))?
            }
            None => None,
        };
        let direct_with = direct_with.map(|[a, b]| if a == session.user { b } else { a });
        rooms.push(RoomInfo {
            room: made.id.into(),
            name: made.name.unwrap_or_default(),
            mode: made.mode.into(),
            suite: made.suite.into(),
            direct_with,
            size: listing.size,
            member: listing.member_now,
            position: listing.room.position,
        });
    }
    Ok(Reply::Rooms { rooms })
}

/// The spans of the log in which this device was a member; none is told to others (SE-18).
pub(super) struct Visible(Vec<Member>);

impl Visible {
    pub(super) async fn of(shared: &Shared, session: &Session, room: &Hash) -> Result<Self, Reply> {
        let spans = shared.store.memberships(room, &session.certificate).await;
        let spans = spans.map_err(|e| failure::store(&e))?;
        if spans.is_empty() {
            return Err(not_found("you are in no such room"));
        }
        Ok(Self(spans))
    }

    /// The spans of all devices of this user: a ciphertext is of no use without a key, which the devices give each other (SE-36).
    pub(super) async fn of_user(shared: &Shared, session: &Session, room: &Hash) -> Result<Self, Reply> {
        let mut spans = Self::of(shared, session, room).await?;
        let devices = shared.store.devices_of(&session.user).await.map_err(|e| failure::store(&e))?;
        for device in devices.iter().filter(|device| device.certificate != session.certificate) {
            let more = shared.store.memberships(room, &device.certificate).await;
            spans.0.extend(more.map_err(|e| failure::store(&e))?);
        }
        Ok(spans)
    }

    pub(super) fn content(&self, index: u64) -> bool {
        self.0.iter().any(|m| index >= m.from_index && m.to_index.is_none_or(|end| index <= end))
    }

    /// The span that ends the part that may be read: a member reads from where it starts, and a former one up to its
    /// last removal; none while it is a member.
    fn end(&self) -> Option<&Member> {
        let members = self.0.iter().any(|m| m.to_index.is_none());
        self.0.iter().filter(|_| !members).max_by_key(|m| m.to_index)
    }
}

pub(super) async fn fetch(shared: &Shared, session: &Session, room: &Hash, from: u64, limit: u64) -> Answer {
    // The head before the spans: who is removed in between is shown what stands up to its removal.
    let head = shared.store.room_head(room).await.map_err(|e| failure::store(&e))?;
    let head = head.ok_or_else(|| not_found("you are in no such room"))?;
    let visible = Visible::of(shared, session, room).await?;
    let (size, checkpoint) = match visible.end() {
        Some(Member { to_index: Some(end), closing, .. }) => {
            (end.saturating_add(1), closing.clone().unwrap_or(head.checkpoint))
        }
        _ => (head.size, head.checkpoint),
    };
    let count = u32::try_from(limit.min(FETCH_ENTRIES)).unwrap_or(u32::MAX);
    let found =
        shared.store.entries(room, from, count, FETCH_BYTES as u64).await.map_err(|e| failure::store(&e))?;
    // What was erased since the head was read is erased by an entry behind it: nobody is to hold the log whole, and say in a receipt
    // that it was given no content, before it has read why (SE-50).
    let erased = found.iter().any(|e| e.kind == STATEMENT && e.ciphertext.is_none());
    let checkpoint = if erased && visible.end().is_none() {
        let now = shared.store.room_head(room).await.map_err(|e| failure::store(&e))?;
        now.map_or(checkpoint, |head| head.checkpoint)
    } else {
        checkpoint
    };
    // What was appended after the head was read would lie beyond its checkpoint.
    let entries = found.into_iter().take_while(|e| e.index < size).map(|e| Entry {
        content: e.ciphertext.filter(|_| visible.content(e.index)),
        statement: e.statement,
    });
    Ok(Reply::Entries { room: (*room).into(), first: from, entries: entries.collect(), checkpoint })
}

pub(super) async fn put_receipt(
    shared: &Shared,
    session: &Session,
    room: &ByteArray<32>,
    receipt: Vec<u8>,
    cosignature: Vec<u8>,
) -> Answer {
    let checked = check_receipt(shared, session, room, &receipt, &cosignature).await?;
    let stored = shared
        .store
        .put_receipts(vec![NewReceipt {
            room: **room,
            device: session.certificate,
            size: checked.size,
            level: checked.level,
            receipt: receipt.clone(),
            cosignature: cosignature.clone(),
            received_ms: now_ms(),
        }])
        .await
        .map_err(|e| failure::store(&e))?;
    match stored.first() {
        Some(ReceiptOutcome::Kept { .. }) => {
            let members = members_now(shared.store.as_ref(), room).await.map_err(|e| failure::store(&e))?;
            shared.hub.publish(Event::Receipt { room: *room, receipt, cosignature }, members.iter());
            Ok(Reply::Done)
        }
        Some(ReceiptOutcome::Covered) => Ok(Reply::Done),
        Some(ReceiptOutcome::Unknown) | None => Err(malformed("a receipt for no room")),
    }
}

pub(super) async fn receipts(shared: &Arc<Shared>, session: &Session, room: &Hash, from: u64) -> Answer {
    let visible = Visible::of(shared, session, room).await?;
    if visible.end().is_some() {
        return Err(not_allowed("you are no longer a member of this room"));
    }
    let found = shared
        .store
        .receipts(room, from.saturating_sub(1), RECEIPTS)
        .await
        .map_err(|e| failure::store(&e))?;
    let receipts = found.into_iter().map(|r| ReceiptItem {
        id: r.id,
        receipt: r.made.receipt,
        cosignature: r.made.cosignature,
    });
    Ok(Reply::Receipts { receipts: receipts.collect() })
}
