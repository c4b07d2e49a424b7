//! Where a message ends, for a listener that takes every protocol.

use classic::frame::Framing;

/// Size of the header of Countersign's frames, in bytes: type, epoch, length (channel.md, CH-1).
const HEADER: usize = 7;

/// Where a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// A classic protocol's: messages come without their marks.
    Classic(Framing),
    /// Countersign's frames: header and body are the message.
    Countersign,
}

impl Marks {
    /// The first message and how many bytes it takes; `None` if more are needed.
    pub fn split(self, bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
        match self {
            Self::Classic(framing) => {
                let split = framing.split(bytes).ok().flatten()?;
                let mut message = split.message.to_vec();
                // CL-40: the server's key ends in three newlines, of which the last two are the marks.
                let more = bytes.get(split.taken..)?.iter().take_while(|byte| **byte == b'\n').count();
                let more = if framing == Framing::BlankLine { more } else { 0 };
                message.extend(std::iter::repeat_n(b'\n', more));
                Some((message, split.taken + more))
            }
            Self::Countersign => {
                let header = bytes.first_chunk::<HEADER>()?;
                let [.., high, low] = *header;
                let taken = HEADER + usize::from(u16::from_be_bytes([high, low]));
                bytes.get(..taken).map(|frame| (frame.to_vec(), taken))
            }
        }
    }

    /// A message as it stands on the wire.
    pub fn frame(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Classic(framing) => framing.frame(message),
            Self::Countersign => message.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: the third newline stayed behind.
    #[test]
    fn what_is_split_stands_on_the_wire_as_before() {
        let marks = Marks::Classic(Framing::BlankLine);
        let wire = b"SERVER_PUB\n-----END PUBLIC KEY-----\n\n\n";
        let (message, taken) = marks.split(wire).unwrap();
        assert_eq!((marks.frame(&message).as_slice(), taken), (wire.as_slice(), wire.len()));
        let marks = Marks::Classic(Framing::Line);
        assert_eq!(marks.split(b"{}\n\n").unwrap(), (b"{}".to_vec(), 3));
    }
}
