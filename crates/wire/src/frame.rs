//! The outer frames that cross TCP (`docs/channel.md`, CH-1 to CH-4).
//!
//! A frame is a 7-byte header and a body. [`FrameReader`] finds frames in a stream split anywhere; the
//! caller admits or refuses each header before one byte of its body is stored.

use crate::bytes::Writer;

/// Size of a frame header in bytes: type, epoch, length.
pub const HEADER_SIZE: usize = 7;

/// Largest body of any frame in bytes: a record of 16 KiB of content, its trailer and its tag (CH-4).
pub const MAX_BODY: usize = 16_384 + 3 + 16;

/// What a frame holds (CH-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameType {
    /// M1, the client's opening.
    ClientHello = 1,
    /// M2, the server's answer.
    ServerHello = 2,
    /// M3, the client's proof.
    ClientFinish = 3,
    /// An alert in clear, before there are keys.
    ClearAlert = 4,
    /// An alert under the handshake keys.
    SealedAlert = 5,
    /// A record under the keys of an epoch.
    Record = 6,
}

impl FrameType {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::ClientHello,
            2 => Self::ServerHello,
            3 => Self::ClientFinish,
            4 => Self::ClearAlert,
            5 => Self::SealedAlert,
            6 => Self::Record,
            _ => return None,
        })
    }
}

/// The 7 bytes before a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the body is.
    pub frame_type: FrameType,
    /// The epoch of a record's keys; 0 for every other type.
    pub epoch: u32,
    /// Size of the body in bytes.
    pub length: u16,
}

impl Header {
    /// The header as it stands on the wire: type, epoch, length.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEADER_SIZE] {
        let [e0, e1, e2, e3] = self.epoch.to_be_bytes();
        let [l0, l1] = self.length.to_be_bytes();
        [self.frame_type as u8, e0, e1, e2, e3, l0, l1]
    }

    fn from_bytes([kind, e0, e1, e2, e3, l0, l1]: [u8; HEADER_SIZE]) -> Option<Self> {
        Some(Self {
            frame_type: FrameType::from_byte(kind)?,
            epoch: u32::from_be_bytes([e0, e1, e2, e3]),
            length: u16::from_be_bytes([l0, l1]),
        })
    }
}

/// A whole frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its header, as admitted.
    pub header: Header,
    /// Its body, `header.length` bytes.
    pub body: Vec<u8>,
}

/// The frame of a handshake message or alert, header and body.
///
/// # Errors
/// [`BodyTooLong`] above [`MAX_BODY`].
pub fn encode(frame_type: FrameType, body: &[u8]) -> Result<Vec<u8>, BodyTooLong> {
    let length = u16::try_from(body.len())
        .ok()
        .filter(|_| body.len() <= MAX_BODY)
        .ok_or(BodyTooLong { length: body.len() })?;
    let mut writer = Writer::with_capacity(HEADER_SIZE.saturating_add(body.len()));
    writer.bytes(&Header { frame_type, epoch: 0, length }.to_bytes()).bytes(body);
    Ok(writer.into_vec())
}

/// A body that no frame can hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[error("a frame body of {length} bytes, the limit is {MAX_BODY}")]
pub struct BodyTooLong {
    /// Length of the body in bytes.
    pub length: usize,
}

/// Why a header was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum FrameError<E> {
    /// A type that does not exist.
    #[error("unknown frame type {0}")]
    UnknownType(u8),
    /// The caller's refusal.
    #[error(transparent)]
    Refused(E),
}

/// Collects frames from a stream of bytes; holds at most one unfinished frame.
#[derive(Debug, Default)]
pub struct FrameReader {
    head: [u8; HEADER_SIZE],
    head_filled: usize,
    open: Option<Frame>,
}

impl FrameReader {
    /// Takes bytes from the front of `input` until a frame is whole (`Some`) or `input` is used up (`None`).
    ///
    /// `admit` sees each header before its body is stored and may refuse it.
    ///
    /// # Errors
    /// [`FrameError`]; the stream cannot be read further.
    pub fn read<E>(
        &mut self,
        input: &mut &[u8],
        admit: impl FnOnce(&Header) -> Result<(), E>,
    ) -> Result<Option<Frame>, FrameError<E>> {
        let mut frame = match self.open.take() {
            Some(frame) => frame,
            None => match self.read_header(input)? {
                Some(header) => {
                    admit(&header).map_err(FrameError::Refused)?;
                    Frame { header, body: Vec::with_capacity(usize::from(header.length)) }
                }
                None => return Ok(None),
            },
        };
        let wanted = usize::from(frame.header.length).saturating_sub(frame.body.len());
        frame.body.extend_from_slice(take(input, wanted));
        if frame.body.len() == usize::from(frame.header.length) {
            return Ok(Some(frame));
        }
        self.open = Some(frame);
        Ok(None)
    }

    /// Whether the stream stands between two frames.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.head_filled == 0 && self.open.is_none()
    }

    fn read_header<E>(&mut self, input: &mut &[u8]) -> Result<Option<Header>, FrameError<E>> {
        let gap = self.head.get_mut(self.head_filled..).unwrap_or_default();
        let part = take(input, gap.len());
        for (to, from) in gap.iter_mut().zip(part) {
            *to = *from;
        }
        self.head_filled = self.head_filled.saturating_add(part.len());
        let [kind, ..] = self.head;
        if self.head_filled > 0 && FrameType::from_byte(kind).is_none() {
            return Err(FrameError::UnknownType(kind));
        }
        if self.head_filled < HEADER_SIZE {
            return Ok(None);
        }
        self.head_filled = 0;
        Header::from_bytes(self.head).ok_or(FrameError::UnknownType(kind)).map(Some)
    }
}

/// Splits at most `length` bytes off the front of `input`.
fn take<'a>(input: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (part, rest) = input.split_at_checked(length).unwrap_or((input, &[]));
    *input = rest;
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit_all(_: &Header) -> Result<(), ()> {
        Ok(())
    }

    #[test]
    fn frames_come_out_of_any_split() {
        let mut stream = encode(FrameType::ClientHello, b"first").unwrap();
        stream.extend(encode(FrameType::ClearAlert, b"").unwrap());
        stream.extend(encode(FrameType::ClientFinish, &[7; 300]).unwrap());
        for step in 1..stream.len() {
            let mut reader = FrameReader::default();
            let mut bodies = Vec::new();
            for part in stream.chunks(step) {
                let mut input = part;
                while let Some(frame) = reader.read(&mut input, admit_all).unwrap() {
                    bodies.push(frame.body);
                }
                assert!(input.is_empty());
            }
            assert_eq!(bodies, [b"first".to_vec(), Vec::new(), vec![7; 300]]);
            assert!(reader.is_between_frames());
        }
    }

    #[test]
    fn a_header_is_refused_before_its_body_is_stored() {
        let mut reader = FrameReader::default();
        let mut input = &[6, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3][..];
        assert_eq!(reader.read(&mut input, |header| Err(header.length)), Err(FrameError::Refused(0xffff)));
        assert_eq!(input, [1, 2, 3]);
    }

    #[test]
    fn an_unknown_type_is_refused_at_its_first_byte() {
        let mut input = &b"G"[..];
        assert_eq!(FrameReader::default().read(&mut input, admit_all), Err(FrameError::UnknownType(b'G')));
    }

    #[test]
    fn a_body_that_no_frame_can_hold_is_refused() {
        assert_eq!(encode(FrameType::Record, &[0; MAX_BODY + 1]), Err(BodyTooLong { length: MAX_BODY + 1 }));
    }
}
