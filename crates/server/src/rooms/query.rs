//! What connections ask of rooms without the sequencer.

use evidence::receipt::{self, Receipt};
use evidence::room::RoomId;
use session::message::{FailureCode, Reply};
use store::{Hash, Store, StoreError};

use super::Session;
use crate::failure;
use crate::shared::Shared;

/// The two users of a direct room, in bytewise order.
pub(crate) async fn direct_parties(
    store: &dyn Store,
    room: &Hash,
) -> Result<Option<[String; 2]>, StoreError> {
    let mut users: Vec<String> = store.members(room).await?.into_iter().map(|m| m.user).collect();
    users.sort_unstable();
    users.dedup();
    Ok(users.try_into().ok())
}

/// Certificates of the devices that are members now.
pub(crate) async fn members_now(store: &dyn Store, room: &Hash) -> Result<Vec<Hash>, StoreError> {
    let members = store.members(room).await?;
    Ok(members.into_iter().filter(|m| m.to_index.is_none()).map(|m| m.certificate).collect())
}

/// What of a receipt the store wants to know.
pub(crate) struct CheckedReceipt {
    pub(crate) size: u64,
    pub(crate) level: u8,
}

/// A receipt has to stand by itself and with its cosignature, and to be this device's own, for a room that it is in. Its root is not compared here: one that differs is
/// evidence of a fork and reaches the others.
pub(crate) async fn check_receipt(
    shared: &Shared,
    session: &Session,
    room: &Hash,
    receipt: &[u8],
    cosignature: &[u8],
) -> Result<CheckedReceipt, Reply> {
    let wrong =
        |why: &str| failure::failed(FailureCode::Malformed, format!("the receipt is not acceptable: {why}"));
    let receipt = Receipt::parse(receipt).map_err(|e| wrong(&e.to_string()))?;
    let (signer, room_id) = (&session.signer, RoomId(*room));
    let receipt = receipt::check(receipt, cosignature, signer, &signer.identity().organisation, room_id)
        .map_err(|e| wrong(&e.to_string()))?;
    let members = members_now(shared.store.as_ref(), room).await.map_err(|e| failure::store(&e))?;
    if !members.contains(&session.certificate) {
        return Err(failure::failed(FailureCode::NotFound, "you are in no such room"));
    }
    Ok(CheckedReceipt { size: receipt.head.size, level: receipt.level as u8 })
}
