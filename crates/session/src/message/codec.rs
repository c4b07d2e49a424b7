//! `length u32 big-endian | deterministic CBOR` (SE-1).

use minicbor::{Decode, Encode};
use wire::cbor::{self, CborError};

/// Bytes of the length in front of each message.
const LENGTH_LEN: usize = 4;

/// Why a stream of messages cannot be read on.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum MessageError {
    /// The announced length is zero or over the limit in force.
    #[error("a message of {length} bytes; this session takes 1 to {limit}")]
    Length {
        /// Announced length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The body is not what was expected.
    #[error("a message that cannot be read: {0}")]
    Body(#[from] CborError),
}

/// Frames one message.
pub fn encode<T: Encode<()>>(message: &T) -> Vec<u8> {
    let body = cbor::to_vec(message);
    let mut out = Vec::with_capacity(LENGTH_LEN + body.len());
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(&body);
    out
}

/// Takes the channel's bytes and gives whole messages.
///
/// Holds at most one message of the limit in force and what came in one record behind it.
#[derive(Debug)]
pub struct MessageDecoder {
    buffer: Vec<u8>,
    read: usize,
    limit: usize,
}

impl MessageDecoder {
    /// A decoder that accepts messages of 1 to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), read: 0, limit }
    }

    /// Changes the limit for messages not yet taken, in bytes.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Adds bytes as they came from the channel.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.read > 0 {
            self.buffer.drain(..self.read);
            self.read = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, or `None` until more bytes came.
    ///
    /// # Errors
    /// [`MessageError`]; the stream cannot be read on after it.
    pub fn poll<T>(&mut self) -> Result<Option<T>, MessageError>
    where
        T: for<'b> Decode<'b, ()> + Encode<()>,
    {
        let rest = self.buffer.get(self.read..).unwrap_or_default();
        let Some((length, rest)) = rest.split_first_chunk::<LENGTH_LEN>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length == 0 || length > self.limit {
            return Err(MessageError::Length { length, limit: self.limit });
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let message = cbor::from_slice(body, self.limit)?;
        self.read += LENGTH_LEN + length;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Command, Request};

    #[test]
    fn messages_come_out_whole_however_the_bytes_are_cut() {
        let all: Vec<u8> = (0..5).flat_map(|id| encode(&Request { id, command: Command::Time })).collect();
        for cut in 1..all.len() {
            let mut decoder = MessageDecoder::new(64);
            let mut ids = Vec::new();
            for part in all.chunks(cut) {
                decoder.push(part);
                while let Some(Request { id, .. }) = decoder.poll().unwrap() {
                    ids.push(id);
                }
            }
            assert_eq!(ids, [0, 1, 2, 3, 4], "cut at {cut}");
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_its_body_is_held() {
        let mut decoder = MessageDecoder::new(64);
        decoder.push(&65u32.to_be_bytes());
        assert_eq!(decoder.poll::<Request>().unwrap_err(), MessageError::Length { length: 65, limit: 64 });
        let mut decoder = MessageDecoder::new(64);
        decoder.push(&0u32.to_be_bytes());
        assert_eq!(decoder.poll::<Request>().unwrap_err(), MessageError::Length { length: 0, limit: 64 });
    }

    /// SE-3
    #[test]
    fn commands_are_a_number_and_fields_and_a_number_that_is_not_used_is_refused() {
        let list = |user: Option<&str>| Command::DeviceList { user: user.map(str::to_owned), after: 7 };
        let room = minicbor::bytes::ByteArray::from([0; 32]);
        let append = Command::Append { room, statement: vec![1], content: None, files: Vec::new() };
        let put = Command::KeyPackagePut { packages: Vec::new(), last_resort: None };
        for (command, bytes) in [
            (Command::Time, vec![0x82, 0, 0x80]),
            (list(None), vec![0x82, 12, 0x82, 0xf6, 7]),
            (list(Some("a")), vec![0x82, 12, 0x82, 0x61, b'a', 7]),
            (Command::ImportLogin { ke1: vec![5] }, vec![0x82, 0x18, 33, 0x81, 0x41, 5]),
            (append, [&[0x82, 23, 0x84, 0x58, 32][..], &[0; 32], &[0x41, 1, 0xf6, 0x80]].concat()),
            // The null at the end is left out.
            (put, vec![0x82, 0x18, 36, 0x81, 0x80]),
        ] {
            assert_eq!(cbor::to_vec(&command), bytes);
            assert_eq!(cbor::from_slice::<Command>(&bytes, 64), Ok(command));
        }
        let unused = [&[0x82, 0x18, 25, 0x81, 0x58, 32][..], &[0; 32]].concat();
        assert_eq!(cbor::from_slice::<Command>(&unused, 64), Err(CborError::Malformed));
    }
}
