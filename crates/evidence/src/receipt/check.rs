//! Whether a receipt stands with its cosignature, as far as no log is needed to tell (EV-27, EV-30, EV-31).
//!
//! Servers before they pass one on, clients before they keep or export it and the verifier ask here: what one of them
//! takes, none of the others refuses.

use pki::trust::NoRevocations;
use pki::{Organisation, VerifiedCertificate};

use super::{Receipt, ReceiptClaim};
use crate::checkpoint::{Checkpoint, Cosignature, Origin, device_name};
use crate::cose::{Unsound, Unverified};
use crate::limits::{ANCHOR_SLACK_MS, MAX_SKEW_MS};
use crate::room::RoomId;

/// Why a receipt does not stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReceipt {
    /// Its own signature does not verify.
    #[error("{0}")]
    Unsound(#[from] Unsound),
    /// It is of another room.
    #[error("it is of another room")]
    OtherRoom,
    /// Its signer is no device of a user of the organisation.
    #[error("it is not by a device of the organisation")]
    NoDevice,
    /// The signer's certificate was not valid at the receipt's time.
    #[error("its certificate was not valid then")]
    CertificateTime,
    /// The cosignature is not one of the same device over the checkpoint named.
    #[error("its cosignature does not verify")]
    Cosignature,
    /// The times of receipt and cosignature are too far apart.
    #[error("its cosignature is of another time")]
    CosignatureTime,
}

/// Checks a receipt of `room` and the cosignature beside it under the signer's certificate. Whether the checkpoint is
/// one of the log, and its giver a member, is for the caller.
///
/// # Errors
/// [`BadReceipt`], by the first thing found wrong.
pub fn check(
    receipt: Unverified<ReceiptClaim>,
    cosignature: &[u8],
    signer: &VerifiedCertificate,
    organisation: &Organisation,
    room: RoomId,
) -> Result<Receipt, BadReceipt> {
    let receipt = receipt.verify(signer)?;
    if receipt.room != room {
        return Err(BadReceipt::OtherRoom);
    }
    let identity = signer.identity();
    let (user, device) = identity
        .user()
        .zip(identity.device())
        .filter(|_| identity.organisation == *organisation)
        .ok_or(BadReceipt::NoDevice)?;
    // EV-31
    signer.recheck(receipt.time_ms, &NoRevocations).map_err(|_| BadReceipt::CertificateTime)?;
    let checkpoint = Checkpoint { origin: Origin::room(organisation, room), head: receipt.head };
    let cosignature = Cosignature::from_bytes(cosignature).ok_or(BadReceipt::Cosignature)?;
    let time_s = cosignature
        .verify(&checkpoint, &device_name(organisation, user, device), signer.key())
        .map_err(|_| BadReceipt::Cosignature)?;
    if time_s.saturating_mul(1_000).abs_diff(receipt.time_ms) > MAX_SKEW_MS + ANCHOR_SLACK_MS {
        return Err(BadReceipt::CosignatureTime);
    }
    Ok(receipt)
}
