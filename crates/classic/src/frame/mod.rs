//! How the classic protocols mark where a message ends (CL-3).

mod reader;

pub use reader::{FrameReader, write_frame};

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

/// How far a message has been looked at that was not whole yet, so that each byte is looked at once.
#[derive(Debug, Default)]
pub struct Scan {
    seen: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Framing {
    /// Finds the first message, `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`ClassicError::Limit`] as soon as a message is announced or grows above [`MAX_FRAME`];
    /// [`ClassicError::Malformed`] for bytes that begin no object.
    pub fn split(self, bytes: &[u8]) -> Result<Option<Split<'_>>, ClassicError> {
        self.resume(bytes, &mut Scan::default())
    }

    /// As [`Self::split`], for bytes that have only grown since `scan` looked at them last.
    ///
    /// # Errors
    /// Those of [`Self::split`].
    pub fn resume<'a>(self, bytes: &'a [u8], scan: &mut Scan) -> Result<Option<Split<'a>>, ClassicError> {
        let found = match self {
            Self::Length => length(bytes)?,
            Self::Line => until(bytes, b"\n", scan),
            Self::BlankLine => until(bytes, b"\n\n", scan),
            Self::Object => object(bytes, scan)?,
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

fn until<'a>(bytes: &'a [u8], mark: &[u8], scan: &mut Scan) -> Option<Split<'a>> {
    let start = scan.seen.saturating_sub(mark.len() - 1);
    scan.seen = bytes.len();
    let end = start + bytes.get(start..)?.windows(mark.len()).position(|window| window == mark)?;
    Some(Split { message: bytes.get(..end)?, taken: end + mark.len() })
}

/// Up to the bracket that closes the first one; whether it is JSON is for its reader to say. White space between objects is passed
/// over, as every JSON reader does.
fn object<'a>(bytes: &'a [u8], scan: &mut Scan) -> Result<Option<Split<'a>>, ClassicError> {
    let start = std::mem::replace(&mut scan.seen, bytes.len());
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            _ if scan.escaped => scan.escaped = false,
            b'\\' if scan.in_string => scan.escaped = true,
            b'"' if scan.depth > 0 => scan.in_string = !scan.in_string,
            _ if scan.in_string => {}
            b'{' => scan.depth += 1,
            _ if scan.depth == 0 && byte.is_ascii_whitespace() => {}
            _ if scan.depth == 0 => return Err(ClassicError::malformed("bytes that begin no object")),
            b'[' => scan.depth += 1,
            b'}' | b']' => scan.depth -= 1,
            _ => {}
        }
        if scan.depth == 0 && matches!(byte, b'}' | b']') {
            let taken = at + 1;
            return Ok(bytes
                .get(..taken)
                .map(|message| Split { message: message.trim_ascii_start(), taken }));
        }
    }
    Ok(None)
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

    #[test]
    fn objects_end_where_their_brackets_do() {
        for text in [r#"{"a": "}"}"#, r#"{"a": "\"}"}"#, r#"{"a": [{}, "]"]}"#, r#"{"a": "\\"}"#, "{}"] {
            let bytes = [b" \n", text.as_bytes(), b"{\"next"].concat();
            let split = Framing::Object.split(&bytes).unwrap().unwrap();
            assert_eq!(split, Split { message: text.as_bytes(), taken: text.len() + 2 });
        }
    }

    proptest! {
        /// Regression: bytes that came one by one were looked at again each time.
        #[test]
        fn what_comes_by_and_by_is_split_as_what_comes_at_once(bytes: Vec<u8>, text in "[{}\\[\\]\"\\\\ \n]{0,40}") {
            for bytes in [bytes, text.into_bytes()] {
                for framing in ALL {
                    let mut scan = Scan::default();
                    let mut by_and_by = Ok(None);
                    for end in 1..=bytes.len() {
                        by_and_by = framing.resume(&bytes[..end], &mut scan);
                        if !matches!(by_and_by, Ok(None)) {
                            break;
                        }
                    }
                    let at_once = framing.split(&bytes);
                    prop_assert_eq!(by_and_by.ok(), at_once.ok(), "{:?}", framing);
                }
            }
        }

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
