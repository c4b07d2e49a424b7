//! Records: sealing and opening (CH-40 to CH-46).
//!
//! - [`padding`]: the size classes.
//! - [`Sealer`], [`Opener`]: one direction in one epoch each.

pub(crate) mod padding;

use std::fmt;

use wire::frame::{FrameType, HEADER_SIZE, Header};

use crate::limits::EpochLimits;
use crate::schedule::seal::{SealKey, TAG_SIZE};
use crate::{Error, LocalFailure, MAX_RECORD_CONTENT, Malformed, Misbehaviour};

/// `kind u8 | size u16` behind content and padding (CH-41).
const TRAILER_SIZE: usize = 3;

/// What a record adds to content and padding, its frame header apart, in bytes.
pub(crate) const OVERHEAD: usize = TRAILER_SIZE + TAG_SIZE;

/// What a record is (CH-46).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Data = 1,
    Confirm = 2,
    RekeyRequest = 3,
    RekeyResponse = 4,
    RekeyDone = 5,
    AskRekey = 6,
    Alert = 7,
    Close = 8,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Data,
            2 => Self::Confirm,
            3 => Self::RekeyRequest,
            4 => Self::RekeyResponse,
            5 => Self::RekeyDone,
            6 => Self::AskRekey,
            7 => Self::Alert,
            8 => Self::Close,
            _ => return None,
        })
    }
}

/// An opened record.
pub(crate) struct Record {
    pub(crate) kind: Kind,
    pub(crate) content: Vec<u8>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({:?}, {} bytes)", self.kind, self.content.len())
    }
}

/// What a direction has used of its epoch.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Records; the next one's number.
    pub(crate) records: u64,
    /// Bytes of plaintext, padding included.
    pub(crate) bytes: u64,
}

impl Usage {
    /// Counts one more record (CH-72).
    fn add(&mut self, plaintext: usize, limits: &EpochLimits) -> Result<u64, Error> {
        let number = self.records;
        let bytes = self.bytes.saturating_add(u64::try_from(plaintext).unwrap_or(u64::MAX));
        if number >= limits.records || bytes > limits.bytes {
            return Err(Error::EpochUsedUp);
        }
        *self = Self { records: number + 1, bytes };
        Ok(number)
    }
}

/// Seals what this side sends in one epoch.
#[derive(Debug)]
pub(crate) struct Sealer {
    key: SealKey,
    epoch: u32,
    usage: Usage,
}

impl Sealer {
    pub(crate) fn new(key: SealKey, epoch: u32) -> Self {
        Self { key, epoch, usage: Usage::default() }
    }

    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    /// Appends one record to `out`. `content` has at most 16,384 bytes.
    ///
    /// # Errors
    /// [`Error::EpochUsedUp`], or a failure of the library; nothing is appended then.
    pub(crate) fn seal(
        &mut self,
        kind: Kind,
        content: &[u8],
        limits: &EpochLimits,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let failure = LocalFailure::Cryptography;
        let size = u16::try_from(content.len()).map_err(|_| failure)?;
        let padded = padding::class_of(content.len()).ok_or(failure)?;
        let plaintext = padded + TRAILER_SIZE;
        let length = u16::try_from(plaintext + TAG_SIZE).map_err(|_| failure)?;
        let header = Header { frame_type: FrameType::Record, epoch: self.epoch, length }.to_bytes();
        let number = self.usage.add(plaintext, limits)?;

        let start = out.len();
        out.reserve(HEADER_SIZE + plaintext + TAG_SIZE);
        out.extend_from_slice(&header);
        out.extend_from_slice(content);
        out.resize(start + HEADER_SIZE + padded, 0);
        out.push(kind as u8);
        out.extend_from_slice(&size.to_be_bytes());
        let sealed = out
            .get_mut(start + HEADER_SIZE..)
            .ok_or(failure)
            .and_then(|plaintext| self.key.seal(number, &header, plaintext));
        match sealed {
            Ok(tag) => out.extend_from_slice(&tag),
            Err(failure) => {
                out.truncate(start);
                return Err(failure.into());
            }
        }
        Ok(())
    }
}

/// Opens what the peer sends in one epoch.
#[derive(Debug)]
pub(crate) struct Opener {
    key: SealKey,
    epoch: u32,
    usage: Usage,
}

impl Opener {
    pub(crate) fn new(key: SealKey, epoch: u32) -> Self {
        Self { key, epoch, usage: Usage::default() }
    }

    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    /// Refuses a header that cannot be the next record's, before its body is stored (CH-4, CH-42, CH-45).
    pub(crate) fn admit(&self, header: &Header) -> Result<(), Error> {
        if header.epoch != self.epoch {
            return Err(Misbehaviour::WrongEpoch { got: header.epoch, current: self.epoch }.into());
        }
        let padded = usize::from(header.length).checked_sub(OVERHEAD).ok_or(Malformed::FrameHeader)?;
        if padding::is_class(padded) { Ok(()) } else { Err(Malformed::FrameHeader.into()) }
    }

    /// Opens the next record, in place.
    ///
    /// # Errors
    /// [`Misbehaviour::BadRecord`] if it does not open, [`Malformed::Record`] if it opens to something else,
    /// [`Error::EpochUsedUp`].
    pub(crate) fn open(
        &mut self,
        header: &Header,
        mut body: Vec<u8>,
        limits: &EpochLimits,
    ) -> Result<Record, Error> {
        let number = self.usage.add(body.len().saturating_sub(TAG_SIZE), limits)?;
        self.key.open(number, &header.to_bytes(), &mut body).map_err(|_| Misbehaviour::BadRecord)?; // CH-44
        let (padded, &[kind, size0, size1]) =
            body.split_last_chunk::<TRAILER_SIZE>().ok_or(Malformed::Record)?;
        let kind = Kind::from_byte(kind).ok_or(Malformed::Record)?;
        let size = usize::from(u16::from_be_bytes([size0, size1]));
        let (content, pad) = padded.split_at_checked(size).ok_or(Malformed::Record)?;
        // CH-42
        if padding::class_of(content.len()) != Some(padded.len()) || pad.iter().any(|byte| *byte != 0) {
            return Err(Malformed::Record.into());
        }
        body.truncate(size);
        Ok(Record { kind, content: body })
    }
}

const _: () = assert!(MAX_RECORD_CONTENT + OVERHEAD == wire::frame::MAX_BODY);

#[cfg(test)]
mod tests;
