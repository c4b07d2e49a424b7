//! The archive: `ustar` with exactly one encoding (EV-33), and the manifest that goes along (EV-34).

use std::io::{self, Read, Write};

use aws_lc_rs::digest;

use super::stop::Stop;
use crate::verdict::Code;

/// Bytes of a block.
pub(super) const BLOCK: usize = 512;
/// Largest part: what 11 octal digits can say.
pub(super) const MAX_PART: u64 = (1 << 33) - 1;
const MAX_NAME: usize = 99;

/// The header of a part, with its one encoding; `None` for a name or size that a bundle has not.
pub(super) fn header(name: &str, size: u64) -> Option<[u8; BLOCK]> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(plain) || size > MAX_PART {
        return None;
    }
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        block.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
    };
    put(0, name.as_bytes());
    put(100, b"0000644\x000000000\x000000000\x00");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\x00        0");
    put(257, b"ustar\x0000");
    let sum: u64 = block.iter().copied().map(u64::from).sum();
    let mut put = |at: usize, bytes: &[u8]| {
        block.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
    };
    put(148, format!("{sum:06o}\0 ").as_bytes());
    Some(block)
}

/// NULs that fill a body of `size` bytes to whole blocks.
pub(super) fn padding(size: u64) -> usize {
    usize::try_from(size % BLOCK as u64).map_or(0, |over| (BLOCK - over) % BLOCK)
}

/// A line of the manifest.
pub(super) fn manifest_line(hash: &[u8], name: &str) -> String {
    format!("{}  {name}\n", hex::encode(hash))
}

/// A part whose header was read and whose body was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) size: u64,
}

/// Reads an archive part by part, keeping the manifest of what it read.
pub(super) struct Reader<R> {
    input: io::BufReader<R>,
    manifest: String,
    next: Option<Part>,
    ended: bool,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input: io::BufReader::with_capacity(1 << 16, input),
            manifest: String::new(),
            next: None,
            ended: false,
        }
    }

    /// The part that comes next, `None` at the end of the archive, which must be the end of the file.
    pub(super) fn peek(&mut self) -> Result<Option<&Part>, Stop> {
        if self.next.is_none() && !self.ended {
            self.next = self.read_header()?;
            self.ended = self.next.is_none();
        }
        Ok(self.next.as_ref())
    }

    fn read_header(&mut self) -> Result<Option<Part>, Stop> {
        let mut block = [0; BLOCK];
        self.fill(&mut block)?;
        if block == [0; BLOCK] {
            self.fill(&mut block)?;
            if block != [0; BLOCK] {
                return Err(Stop::new(Code::UnknownPart, "a part after the end"));
            }
            return match self.input.read(&mut [0]) {
                Ok(0) => Ok(None),
                Ok(_) => Err(Stop::new(Code::Trailing, "bytes after the end of the archive")),
                Err(error) => Err(Stop::Io(error)),
            };
        }
        let read = || {
            let name = block.get(..MAX_NAME + 1)?.split(|b| *b == 0).next()?;
            let name = std::str::from_utf8(name).ok()?;
            let size = std::str::from_utf8(block.get(124..135)?).ok()?;
            let size = u64::from_str_radix(size, 8).ok()?;
            (header(name, size)? == block).then(|| Part { name: name.to_owned(), size })
        };
        let odd = || Stop::new(Code::UnknownPart, "a header that no bundle has");
        read().map(Some).ok_or_else(odd)
    }

    /// Opens the part that was peeked at.
    pub(super) fn open(&mut self) -> Option<Body<'_, R>> {
        let part = self.next.take()?;
        Some(Body { left: part.size, part, hash: digest::Context::new(&digest::SHA256), reader: self })
    }

    /// The manifest of the parts read so far.
    pub(super) fn manifest(&self) -> &str {
        &self.manifest
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Stop> {
        self.input.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Stop::new(Code::Cut, "the file ends before its end"),
            _ => Stop::Io(error),
        })
    }
}

/// The body of a part.
pub(super) struct Body<'a, R> {
    reader: &'a mut Reader<R>,
    part: Part,
    left: u64,
    hash: digest::Context,
}

impl<R: Read> Body<'_, R> {
    /// Bytes not read yet.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Reads up to `most` bytes more onto the end of `buffer`.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>, most: usize) -> Result<(), Stop> {
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        let start = buffer.len();
        buffer.resize(start + count, 0);
        let fresh = buffer.get_mut(start..).unwrap_or_default();
        self.reader.fill(fresh)?;
        self.hash.update(fresh);
        self.left -= count as u64;
        Ok(())
    }

    /// Reads a whole body of at most `limit` bytes; memory grows with what is read, not with what is claimed.
    pub(super) fn read_all(mut self, limit: u64) -> Result<Vec<u8>, Stop> {
        const STEP: usize = 1 << 20;
        if self.left > limit {
            return Err(Stop::new(Code::TooLarge, format!("{} has more than {limit} bytes", self.part.name)));
        }
        let mut bytes = Vec::new();
        while self.left > 0 {
            self.read(&mut bytes, STEP)?;
        }
        self.finish()?;
        Ok(bytes)
    }

    /// Reads the padding and enters the part into the manifest; the body was read to its end.
    pub(super) fn finish(self) -> Result<(), Stop> {
        let mut block = [0; BLOCK];
        let padding = block.get_mut(..padding(self.part.size)).unwrap_or_default();
        self.reader.fill(padding)?;
        if padding.iter().any(|b| *b != 0) {
            return Err(Stop::new(Code::UnknownPart, format!("{} has odd padding", self.part.name)));
        }
        self.reader.manifest.push_str(&manifest_line(self.hash.finish().as_ref(), &self.part.name));
        Ok(())
    }
}

/// Writes an archive part by part.
pub(super) struct Writer<W> {
    pub(super) output: W,
    manifest: String,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(output: W) -> Self {
        Self { output, manifest: String::new() }
    }

    /// Writes a whole part.
    pub(super) fn part(&mut self, name: &str, body: &[u8]) -> io::Result<()> {
        let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
        self.output.write_all(&block_of(name, size)?)?;
        self.output.write_all(body)?;
        self.close(name, size, digest::digest(&digest::SHA256, body).as_ref())
    }

    /// Pads a body of `size` bytes that was written to `output`, and enters it into the manifest.
    pub(super) fn close(&mut self, name: &str, size: u64, hash: &[u8]) -> io::Result<()> {
        self.output.write_all([0; BLOCK].get(..padding(size)).unwrap_or_default())?;
        self.manifest.push_str(&manifest_line(hash, name));
        Ok(())
    }

    /// Writes the manifest and the end.
    pub(super) fn finish(mut self, manifest_name: &str) -> io::Result<W> {
        let manifest = std::mem::take(&mut self.manifest);
        self.part(manifest_name, manifest.as_bytes())?;
        self.output.write_all(&[0; 2 * BLOCK])?;
        self.output.flush()?;
        Ok(self.output)
    }
}

/// The header as an error of the writer's.
pub(super) fn block_of(name: &str, size: u64) -> io::Result<[u8; BLOCK]> {
    header(name, size)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a part too large for a bundle"))
}
