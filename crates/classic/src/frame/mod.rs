//! How the classic protocols mark where a message ends (CL-3).

mod reader;

pub use reader::{FrameReader, write_frame};

use serde::de::IgnoredAny;

use crate::ClassicError;
use crate::limits::MAX_FRAME;

/// Where a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A length of four bytes, big-endian, and so many bytes (`cianr-pss`, `cianr-pkcs1`).
    Length,
    /// A newline (`cianr-line`).
    Line,
    /// An empty line (`key-transport`).
    BlankLine,
    /// The end of a JSON object (`broadcast`).
    Object,
}

/// A message at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// The message without its marks.
    pub message: &'a [u8],
    /// How many bytes it takes with them.
    pub taken: usize,
}

impl Framing {
    /// Finds the first message, `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`ClassicError::Limit`] as soon as a message is announced or grows above [`MAX_FRAME`];
    /// [`ClassicError::Malformed`] for bytes that begin no object.
    pub fn split(self, bytes: &[u8]) -> Result<Option<Split<'_>>, ClassicError> {
        let found = match self {
            Self::Length => length(bytes)?,
            Self::Line => until(bytes, b"\n"),
            Self::BlankLine => until(bytes, b"\n\n"),
            Self::Object => object(bytes)?,
        };
        match &found {
            Some(split) if split.message.len() > MAX_FRAME => Err(too_long()),
            None if bytes.len() > MAX_FRAME + LENGTH_LEN => Err(too_long()),
            _ => Ok(found),
        }
    }

    /// A message with its marks.
    pub fn frame(self, message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        match self {
            Self::Length => [&length.to_be_bytes(), message].concat(),
            Self::Line => [message, b"\n"].concat(),
            Self::BlankLine => [message, b"\n\n"].concat(),
            Self::Object => message.to_vec(),
        }
    }
}

const LENGTH_LEN: usize = 4;

fn too_long() -> ClassicError {
    ClassicError::Limit { what: "bytes in a message", limit: MAX_FRAME }
}

fn length(bytes: &[u8]) -> Result<Option<Split<'_>>, ClassicError> {
    let Some((head, rest)) = bytes.split_first_chunk::<LENGTH_LEN>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
    if length > MAX_FRAME {
        return Err(too_long());
    }
    Ok(rest.get(..length).map(|message| Split { message, taken: LENGTH_LEN + length }))
}

fn until<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<Split<'a>> {
    let end = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some(Split { message: bytes.get(..end)?, taken: end + mark.len() })
}

/// White space between objects is passed over, as every JSON reader does.
fn object(bytes: &[u8]) -> Result<Option<Split<'_>>, ClassicError> {
    if bytes.trim_ascii_start().first().is_some_and(|byte| *byte != b'{') {
        return Err(ClassicError::malformed("bytes that begin no object"));
    }
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    match values.next() {
        None => Ok(None),
        Some(Ok(_)) => {
            let taken = values.byte_offset();
            Ok(bytes.get(..taken).map(|message| Split { message: message.trim_ascii_start(), taken }))
        }
        Some(Err(error)) if error.is_eof() => Ok(None),
        Some(Err(error)) => Err(ClassicError::malformed(error)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Framing; 4] = [Framing::Length, Framing::Line, Framing::BlankLine, Framing::Object];

    #[test]
    fn every_framing_finds_what_it_framed_and_waits_for_the_rest() {
        for framing in ALL {
            let both = [framing.frame(b"{\"a\": 1}"), framing.frame(b"{}")].concat();
            let split = framing.split(&both).unwrap().unwrap();
            assert_eq!(split.message, b"{\"a\": 1}");
            let rest = &both[split.taken..];
            assert_eq!(framing.split(rest).unwrap().unwrap(), Split { message: b"{}", taken: rest.len() });
            for end in 0..8 {
                assert_eq!(framing.split(&both[..end]).unwrap(), None, "{framing:?} {end}");
            }
        }
    }

    /// Regression: four gigabytes announced before anything is known of the peer (CL-2).
    #[test]
    fn what_is_announced_too_long_is_refused_before_it_comes() {
        assert!(matches!(Framing::Length.split(&[255; 4]), Err(ClassicError::Limit { .. })));
        for framing in [Framing::Line, Framing::BlankLine] {
            assert!(framing.split(&vec![b'a'; MAX_FRAME]).unwrap().is_none());
            assert!(matches!(framing.split(&vec![b'a'; MAX_FRAME + 5]), Err(ClassicError::Limit { .. })));
        }
        let deep = vec![b'['; MAX_FRAME];
        assert!(Framing::Object.split(&deep).is_err());
        let mut long = vec![b'{'];
        long.resize(MAX_FRAME + 5, b' ');
        assert!(matches!(Framing::Object.split(&long), Err(ClassicError::Limit { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_split_or_refused(bytes: Vec<u8>) {
            for framing in ALL {
                if let Ok(Some(split)) = framing.split(&bytes) {
                    prop_assert!(split.taken <= bytes.len() && split.message.len() <= split.taken);
                    prop_assert!(split.taken > 0);
                }
            }
        }
    }
}
