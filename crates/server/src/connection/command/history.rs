//! What a user's devices keep for each other: history keys, and pieces of history (SE-38, SE-39).

use minicbor::bytes::ByteArray;
use session::limits::{self, FETCH_BYTES};
use session::message::{HistoryBox, HistoryKeysGiven, HistoryPiece, Reply};
use store::{Hash, NewHistory};

use super::room::Visible;
use super::{Answer, malformed, not_found};
use crate::clock::now_ms;
use crate::failure;
use crate::rooms::Session;
use crate::shared::Shared;

// What the store keeps is what clients are told.
const _: () = {
    use {limits as told, store::limits as kept};
    assert!(told::MAX_HISTORY_BOX == kept::MAX_HISTORY_BOX);
    assert!(told::MAX_HISTORY_PIECE == kept::MAX_HISTORY_PIECE);
    assert!(told::MAX_HISTORY == kept::MAX_HISTORY);
};

pub(super) async fn keys(shared: &Shared, session: &Session) -> Answer {
    let given =
        shared.store.history_keys_given(&session.certificate).await.map_err(|e| failure::store(&e))?;
    let given = given
        .into_iter()
        .map(|(certificate, keys)| HistoryKeysGiven { certificate: certificate.into(), keys });
    Ok(Reply::HistoryKeys { given: given.collect() })
}

pub(super) async fn put_keys(
    shared: &Shared,
    session: &Session,
    certificate: &Hash,
    keys: u32,
    sealed: &[u8],
) -> Answer {
    if sealed.is_empty() || *certificate == session.certificate {
        return Err(malformed("a box with history keys that is empty or its giver's own"));
    }
    let device = shared.store.device(certificate).await.map_err(|e| failure::store(&e))?;
    if device.is_none_or(|device| device.user != session.user) {
        return Err(not_found("you have no such device"));
    }
    let put = shared.store.put_history_box(certificate, &session.certificate, keys, sealed).await;
    put.map_err(|e| failure::store(&e))?;
    Ok(Reply::Done)
}

pub(super) async fn boxes(shared: &Shared, session: &Session) -> Answer {
    let found = shared.store.history_boxes(&session.certificate).await.map_err(|e| failure::store(&e))?;
    let boxes =
        found.into_iter().map(|(giver, keys, sealed)| HistoryBox { giver: giver.into(), keys, sealed });
    Ok(Reply::HistoryBoxes { boxes: boxes.collect() })
}

pub(super) async fn taken(
    shared: &Shared,
    session: &Session,
    giver: &Hash,
    keys: u32,
    opened: bool,
) -> Answer {
    let taken = shared.store.take_history_box(&session.certificate, giver, keys, opened).await;
    taken.map_err(|e| failure::store(&e))?;
    Ok(Reply::Done)
}

pub(super) async fn put(
    shared: &Shared,
    session: &Session,
    room: Hash,
    (first, end): (u64, u64),
    piece: Vec<u8>,
) -> Answer {
    if !piece.is_empty() && end <= first {
        return Err(malformed("a piece of history that is about nothing"));
    }
    Visible::of(shared, session, &room).await?;
    let head = shared.store.room_head(&room).await.map_err(|e| failure::store(&e))?;
    if head.is_none_or(|head| end > head.size) {
        return Err(malformed("a piece of history about entries that there are not"));
    }
    shared.hands_in_history(session.certificate, piece.len(), now_ms())?;
    let piece = NewHistory { device: session.certificate, room, first, end, piece };
    let end = shared.store.put_history(piece).await.map_err(|e| failure::store(&e))?;
    Ok(Reply::HistoryHeld { end })
}

pub(super) async fn get(shared: &Shared, session: &Session, room: &Hash, after: u64) -> Answer {
    let found = shared
        .store
        .history(&session.user, &session.certificate, room, after, FETCH_BYTES)
        .await
        .map_err(|e| failure::store(&e))?;
    let piece = |piece: store::History| HistoryPiece {
        position: piece.position,
        certificate: ByteArray::from(piece.device),
        first: piece.first,
        end: piece.end,
        piece: piece.piece,
    };
    let last = shared.store.last_history().await.map_err(|e| failure::store(&e))?;
    Ok(Reply::History { last, pieces: found.into_iter().map(piece).collect() })
}
