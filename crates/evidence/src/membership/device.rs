//! Device statements: an earlier device vouches for a new key of the same user (EV-20).

use pki::ed25519::PublicKey;
use pki::{Holder, Name, Usage, VerifiedCertificate};
use wire::cbor;

use crate::cose::{Header, Kind, Malformed, Object};
use crate::hash::{Hash, HashBytes};
use crate::limits::MAX_SMALL;

/// A verified device statement.
pub type DeviceStatement = Object<DeviceClaim>;

/// What a device statement says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceClaim {
    /// SHA-256 of the certificate of the device that vouches.
    pub certificate: Hash,
    /// When it was signed, Unix milliseconds.
    pub time_ms: u64,
    /// The user of both devices.
    pub user: Name,
    /// Name of the new device.
    pub device: Name,
    /// Key of the new device.
    pub key: Hash,
}

type Parts<'a> = (&'a str, &'a str, HashBytes);

impl DeviceClaim {
    /// A claim that `key` is that of `user`'s new `device`, for the device with `certificate` to sign.
    pub fn new(certificate: Hash, time_ms: u64, user: Name, device: Name, key: &PublicKey) -> Self {
        Self { certificate, time_ms, user, device, key: *key.as_bytes() }
    }

    /// Whether this, signed under `voucher`, vouches for `device`: same user and organisation, and name and key are
    /// those of the statement.
    pub fn vouches_for(&self, voucher: &VerifiedCertificate, device: &VerifiedCertificate) -> bool {
        let expected = Holder::Device { user: self.user.clone(), device: self.device.clone() };
        voucher.hash() == self.certificate
            && voucher.hash() != device.hash()
            && voucher.identity().organisation == device.identity().organisation
            && voucher.identity().user() == Some(&self.user)
            && device.identity().holder == expected
            && *device.key().as_bytes() == self.key
    }
}

impl Kind for DeviceClaim {
    const TYP: &'static str = "device-v1+cose";
    const MAX: usize = MAX_SMALL;
    const USAGE: Usage = Usage::Device;

    fn encode(&self) -> (Header, Vec<u8>) {
        let header =
            Header { certificate: self.certificate, time_ms: Some(self.time_ms), ..Header::default() };
        let parts: Parts<'_> = (self.user.as_str(), self.device.as_str(), HashBytes(self.key));
        (header, cbor::to_vec(&parts))
    }

    fn decode(header: &Header, payload: &[u8]) -> Result<Self, Malformed> {
        let wrong = Malformed::Payload("not that of a device statement");
        let (user, device, key) = cbor::from_slice::<Parts<'_>>(payload, MAX_SMALL).map_err(|_| wrong)?;
        Ok(Self {
            certificate: header.certificate,
            time_ms: header.time_ms.ok_or(Malformed::Header)?,
            user: Name::canonical(user).map_err(|_| wrong)?,
            device: Name::canonical(device).map_err(|_| wrong)?,
            key: key.0,
        })
    }
}
