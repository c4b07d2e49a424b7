//! Revocation entries: from here on a certificate is no longer good (EV-18).

use pki::Usage;
use pki::trust::Reason;
use wire::cbor;

use super::Place;
use crate::cose::{Header, Kind, Malformed, Object};
use crate::hash::{Hash, HashBytes};
use crate::limits::MAX_SMALL;

/// A verified revocation entry.
pub type Revocation = Object<RevocationClaim>;

/// What a revocation entry says. It raises the room's epoch by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationClaim {
    /// SHA-256 of the log's certificate, under which it is signed.
    pub certificate: Hash,
    /// Where and when; the log key counts its own entries in the room.
    pub place: Place,
    /// SHA-256 of the certificate that is revoked.
    pub revoked: Hash,
    /// Why.
    pub reason: Reason,
}

type Parts = (HashBytes, u8, u64, u64);

impl Kind for RevocationClaim {
    const TYP: &'static str = "revocation-v1+cose";
    const MAX: usize = MAX_SMALL;
    const USAGE: Usage = Usage::Log;

    fn encode(&self) -> (Header, Vec<u8>) {
        let new_epoch = self.place.epoch.saturating_add(1);
        let parts: Parts = (HashBytes(self.revoked), self.reason.number(), self.place.epoch, new_epoch);
        (self.place.header(self.certificate), cbor::to_vec(&parts))
    }

    fn decode(header: &Header, payload: &[u8]) -> Result<Self, Malformed> {
        let wrong = Malformed::Payload("not that of a revocation entry");
        let (revoked, reason, old_epoch, new_epoch) =
            cbor::from_slice::<Parts>(payload, MAX_SMALL).map_err(|_| wrong)?;
        let place = Place::from_header(header)?;
        if old_epoch != place.epoch || old_epoch.checked_add(1) != Some(new_epoch) {
            return Err(Malformed::Payload("the epochs do not follow"));
        }
        let reason = Reason::try_from(reason).map_err(|_| wrong)?;
        Ok(Self { certificate: header.certificate, place, revoked: revoked.0, reason })
    }
}
