//! What a user's devices keep for each other: the history key, and pieces of history (SE-38, SE-39).

use minicbor::bytes::ByteArray;
use session::limits::{self, FETCH_BYTES};
use session::message::{HistoryKeyHolder, HistoryPiece, Reply};
use store::{Hash, NewHistory};

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
    let found = shared.store.history_keys(&session.user).await.map_err(|e| failure::store(&e))?;
    let holder =
        |(certificate, has_key): (Hash, bool)| HistoryKeyHolder { certificate: certificate.into(), has_key };
    Ok(Reply::HistoryKeys { devices: found.into_iter().map(holder).collect() })
}

pub(super) async fn put_key(
    shared: &Shared,
    session: &Session,
    certificate: &Hash,
    sealed: Option<&[u8]>,
) -> Answer {
    let own = *certificate == session.certificate;
    if own != sealed.is_none_or(<[u8]>::is_empty) {
        return Err(malformed("a history key that a device cannot give itself, or another none of"));
    }
    if !own {
        let device = shared.store.device(certificate).await.map_err(|e| failure::store(&e))?;
        if device.is_none_or(|device| device.user != session.user) {
            return Err(not_found("you have no such device"));
        }
    }
    shared.store.put_history_key(certificate, sealed).await.map_err(|e| failure::store(&e))?;
    Ok(Reply::Done)
}

pub(super) async fn get_key(shared: &Shared, session: &Session) -> Answer {
    let sealed = shared.store.history_key(&session.certificate).await.map_err(|e| failure::store(&e))?;
    Ok(Reply::HistoryKey { sealed })
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
    Ok(Reply::History { pieces: found.into_iter().map(piece).collect() })
}
