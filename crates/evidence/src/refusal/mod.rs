//! Refusals: the log's word that one exact statement will never be in it (EV-32).

use pki::Usage;
use wire::cbor;

use crate::cose::{Header, Kind, Malformed, Object};
use crate::hash::{Hash, HashBytes};
use crate::limits::MAX_SMALL;
use crate::room::{RoomId, Unacceptable};

/// A verified refusal.
pub type Refusal = Object<RefusalClaim>;

/// What a refusal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalClaim {
    /// SHA-256 of the log's certificate, under which it is signed.
    pub certificate: Hash,
    /// The room.
    pub room: RoomId,
    /// When it was signed, Unix milliseconds.
    pub time_ms: u64,
    /// SHA-256 of the exact bytes of what is refused.
    pub statement: Hash,
    /// SHA-256 of the certificate of the device that signed it.
    pub device: Hash,
    /// Its number.
    pub seq: u64,
    /// Why.
    pub reason: Reason,
}

/// Why a statement is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    /// 1
    #[error("the sender is no member of the room")]
    NotAMember = 1,
    /// 2
    #[error("the number is not the sender's next one")]
    Sequence = 2,
    /// 3
    #[error("the room is in another epoch: read on and send again")]
    Epoch = 3,
    /// 4
    #[error("the checkpoint seen is not of this log")]
    CheckpointSeen = 4,
    /// 5
    #[error("its time is more than 5 minutes from the server's")]
    Time = 5,
    /// 6
    #[error("the ciphertext is not the one it names")]
    Ciphertext = 6,
    /// 7
    #[error("the change does not fit the members")]
    Membership = 7,
    /// 8
    #[error("the sender's certificate is revoked")]
    Revoked = 8,
    /// 9
    #[error("too large")]
    TooLarge = 9,
    /// 10
    #[error("devices that are gone still hold the room's keys: fresh keys first, then send again")]
    Keys = 10,
    /// 11
    #[error("what it erases is not there, is no message of the sender's user, or was erased before")]
    Erasure = 11,
}

impl Reason {
    const ALL: [Self; 11] = [
        Self::NotAMember,
        Self::Sequence,
        Self::Epoch,
        Self::CheckpointSeen,
        Self::Time,
        Self::Ciphertext,
        Self::Membership,
        Self::Revoked,
        Self::TooLarge,
        Self::Keys,
        Self::Erasure,
    ];

    /// The number in the payload.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The stable word for people and scripts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotAMember => "not-a-member",
            Self::Sequence => "sequence",
            Self::Epoch => "epoch",
            Self::CheckpointSeen => "checkpoint-seen",
            Self::Time => "time",
            Self::Ciphertext => "ciphertext",
            Self::Membership => "membership",
            Self::Revoked => "revoked",
            Self::TooLarge => "too-large",
            Self::Keys => "keys",
            Self::Erasure => "erasure",
        }
    }
}

impl From<Unacceptable> for Reason {
    fn from(reason: Unacceptable) -> Self {
        match reason {
            Unacceptable::OtherRoom | Unacceptable::NotAMember => Self::NotAMember,
            Unacceptable::Revoked => Self::Revoked,
            Unacceptable::Sequence { .. } => Self::Sequence,
            Unacceptable::Epoch { .. } => Self::Epoch,
            Unacceptable::CheckpointSeen => Self::CheckpointSeen,
            Unacceptable::Time { .. } => Self::Time,
            Unacceptable::Lingering => Self::Keys,
            Unacceptable::Membership(_) => Self::Membership,
            Unacceptable::Erasure(_) => Self::Erasure,
        }
    }
}

type Parts = (HashBytes, HashBytes, u64, u8);

impl Kind for RefusalClaim {
    const TYP: &'static str = "refusal-v1+cose";
    const MAX: usize = MAX_SMALL;
    const USAGE: Usage = Usage::Log;

    fn encode(&self) -> (Header, Vec<u8>) {
        let header = Header {
            certificate: self.certificate,
            room: Some(self.room.0),
            time_ms: Some(self.time_ms),
            ..Header::default()
        };
        let parts: Parts =
            (HashBytes(self.statement), HashBytes(self.device), self.seq, self.reason.number());
        (header, cbor::to_vec(&parts))
    }

    fn decode(header: &Header, payload: &[u8]) -> Result<Self, Malformed> {
        let wrong = Malformed::Payload("not that of a refusal");
        let (statement, device, seq, reason) =
            cbor::from_slice::<Parts>(payload, MAX_SMALL).map_err(|_| wrong)?;
        Ok(Self {
            certificate: header.certificate,
            room: RoomId(header.room.ok_or(Malformed::Header)?),
            time_ms: header.time_ms.ok_or(Malformed::Header)?,
            statement: statement.0,
            device: device.0,
            seq,
            reason: Reason::ALL.into_iter().find(|known| known.number() == reason).ok_or(wrong)?,
        })
    }
}
