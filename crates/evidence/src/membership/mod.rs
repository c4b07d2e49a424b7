//! Membership statements (EV-15) and device statements (EV-20): who speaks in a room, and for whom.

mod change;
mod device;

pub use change::{Change, DeviceRef, GroupHashes, MlsHashes};
pub use device::{DeviceClaim, DeviceStatement};
use pki::Usage;

use crate::cose::{Header, Kind, Malformed, Object};
use crate::entry::Place;
use crate::hash::Hash;
use crate::limits::MAX_ENTRY;

/// A verified membership statement.
pub type Membership = Object<MembershipClaim>;

/// What a membership statement says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipClaim {
    /// SHA-256 of the signer's certificate.
    pub certificate: Hash,
    /// Where and when.
    pub place: Place,
    /// What changes.
    pub change: Change,
    /// Hashes of what goes with it in content suite 1.
    pub mls: MlsHashes,
}

impl Kind for MembershipClaim {
    const TYP: &'static str = "membership-v1+cose";
    const MAX: usize = MAX_ENTRY;
    const USAGE: Usage = Usage::Device;

    fn encode(&self) -> (Header, Vec<u8>) {
        (self.place.header(self.certificate), self.change.encode(self.place.epoch, &self.mls))
    }

    fn decode(header: &Header, payload: &[u8]) -> Result<Self, Malformed> {
        let place = Place::from_header(header)?;
        let (change, mls) = Change::decode(place.epoch, payload)?;
        Ok(Self { certificate: header.certificate, place, change, mls })
    }
}
