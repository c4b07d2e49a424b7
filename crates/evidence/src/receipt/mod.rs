//! Receipts: a recipient's word on what it got (EV-30, EV-31).

mod check;

pub use check::{BadReceipt, check};
use pki::Usage;
use wire::cbor;

use crate::cose::{Header, Kind, Malformed, Object};
use crate::hash::Hash;
use crate::limits::{MAX_RECEIPT, MAX_UNOPENED};
use crate::log::TreeHead;
use crate::room::RoomId;

/// A verified receipt.
pub type Receipt = Object<ReceiptClaim>;

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptClaim {
    /// SHA-256 of the recipient's certificate.
    pub certificate: Hash,
    /// The room.
    pub room: RoomId,
    /// When it was signed, Unix milliseconds.
    pub time_ms: u64,
    /// The checkpoint up to which the device holds the log.
    pub head: TreeHead,
    /// How far the messages came.
    pub level: Level,
    /// First index of the range.
    pub from: u64,
    /// Last index of the range, below the size of the checkpoint.
    pub to: u64,
    /// Indices of the range, ascending, whose content the device does not have or could not use.
    pub unopened: Vec<(u64, Unopened)>,
}

/// How far messages came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The device holds statement and content and found them good.
    Delivered = 1,
    /// Its user was shown them.
    Shown = 2,
}

/// Why a message could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unopened {
    /// The server gave no content.
    Withheld = 1,
    /// The content is not what the statement commits to.
    Mismatch = 2,
    /// It could not be decrypted.
    NotDecryptable = 3,
    /// It was erased before the device could open it.
    Erased = 4,
}

type Parts = (u8, u64, u64, Vec<(u64, u8)>);

impl ReceiptClaim {
    /// Whether the receipt covers the message at `index`.
    pub fn covers(&self, index: u64) -> bool {
        (self.from..=self.to).contains(&index)
            && self.unopened.binary_search_by_key(&index, |(unopened, _)| *unopened).is_err()
    }
}

impl Kind for ReceiptClaim {
    const TYP: &'static str = "receipt-v1+cose";
    const MAX: usize = MAX_RECEIPT;
    const USAGE: Usage = Usage::Device;

    fn encode(&self) -> (Header, Vec<u8>) {
        let header = Header {
            certificate: self.certificate,
            room: Some(self.room.0),
            time_ms: Some(self.time_ms),
            checkpoint: Some(self.head),
            ..Header::default()
        };
        let unopened = self.unopened.iter().map(|(index, reason)| (*index, *reason as u8)).collect();
        let parts: Parts = (self.level as u8, self.from, self.to, unopened);
        (header, cbor::to_vec(&parts))
    }

    fn decode(header: &Header, payload: &[u8]) -> Result<Self, Malformed> {
        let wrong = Malformed::Payload("not that of a receipt");
        let (level, from, to, unopened) =
            cbor::from_slice::<Parts>(payload, MAX_RECEIPT).map_err(|_| wrong)?;
        let head = header.checkpoint.ok_or(Malformed::Header)?;
        let level = match level {
            1 => Level::Delivered,
            2 => Level::Shown,
            _ => return Err(wrong),
        };
        let in_range = unopened.iter().all(|(index, _)| (from..=to).contains(index));
        let ascending = unopened.is_sorted_by(|(a, _), (b, _)| a < b);
        if from > to || to >= head.size || !in_range || !ascending || unopened.len() > MAX_UNOPENED {
            return Err(Malformed::Payload("the receipt's range"));
        }
        let reason = |(index, reason)| {
            let reason = match reason {
                1 => Unopened::Withheld,
                2 => Unopened::Mismatch,
                3 => Unopened::NotDecryptable,
                4 => Unopened::Erased,
                _ => return Err(wrong),
            };
            Ok((index, reason))
        };
        Ok(Self {
            certificate: header.certificate,
            room: RoomId(header.room.ok_or(Malformed::Header)?),
            time_ms: header.time_ms.ok_or(Malformed::Header)?,
            head,
            level,
            from,
            to,
            unopened: unopened.into_iter().map(reason).collect::<Result<_, _>>()?,
        })
    }
}
